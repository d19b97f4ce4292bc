#!/bin/bash
# SPDX-License-Identifier: MIT
# seeds_dwarf.sh DIR: small files with DWARF of each version and kind, as far as compilers and tools for them are there.
set -euo pipefail

CC=${CC:-cc} CLANG=${CLANG:-clang}
mkdir -p "$1"
out=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >s.cc <<'CC'
extern "C" int outside(int);
namespace space {
template <int N> struct pair {
	int a[N];
	int sum() const { int s = 0; for (int x : a) s += outside(x); return s; }
};
static inline int inner(int x) { return outside(x) + outside(x + 1); }
static inline int outer(int x) { pair<3> p = {{x, inner(x), 2}}; return p.sum(); }
}
__attribute__((cold, noinline)) static int cold(int x) { return space::inner(x); }
int first(int x) { auto f = [&](int y) { return space::outer(y) * x; }; return x > 3 ? cold(x) : f(x); }
int second(int x) { return __builtin_expect(x > 7, 0) ? cold(x) : space::outer(x); }
CC
cat >t.cc <<'CC'
int third(int x) { int outside(int); return outside(x) + outside(x * 2); }
CC
flags="-O2 -fPIC -fno-asynchronous-unwind-tables -fno-exceptions -fno-rtti"
link="-shared -nostdlib -Wl,-z,noseparate-code,-z,max-page-size=4096,--hash-style=gnu"

# make NAME COMPILER OPTION...
make() {
	local name=$1 compiler=$2
	shift 2
	$compiler $flags "$@" -c s.cc -o "$name.1.o" 2>/dev/null && $compiler $flags "$@" -c t.cc -o "$name.2.o" 2>/dev/null &&
		$compiler $link "$name.1.o" "$name.2.o" -o "$name" 2>/dev/null && cp "$name" "$out"
}

# with_parts NAME FROM: the sections of a .dwo or .dwp put into the program, for a reader that looks there.
with_parts() {
	local s add=()
	for s in $(readelf -SW "$2" | grep -o '\.debug_[a-z_]*\(\.dwo\|_index\)'); do
		objcopy -O binary --only-section="$s" --set-section-flags "$s=alloc" "$2" "part$s" 2>/dev/null || continue
		[[ ! -s part$s ]] || add+=(--add-section "$s=part$s")
	done
	objcopy "${add[@]}" "$1" "$out/$1-${2##*.}"
}

for v in 2 3 4 5; do
	make "gcc$v" "$CC" "-gdwarf-$v" || true
done
make gcc64 "$CC" -gdwarf-5 -gdwarf64 || true
make types "$CC" -gdwarf-5 -fdebug-types-section || true
make sections "$CC" -g -ffunction-sections || true
for v in 4 5; do
	make "clang$v" "$CLANG" "-gdwarf-$v" || true
	make "split$v" "$CC" "-gdwarf-$v" -gsplit-dwarf && with_parts "split$v" "split$v.1.dwo" || true
	make "csplit$v" "$CLANG" "-gdwarf-$v" -gsplit-dwarf && with_parts "csplit$v" "csplit$v.1.dwo" || true
done
! command -v dwp >/dev/null || { dwp -e split4 -o split4.dwp && with_parts split4 split4.dwp; } 2>/dev/null || true
! command -v llvm-dwp >/dev/null || { timeout 20 llvm-dwp -e csplit5 -o csplit5.dwp && with_parts csplit5 csplit5.dwp; } 2>/dev/null || true
objcopy --compress-debug-sections=zlib gcc5 "$out/packed" 2>/dev/null || true
if command -v dwz >/dev/null && cp gcc4 a && cp gcc5 b && cp gcc4 c && dwz -m alt -h a b c 2>/dev/null; then
	cp a "$out/dwz"
fi
if command -v rustc >/dev/null; then
	echo '#![no_std] #[no_mangle] pub fn walk(v: &[u32]) -> u32 { v.iter().map(|x| x * 3).filter(|x| x & 1 == 0).sum() }' >r.rs
	{ rustc -g -O --crate-type rlib --emit obj -C codegen-units=1 -o r.o r.rs && $CC $link r.o -o "$out/rust"; } 2>/dev/null || true
fi
find "$out" -size +24k -delete
