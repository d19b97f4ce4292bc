#!/bin/bash
# SPDX-License-Identifier: MIT
# guest.sh DIR SCRIPT OUT: boots the guest of DIR (build/arm64/guest, by `make pmu`), which runs SCRIPT as root with the
# functions of tests/pmu/init; what the script leaves in its folder comes to the folder OUT, its output to OUT/log.
# Exits with the script's status, or 125 if the guest did not end well.
#
# The PMU of this virtual machine is exact: with -icount, an instruction is a nanosecond and a cycle, whatever the host does meanwhile.
set -euo pipefail

dir=${1:?} script=${2:?} out=${3:?}
seconds=170 # a guard against hanging
work=$(mktemp -d "${TMPDIR:-/tmp}/mpsample-guest.XXXXXX")
trap 'rm -rf "$work"' EXIT

cp "$script" "$work/script"
{
	cat "$dir/initrd"
	echo script | cpio --quiet -D "$work" -o -H newc -R 0:0 | gzip -1
} >"$work/initrd"

timeout -k 5 "$seconds" qemu-system-aarch64 -M virt -cpu cortex-a57 -smp 1 -icount shift=0,sleep=off -m 512 \
	-nographic -no-reboot -nodefaults -serial stdio -kernel "$dir/vmlinuz" -initrd "$work/initrd" \
	-append "console=ttyAMA0 panic=-1 quiet" </dev/null 2>&1 | tr -d '\r' >"$work/console" || true

mkdir -p "$out"
if ! sed -n '/^begin of /,/^end of /p' "$work/console" | sed '1d; $d' | base64 -d | tar -xz -C "$out" 2>"$work/tar.err" ||
	[[ ! -s $out/status ]]; then
	echo "guest.sh: the guest did not end well: $(<"$work/tar.err")" >&2
	tail -n 40 "$work/console" >&2
	exit 125
fi
exit "$(<"$out/status")"
