# SPDX-License-Identifier: MIT
# Where a bound is closer than this machine is steady over seconds: each tool has a program of its own, all are in at once,
# and they take turns of some ms. Sourced by compare.sh.
#
# A program has its own copy of the C library, so that no probe has two consumers.

_copy_libc() { # DIRECTORY
	mkdir -p "$1"
	cp "$(ldd "$programs/workload" | awk '$1 == "libc.so.6" {print $3}')" "$1/"
}

# Those of the modes that can run here; the first turn of each is for the caches and counts for nothing.
side_by_side() { # DO TURNS MODE...
	local what=$1 turns=$2 name n names=()
	shift 2
	for mode in "$@"; do
		[[ ! ${missing[$mode]:-} && " ${modes[*]} " == *" $mode "* ]] || continue
		progress "${what#do_}: $mode"
		dir=$bench_dir/$mode
		_copy_libc "$dir/lib"
		if LD_LIBRARY_PATH=$dir/lib start_small && attach; then
			names+=("$mode")
		else
			give_up "$why"
		fi
		park "$mode"
	done
	sleep 1 # until all are at rest
	for n in $(seq 0 "$turns"); do
		progress "${what#do_}, turn $n of $turns"
		((n == 0)) && warming=1 || warming=''
		((++round))
		for name in "${names[@]}"; do
			mode=$name
			unpark "$mode"
			"$what"
			park "$mode"
		done
		mapfile -t names < <(printf '%s\n' "${names[@]}" | tac)
	done
	# The tools first, then the programs, the last one first: it holds the inputs of those before it.
	for mode in "$@"; do
		[[ ${parked[$mode]:-} ]] || continue
		unpark "$mode"
		detach
		park "$mode"
	done
	for mode in $(printf '%s\n' "$@" | tac); do
		[[ ${parked[$mode]:-} ]] || continue
		unpark "$mode"
		end_target
		call_if_there "$mode.end"
	done
	dir=$bench_dir mode=''
}
