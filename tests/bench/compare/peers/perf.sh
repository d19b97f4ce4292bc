# SPDX-License-Identifier: MIT
# perf: entry and return of malloc as events, counted (stat) or recorded with a time each (record).

mode perf-stat 1 plain "perf stat, counting malloc's entry and return"
mode perf-record 1 plain "perf record of malloc's entry and return"

perf.missing() {
	command -v perf >/dev/null || { echo "perf is not installed"; return; }
	[[ -e /sys/kernel/tracing/uprobe_events ]] || echo "tracefs is not mounted: mount -t tracefs none /sys/kernel/tracing"
}

# The group's name has the script's PID, so that two runs do not meet.
perf.start() { # SUBCOMMAND...
	local events=(-e "mpbench_$$:enter" -e "mpbench_$$:leave__return") commands answers
	perf probe -q -x "$probed" --add "mpbench_$$:enter=malloc" --add "mpbench_$$:leave=malloc%return" >"$dir/tool" 2>&1 ||
		{ why=$(head -n 1 "$dir/tool"); return 1; }
	mkfifo "$dir/perf.commands" "$dir/perf.answers"
	exec {commands}<>"$dir/perf.commands" {answers}<>"$dir/perf.answers"
	launch perf "$@" "${events[@]}" -p "$target_pid" -D -1 --control="fifo:$dir/perf.commands,$dir/perf.answers"
	echo enable >&"$commands"
	read -r -t 20 <&"$answers" || why=$(head -n 1 "$dir/tool")
	exec {commands}>&- {answers}>&-
	[[ ! $why ]]
}

perf.stop() {
	end_tool INT
	perf probe -q -d "mpbench_$$:*" >/dev/null 2>&1
	rm -f "$dir"/perf.commands "$dir"/perf.answers
}

perf-stat.missing() { perf.missing; }
perf-stat.start() { perf.start stat; }
perf-stat.stop() {
	perf.stop
	lost=- bytes=-
}

perf-record.missing() { perf.missing; }
perf-record.start() { perf.start record -o "$dir/perf.data"; }

# What read(2) of an event says is exact (LOST_SAMPLES); the records in the stream miss the last of a loss.
perf-record.stop() {
	perf.stop
	lost=0
	! perf report --stats -i "$dir/perf.data" 2>/dev/null | grep -q 'LOST' ||
		lost=$(perf script --show-lost-events -F comm,event -i "$dir/perf.data" 2>/dev/null | awk '
			/PERF_RECORD_LOST_SAMPLES/ {exact += $NF} /PERF_RECORD_LOST / {seen += $NF}
			END {print (exact > seen ? exact : seen) + 0}')
	bytes=$(bytes_of "$dir/perf.data")
	rm -f "$dir"/perf.data*
}
