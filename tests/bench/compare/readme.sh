#!/bin/sh
# SPDX-License-Identifier: MIT
# readme.sh TABLE README: puts the table between the two markers of the README.
set -eu
[ -s "$1" ] || { echo "readme.sh: no $1: make bench first" >&2; exit 1; }
[ "$(grep -c -e '^<!-- bench -->$' -e '^<!-- /bench -->$' "$2")" = 2 ] || { echo "readme.sh: $2 lacks its two markers" >&2; exit 1; }
trap 'rm -f "$2.new"' EXIT
awk -v table="$1" '
	/^<!-- \/bench -->$/ {inside = 0}
	!inside
	/^<!-- bench -->$/ {inside = 1; print ""; while ((getline line < table) > 0) print line; print ""}' "$2" >"$2.new"
cat "$2.new" >"$2"
