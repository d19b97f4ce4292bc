# SPDX-License-Identifier: MIT
# Tools that start the program themselves: heaptrack, uftrace.

mode heaptrack 2 plain "heaptrack"
mode uftrace 2 plain "uftrace, calls of malloc and free alone"

heaptrack.missing() { command -v heaptrack >/dev/null || echo "heaptrack is not installed"; }
heaptrack.wrap() { wrapped=(heaptrack -o "$dir/heaptrack" "$@"); }
heaptrack.start() { tool_of_target=$target; }
heaptrack.end() {
	lost=- # it keeps no count: a full pipe makes the program wait
	bytes=$(bytes_of "$dir"/heaptrack.*)
	rm -f "$dir"/heaptrack.*
}

uftrace.missing() { command -v uftrace >/dev/null || echo "uftrace is not installed"; }
uftrace.wrap() { wrapped=(uftrace record --force --no-pager -d "$dir/uftrace" -F malloc -F free "$@"); }
uftrace.start() { tool_of_target=$target; }
uftrace.end() {
	lost=$(grep -i 'lost' "$dir/err" | grep -o '[0-9]\+' | awk '{n += $1} END {print n + 0}')
	bytes=$(bytes_of "$dir/uftrace")
	rm -rf "$dir/uftrace"
}
