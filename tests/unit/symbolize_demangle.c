/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "symbolize/demangle/demangle.h"

TestSuite(demangle, .timeout = 60);

struct pair {
	const char *raw, *shown;
};

/* The symbols are of g++ 12 and rustc 1.95. */
static const struct pair names[] = {
    {"malloc", "malloc"},
    {"", ""},
    {"_", "_"},
    {"_start", "_start"},
    {"@", "@"},
    {"clock_gettime@@GLIBC_2.17", "clock_gettime"},
    {"memcpy@GLIBC_2.2.5", "memcpy"},
    {"pool_get.isra.0", "pool_get"},
    {"set_values.constprop.0.isra.0", "set_values"},
    {"match.part.3.cold", "match"},
    {"engine.step", "engine.step"},
    {"_ZN9OrderBook6insertERK5Order.isra.0", "OrderBook::insert"},
    {"bad\x1b[31m\nname", "bad?[31m?name"},
    {"_Zbroken", "_Zbroken"},
    /* C++ */
    {"_ZN9OrderBook6insertERK5Order", "OrderBook::insert"},
    {"_ZN9OrderBook6insertERK5Order.cold", "OrderBook::insert"},
    {"_ZN9OrderBook6insertERK5Order@@V1", "OrderBook::insert"},
    {"_ZNK9OrderBookltERKS_", "OrderBook::operator<"},
    {"_ZNK9OrderBookcvbEv", "OrderBook::operator bool"},
    {"_ZNK9OrderBook3getIiEET_v", "OrderBook::get<int>"},
    {"_ZN12_GLOBAL__N_16hiddenEi", "(anonymous namespace)::hidden"},
    {"_ZNK1lMUliE_clEi", "l::{lambda(int)#1}::operator()"},
    {"_ZNSt6vectorISt10shared_ptrI5OrderESaIS2_EE9push_backERKS2_", "std::vector<...>::push_back"},
    {"_ZNSt6vectorISt10shared_ptrI5OrderESaIS2_EE17_M_realloc_insertIJS2_EEEvN9__gnu_cxx17__normal_"
     "iteratorIPS2_"
     "S4_EEDpOT_",
	"std::vector<...>::_M_realloc_insert<std::shared_ptr<Order> >"},
    {"_ZNK9OrderBook3getISt3mapINSt7__cxx1112basic_stringIcSt11char_"
     "traitsIcESaIcEEESt6vectorIiSaIiEESt4lessIS7_"
     "ESaISt4pairIKS7_SA_EEEEET_v",
	"OrderBook::get<...>"},
    /* Rust, legacy and v0 */
    {"_ZN1a9OrderBook6insert17h9155b3cbaa28ad11E", "a::OrderBook::insert"},
    {"_ZN1a9OrderBook6insert28_$u7b$$u7b$closure$u7d$$u7d$17h4d03dd6c1bfc38aaE",
	"a::OrderBook::insert::{{closure}}"},
    {"_ZN4core3ptr33drop_in_place$LT$a..OrderBook$GT$17h1a5a67598430db45E",
	"core::ptr::drop_in_place<a::OrderBook>"},
    {"_RINvCs6xxl1lAjzDf_1a3runNCNvMs_B2_NtB2_9OrderBook6insert0EB2_",
	"a::run::<<a::OrderBook>::insert::{closure#0}>"},
    {"_RINvMNtCsgEmfK2I1SDS_4core6optionINtB3_6OptionReE11map_or_elseNtNtCslNYArtu3iFV_"
     "5alloc6string6StringNCNvNtB1"
     "2_3fmt6format0NvYeNtNtB12_6borrow7ToOwned8to_ownedECs6xxl1lAjzDf_1a",
	"<core::option::Option<&str>>::map_or_else::<...>"},
    /* D */
    {"_Dmain", "D main"},
    {"_D8demangle4testFaZv", "demangle.test"},
    {"_D3foo3barMxFZv", "foo.bar"},
    {"_D4mod13fooFNeZ3barMFZv", "mod1.foo.bar"},
    {"_D8demangle__T4testTaZQiFiZv", "demangle.test!(char).test"},
    {"_D8demangle__T4testTaTaTaTaTaTaTaTaTaTaZQFiZv", "_D8demangle__T4testTaTaTaTaTaTaTaTaTaTaZQFiZv"},
    {"_Dbroken", "_Dbroken"},
};

static const struct pair long_names[] = {
    {"_ZNSt6vectorISt10shared_ptrI5OrderESaIS2_EE9push_backERKS2_",
	"std::vector<std::shared_ptr<Order>, std::allocator<std::shared_ptr<Order> > >::push_back"},
    {"_ZN9OrderBook6insertERK5Order.cold", "OrderBook::insert"},
    {"_ZN1a9OrderBook6insert17h9155b3cbaa28ad11E", "a::OrderBook::insert"},
    {"malloc@@GLIBC_2.2.5", "malloc"},
};

Test(demangle, long_names)
{
	char shown[MP_DEMANGLED_MAX];

	for (size_t i = 0; i < sizeof(long_names) / sizeof(long_names[0]); i++) {
		mp_demangle(long_names[i].raw, true, shown);
		cr_expect_str_eq(shown, long_names[i].shown, "%s: got %s", long_names[i].raw, shown);
	}
}

Test(demangle, names_as_a_reader_wants_them)
{
	char shown[MP_DEMANGLED_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		mp_demangle(names[i].raw, false, shown);
		cr_expect_str_eq(
		    shown, names[i].shown, "%s: got %s, expected %s", names[i].raw, shown, names[i].shown);
	}
}

