# SPDX-License-Identifier: MIT
# Allocators that sample themselves, beside the same allocator that does not.

mode jemalloc 0 plain "jemalloc in place of libc's allocator"
mode jemalloc-prof 2 jemalloc "jemalloc, MALLOC_CONF=prof:true: a sample every 512 KiB"
mode tcmalloc 0 plain "tcmalloc (gperftools) in place of libc's allocator"
mode tcmalloc-sample 2 tcmalloc "tcmalloc, TCMALLOC_SAMPLE_PARAMETER=524288"
mode tcmalloc-heap 2 tcmalloc "tcmalloc, HEAPPROFILE: every allocation with its stack"

# Where the loader finds a library; nothing: it is not installed.
allocators.library() { ldconfig -p | awk -v want="$1" '$1 == want {print $NF; exit}'; }

allocators.lacks() { [[ $(allocators.library "$1") ]] || echo "$2 is not installed"; }

jemalloc.missing() { allocators.lacks libjemalloc.so.2 libjemalloc2; }
jemalloc.wrap() { wrapped=(env LD_PRELOAD="$(allocators.library libjemalloc.so.2)" "$@"); }

jemalloc-prof.missing() {
	[[ $(allocators.library libjemalloc.so.2) ]] || { echo "libjemalloc2 is not installed"; return; }
	! MALLOC_CONF=prof:true LD_PRELOAD=$(allocators.library libjemalloc.so.2) /bin/true 2>&1 | grep -q . ||
		echo "this jemalloc is built without profiling"
}
jemalloc-prof.wrap() {
	wrapped=(env LD_PRELOAD="$(allocators.library libjemalloc.so.2)" \
		MALLOC_CONF="prof:true,prof_final:true,prof_prefix:$dir/jeprof" "$@")
}
jemalloc-prof.end() {
	lost=- bytes=$(bytes_of "$dir"/jeprof.*)
	rm -f "$dir"/jeprof.*
}

tcmalloc.missing() { allocators.lacks libtcmalloc.so.4 libgoogle-perftools4; }
tcmalloc.wrap() { wrapped=(env LD_PRELOAD="$(allocators.library libtcmalloc.so.4)" "$@"); }

tcmalloc-sample.missing() { tcmalloc.missing; }
tcmalloc-sample.wrap() {
	wrapped=(env LD_PRELOAD="$(allocators.library libtcmalloc.so.4)" TCMALLOC_SAMPLE_PARAMETER=524288 "$@")
}

tcmalloc-heap.missing() { tcmalloc.missing; }
tcmalloc-heap.wrap() {
	wrapped=(env LD_PRELOAD="$(allocators.library libtcmalloc.so.4)" HEAPPROFILE="$dir/tcprof" "$@")
}
tcmalloc-heap.end() {
	lost=- bytes=$(bytes_of "$dir"/tcprof.*)
	rm -f "$dir"/tcprof.*
}
