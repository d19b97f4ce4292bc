#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: for random addresses of code, function, file, line and the chain of inlined functions are those that
# `addr2line -fip` prints. Of 10,000 addresses at most 0.1 % may differ for another reason than those that
# tests/tools/differences.awk proves for each address: see there.
#
#   libc     Debian's libc, with its separate debug file
#   cxx      a C++ program full of templates, by gcc and by clang
#   rust     a Rust program
#   kinds    DWARF 3 and 4, type units, compressed, made by link-time optimization
#   split    .dwo, .dwp, dwz's supplementary file, and what addr2line cannot read (64-bit, type units and indexed ranges of
#            DWARF 5): as the same program's plain DWARF
#
# beside others
# cases: libc cxx rust kinds split
source "${BASH_SOURCE[0]%/*}/lib.sh"
export LC_ALL=C
addresses=$O/tests/tools/addresses

# random_addresses FILE N: of its .text.
random_addresses() {
	readelf -SW "$1" | sed 's/\[ */[/' | awk -v n="$2" '
		function number(hex, i, v) {
			for (i = 1; i <= length(hex); i++)
				v = 16 * v + index("0123456789abcdef", substr(hex, i, 1)) - 1
			return v
		}
		$2 == ".text" {
			srand(4)
			low = number($4)
			size = number($6)
			for (i = 0; i < n; i++)
				printf "0x%x\n", low + int(size * rand())
		}' >"$3"
	[[ $(wc -l <"$3") == "$2" ]] || die "$1 has no .text"
}

# rows FILE: what readelf knows of lines.
rows() {
	readelf -W --debug-dump=decodedline "$1" 2>/dev/null |
		awk '$3 ~ /^0x/ { printf "%16s %s %s\n", substr($3, 3), $1, $2 }' | sort -s -k1,1 >"$2"
}

share() {
	awk -v class="$1" '$1 == class && $2 == "count" { n = $3 } END { print n + 0 }' classes
}

# explain WHAT FILE DEBUG: ours and reference, both answers to `asked` about FILE, whose symbols and lines are in DEBUG.
explain() {
	nm -nS "$3" >symbols 2>/dev/null
	rows "$3" rows
	awk -f "$ROOT/tests/tools/differences.awk" symbols rows asked reference ours >classes
	echo "$1:" $(awk '$2 == "count" { print $1, $3 }' classes | sort)
	awk '$1 == "other" && $2 != "count" { print $2 }' classes | head -n 5 >unexplained
	if [[ -s unexplained ]]; then
		echo "ours:"
		"$addresses" "$2" <unexplained
		echo "addr2line:"
		addr2line -fip -e "$2" <unexplained
	fi
}

# compare WHAT FILE [DEBUG [N]]
compare() {
	local n=${4:-10000}
	random_addresses "$2" "$n" asked
	addr2line -fip -e "$2" <asked >reference 2>/dev/null
	"$addresses" -m "$2" <asked >ours 2>told
	explain "$1" "$2" "${3:-$2}"
	holds "$1: unexplained differences at most 0.1 %" "$(share other) <= $n / 1000"
	holds "$1: addr2line knows most of it" "$(share same) >= $n * 0.85"
	contains "$1" "$(<told)" "damage none"
}

