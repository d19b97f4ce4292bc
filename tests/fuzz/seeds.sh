#!/bin/bash
# SPDX-License-Identifier: MIT
# seeds.sh DIR: writes inputs for fuzz targets to DIR/NAME, such as compilers and binutils make: small ones, for a fuzzer
# that has to change the right byte.
set -euo pipefail

CC=${CC:-cc}
CC="$CC" "${BASH_SOURCE[0]%/*}/seeds_dwarf.sh" "$1/dwarf"
mkdir -p "$1/elf" "$1/cfi"
out=$(cd "$1" && pwd)
root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >s.c <<'C'
extern void *malloc(unsigned long);
int shown(int x) { return x + 1; }
__attribute__((noinline, used)) static int hidden(int x) { return x * 3; }
void *shown_too(int x) { return malloc(hidden(x)); }
asm(".pushsection .note.stapsdt,\"?\",\"note\"\n.balign 4\n.4byte 8, 2f-1f, 3\n.asciz \"stapsdt\"\n1: .8byte shown, 0, 0\n"
    ".asciz \"p\"\n.asciz \"n\"\n.asciz \"8@%rdi\"\n2: .balign 4\n.popsection");
C
small="-Os -fPIC -shared -nostdlib -fno-asynchronous-unwind-tables -Wl,-z,noseparate-code,-z,max-page-size=4096,--hash-style=gnu,--build-id=sha1"
$CC $small -o plain s.c
$CC $small -Wl,-z,lazy -fplt -o lazy s.c
$CC $small -g -o debug s.c
strip -o stripped plain
for how in zlib zlib-gnu zstd; do
	objcopy --compress-debug-sections=$how debug "packed-$how" 2>/dev/null || rm -f "packed-$how"
done
objcopy --only-keep-debug debug only-debug
objcopy --add-gnu-debuglink=only-debug stripped linked
printf '/usr/lib/debug/.dwz/x\0\1\2\3\4' >alt
objcopy --add-section .gnu_debugaltlink=alt only-debug alternative
objcopy -S --keep-symbol=hidden plain mini
xz -9 mini
objcopy --add-section .gnu_debugdata=mini.xz stripped debugdata
$CC -c -Os -ffunction-sections -o object s.c
cat >go.s <<'S'
.text
first: .skip 4
end:
.section .gopclntab,"a"
t: .4byte 0xfffffff1
.byte 0, 0, 1, 8
.8byte 1, 0, 0, names-t, 0, 0, 0, pairs-t
names: .asciz "f"
.balign 4
pairs: .4byte 0, f-pairs, end-first
f: .4byte 0, 0
S
$CC $small -s -o go go.s
cp plain lazy debug go stripped packed-* only-debug linked alternative debugdata object "$out/elf"

# With call frame information, also where only a debugger looks for it.
frames=${small/-fno-asynchronous-unwind-tables/}
$CC $frames -Wl,-z,lazy -fplt -o eh s.c
strip eh
$CC $small -fno-unwind-tables -g -o debug-frame s.c
objcopy --compress-debug-sections=zlib debug-frame debug-frame-packed
cp eh debug-frame debug-frame-packed "$out/cfi"

# Recordings of perf, in both modes and byte orders.
$CC -D_GNU_SOURCE -I"$root" -o seeds_perf "$root/tests/fuzz/seeds_perf.c" -lzstd
mkdir -p "$out/perf_data" "$out/perf_record"
./seeds_perf "$out"
