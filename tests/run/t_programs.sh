#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: real programs do the same without libmpsample.so, with it asleep, and recorded by it from their first call on:
# same output, same exit status; and no call goes uncounted.
#   sqlite3                      a database of more than 100 MB, checked
#   redis, attached              a server under load; started by the recorder, or recorded while it runs
#   python, python_tests         lists, collections, threads, processes; the interpreter's own tests
#   java, java_version           threads, by a program that the JVM compiles first
#   bash, git, gcc, stl          what starts many processes, or loads and throws a lot
#   jemalloc tcmalloc mimalloc   preloaded behind the library: their own new and delete count as such
# beside others
# cases: sqlite3 redis attached python python_tests java java_version bash git gcc stl jemalloc tcmalloc mimalloc
source "${BASH_SOURCE[0]%/*}/lib.sh"

LIBRARY=$O/libmpsample.so
need_root

nothing_uncounted() {
	eq "lost calls" "$(sql s.db "SELECT source, lost FROM v_loss WHERE what = 'calls'")" ""
	holds "mallocs are counted" "$(calls s.db malloc) > ${1:-100}"
	holds "frees are counted" "$(calls s.db free) > ${1:-10}"
}

# compare HOW STATUS: what a run left behind, with that of the plain run.
compare() {
	eq "$1: exit status" "$2" "$PLAIN_STATUS"
	cmp "plain.stdout" "$1.stdout" || fail "$1: other output: $(diff plain.stdout "$1.stdout" | head -n 5)"
	cmp "plain.stderr" "$1.stderr" || fail "$1: other messages: $(diff plain.stderr "$1.stderr" | head -n 5)"
}

# thrice COMMAND...: plain, asleep, recorded. What it leaves in the folder `made` is each run's own.
thrice() {
	local status=0
	PLAIN_STATUS=0
	fresh
	"$@" >plain.stdout 2>plain.stderr </dev/null || PLAIN_STATUS=$?
	fresh
	LD_PRELOAD=$LIBRARY "$@" >asleep.stdout 2>asleep.stderr </dev/null || status=$?
	compare asleep "$status"
	fresh
	rm -f s.db*
	"$MPSAMPLE" record --plane preload -o s.db -- "$@" >recorded.stdout 2>recorder.err </dev/null || die "the recorder fails"
	grep -v '^mpsample: ' recorder.err >recorded.stderr || true
	status=$(sed -n 's/^mpsample: target exited (exit status \([0-9]*\)).*/\1/p' recorder.err)
	contains "how it ended" "$(<recorder.err)" "mpsample: target exited"
	compare recorded "${status:-0}"
	nothing_uncounted
}

fresh() {
	rm -rf made
	mkdir made
}

# ---- A server ----

# start_server [ENVIRONMENT...]: it listens on a socket here.
start_server() {
	env "$@" redis-server --port 0 --unixsocket "$WORK/socket" --save '' --appendonly no --daemonize no --dir "$WORK" >server.out 2>server.err &
	SERVER=$!
	until_it_answers "$SERVER"
}

until_it_answers() { # PID
	local deadline=$((SECONDS + GUARD_S))
	until [[ $(redis ping 2>/dev/null) == PONG ]]; do
		alive "$1" || die "redis-server ended"
		((SECONDS < deadline)) || die "redis-server does not answer"
		sleep 0.02
	done
}

redis() {
	redis-cli -s "$WORK/socket" "$@"
}

# Load, and then requests whose answers are known; the end. HOW names the file for the answers.
serve() {
	redis-benchmark -s "$WORK/socket" -n 5000 -c 20 -q -t set,get,lpush,hset,zadd,mset -r 1000 -d 300 >load.out
	redis flushall >load.out
	seq 2000 | sed 's/.*/SET key:& value-&\nAPPEND key:& -more\nGET key:&\nZADD z & m&/' | redis >"$1.stdout"
	redis dbsize >>"$1.stdout"
	redis shutdown nosave || true # it closes the connection instead of answering
}

serve_and_end() {
	local status=0
	serve "$1"
	wait "$SERVER" || status=$?
	: >"$1.stderr"
	if [[ $1 == plain ]]; then PLAIN_STATUS=$status; else compare "$1" "$status"; fi
}

need_redis() {
	need_command redis-server redis-server
	need_command redis-benchmark redis-tools
}

# ---- Programs ----

