# SPDX-License-Identifier: MIT
# The real workload: redis-server, one request after the other by 20 clients of redis-benchmark, over a Unix socket.
# Its allocator is jemalloc. Sourced by compare.sh.

_redis_command=(redis-server --port 0 --save '' --appendonly no --daemonize no --loglevel warning)

redis_missing() {
	command -v redis-server >/dev/null && command -v redis-benchmark >/dev/null && return 1
	printf 'redis\tredis-server or redis-tools is not installed\n' >>"$out/notes.tsv"
}

# The modes that a bound is about take part in each round, beside the plain one; the others in one of three. Another
# allocator in place of redis's own would be another server, and uftrace sees no calls of a program that is bound at start.
redis_takes_part() {
	case $mode in
	plain | uprobe-auto | preload-dormant | preload-on) ;;
	jemalloc | tcmalloc* | empty-sleepable | perf-stat | uftrace) return 1 ;;
	*) ((round % 3 == 1)) ;;
	esac
}

start_redis() {
	start_program "${_redis_command[@]}" --unixsocket "$dir/redis.sock"
	for _ in $(seq 200); do
		target_pid=$(redis-cli -s "$dir/redis.sock" info server 2>/dev/null | tr -d '\r' | sed -n 's/^process_id://p')
		[[ ! $target_pid ]] || break
		sleep 0.05
	done
	[[ $target_pid ]] || { why="redis-server did not start"; return 1; }
	probed=$(file_of '/libjemalloc[.]so')
	probed=${probed:-$(file_of '/libc[.]so[.]6$')}
	redis_requests 20000 >/dev/null # its tables have grown
}

redis_requests() { # N -> requests per second, p99 in ms
	redis-benchmark -s "$dir/redis.sock" -t set -r 20000 -d 100 -c 20 -n "$1" --csv 2>/dev/null |
		tr -d '"' | awk -F, '$1 == "SET" {print $2, $7}'
}

# So many requests as take redis_s: the slowest tool makes hardly a tenth of the fastest's.
do_redis() {
	local first
	first=($(redis_requests 1000))
	! declare -F "$mode.settle_s" >/dev/null ||
		redis_requests "$(awk -v rps="${first[0]:-1000}" -v s="$("$mode.settle_s")" 'BEGIN {printf "%d", 2 * rps * s}')" >/dev/null
	first=($(redis_requests "$(awk -v rps="${first[0]:-1000}" -v s="$redis_s" 'BEGIN {printf "%d", rps * s / 2 + 500}')"))
	local n figures
	n=$(awk -v rps="${first[0]:-1000}" -v s="$redis_s" 'BEGIN {printf "%d", rps * s + 500}')
	figures=($(redis_requests "$n"))
	put redis 1 rps "${figures[0]:--}" p99_ms "${figures[1]:--}"
}

# One server, and the tool comes and goes: each time with it is compared with those before and after. Two servers side by
# side would not tell what a recorder costs by being there: both would pay for it. The times are long, for within a second
# or two the machine's own speed varies by a tenth.
redis_paired() { # MODE TURNS
	local turns=$2 n with before after
	mode=$1
	[[ " ${modes[*]} " == *" $mode "* && ! ${missing[$mode]:-} ]] || return 0
	start_redis || { give_up "$why"; end_target; return 0; }
	after=($(redis_requests 100000))
	n=$(awk -v rps="${after[0]:-1000}" -v s="$redis_s" 'BEGIN {printf "%d", rps * s + 500}')
	after=($(redis_requests "$((10 * n))"))
	for round in $(seq "$turns"); do
		progress "redis paired, turn $round of $turns"
		before=("${after[@]}")
		attach || { give_up "$why"; call_if_there "$mode.stop" 2>/dev/null; break; }
		redis_requests "$((2 * n))" >/dev/null # it has settled
		with=($(redis_requests "$((10 * n))"))
		detach
		after=($(redis_requests "$((10 * n))"))
		put redis-paired 1 rps "${with[0]:--}"
		mode=plain
		put redis-paired 1 rps "$(awk -v a="${before[0]:-0}" -v b="${after[0]:-0}" 'BEGIN {print (a + b) / 2}')"
		mode=$1
	done
	end_target
}

redis_round() { turn start_redis do_redis; }
