#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a runtime's own account of its pauses (tests/targets/gc/). Each pause that it tells within the recorded time is one
# row of v_gc, there are no others, and the rows' lengths are the told ones: by the median, to no more than twice what was
# measured for the places where probes can be put (ERROR_NS).
#   hotspot-*     the JVM of JAVA_HOME or of the PATH; by its log, time to safepoint and the whole stop too
#   hotspot25-*   a JVM of version 25 below /usr/lib/jvm
#   cpython       Debian's, which has USDT probes          cpython-no-usdt   others, of pyenv or of PYTHONS="PATH..."
#   go-stripped   without symbols
#   launched      a command that `record` starts, which loads its runtime later
# beside others
# cases: hotspot-g1 hotspot-parallel hotspot-serial hotspot-z hotspot-shenandoah
# cases: hotspot25-g1 hotspot25-parallel hotspot25-serial hotspot25-z hotspot25-shenandoah
# cases: cpython cpython-no-usdt node go go-stripped boehm launched
source "${BASH_SOURCE[0]%/*}/lib.sh"
source "${BASH_SOURCE[0]%/*}/gc_lib.sh"

RECORD_S=6
declare -A ERROR_NS=([g1]=17000 [z]=4700 [shenandoah]=12000 [serial]=46000 [parallel]=83000 [safepoint]=4200
	[cpython]=3000 [node]=2700 [go]=3000 [boehm]=21000)
# Loads that collect often: after a sleep, or a long pause, caches are cold, for the runtime's own stamps too, and what lies
# between them and the probes (in CPython a dictionary and a call) takes 10 us instead of 2.
BUSY_JAVA=(--mode steady --rate 0 --live 1)
BUSY_PYTHON=(--rate 0 --live 500 --then "gc.set_threshold(700)")
declare -A COLLECTOR=([g1]=G1 [z]=Z [shenandoah]=Shenandoah [serial]=Serial [parallel]=Parallel)

kinds_agree() {
	eq "kinds that are not those of the log" "$(gc_figure kinds_differ)" 0
	eq "pauses without a kind" "$(gc_figure kinds_unknown)" 0
}

hotspot_agrees() { # COLLECTOR LOAD_OPTION...
	start_gc_java "${COLLECTOR[$1]}" "${@:2}"
	record "$RECORD_S"
	end_gc_load
	awk -f "$ROOT/tests/tools/gc_truth.awk" gc.log >gc.truth || die "no truth in gc.log"
	gc_pauses_agree s.db gc.truth hotspot
	kinds_agree
}

# Of the collectors with a young generation what the runtime does between its own stamps and the probes is more in long pauses.
# With QUIET=1 they are held to the error alone in a load of their own, too: a small young generation is collected often.
hotspot() { # MAJOR COLLECTOR
	need_gc_java "$1"
	hotspot_agrees "$2" --mode mixed --rate "$([[ $2 == z || $2 == shenandoah ]] && echo 400 || echo 300)"
	cost_is_told
	gc_error length $((2 * ERROR_NS[$2])) 0.01
	gc_error stop $((2 * ERROR_NS[safepoint])) 0.01
	if [[ ! ${QUIET:-} ]]; then
		return
	fi
	if [[ $2 != z && $2 != shenandoah ]]; then
		export JAVA_TOOL_OPTIONS=-Xmn4m
		hotspot_agrees "$2" "${BUSY_JAVA[@]}"
	fi
	gc_error length $((2 * ERROR_NS[$2]))
	gc_error stop $((2 * ERROR_NS[safepoint]))
}

# What the points cost, as the report says it, at a usual rate.
cost_is_told() {
	eq "report gc tells its cost" "$("$MPSAMPLE" report gc s.db --table sentences | grep -c 'to record this cost the program .* of a core')" 1
	holds "it is at most 1 % of a core" "$(sql s.db "SELECT sum(cost_ns) FROM v_overhead WHERE plane = 'gc'") <= 0.01 * $RECORD_S * 1e9"
}

