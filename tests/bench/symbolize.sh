#!/bin/bash
# SPDX-License-Identifier: MIT
# What naming addresses costs: 100,000 different ones of a file with more than 100 MB of debug information, by the project's
# own reader and by addr2line, in one run on this machine. Functions, lines and inlined functions, not demangled. Wall time,
# processor time, the best of ROUNDS (default 3), the ratio, and the most memory that ours had.
#
# The file: one C++ unit full of templates, compiled once and linked COPIES times (default 24) with other symbols.
set -euo pipefail
root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
O=${O:-build}
[[ $O == /* ]] || O=$root/$O
copies=${COPIES:-24}
rounds=${ROUNDS:-3}
dir=$(mktemp -d "${TMPDIR:-/tmp}/mpsample-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export LC_ALL=C

cat >u.cc <<'CC'
#include <algorithm>
#include <deque>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>
template <int K> struct T { int v[K]; std::string s; bool operator<(const T &o) const { return s < o.s; } };
template <int K> int f(int x)
{
	std::map<T<K>, std::vector<std::string>> m;
	std::unordered_map<std::string, std::deque<T<K>>> u;
	std::stringstream ss;
	std::vector<std::function<int(int)>> fs;
	T<K> t;
	ss << x;
	t.s = ss.str();
	m[t].push_back(t.s);
	u[t.s].push_back(t);
	for (int i = 0; i < x; i++)
		fs.push_back([&, i](int y) { return y * i + (int)m.size(); });
	std::sort(m[t].begin(), m[t].end());
	auto sp = std::make_shared<T<K>>(t);
	auto fu = std::async([sp] { return (int)sp->s.size(); });
	int r = fu.get();
	for (auto &g : fs)
		r += g(r);
	if (K > 1)
		r += f<(K > 1 ? K - 1 : 1)>(x - 1);
	return r;
}
int run(int x) { std::regex re("a(b|c)*d"); return f<12>(x) + std::regex_match("abcbd", re); }
CC
echo "building a file with more than 100 MB of debug information"
g++ -O2 -g -fPIC -c u.cc
defined=()
for ((i = 0; i < copies; i++)); do
	objcopy --prefix-symbols="c${i}_" u.o "c$i.o"
	defined+=("-Wl,--defsym,c${i}___dso_handle=0")
done
g++ -shared -nostdlib "${defined[@]}" -o big.so c*.o
rm -f c*.o
readelf -SW big.so | sed 's/\[ */[/' | awk '
	function number(hex, i, v) {
		for (i = 1; i <= length(hex); i++)
			v = 16 * v + index("0123456789abcdef", substr(hex, i, 1)) - 1
		return v
	}
	$2 ~ /^\.debug_/ { debug += number($6) }
	$2 == ".text" { low = number($4); size = number($6) }
	END {
		printf "debug information %.0f MB, code %.1f MB\n", debug / 1e6, size / 1e6
		srand(4)
		for (n = 0; n < 100000;) {
			a = low + int(size * rand())
			if (a in seen)
				continue
			seen[a] = 1
			printf "0x%x\n", a >"addresses"
			n++
		}
	}'
cat big.so >/dev/null # both find it in the page cache

# timed COMMAND...: sets WALL and CPU, seconds: the best of the rounds.
timed() {
	local TIMEFORMAT='%R %U %S' i t wall cpu
	WALL='' CPU=''
	for ((i = 0; i < rounds; i++)); do
		t=$({ time "$@" <addresses >/dev/null 2>told; } 2>&1)
		wall=${t%% *}
		cpu=$(awk '{ print $2 + $3 }' <<<"$t")
		[[ $WALL ]] && awk "BEGIN { exit !($WALL < $wall) }" || WALL=$wall
		[[ $CPU ]] && awk "BEGIN { exit !($CPU < $cpu) }" || CPU=$cpu
	done
}

timed "$O/tests/tools/addresses" -m "$dir/big.so"
ours=$WALL ours_cpu=$CPU
peak=$(awk '$1 == "peak_kib" { print $2 }' told)
timed addr2line -fip -e big.so
awk -v ours="$ours" -v ours_cpu="$ours_cpu" -v wall="$WALL" -v cpu="$CPU" -v peak="$peak" 'BEGIN {
	printf "%-24s %8s %8s %10s\n", "100,000 addresses", "wall s", "cpu s", "peak MiB"
	printf "%-24s %8.2f %8.2f %10.0f\n", "mpsample", ours, ours_cpu, peak / 1024
	printf "%-24s %8.2f %8.2f\n", "addr2line -fip", wall, cpu
	printf "%-24s %8.1f %8.1f\n", "times faster", wall / ours, cpu / ours_cpu
}'
"$O/tests/tools/addresses" "$dir/big.so" <addresses >ours
addr2line -fip -e big.so <addresses | sed 's/ (discriminator [0-9]*)$//' >theirs
echo "lines of the answers: $(wc -l <ours), of them others than addr2line's: $(diff ours theirs | grep -c '^<' || true)"
