# SPDX-License-Identifier: MIT
# mpsample itself, in each of its ways.

mode preload-dormant 0 plain "libmpsample.so in the process, no recorder"
mode preload-on 2 plain "mpsample record, by the library"
mode uprobe-all 2 plain "mpsample record --probe all"
mode uprobe-hist 2 plain "the same without rows, stacks and causes: what bpftrace's and funclatency's histograms are"
mode uprobe-slow 2 plain "mpsample record --probe slow"
mode uprobe-burst 2 plain "mpsample record --probe burst"
mode uprobe-auto 2 plain "mpsample record --probe auto, default budget"

mpsample.record() { # OPTION...
	launch "$bin" record -p "$target_pid" -o "$dir/mpsample.db" --force "$@"
	is_ready '^mpsample: recording'
}

mpsample.stop() {
	end_tool INT
	lost=$("$bin" query "$dir/mpsample.db" "SELECT total(lost) AS n FROM v_loss WHERE what IN ('calls', 'rows')" --format csv |
		awk 'NR == 2 {printf "%d", $1}')
	bytes=$(bytes_of "$dir/mpsample.db")
	rm -f "$dir"/mpsample.db*
}

# An older mpsample takes `auto` and `all` and means the same by both.
mpsample.has_modes() {
	"$bin" record --help | grep -q -- '--probe auto|all|slow|burst' || echo "this mpsample has no --probe slow"
}

preload-dormant.wrap() { wrapped=(env LD_PRELOAD="$library" "$@"); }

preload-on.wrap() { preload-dormant.wrap "$@"; }
preload-on.start() { mpsample.record --plane preload; }
preload-on.stop() { mpsample.stop; }

uprobe-all.start() { mpsample.record --plane uprobe --probe all; }
uprobe-all.stop() { mpsample.stop; }

uprobe-hist.start() {
	mpsample.record --plane uprobe --probe all --stack off --sample-every 0 --keep-over 1000000000 --causes off
}
uprobe-hist.stop() { mpsample.stop; }

# The first look is a burst of everything; it then follows within a second.
for _probe in slow burst auto; do
	eval "uprobe-$_probe.missing() { mpsample.has_modes; }
		uprobe-$_probe.settle_s() { echo 1; }
		uprobe-$_probe.start() { mpsample.record --plane uprobe --probe $_probe; }
		uprobe-$_probe.stop() { mpsample.stop; }"
done
