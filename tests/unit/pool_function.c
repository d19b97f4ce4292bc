/* SPDX-License-Identifier: MIT */
#include "sampler/pools/function.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sampler/pools/profile.h"

/* A running target (tests/targets/pool_functions.cc), in whose files functions are found, and a folder. */
static pid_t target_pid;
static int target_in = -1;
static struct mp_target target;
static char folder[] = "/tmp/mpsample-pools.XXXXXX";

static void begin(void)
{
	char self[PATH_MAX] = "", program[PATH_MAX + 64], ready;
	int in[2], out[2];

	cr_assert(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	snprintf(program, sizeof(program), "%s/../targets/pool_functions", dirname(self));
	cr_assert(mkdtemp(folder) && !chdir(folder) && !pipe(in) && !pipe(out));
	target_pid = fork();
	if (!target_pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	target_in = in[1];
	cr_assert_eq(read(out[0], &ready, 1), 1);
	cr_assert_eq(mp_target_open(target_pid, &target, NULL), 0);
}

static void end(void)
{
	mp_target_close(&target);
	kill(target_pid, SIGKILL);
	waitpid(target_pid, NULL, 0);
	close(target_in);
	cr_assert_eq(system("rm -r ./*.ini ./*.fifo 2>/dev/null; cd / && true"), 0);
	rmdir(folder);
}

TestSuite(pool_function, .init = begin, .fini = end);

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	cr_assert(f && fputs(text, f) >= 0 && !fclose(f));
}

static void refuses(const char *text, int code, const char *says)
{
	struct mp_pool_set set;
	struct mp_err err = {0};

	write_file("a.ini", text);
	cr_expect_eq(mp_pool_resolve(&target, "a.ini", &set, &err), code, "%s: %s", text, err.text);
	cr_expect(strstr(err.text, says), "says: %s\nshould: %s", err.text, says);
	cr_expect(!set.functions && !set.kinds, "something was left behind");
}

static struct mp_pool_set resolved(const char *text)
{
	struct mp_pool_set set;
	struct mp_err err = {0};

	write_file("a.ini", text);
	cr_assert_eq(mp_pool_resolve(&target, "a.ini", &set, &err), 0, "%s", err.text);
	/* The profile of std::pmr finds libstdc++ in any C++ program. */
	cr_assert_str_eq(set.notes, "");
	return set;
}

/* The functions of the first section, which has index 0. */
static const struct mp_pool_function *find(const struct mp_pool_set *set, unsigned int kind, size_t i)
{
	for (size_t k = 0; k < set->n; k++)
		if (set->functions[k].pool_kind == 0 && set->functions[k].kind == kind && !i--)
			return &set->functions[k];
	return NULL;
}

Test(pool_function, a_class)
{
	struct mp_pool_set set = resolved("[pool orders]\n"
					  "module = pool_functions   ; file name\n"
					  "create = OrderPool::OrderPool(pool=arg0, capacity=arg1)\n"
					  "  destroy = OrderPool::~OrderPool(pool=arg0)\n"
					  "get = OrderPool::acquire()\n"
					  "    (pool=arg0,\n"
					  "     ptr=ret)\n"
					  "get = OrderPool::grow(pool=arg0, ptr=ret)\n"
					  "put = OrderPool::release(pool=arg0, ptr=arg1)\n"
					  "clear = OrderPool::reset(pool=arg0)\n"
					  "capacity = u32@arg0+24\n"
					  "object_bytes = 128\n");

	cr_assert_str_eq(set.kinds[0].name, "orders");
	cr_assert_str_eq(set.kinds[0].source, "a.ini");
	cr_assert(!set.kinds[0].is_one && !set.kinds[0].by_size);
	const struct mp_pool_function *create = find(&set, MPSAMPLE_KIND_POOL_CREATE, 0);
	cr_assert(create && create->capacity.from == MP_FETCH_ARG && create->capacity.number == 1);
	cr_assert(!find(&set, MPSAMPLE_KIND_POOL_CREATE, 1), "both names of a constructor are one");
	cr_assert(find(&set, MPSAMPLE_KIND_POOL_DESTROY, 0));
	cr_assert(find(&set, MPSAMPLE_KIND_POOL_CLEAR, 0) &&
		  !find(&set, MPSAMPLE_KIND_POOL_CLEAR, 0)->wants_return);
	const struct mp_pool_function *put = find(&set, MPSAMPLE_KIND_POOL_PUT, 0);
	cr_assert(put && put->wants_return && !put->fails_on_null && put->capacity.n_reads == 1);
	for (size_t i = 0; i < 2; i++) {
		const struct mp_pool_function *get = find(&set, MPSAMPLE_KIND_POOL_GET, i);
		bool may_throw = get && !strcmp(get->name, "OrderPool::grow");
		cr_assert(get && get->wants_return && get->fails_on_null);
#ifdef __x86_64__
		cr_assert_eq(get->by_return_probe, !may_throw, "%s", get->name);
#endif
		cr_assert(get->by_return_probe ? !get->n_ends : get->n_ends);
	}
	mp_pool_set_free(&set);
}

Test(pool_function, functions_of_c)
{
	struct mp_pool_set set = resolved("[pool c]\n"
					  "get = pool_get(ptr=ret, size=u32(arg1))\n"
					  "get = pool_tail(ptr=ret, size=arg0)\n"
					  "put = pool_put(ptr=arg1)\n"
					  "put = usdt:mpsample:pool_put(ptr=arg1)\n"
					  "object_bytes = @pool_table+8\n"
					  "latency = no\nnull = ignore\n");

	cr_assert(set.kinds[0].is_one);
	cr_assert(!find(&set, MPSAMPLE_KIND_POOL_GET, 0)->fails_on_null);
	const struct mp_pool_function *put = find(&set, MPSAMPLE_KIND_POOL_PUT, 0),
				      *probe = find(&set, MPSAMPLE_KIND_POOL_PUT, 1);
	cr_assert(
	    put && probe && !put->wants_return && !put->is_usdt && probe->is_usdt && !probe->wants_return);
	cr_assert_str_eq(probe->name, "mpsample:pool_put");
	cr_assert_eq(probe->ptr.from, MP_FETCH_REGISTER);
	cr_assert_eq(put->object_bytes.n_reads, 1);
	uint64_t bytes = 0;
	cr_assert_eq(mp_target_read(&target, put->object_bytes.constant, &bytes, sizeof(bytes)), 0);
	cr_assert_eq(bytes, 32);
	mp_pool_set_free(&set);
}

Test(pool_function, globs_sizes_and_virtual_functions)
{
	struct mp_pool_set set =
	    resolved("[pool sizes]\ninstances = size\nsize_step = 16\nclear_is_return = yes\n"
		     "get = pool_g?t(size=arg1, ptr=ret)\nput = pool_put(size=8, ptr=arg1)\n"
		     "destroy = virtual:OrderPool:0(size=0)\n");

	cr_assert(set.kinds[0].by_size && set.kinds[0].size_step == 16 && set.kinds[0].returns_on_clear);
	cr_assert_eq(find(&set, MPSAMPLE_KIND_POOL_GET, 0)->pool.number, 1);
	cr_assert_str_eq(find(&set, MPSAMPLE_KIND_POOL_DESTROY, 0)->name, "OrderPool::~OrderPool");
	mp_pool_set_free(&set);
}

Test(pool_function, many_at_once_and_what_failed)
{
	struct mp_pool_set set = resolved("[pool bulk]\n"
					  "get = pool_many(pool=arg0, count=s32(ret))\n"
					  "get = pool_get(pool=arg0, count=u32(arg1), failure=null)\n"
					  "put = pool_put(pool=arg0, count=1)\n"
					  "[pool single]\nlatency = no\n"
					  "get = OrderPool::acquire()(ptr=u64@arg1, failure=false)\n"
					  "put = pool_put(ptr=arg1)\n");
	const struct mp_pool_function *f = set.functions;

	for (size_t i = 0; i < set.n; i++, f++) {
		if (f->pool_kind > 1)
			continue;
		cr_expect_eq(f->counts, f->pool_kind == 0);
		if (!strcmp(f->name, "pool_many"))
			cr_expect(f->fails_on_null && !f->failure, "none found is a failure");
		if (!strcmp(f->name, "pool_get"))
			cr_expect(
			    !f->fails_on_null && f->failure == MP_FUNCTION_FAILURE_NULL && f->wants_return);
		if (!strcmp(f->name, "pool_put") && f->counts)
			cr_expect(f->ptr.from == MP_FETCH_CONSTANT && f->ptr.constant == 1);
		if (!strcmp(f->name, "OrderPool::acquire"))
			cr_expect(
			    f->failure == MP_FUNCTION_FAILURE_FALSE && f->fails_on_null && f->wants_return,
			    "the status is looked at, however short it may be kept");
	}
	mp_pool_set_free(&set);
}

Test(pool_function, by_a_pointer)
{
	struct mp_pool_set set = resolved("[pool a]\nget = pointer:pool_ops+8:16:3(ptr=ret)\n"
					  "put = pointer:pool_ops+0x10(ptr=arg1)\n");

	cr_assert(find(&set, MPSAMPLE_KIND_POOL_GET, 0) && find(&set, MPSAMPLE_KIND_POOL_PUT, 0));
	cr_expect(!find(&set, MPSAMPLE_KIND_POOL_GET, 1), "twice the same, and NULL");
	cr_expect_str_eq(find(&set, MPSAMPLE_KIND_POOL_GET, 0)->name, "pool_get");
	cr_expect_str_eq(find(&set, MPSAMPLE_KIND_POOL_PUT, 0)->name, "pool_put");
	mp_pool_set_free(&set);
	refuses("[pool a]\nget = pointer:pool_ops(ptr=ret)\n", -ENOENT,
	    "a.ini:2: unknown function: pointer:pool_ops leads to none: it is NULL so far");
	refuses("[pool a]\nget = pointer:pool_ops+20(ptr=ret)\n", -ENOENT, "where no function begins");
	refuses(
	    "[pool a]\nget = pointer:pool_ops+8:4:2(ptr=ret)\n", -EINVAL, "written pointer:VARIABLE+OFFSET(");
	refuses("[pool a]\nget = pointer:pool_ops+8:16:65(ptr=ret)\n", -EINVAL, "1 to 64 of them");
	refuses("[pool a]\nget = pointer:pool_ops+8:16(ptr=ret)\n", -EINVAL,
	    "pointer:VARIABLE+OFFSET:BYTES:COUNT(");
	refuses("[pool a]\nget = pointer:pool_ops+-8(ptr=ret)\n", -EINVAL, "written pointer:");
	refuses("[pool a]\nget = pointer:pool_ops+99999999999(ptr=ret)\n", -EINVAL, "written pointer:");
	refuses("[pool a]\nget = pointer:+8(ptr=ret)\n", -EINVAL, "written pointer:");
}

Test(pool_function, markers_need_no_configuration)
{
	struct mp_pool_set set = resolved("[pool messages]\nusdt = mpsample:pool\n");

	for (size_t i = 0; i < set.n_kinds; i++)
		cr_assert_str_eq(set.kinds[i].source, "pmr");
	mp_pool_set_free(&set);
}

Test(pool_function, std_pmr_needs_no_configuration)
{
	struct mp_pool_set set;
	struct mp_err err = {0};
	size_t gets = 0;

	cr_assert_eq(mp_pool_resolve(&target, NULL, &set, &err), 0, "%s", err.text);
	for (size_t i = 0; i < set.n; i++)
		gets += set.functions[i].kind == MPSAMPLE_KIND_POOL_GET && set.functions[i].n_ends;
	cr_assert_eq(set.n_kinds, 3);
	cr_assert_eq(gets, 3);
	mp_pool_set_free(&set);
}

/* A library that is linked into the program has no file of its own. */
Test(pool_function, a_profile_of_what_the_program_has)
{
	bool chosen[64];
	struct mp_pool_profile p = {
	    .modules = "libnone.so*", .versions = "libnone.so.1", .variable = "pool_tabel"};

	cr_assert_leq(target.n_modules, 64);
	cr_expect(!mp_pool_profile_match(&p, &target, chosen));
	p.variable = "pool_table";
	cr_assert(mp_pool_profile_match(&p, &target, chosen));
	for (size_t i = 0; i < target.n_modules; i++)
		cr_expect_eq(chosen[i], target.modules[i].is_exe);
	cr_expect_str_eq(p.where, "pool_functions");
	cr_expect_str_eq(p.unknown_version, "");
	p = (struct mp_pool_profile){
	    .modules = "libstdc++.so*", .versions = "libstdc++.so.6*", .variable = "pool_table"};
	cr_assert(mp_pool_profile_match(&p, &target, chosen));
	for (size_t i = 0; i < target.n_modules; i++)
		cr_expect(!chosen[i] || !target.modules[i].is_exe, "the library is there");
}

#define GET "get = pool_get(ptr=ret)\n"

Test(pool_function, functions_that_are_not_there)
{
	refuses("[pool a]\nget = pool_gte(ptr=ret)\n", -ENOENT, "a.ini:2: unknown function: no 'pool_gte'");
	refuses("[pool a]\nget = pool_gte(ptr=ret)\n", -ENOENT, "; did you mean pool_get");
	refuses("[pool a]\nget = OrderPol::aquire(ptr=ret)\n", -ENOENT, "did you mean OrderPool::acquire?");
	refuses("[pool a]\nget = OrderPool::acquire(ptr=ret)\n", -EINVAL,
	    "a.ini:2: ambiguous: OrderPool::acquire is overloaded: OrderPool::acquire(), "
	    "OrderPool::acquire(unsigned long); write which, as in OrderPool::acquire()(...)");
	refuses("[pool a]\nget = OrderPool::acquire(int)(ptr=ret)\n", -ENOENT,
	    "no OrderPool::acquire has parameters (int): there are OrderPool::acquire(), "
	    "OrderPool::acquire(unsigned "
	    "long)");
	refuses("[pool a]\nget = usdt:mpsample:pool_got(ptr=arg1)\n", -ENOENT,
	    "no USDT probe 'mpsample:pool_got' in process");
	refuses("[pool a]\nget = usdt:mpsample:pool_put(ptr=arg2)\n", -EINVAL,
	    "unknown argument arg2: the probe has 2, the last is arg1");
	refuses("[pool a]\nget = usdt:mpsample:pool_put(ptr=ret)\n", -EINVAL, "ret: a USDT probe is a place");
	refuses("[pool a]\nget = pool_get(ptr=arg6)\n", -EINVAL, "a.ini:2: 'arg6': unknown argument arg6");
	refuses("[pool a]\n" GET "capacity = u64@0x10\n", -EFAULT,
	    "a.ini:3: 'u64@0x10': address outside the target: nothing is mapped at 0x10");
	refuses("[pool a]\n" GET "capacity = @pool_tabel\n", -ENOENT, "did you mean pool_table?");
	refuses("[pool a]\nmodule = libnone*\n" GET, -ENOENT, "a.ini:2: no module of process");
	refuses("[pool a]\nget = virtual:OrderPol:2(ptr=ret)\n", -ENOENT,
	    "no class 'OrderPol' with a virtual table");
	refuses(
	    "[pool a]\nmodule = *\nget = *(ptr=ret)\n", -E2BIG, "a.ini:3: '*' matches too many functions");
}

Test(pool_function, texts_of_functions)
{
	refuses("[pool a]\nget = pool_get(ptr)\n", -EINVAL, "a.ini:2: get without ptr=");
	refuses("[pool a]\nget = pool_get(ptr=)\n", -EINVAL, "a.ini:2: ptr= without a value");
	refuses("[pool a]\nget = pool_get(ptr=ret, ptr=arg0)\n", -EINVAL, "ptr= is given twice");
	refuses("[pool a]\nget = pool_get(prt=ret)\n", -EINVAL, "unknown value 'prt='");
	refuses("[pool a]\nget = pool_get(prt=ret)\n", -EINVAL, "did you mean ptr?");
	refuses("[pool a]\nget = pool_get(ptr=ret))\n", -EINVAL, "a bracket is not opened");
	refuses("[pool a]\nget = (ptr=ret)\n", -EINVAL, "no name of a function before the brackets");
	refuses("[pool a]\nget = usdt:pool(ptr=arg0)\n", -EINVAL, "written usdt:PROVIDER:NAME(...)");
	refuses("[pool a]\nget = virtual:OrderPool(ptr=ret)\n", -EINVAL, "written virtual:CLASS:NUMBER(...)");
	refuses("[pool a]\nget = pool_get(pool=arg0)\n", -EINVAL, "get without ptr=");
	refuses("[pool a]\nget = pool_get(ptr=ret, name=arg1)\n", -EINVAL, "write name=str@...");
	refuses("[pool a]\n" GET "create = pool_many(pool=arg0)\n", -EINVAL,
	    "a.ini:2: get without pool=, which other functions of [pool a] have");
	refuses("[pool a]\ninstances = size\n" GET, -EINVAL, "get without size=");
	refuses("[pool a]\ninstances = some\n" GET, -EINVAL, "instances = some");
	refuses("[pool a]\n" GET "size_step = 16\n", -EINVAL, "write instances = size");
	refuses("[pool a]\ninstances = size\nsize_step = 0\nget = pool_get(ptr=ret,size=arg1)\n", -ERANGE,
	    "number out of range: size_step");
	refuses("[pool a]\n" GET "latency = maybe\n", -EINVAL, "latency = maybe: there are yes and no");
	refuses("[pool a]\n" GET "capacity = 1\ncapacity = 2\n", -EINVAL, "capacity is given twice");
	refuses("[pool a]\n" GET "usdt = mpsample:pool\n", -EINVAL, "get beside usdt = mpsample:pool");
	refuses("[pool a]\nusdt = other:pool\n", -EINVAL, "get = usdt:PROVIDER:NAME(...)");
}

Test(pool_function, files)
{
	refuses("", -EINVAL, "a.ini: no section [pool NAME] in it");
	refuses("[pool a]\nput = pool_put(ptr=arg1)\n", -EINVAL, "a.ini:1: [pool a] has no get");
	refuses("[pool a]\n", -EINVAL, "a.ini:1: [pool a] has no get");
	refuses("[pol a]\n", -EINVAL, "a.ini:1: unknown section [pol a]; did you mean [pool a]?");
	refuses("[profile]\n", -EINVAL, "unknown section [profile]");
	refuses("[pool a\n", -EINVAL, "a section without its ']'");
	refuses("[pool]\n", -EINVAL, "write [pool NAME]");
	refuses("get = x\n", -EINVAL, "a.ini:1: key 'get' outside a section");
	refuses("[pool a]\ngte = x\n", -EINVAL, "a.ini:2: unknown key 'gte'; did you mean get");
	refuses("[pool a]\ncapcity = 1\n", -EINVAL, "did you mean capacity?");
	refuses("[pool a]\nget =\n", -EINVAL, "a.ini:2: key 'get' without value");
	refuses(
	    "[pool a]\n\nget  ; nothing\n", -EINVAL, "a.ini:3: key without value: 'get' is no KEY = VALUE");
	refuses("[pool a]\n" GET "[pool a]\n" GET, -EINVAL,
	    "a.ini:3: duplicate section [pool a]: the first is at a.ini:1");
	refuses("[pool 0123456789012345678901234567890123456789012345678]\n", -EINVAL, "more than 47 bytes");

	char line[400];
	snprintf(line, sizeof(line), "[pool a]\nget = %0300d\n", 0);
	refuses(line, -EINVAL, "a.ini:2: a line of more than 197 bytes");
}

Test(pool_function, included_files)
{
	write_file("b.ini", "[pool b]\n" GET "include = a.ini\n");
	refuses("include = b.ini\n", -ELOOP, "b.ini:3: cyclic include: a.ini -> b.ini -> a.ini");
	refuses("include = a.ini\n", -ELOOP, "a.ini:1: cyclic include: a.ini -> a.ini");
	refuses("\ninclude = none.ini\n", -ENOENT, "a.ini:2: cannot include none.ini: No such file");
	refuses("include = /\n", -EINVAL, "cannot include /: it is no regular file");
	cr_assert_eq(mkfifo("a.fifo", 0600), 0);
	refuses("include = a.fifo\n", -EINVAL, "cannot include a.fifo: it is no regular file");
	cr_assert_eq(truncate("b.ini", 2 << 20), 0);
	refuses("include = b.ini\n", -E2BIG, "cannot include b.ini: it is too big: more than 1 MiB");
	write_file("b.ini", "[pool b]\nget = x(ptr=ret)\n");
	refuses("[pool a]\n" GET "include = b.ini\n", -ENOENT, "b.ini:2: unknown function");

	struct mp_pool_set set;
	struct mp_err err = {0};
	write_file("b.ini", "[pool b]\nget = pool_tail(ptr=ret)\nexceptions = never\n");
	write_file("a.ini", "[pool a]\ninclude = b.ini\n" GET);
	cr_assert_eq(mp_pool_resolve(&target, "a.ini", &set, &err), 0, "%s", err.text);
	cr_assert_str_eq(set.kinds[1].name, "b");
	mp_pool_set_free(&set);
	cr_assert_eq(mp_pool_resolve(&target, "no.ini", &set, &err), -ENOENT);
	cr_assert_str_eq(err.text, "cannot read no.ini: No such file or directory");
}
