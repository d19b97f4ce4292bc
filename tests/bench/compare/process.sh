# SPDX-License-Identifier: MIT
# Of a benchmark: the target and the tool that are looked at, and their figures; others may be parked. Sourced.
#
# A target is a program that answers each line on its stdin with a line on its stdout. A tool is what watches it.
# Whatever way the script ends, bench_end takes all of it away.

bench_begin() {
	bench_dir=$(mktemp -d "${TMPDIR:-/tmp}/mpsample-bench.XXXXXX")
	dir=$bench_dir
	tool='' target='' target_pid='' input='' mode=''
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 141' PIPE
	trap 'exit 143' TERM
	trap bench_end EXIT
}

bench_end() {
	trap '' EXIT HUP INT PIPE TERM
	set +e
	bench_end_one
	for mode in "${!parked[@]}"; do
		unpark "$mode"
		bench_end_one
	done
	rm -rf "$bench_dir"
}

bench_end_one() {
	[[ ! $mode ]] || call_if_there "$mode.stop" >/dev/null 2>&1
	end_tool INT 50 >/dev/null 2>&1
	[[ ! $target_pid ]] || kill "$target_pid" 2>/dev/null
	end_target
}

# A target and its tool go on while others are looked at. What is empty stays so: no blanks between them.
declare -A parked

park() { # NAME
	parked[$1]="$dir|$target|$target_pid|$input|$tool"
	dir=$bench_dir target='' target_pid='' input='' tool=''
}

unpark() { # NAME
	IFS='|' read -r dir target target_pid input tool <<<"${parked[$1]}"
	unset "parked[$1]"
}

call_if_there() { # FUNCTION ARGUMENT...
	! declare -F "$1" >/dev/null || "$@"
}

# ---- The target ----

# Under the tool if that starts programs itself: `NAME.wrap` then sets `wrapped`.
start_program() { # COMMAND...
	wrapped=("$@")
	call_if_there "$mode.wrap" "$@"
	rm -f "$dir/in"
	mkfifo "$dir/in"
	"${wrapped[@]}" <"$dir/in" >"$dir/out" 2>"$dir/err" &
	target=$!
	exec {input}>"$dir/in"
}

start_target() { # COMMAND...: of a target that says `ready PID`
	start_program "$@"
	wait_for "$target" "$dir/out" '^ready' || { why="the program did not start: $(tail -n 1 "$dir/err")"; return 1; }
	target_pid=$(awk '/^ready/ {print $2}' "$dir/out")
}

# The file that the target takes a function from, and that peers then probe.
file_of() { # PATTERN
	awk -v want="$1" '$6 ~ want {print $6; exit}' "/proc/$target_pid/maps"
}

ask() { # LINE -> the answer, within two minutes
	local before until=$((SECONDS + 120))
	before=$(wc -l <"$dir/out")
	echo "$1" >&"$input"
	while [[ $(wc -l <"$dir/out") == "$before" ]]; do
		kill -0 "$target_pid" 2>/dev/null && ((SECONDS < until)) || return 1
		sleep 0.02
	done
	tail -n 1 "$dir/out"
}

end_target() {
	[[ $target ]] || return 0
	[[ ! $input ]] || exec {input}>&-
	[[ ! -S $dir/redis.sock ]] || kill "$target_pid" 2>/dev/null # its input means nothing to it
	wait "$target" 2>/dev/null || true
	target='' target_pid='' input=''
}

# ---- The tool ----

# In the background, its output in $dir/tool. Without the target's input, which has to end some day.
launch() { # COMMAND...
	local keep=${input:-1}
	: >"$dir/tool"
	if [[ $keep == 1 ]]; then
		"$@" >"$dir/tool" 2>&1 </dev/null &
	else
		"$@" >"$dir/tool" 2>&1 </dev/null {input}>&- &
	fi
	tool=$!
}

wait_for() { # PID FILE PATTERN: until the process has written such a line, 20 s at most
	for _ in $(seq 1000); do
		! grep -q -- "$3" "$2" 2>/dev/null || return 0
		kill -0 "$1" 2>/dev/null || return 1
		sleep 0.02
	done
	return 1
}

is_ready() { # PATTERN: of the tool's output, else `why` says what it said instead
	! wait_for "$tool" "$dir/tool" "$1" || return 0
	why=$(grep -v '^$' "$dir/tool" | tail -n 1)
	return 1
}

# And what it started and left behind, but never the target.
end_tool() { # SIGNAL [TENTHS]: kills it for good after so long
	local tenths=${2:-300} rest pid
	[[ $tool ]] || return 0
	rest=$(below "$tool")
	kill "-$1" "$tool" 2>/dev/null
	while ((tenths-- > 0)) && kill -0 "$tool" 2>/dev/null; do sleep 0.1; done
	kill -KILL "$tool" 2>/dev/null
	wait "$tool" 2>/dev/null
	for pid in $rest; do [[ $pid == "$tool" ]] || kill -KILL "$pid" 2>/dev/null; done
	tool=''
	return 0
}

_processes='{pid = $1; sub(/^.*\) /, ""); parent[pid] = $2; ticks[pid] = $12 + $13 + $14 + $15}
	BEGIN {n = split(roots, r, " "); for (i = 1; i <= n; i++) wanted[r[i]] = 1}
	function is_below(p) {return p == except || p < 2 ? 0 : p in wanted ? 1 : p in parent ? is_below(parent[p]) : 0}'

# Processes and what they started, the target and what it started left out.
below() { # PID...
	{ cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v roots="$*" -v except="$target_pid" "$_processes"'
		END {for (p in ticks) if (is_below(p)) print p}'
}

# Their CPU time so far, in s.
cpu_s() { # PID...
	{ cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v roots="$*" -v except="$target_pid" -v hz="$(getconf CLK_TCK)" "$_processes"'
		END {for (p in ticks) if (is_below(p)) sum += ticks[p]; printf "%.2f\n", sum / hz}'
}

bytes_of() { # PATH...: 0 where there is nothing
	du -sbc "$@" 2>/dev/null | awk '{v = $1} END {print v + 0}'
}