write_program() {
	cat >a.cc <<-'CC'
		#include <algorithm>
		#include <functional>
		#include <iostream>
		#include <map>
		#include <memory>
		#include <sstream>
		#include <string>
		#include <unordered_map>
		#include <vector>
		#ifndef SMALL
		#include <regex>
		static std::regex re("a(b|c)*d");
		#define MATCHES() std::regex_match("abcbd", re)
		#else
		#define MATCHES() 0
		#endif
		template <int K> struct T { int v[K]; std::string s; bool operator<(const T &o) const { return s < o.s; } };
		template <int K> int f(int x)
		{
			std::map<T<K>, std::vector<std::string>> m;
			std::unordered_map<std::string, std::vector<T<K>>> u;
			std::stringstream ss;
			std::vector<std::function<int(int)>> fs;
			T<K> t = {};
			ss << x;
			t.s = ss.str();
			m[t].push_back(t.s);
			u[t.s].push_back(t);
			for (int i = 0; i < x; i++)
				fs.push_back([&, i](int y) { return y * i + (int)m.size(); });
			std::sort(m[t].begin(), m[t].end());
			auto sp = std::make_shared<T<K>>(t);
			int r = sp->v[0];
			for (auto &g : fs)
				r += g(r);
			if (K > 1)
				r += f<(K > 1 ? K - 1 : 1)>(x - 1);
			return r;
		}
		#ifdef OTHER
		int other(int c) { return f<DEPTH + 1>(c); }
		#else
		int other(int);
		int main(int c, char **)
		{
			return f<DEPTH>(c) + other(c) + MATCHES();
		}
		#endif
	CC
}

# build NAME DEPTH COMPILER OPTION...: the program of two units that share most of their functions. Both units are compiled
# at once.
build() {
	local name=$1 depth=$2
	shift 2
	"$@" -DDEPTH="$depth" -c a.cc -o "$name.1.o" &
	local first=$!
	"$@" -DDEPTH="$depth" -DOTHER -c a.cc -o "$name.2.o" || return
	wait $first && "$@" "$name.1.o" "$name.2.o" -o "$name"
}

case_libc() {
	local libc id debug
	libc=$(ldd "$(command -v bash)" | awk '/libc\.so/ { print $3 }')
	libc=$(readlink -f "$libc")
	id=$(readelf -n "$libc" | sed -n 's/.*Build ID: //p')
	debug=/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
	[[ -f $debug ]] || skip "libc has no debug file (Debian: libc6-dbg)"
	compare libc "$libc" "$debug"

	# And a planted difference is found: another line, another function.
	local before line
	before=$(share other)
	for change in 's/:\([0-9]*\)$/:1\1/' 's/^/x/'; do
		line=$(awk '$1 == "same" && $2 != "count" { print NR }' classes | sed -n 17p)
		awk '!/^ \(inlined by\)/ { n++ } { print n "\t" $0 }' ours | sed "/^$line	/s/	/&@/" |
			sed 's/^[0-9]*	//' | sed "/^@/{s/^@//;$change;}" >planted
		awk -f "$ROOT/tests/tools/differences.awk" symbols rows asked reference planted >planted.classes
		eq "unexplained after '$change'" "$(awk '$1 == "other" && $2 == "count" { print $3 }' planted.classes)" $((before + 1))
	done
}

case_cxx() {
	write_program
	build gcc 6 g++ -O2 -g || die "g++"
	compare gcc "$WORK/gcc"
	build clang 3 clang++ -O2 -gdwarf-4 || skip "clang++ does not find a C++ library"
	compare clang "$WORK/clang"
}

case_rust() {
	need_command rustc rustc
	cat >r.rs <<-'RS'
		use std::collections::{BTreeMap, HashMap};
		pub trait Area { fn area(&self) -> f64; }
		pub struct Circle { pub r: f64 }
		pub struct Rect { pub w: f64, pub h: f64 }
		impl Area for Circle { fn area(&self) -> f64 { self.r * self.r * 3.14 } }
		impl Area for Rect { fn area(&self) -> f64 { self.w * self.h } }
		#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
		pub enum Kind { A, B, C }
		impl Kind {
		    pub fn next(self) -> Kind { match self { Kind::A => Kind::B, Kind::B => Kind::C, Kind::C => Kind::A } }
		}
		fn work(n: usize) -> f64 {
		    let mut v: Vec<Box<dyn Area>> = Vec::new();
		    let mut m: HashMap<String, Vec<usize>> = HashMap::new();
		    let mut b: BTreeMap<Kind, usize> = BTreeMap::new();
		    let mut k = Kind::A;
		    for i in 0..n {
		        if i % 2 == 0 { v.push(Box::new(Circle { r: i as f64 })) } else { v.push(Box::new(Rect { w: 1.0, h: i as f64 })) }
		        m.entry(format!("{:?}{}", k, i % 17)).or_default().push(i);
		        *b.entry(k).or_insert(0) += 1;
		        k = k.next();
		    }
		    let mut s: Vec<(String, usize)> =
		        m.iter().map(|(k, v)| (k.clone(), v.iter().filter(|x| *x % 3 == 0).sum())).collect();
		    s.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
		    v.iter().map(|a| a.area()).sum::<f64>() + s.iter().map(|x| x.1 as f64).sum::<f64>() + b.len() as f64
		}
		fn main() { println!("{}", work(std::env::args().count() * 1000)); }
	RS
	for level in 0 2; do
		rustc -g -C "opt-level=$level" -o "rust$level" r.rs || die "rustc"
		compare "rust -C opt-level=$level" "$WORK/rust$level"
	done
}