cpython() { # INTERPRETER SECONDS
	echo "---- $1: $("$1" --version)"
	start_target "$1" "$GC_LOADS/gc_load.py" gc.truth "${BUSY_PYTHON[@]}"
	record "$2"
	end_gc_load
	gc_pauses_agree s.db gc.truth cpython
	gc_error length $((2 * ERROR_NS[cpython]))
	kinds_agree
}

# Of pyenv those whose collector is found by its functions (3.8 to 3.13).
pythons() {
	local python

	for python in ${PYTHONS:-$(compgen -G "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.*/bin/python3" | grep -E '/3\.(8|9|1[0-3])\.')}; do
		[[ ! -x $python ]] || readlink -f "$python"
	done
}

# `env go`: `go` is a function of lib.sh.
golang() { # PROGRAM
	need_gc_target "$1" "Go (Debian: golang-go)"
	local version
	version=$(env go version) || skip "go is not installed (Debian: golang-go)"
	[[ $version =~ go1\.(19|20|21) ]] || skip "only the traces of Go 1.19 to 1.21 are read, not those of $version"
	start_target "$TARGETS/gc/$1" go.trace --rate 0 --live 1
	record "$RECORD_S"
	end_gc_load
	env go tool trace -d go.trace 2>go.trace.err | awk -f "$ROOT/tests/tools/gc_truth_go.awk" >gc.truth || die "no truth in the trace: $(tail -n 1 go.trace.err)"
	gc_pauses_agree s.db gc.truth go
	gc_error length $((2 * ERROR_NS[go]))
	eq "kinds that are not those of the trace" "$(gc_figure kinds_differ)" 0
}

need_root
case $CASE in
hotspot-*) hotspot '' "${CASE#*-}" ;;
hotspot25-*) hotspot 25 "${CASE#*-}" ;;
cpython)
	need_gc_python
	cpython "$PYTHON" "$RECORD_S"
	start_target "$PYTHON" "$GC_LOADS/gc_load.py" -
	record "$RECORD_S"
	end_gc_load
	cost_is_told
	;;
cpython-no-usdt)
	all=$(pythons)
	[[ $all ]] || skip "no CPython without USDT probes: PYTHONS=\"PATH...\" names some"
	for python in $all; do
		cpython "$python" 4
	done
	;;
node)
	need_command node nodejs
	# Small, so that it is full often; what lives is more than it holds, so that the old space fills too.
	start_target bash -c 'exec node --trace-gc --max-semi-space-size=2 --max-old-space-size=40 "$0" node.truth --rate 600000 --say 3 3>&1 >trace.out' \
		"$GC_LOADS/gc_load.js"
	record "$RECORD_S"
	end_gc_load
	awk -f "$ROOT/tests/tools/gc_truth_node.awk" node.truth trace.out >gc.truth || die "no truth in node.truth and trace.out"
	gc_pauses_agree s.db gc.truth v8
	gc_error length $((2 * ERROR_NS[node]))
	kinds_agree
	;;
launched)
	need_gc_java ''
	"$MPSAMPLE" record -o s.db -- "$JAVA" -XX:+UseG1GC -Xmx128m -Xlog:gc,safepoint:file=gc.log:timenanos,tags:filecount=0 \
		-cp "$TARGETS/gc" GcLoad --seconds 8 >target.out 2>recorder.err || die "the recording fails: $(<recorder.err)"
	awk -f "$ROOT/tests/tools/gc_truth.awk" gc.log >gc.truth || die "no truth in gc.log"
	first=$(sql s.db "SELECT coalesce(min(t_ns), 0) FROM v_gc WHERE is_pause")
	((first)) || die "no collection was recorded: $(<recorder.err)"
	eq "pauses since the first" "$(sql s.db "SELECT count(*) FROM v_gc WHERE is_pause")" \
		"$(awk -v first="$first" '$2 >= first' gc.truth | wc -l)"
	;;
go) golang gc_load ;;
go-stripped) golang gc_load_stripped ;;
boehm)
	need_gc_target boehm libgc-dev
	start_target "$TARGETS/gc/boehm" gc.truth --rate 0 --live 1000
	record "$RECORD_S"
	end_gc_load
	gc_pauses_agree s.db gc.truth boehm
	gc_error length $((2 * ERROR_NS[boehm]))
	;;
esac
