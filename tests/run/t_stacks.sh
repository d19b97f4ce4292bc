#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: the stacks of a program without frame pointers are whole, its inlined functions are told, and its sites are its
# own functions, not those of the library that allocates for them (tests/targets/order_flow.cc).
#   session multi tracefs preload   each way to look at it; tracefs copies little of a stack, which may be cut
#   full                            every call a row: with less of its stack, but with the innermost frames
#   fp                              by frame pointers: what is found is marked as that
#   off                             no stacks at all
#   ignored                         the recorder's parent ignores the end of its children, and it with it
#   launch                          a command that the recorder starts, with no table in the cache
# beside others
# cases: session multi tracefs preload full fp off ignored launch
source "${BASH_SOURCE[0]%/*}/lib.sh"

case $CASE in
session | multi | tracefs) need_backend "$CASE" && options=(--backend "$CASE") ;;
preload) options=(--plane preload) ;;
full) need_backend session && options=(--full) ;;
launch)
	options=(--plane preload)
	export XDG_CACHE_HOME=$PWD/cache
	mkdir cache
	;;
ignored)
	need_backend session && options=(--backend session)
	command=$MPSAMPLE
	printf '#!/bin/sh\nexec env --ignore-signal=CHLD %s "$@"\n' "$command" >ignoring
	chmod +x ignoring
	MPSAMPLE=$PWD/ignoring
	export XDG_CACHE_HOME=$PWD/cache # no table is there yet
	mkdir cache
	;;
*) need_backend session && options=(--stack "$CASE") ;;
esac
program=("$TARGETS/order_flow")
[[ $CASE != preload ]] || program=(env "LD_PRELOAD=$O/libmpsample.so" "${program[@]}")
if [[ $CASE == launch ]]; then
	launch -o s.db "${options[@]}" -- "${program[@]}"
	wait_ready
	go
	wait_line target.out '^done' "$RECORDER"
	end_launched
else
	start_target "${program[@]}"
	record_work s.db "${options[@]}"
fi

orders=$(truth orders)
[[ $CASE == launch ]] || eq "mallocs" "$(calls s.db malloc)" "$((2 * orders))"
mallocs="FROM v_call WHERE op = 'malloc'"
stacks="(SELECT DISTINCT stack_id $mallocs AND stack_id IS NOT NULL)"
kept=$(sql s.db "SELECT count(*) $mallocs")
holds "rows" "$kept > 20"

# The program's own functions of each stack, from the inside out, inlined ones in brackets.
chain="SELECT DISTINCT (SELECT group_concat(CASE WHEN inlined THEN '[' || name || ']' ELSE name END, ' < ')
	FROM (SELECT * FROM v_stack s WHERE s.stack_id = k.stack_id AND file GLOB '*/order_flow.cc' AND name NOT GLOB '*operator*'
	      ORDER BY depth)) FROM $stacks k"

whole() {
	sql s.db "$chain" >chains
	cat chains
	eq "the ways to OrderBook::insert" "$(<chains)" "[PriceLevel::append] < OrderBook::insert < Gateway::on_packet < replay < main"
	eq "how they were found, and where they end" "$(sql s.db "SELECT DISTINCT unwound, ended FROM v_stack JOIN $stacks USING (stack_id)")" "cfi|outermost"
	eq "their outermost functions" "$(sql s.db "SELECT DISTINCT name FROM (SELECT stack_id, name, max(depth) FROM v_stack JOIN $stacks USING (stack_id) GROUP BY 1)")" _start
	eq "lines" "$(sql s.db "
		SELECT count(*) FROM v_stack JOIN $stacks USING (stack_id)
		WHERE function IN ('Gateway::on_packet', 'OrderBook::insert', 'PriceLevel::append', 'main') AND line IS NULL")" 0
}

sites() {
	eq "sites" "$(sql s.db "SELECT DISTINCT site $mallocs" | sed 's/PriceLevel::append/OrderBook::insert/' | sort -u)" "OrderBook::insert"
}

case $CASE in
session | multi | preload | ignored)
	whole
	sites
	;;
tracefs | full) # the innermost functions at least
	sites
	eq "ways" "$(sql s.db "SELECT DISTINCT unwound FROM v_stack JOIN $stacks USING (stack_id) WHERE unwound NOT IN ('cfi', 'fp')")" ""
	eq "stacks without the caller's caller" "$(sql s.db "
		SELECT count(*) FROM $stacks k WHERE NOT EXISTS
			(SELECT 1 FROM v_stack s WHERE s.stack_id = k.stack_id AND function = 'Gateway::on_packet')")" 0
	;;
launch) # what the loader calls before main() ends in the loader's assembly, which has no call frame information
	eq "how stacks are found, and where they end" "$(sql s.db "
		SELECT DISTINCT unwound, ended FROM v_stack WHERE stack_id IN (SELECT stack_id FROM v_stack WHERE name = 'main')")" "cfi|outermost"
	;;
fp)
	eq "how they were found" "$(sql s.db "SELECT DISTINCT unwound FROM v_stack")" fp
	;;
off)
	eq "stacks" "$(sql s.db "SELECT count(*) FROM v_stack")" 0
	eq "site" "$(sql s.db "SELECT DISTINCT site $mallocs")" "[no stack]"
	;;
esac