python_script() {
	cat <<'PYTHON'
import gc, multiprocessing, os, subprocess, sys, threading, unittest

def square(n):
    return [n * n] * 3

class Node:
    pass

class Lists(unittest.TestCase):
    def test_grow_and_shrink(self):
        for n in (0, 1, 7, 1000, 100003):
            a = list(range(n))
            a.extend(a)
            del a[::2]
            self.assertEqual(len(a), n)
            self.assertEqual(sorted(a, reverse=True)[::-1], sorted(a))

    def test_strings(self):
        self.assertEqual(len("-".join(str(i) for i in range(100003))), 588910)

class Collector(unittest.TestCase):
    def test_cycles(self):
        gc.collect()
        for _ in range(10007):
            a, b = Node(), Node()
            a.other, b.other = b, a
        del a, b
        gc.collect()
        self.assertEqual(sum(isinstance(o, Node) for o in gc.get_objects()), 0)

class Processes(unittest.TestCase):
    def test_threads(self):
        results = [None] * 16
        def work(i):
            results[i] = sum(len(square(n)) for n in range(5003))
        threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
        for t in threads: t.start()
        for t in threads: t.join()
        self.assertEqual(results, [15009] * 16)

    def test_subprocess(self):
        out = subprocess.run(["sh", "-c", "echo $((6 * 7)); exit 3"], stdout=subprocess.PIPE)
        self.assertEqual((out.stdout, out.returncode), (b"42\n", 3))

    def test_fork(self):
        with multiprocessing.get_context("fork").Pool(2) as pool:
            self.assertEqual(pool.map(square, range(101)), [square(n) for n in range(101)])

    def test_spawn_in_environment(self):
        out = subprocess.run([sys.executable, "-c", "import os; print(os.environ.get('LD_PRELOAD'))"], stdout=subprocess.PIPE)
        self.assertEqual(out.stdout, b"None\n")

loaded = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
result = unittest.TextTestRunner(stream=open(os.devnull, "w")).run(loaded)
print(result.testsRun, result.failures, result.errors)
sys.exit(5 if result.wasSuccessful() else 1)
PYTHON
}

# A wrapper (pyenv's is a script) would run without the library in what it starts: the program itself.
find_python() {
	need_command python3 python3
	PYTHON=$(python3 -c 'import sys; print(sys.executable)')
}

java_program() {
	cat <<'JAVA'
import java.util.*;
import java.util.concurrent.*;

public class Threads {
    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<Long>> sums = new ArrayList<>();
        for (int i = 0; i < 32; i++) {
            final int seed = i;
            sums.add(pool.submit(() -> {
                Map<String, List<Integer>> book = new HashMap<>();
                for (int n = 0; n < 20011; n++)
                    book.computeIfAbsent("instrument-" + (n * 7919 + seed) % 499, k -> new ArrayList<>()).add(n);
                return book.values().stream().mapToLong(List::size).sum();
            }));
        }
        long sum = 0;
        for (Future<Long> s : sums)
            sum += s.get();
        pool.shutdown();
        byte[][] kept = new byte[16][];
        for (int i = 0; i < 4096; i++)
            kept[i % 16] = new byte[65536];
        System.out.println(sum + " " + kept[15].length);
        System.exit(7);
    }
}
JAVA
}

# What it says has no times in it, nor the library's name.
bash_script() {
	cat <<'SCRIPT'
declare -A count
for i in {1..3001}; do count[$((i % 97))]+="$i "; done
echo "${#count[@]} ${#count[13]}"
for i in {1..20}; do (echo "sub $i"; exit "$i") | { read -r line; echo "$line"; }; done
cat <<END | tr a-z A-Z | sort -r | head -n 3
one $((1 + 1))
two $(echo nested $(echo deeper))
three
END
diff <(seq 5) <(seq 2 6) && echo same
x=$(for i in {1..500}; do printf '%s,' "$i"; done); echo "${#x} ${x//,/}" | md5sum
coproc cat; echo through >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"
trap 'echo leaving' EXIT
env | grep -c LD_PRELOAD
exit 9
SCRIPT
}

make_repository() {
	git init -q repository
	for i in {1..40}; do
		seq "$i" $((i + 500)) >"repository/file-$((i % 7))"
		git -C repository add .
		GIT_AUTHOR_DATE="2020-01-01T00:00:$((i + 10)) +0000" GIT_COMMITTER_DATE="2020-01-01T00:00:$((i + 10)) +0000" \
			git -C repository -c user.name=n -c user.email=e@example.org commit -q -m "change $i"
	done
}

allocator() { # SONAME
	local found new delete
	found=$(ldconfig -p | awk -v name="$1" '$1 == name { found = $NF } END { print found }')
	[[ $found ]] || skip "$1 is not installed"
	start_target env LD_PRELOAD="$LIBRARY $found" "$TARGETS/family_cxx"
	record_work s.db --plane preload
	new=$(awk '/^new/ { n += $2 } END { print n }' target.out) delete=$(awk '/^delete/ { n += $2 } END { print n }' target.out)
	# What the allocator does not bring itself is libstdc++'s, by malloc and free.
	eq "news" "$(sql s.db "SELECT sum(calls) FROM v_percentile WHERE op IN ('new', 'malloc', 'aligned_alloc')")" "$new"
	eq "deletes" "$(sql s.db "SELECT sum(calls) FROM v_percentile WHERE op IN ('delete', 'free')")" "$delete"
	holds "its own" "$(calls s.db new) > 2000 AND $(calls s.db delete) > 1000"
	nothing_lost s.db
	# Exceptions go through its operators; a plugin finds them behind the library.
	LD_PRELOAD=$found "$TARGETS/preload_plugin" "$TARGETS/libplugin.so" <<<go | grep -v '^ready' >plain
	start_target env LD_PRELOAD="$LIBRARY $found" "$TARGETS/preload_plugin" "$TARGETS/libplugin.so"
	record_work t.db --plane preload
	eq "a plugin's work" "$(grep -v '^ready' target.out)" "$(<plain)"
}

