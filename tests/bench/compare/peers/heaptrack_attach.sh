# SPDX-License-Identifier: MIT
# heaptrack, put by gdb into a process that runs (attach.sh alone).

mode heaptrack-p 2 plain "heaptrack -p"

# It cannot be put into the same process again.
heaptrack-p.is_for_good() { :; }

heaptrack-p.missing() {
	command -v heaptrack >/dev/null || { echo "heaptrack is not installed"; return; }
	command -v gdb >/dev/null || echo "gdb is not installed"
}

# It takes itself out at SIGINT, which a shell's background commands ignore unless they are told.
heaptrack-p.start() {
	launch env --default-signal=INT heaptrack -o "$dir/heaptrack" -p "$target_pid"
	is_ready 'injection finished'
}

heaptrack-p.stop() {
	local pipe=/tmp/heaptrack_fifo$tool
	end_tool INT
	lost=- bytes=-
	rm -f "$dir"/heaptrack.* "$pipe"
}
