# SPDX-License-Identifier: MIT
# The limit: BPF programs that do nothing, at malloc's entry and return (limit.c).

mode empty-pair 1 plain "empty BPF programs at entry and return"
mode empty-sleepable 1 plain "the same as one session program (Linux 6.13) that may sleep: the least that a uprobe costs"

limit.start() { # KIND
	launch "$programs/limit" "$1" "$programs/limit.bpf.o" "$target_pid" "$probed" malloc
	is_ready '^ready'
}

limit.stop() {
	end_tool TERM
	lost=- bytes=-
}

empty-pair.start() { limit.start pair; }
empty-pair.stop() { limit.stop; }
empty-sleepable.start() { limit.start sleepable; }
empty-sleepable.stop() { limit.stop; }
