# SPDX-License-Identifier: MIT
# bpftrace: the usual script for a histogram of malloc's latency.

mode bpftrace 1 plain "bpftrace, histogram of malloc's latency"

bpftrace.missing() { command -v bpftrace >/dev/null || echo "bpftrace is not installed"; }

# It says nothing when the probes are in; they go in one after the other, the interval last.
bpftrace.start() {
	launch bpftrace -B line -p "$target_pid" -e "
		uprobe:$probed:malloc { @start[tid] = nsecs; }
		uretprobe:$probed:malloc /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start[tid]); }
		interval:ms:50 /!@on/ { printf(\"on\\n\"); @on = 1; }
		END { clear(@start); clear(@on); }"
	is_ready '^on'
}

bpftrace.stop() {
	end_tool INT
	lost=$(sed -n 's/^.*[Ll]ost \([0-9]*\) events.*$/\1/p' "$dir/tool" | awk '{n += $1} END {print n + 0}')
	bytes=$(bytes_of "$dir/tool")
}