case $CASE in
sqlite3)
	cat >work.sql <<'SQL'
PRAGMA journal_mode = off;
PRAGMA synchronous = off;
CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO t SELECT i, printf('%.*c%d', 1700, 'x', i * 7919 % 1009) FROM n;
CREATE INDEX t_b ON t (substr(b, 1701));
SELECT count(*), sum(length(b)), max(b) FROM t;
UPDATE t SET b = substr(b, 1690) WHERE a % 10 = 0;
SELECT substr(b, -5) AS s, count(*) FROM t WHERE a % 10 GROUP BY s ORDER BY 2 DESC, 1 LIMIT 5;
PRAGMA integrity_check;
SELECT page_count * page_size > 100000000 FROM pragma_page_count, pragma_page_size;
SQL
	thrice sqlite3 -batch made/x.db ".read work.sql"
	eq "the last lines" "$(tail -n 2 recorded.stdout | xargs)" "ok 1"
	;;
redis)
	need_redis
	start_server
	serve_and_end plain
	start_server LD_PRELOAD="$LIBRARY"
	serve_and_end asleep
	start_recorder --plane preload -o s.db -- redis-server --port 0 --unixsocket "$WORK/socket" --save '' --appendonly no --daemonize no --dir "$WORK"
	launched
	until_it_answers "$RECORDER"
	serve recorded
	wait_recorder
	: >recorded.stderr
	compare recorded "$(sed -n 's/^mpsample: target exited (exit status \([0-9]*\)).*/\1/p' recorder.err | grep . || echo 0)"
	nothing_uncounted 1000
	;;
attached)
	need_redis
	start_server
	serve_and_end plain
	start_server LD_PRELOAD="$LIBRARY"
	start_recorder -p "$SERVER" --plane preload -o s.db
	serve_and_end recorded
	wait_recorder
	nothing_uncounted 1000
	;;
python)
	find_python
	python_script >work.py
	thrice "$PYTHON" work.py
	eq "all of its tests pass" "$PLAIN_STATUS: $(<plain.stdout)" "5: 7 [] []"
	;;
python_tests)
	find_python
	cat >work.py <<'PYTHON'
import os, sys, unittest, test.test_gc, test.test_list
suite = unittest.defaultTestLoader.loadTestsFromNames(["test.test_gc", "test.test_list"])
result = unittest.TextTestRunner(stream=open(os.devnull, "w")).run(suite)
print(result.testsRun > 50, result.failures, result.errors)
PYTHON
	"$PYTHON" -c 'import test.test_list, test.test_gc' 2>/dev/null || skip "this Python comes without its tests (Debian: libpython3-testsuite)"
	thrice "$PYTHON" -W ignore work.py
	eq "all of them pass" "$(tail -n 1 plain.stdout)" "True [] []"
	;;
java)
	need_command java default-jdk-headless
	need_command javac default-jdk-headless
	java_program >Threads.java
	thrice java -Xmx64m Threads.java
	eq "what it says" "$(<plain.stdout)" "640352 65536"
	;;
java_version)
	need_command java default-jre-headless
	thrice java -Xmx64m -version
	;;
bash)
	bash_script >work.sh
	thrice bash work.sh
	eq "exit status" "$PLAIN_STATUS" 9
	;;
git)
	need_command git git
	make_repository
	thrice git -C repository log --stat -p
	thrice git clone -q --no-local repository made/clone
	eq "the clone" "$(git -C made/clone rev-parse HEAD)" "$(git -C repository rev-parse HEAD)"
	;;
gcc)
	need_command gcc gcc
	thrice gcc -O2 -g -D_GNU_SOURCE -x c -c -o made/x.o "$ROOT/tests/targets/preload_life.c"
	# The compiler proper is a process of its own.
	thrice "$(gcc -print-prog-name=cc1)" -quiet -O2 -D_GNU_SOURCE "$ROOT/tests/targets/preload_life.c" -o made/x.s
	;;
stl)
	thrice "$TARGETS/stl"
	;;
jemalloc) allocator libjemalloc.so.2 ;;
tcmalloc) allocator libtcmalloc_minimal.so.4 ;;
mimalloc) allocator libmimalloc.so.2 ;;
esac
