#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: an independent counter (tests/targets/calls_counter.c, by LD_PRELOAD) and mpsample agree to the call about the
# malloc, calloc, realloc and free calls of real programs: Debian's sqlite3 shell and redis-server.
#   sqlite3        both in one run: mpsample probes the counter's own functions
#   sqlite3_twice  the counter alone in one run, mpsample alone in another: the work is the same each time
#   redis          both in one run of a server with threads, jemalloc behind it, under a fixed script of requests
# cases: sqlite3 sqlite3_twice redis
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
COUNTER=$TARGETS/libcalls_counter.so

# The counter is preloaded into the recorder as well, which hands it on: both write their counts at exit, into one pipe,
# the target first.
begin_counting() {
	mkfifo counts.pipe
	cat <counts.pipe >counts &
	exec {PIPE}>counts.pipe
	printf '#!/bin/sh\nexec env LD_PRELOAD=%s CALLS_COUNTER_OUT=%s %s "$@"\n' \
		"$COUNTER" "$WORK/counts.pipe" "$MPSAMPLE" >with-counter
	chmod +x with-counter
	MPSAMPLE=./with-counter
}

end_counting() {
	exec {PIPE}>&-
	wait
	eq "processes that reported their counts" "$(grep -c '^malloc ' counts)" 2
	awk '/^malloc / { block++ } block == 1' counts >counts.target
}

# agree DB: with counts.target. free(NULL) is no call for mpsample: the counter tells how many of its frees were that.
agree() {
	local op n nulls
	nulls=$(awk '$1 == "free_null" { print $2 }' counts.target)
	while read -r op n; do
		[[ $op != free_null ]] || continue
		[[ $op != free ]] || n=$((n - ${nulls:-0}))
		eq "calls of $op" "$(calls "$1" "$op")" "$n"
	done <counts.target
	eq "other operations" "$(sql "$1" "SELECT op FROM v_percentile WHERE op NOT IN ('malloc', 'calloc', 'realloc', 'free')")" ""
	holds "it is a real program's work: $(xargs <counts.target)" "$(awk '{ n += $2 } END { print n }' counts.target) > 20000"
	nothing_lost "$1"
}

cat >work.sql <<'SQL'
CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c REAL);
CREATE INDEX t_b ON t (b);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3001)
INSERT INTO t SELECT i, printf('order-%d-%d', i, i * 7919 % 1009), i / 7.0 FROM n;
SELECT count(*), sum(length(b)), round(avg(c), 3) FROM t WHERE b LIKE 'order-1%';
SELECT group_concat(b) FROM (SELECT b FROM t ORDER BY c DESC LIMIT 503);
UPDATE t SET b = b || '-x' WHERE a % 3 = 0;
DELETE FROM t WHERE a % 5 = 0;
SELECT count(*), max(b) FROM t;
SQL

free_port() {
	local port
	for ((;;)); do
		port=$((20000 + RANDOM % 20000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break # nobody answers
	done
	echo "$port"
}

redis() {
	redis-cli -h 127.0.0.1 -p "$PORT" "$@"
}

case $CASE in
sqlite3)
	begin_counting
	"$MPSAMPLE" record "${EVERY_CALL[@]}" --plane uprobe -o s.db -- sqlite3 -batch :memory: ".read work.sql" >work.out 2>recorder.err
	end_counting
	eq "the probed malloc is the counter's" \
		"$(sql s.db "SELECT module, allocator FROM v_probe WHERE op = 'malloc'")" "$COUNTER|interposed"
	agree s.db
	;;
sqlite3_twice)
	LD_PRELOAD=$COUNTER CALLS_COUNTER_OUT=$WORK/counts.target sqlite3 -batch :memory: ".read work.sql" >work.out
	LD_PRELOAD=$COUNTER CALLS_COUNTER_OUT=$WORK/counts.again sqlite3 -batch :memory: ".read work.sql" >work.out
	eq "the counter's two runs differ" "$(xargs <counts.again)" "$(xargs <counts.target)"
	"$MPSAMPLE" record "${EVERY_CALL[@]}" --plane uprobe -o s.db -- sqlite3 -batch :memory: ".read work.sql" >work.out 2>recorder.err
	agree s.db
	;;
redis)
	need_command redis-server redis-server
	need_command redis-benchmark redis-tools
	PORT=$(free_port)
	begin_counting
	start_recorder --plane uprobe -o s.db -- redis-server --port "$PORT" --bind 127.0.0.1 --save '' --appendonly no --daemonize no --dir "$WORK"
	launched
	deadline=$((SECONDS + GUARD_S))
	until [[ $(redis ping 2>/dev/null) == PONG ]]; do
		((SECONDS < deadline)) || die "redis-server does not answer"
		sleep 0.05
	done
	redis-benchmark -h 127.0.0.1 -p "$PORT" -n 3000 -c 8 -q -t set,get,lpush,hset,zadd -r 1000 -d 100 >work.out
	seq 500 | sed 's/.*/SET key:& value-&\nAPPEND key:& -more\nEXPIRE key:& 100\nGET key:&/' | redis >work.out
	redis flushall async >work.out
	until redis info memory | grep "^lazyfree_pending_objects:0" >work.out; do # frees after the counter's own end are not counted
		((SECONDS < deadline)) || die "redis does not finish flushing"
		sleep 0.05
	done
	redis shutdown nosave || true # it closes the connection instead of answering
	wait_recorder
	end_counting
	agree s.db
	;;
esac
