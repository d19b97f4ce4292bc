# SPDX-License-Identifier: MIT
# LTTng: its wrapper of the allocator, all events of it recorded.

mode lttng 2 plain "LTTng's libc wrapper, lttng_ust_libc:* recorded"

_lttng_wrapper=liblttng-ust-libc-wrapper.so

lttng.missing() {
	command -v lttng-sessiond >/dev/null || { echo "lttng-tools is not installed"; return; }
	ldconfig -p | grep -q "$_lttng_wrapper" || { echo "liblttng-ust1 is not installed"; return; }
	! pidof lttng-sessiond >/dev/null || echo "a session daemon of LTTng runs already"
}

lttng.wrap() { wrapped=(env LD_PRELOAD=$_lttng_wrapper.1 "$@"); }

lttng.command() { LTTNG_HOME=$dir lttng --no-sessiond "$@" >>"$dir/lttng" 2>&1; }

lttng.start() {
	export LTTNG_HOME=$dir
	launch lttng-sessiond --no-kernel --quiet
	for _ in $(seq 100); do ! lttng.command list || break; sleep 0.05; done
	lttng.command create bench --output "$dir/lttng.trace" &&
		lttng.command enable-channel -u -s bench --subbuf-size 512k --num-subbuf 4 calls &&
		lttng.command enable-event -u -s bench -c calls 'lttng_ust_libc:*' &&
		lttng.command start bench && sleep 0.3 || # the process is told by the daemon
		{ why=$(tail -n 1 "$dir/lttng"); return 1; }
}

lttng.stop() {
	lttng.command stop bench
	# Its top bit is a flag that LTTng 2.13 leaves in when a buffer was busy: 2^63 more than were lost.
	lost=$(($(LTTNG_HOME=$dir lttng --no-sessiond list bench 2>/dev/null | sed -n 's/.*Discarded events: //p') & 0x7fffffffffffffff))
	bytes=$(bytes_of "$dir/lttng.trace")
	lttng.command destroy bench
	end_tool TERM
	rm -rf "$dir/lttng" "$dir/lttng.trace" "$dir/.lttng"
}