static const struct pair templates[] = {
    {"f<1234567890123456789012345678901234567890>", "f<1234567890123456789012345678901234567890>"},
    {"f<12345678901234567890123456789012345678901>", "f<...>"},
    {"std::operator<< <1234567890123456789012345678901234567890, 1>", "std::operator<< <...>"},
    {"X::operator->", "X::operator->"},
    {"X<1234567890123456789012345678901234567890, (&A::operator>)>::f", "X<...>::f"},
    {"X<1234567890123456789012345678901234567890, ((1)>(2))>::f<int>", "X<...>::f<int>"},
    {"<A as core::long::long::long::long::long::long::long::Trait>::f",
	"<A as core::long::long::long::long::long::long::long::Trait>::f"},
    {"f<unbalanced 1234567890123456789012345678901234567890",
	"f<unbalanced 1234567890123456789012345678901234567890"},
    {"my_operator<12345678901234567890123456789012345678901>", "my_operator<...>"},
    {"<<<<<>", "<<<<<>"},
    {"a.f!(1234567890123456789012345678901234567890)", "a.f!(1234567890123456789012345678901234567890)"},
    {"a.f!(1234567890, 234567890123456789, (2345678901)).g!(int)", "a.f!(...).g!(int)"},
    {"a.f!((((", "a.f!(((("},
};

Test(demangle, long_template_arguments)
{
	for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
		char name[256];

		strcpy(name, templates[i].raw);
		mp_shorten_templates(name);
		cr_expect_str_eq(name, templates[i].shown, "%s: got %s", templates[i].raw, name);
	}
}

Test(demangle, overlong_names_are_cut)
{
	static char raw[100000];
	char shown[MP_DEMANGLED_MAX];

	memset(raw, 'x', sizeof(raw) - 1);
	mp_demangle(raw, false, shown);
	cr_assert_eq(strlen(shown), MP_SHORT_NAME_MAX - 1);
	cr_assert_str_eq(shown + MP_SHORT_NAME_MAX - 4, "...");
	mp_demangle(raw, true, shown);
	cr_assert_eq(strlen(shown), MP_DEMANGLED_MAX - 1);
	cr_assert_str_eq(shown + MP_DEMANGLED_MAX - 4, "...");
	memcpy(raw, "_ZN", 3);
	mp_demangle(raw, false, shown);
	cr_assert_eq(strncmp(shown, "_ZNxxx", 6), 0);
}

/* f<P<int, int>, P<the one before, the one before>, ...>: `levels` pairs, each twice as long as the one
 * before. */
static void make_doubling(char *raw, size_t size, int levels)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	snprintf(raw, size, "_Z1fI1PIiiE");
	for (int i = 0; i < levels; i++) {
		size_t n = strlen(raw);

		snprintf(raw + n, size - n, "S0_IS%c_S%c_E", digits[1 + i], digits[1 + i]);
	}
	strcat(raw, "Evv");
}

/* 30 levels would be 2^30 characters, written by a symbol of 300. */
Test(demangle, exponential_expansion_is_given_up)
{
	char raw[512], shown[MP_DEMANGLED_MAX];

	make_doubling(raw, sizeof(raw), 3);
	mp_demangle(raw, false, shown);
	cr_assert_str_eq(shown, "f<...>", "the symbol is not as meant: %s", raw);
	make_doubling(raw, sizeof(raw), 30);
	mp_demangle(raw, false, shown);
	cr_assert_str_eq(shown, raw);
}

/* Readings of D names that double with each part, in names of some hundred characters. */
Test(demangle, exponential_readings_are_given_up)
{
	static const char *const parts[] = {
	    "C1aF", "S3__T1aTQb", "HQbQd", "FQbQd", "C1aMF", "DF", "__T1aS9_D1a", "S11"};
	char raw[4096], shown[MP_DEMANGLED_MAX];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (int n = 1; n < 400; n = n < 40 ? n + 1 : 2 * n) {
			strcpy(raw, "_D1aF");
			for (int k = 0; k < n; k++)
				strcat(raw, parts[i]);
			mp_demangle(raw, false, shown);
			strcat(raw, "Zv");
			mp_demangle(raw, false, shown);
		}
	}
}

Test(demangle, random_damage_does_no_harm)
{
	char raw[512], shown[MP_DEMANGLED_MAX];
	uint64_t x = 88172645463325252;

	for (int i = 0; i < 200000; i++) {
		const char *from = names[(size_t)i % (sizeof(names) / sizeof(names[0]))].raw;
		size_t n = strlen(from);

		strcpy(raw, from);
		for (int k = 0; n && k < 3; k++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			raw[x % n] = k == 2 ? from[(x >> 20) % n] : (char)(33 + (x >> 20) % 94);
		}
		mp_demangle(raw, false, shown);
		cr_assert_lt(strlen(shown), MP_DEMANGLED_MAX);
	}
}

Test(demangle, parameters)
{
	static const struct {
		const char *raw, *parameters;
	} functions[] = {
	    {"_ZN9OrderPool7acquireEm", "(unsigned long)"},
	    {"_ZNK9OrderPool4sizeEv", "() const"},
	    {"_ZN3FooclEPFviE", "(void (*)(int))"},
	    {"_ZN9OrderPool4growEm.cold", "(unsigned long)"},
	    {"malloc@@GLIBC_2.2.5", ""},
	    {"_Z", ""},
	    {"", ""},
	};
	char out[MP_DEMANGLED_MAX];

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		mp_demangle_parameters(functions[i].raw, out);
		cr_assert_str_eq(out, functions[i].parameters, "%s", functions[i].raw);
	}
}
