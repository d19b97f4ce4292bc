# SPDX-License-Identifier: MIT
# funclatency of libbpf-tools: the same histogram by a program that does nothing else.

mode funclatency 1 plain "funclatency (libbpf-tools), histogram of malloc's latency"

funclatency.missing() { command -v funclatency >/dev/null || echo "libbpf-tools is not installed"; }

# It takes a library by its bare name.
funclatency.start() {
	local name=${probed##*/}
	name=${name%%.so*}
	launch stdbuf -oL funclatency -p "$target_pid" "${name#lib}:malloc"
	is_ready '^Tracing'
}

funclatency.stop() {
	end_tool INT
	lost=- # it keeps no count
	bytes=$(bytes_of "$dir/tool")
}