case_kinds() {
	write_program
	build dwarf3 2 g++ -DSMALL -O2 -gdwarf-3 && compare "DWARF 3" "$WORK/dwarf3" '' 2000
	build dwarf4 2 g++ -DSMALL -O1 -gdwarf-4 -fdebug-types-section && compare "DWARF 4, type units" "$WORK/dwarf4" '' 2000
	build lto 2 g++ -DSMALL -O2 -g -flto && compare "link-time optimization" "$WORK/lto" '' 2000
	build plain 2 g++ -DSMALL -O0 -g && objcopy --compress-debug-sections=zlib plain zlib
	compare "compressed, -O0" "$WORK/zlib" '' 2000
}

# as_plain WHAT FILE PLAIN: what FILE's DWARF says is what PLAIN's does, of the same code.
as_plain() {
	random_addresses "$3" 2000 asked
	"$addresses" "$3" <asked >plain.out 2>/dev/null
	"$addresses" -m "$2" <asked >ours 2>told
	contains "$1" "$(<told)" "damage none"
	eq "$1: differences from plain DWARF" "$(diff plain.out ours | grep -c '^[<>]')" 0
	holds "$1: addresses with a line" "$(grep -cE ':[0-9]+$' ours) >= 1500"
}

case_split() {
	local v
	write_program
	for v in 4 5; do
		build "plain$v" 2 g++ -DSMALL -O2 "-gdwarf-$v" && build "split$v" 2 g++ -DSMALL -O2 "-gdwarf-$v" -gsplit-dwarf || die "g++ -gsplit-dwarf"
		as_plain "DWARF $v, .dwo" "$WORK/split$v" "$WORK/plain$v"
	done
	"$addresses" "$WORK/split4" <asked >with
	if command -v dwp >/dev/null; then
		dwp -e split4 -o split4.dwp || die "dwp"
		mkdir away
		mv split4.*.dwo split4-*.dwo away 2>/dev/null || true
		as_plain ".dwp" "$WORK/split4" "$WORK/plain4"
		rm split4.dwp
		"$addresses" "$WORK/split4" <asked >without
		holds "inlined functions without .dwo" "$(grep -c 'inlined by' without || true) < $(grep -c 'inlined by' with)"
	fi
	build dwarf64 2 g++ -DSMALL -O2 -gdwarf-5 -gdwarf64 && as_plain "64-bit DWARF 5" "$WORK/dwarf64" "$WORK/plain5"
	build types 2 g++ -DSMALL -O2 -gdwarf-5 -fdebug-types-section && as_plain "DWARF 5, type units" "$WORK/types" "$WORK/plain5"
	build clang4 2 clang++ -DSMALL -O2 -gdwarf-4 && build clang5 2 clang++ -DSMALL -O2 -gdwarf-5 &&
		as_plain "clang, DWARF 5" "$WORK/clang5" "$WORK/clang4"
	if command -v dwz >/dev/null; then
		cp plain4 one && cp plain4 two && dwz -m alt one two || die "dwz"
		as_plain "dwz" "$WORK/one" "$WORK/plain4"
	fi
}

"case_$CASE"
