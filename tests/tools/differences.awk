# SPDX-License-Identifier: MIT
# Compares two outputs in the format of `addr2line -fip`, and says of each address where they differ why:
#
#   LC_ALL=C awk -f differences.awk SYMBOLS ROWS ADDRESSES REFERENCE OURS
#
# SYMBOLS: `nm -nS`. ROWS: `readelf --debug-dump=decodedline`, as "ADDRESS FILE LINE" sorted by the address, in 16 digits.
# Prints a line `CLASS count N` of each class, and `CLASS ADDRESS` for each address. Classes, each with its proof:
#
#   same
#   gap         no function: DWARF knows none and no symbol covers the address (nm), which is padding between functions or
#               code without a symbol's size. addr2line takes the symbol before it, however far away.
#   alias       a function without DWARF (of its own: the compiler may have found it equal to another one) and with several
#               symbols: both names are symbols that cover it.
#   symbol      a function with a plain name only (extern "C", or of the compiler's own making) inlined in another one. The
#               first time that it is asked for it, addr2line prints the symbol that covers the address, later the name.
#   first_file  addr2line (2.35 to 2.42) begins the files of a DWARF 5 line sequence with 0, not 1 as the standard has it
#               (6.2.2). readelf of the same binutils agrees with us.
#   lost        addr2line's index by address (2.39 on) does not find the last byte of 256: no line, no inlined functions.
#   other       unexplained

function number(hex,    i, v) {
	sub(/^0x/, "", hex)
	for (i = 1; i <= length(hex); i++)
		v = 16 * v + index("0123456789abcdef", substr(hex, i, 1)) - 1
	return v + 0
}

# Of v[1..n], ascending: the last one at or before x; 0: none.
function last_before(v, n, x,    low, high, mid) {
	low = 0
	high = n
	while (low < high) {
		mid = int((low + high + 1) / 2)
		if (v[mid] <= x)
			low = mid
		else
			high = mid - 1
	}
	return low
}

# Whether the symbol `name` covers `at`; "": whether any does.
function covers(at, name,    i, looked) {
	for (i = last_before(symbol_at, n_symbols, at); i && looked < 200; i--) {
		looked++
		if (at < symbol_end[i] && (name == "" || symbol[i] == name))
			return 1
	}
	return 0
}

function function_of(frame) {
	return index(frame, " at ") ? substr(frame, 1, index(frame, " at ") - 1) : ""
}

function place_of(frame) {
	return index(frame, " at ") ? substr(frame, index(frame, " at ") + 4) : frame
}

function line_of(frame) {
	sub(/.*:/, "", frame)
	return frame
}

function file_of(frame) {
	frame = place_of(frame)
	sub(/:[^:]*$/, "", frame)
	return frame
}

# readelf has the same line at `at` in a file of this name as our first frame.
function readelf_agrees(at, frame,    i, file) {
	i = last_before(row_at, n_rows, at)
	file = file_of(frame)
	sub(/.*\//, "", file)
	return i && row_file[i] == file && row_line[i] == line_of(frame)
}

# The frames behind the first, and what else there is to compare.
function rest_of(record) {
	return index(record, "\n") ? substr(record, index(record, "\n")) : ""
}

function first_of(record) {
	return index(record, "\n") ? substr(record, 1, index(record, "\n") - 1) : record
}

function last_of(record) {
	sub(/.*\n/, "", record)
	return record
}

function places(record,    frames, n, i, s) {
	n = split(record, frames, "\n")
	for (i = 1; i <= n; i++)
		s = s "\n" place_of(frames[i])
	return s
}

function class(i,    at, us, them, same_place) {
	at = number(address[i])
	us = first_of(ours[i])
	them = first_of(reference[i])
	if (ours[i] == reference[i])
		return "same"
	same_place = place_of(us) == place_of(them)
	if (!same_place && line_of(us) == line_of(them) && rest_of(ours[i]) == rest_of(reference[i]) &&
	    readelf_agrees(at, us)) {
		if (function_of(us) == function_of(them))
			return "first_file"
		same_place = 1
	}
	if (us ~ /^\?\? / && !covers(at, "") && !rest_of(ours[i]) && !rest_of(reference[i]) &&
	    (same_place || us == "?? ??:0"))
		return "gap"
	if (!rest_of(ours[i]) && same_place && covers(at, function_of(us)) && covers(at, function_of(them)))
		return "alias"
	if (rest_of(ours[i]) == rest_of(reference[i]) && rest_of(ours[i]) && same_place && function_of(us) !~ /^_[ZR]/ &&
	    covers(at, function_of(them)))
		return "symbol"
	if (address[i] ~ /ff$/ && !rest_of(reference[i]) && place_of(them) == "??:?" &&
	    function_of(them) == function_of(last_of(ours[i])))
		return "lost"
	return "other"
}

FILENAME != last_file {
	last_file = FILENAME
	file++
}

file == 1 && NF == 4 && $3 ~ /^[tTwWiI]$/ {
	n_symbols++
	symbol_at[n_symbols] = number($1)
	symbol_end[n_symbols] = number($1) + number($2)
	sub(/@.*/, "", $4) # its version
	symbol[n_symbols] = $4
}

file == 2 {
	n_rows++
	row_at[n_rows] = number($1)
	row_file[n_rows] = $2
	row_line[n_rows] = $3
}

file == 3 {
	address[++n_addresses] = $1
}

# One record an address. Discriminators tell copies of a line apart; a file without a line is that of a symbol.
file >= 4 {
	sub(/ \(discriminator [0-9]+\)$/, "")
	sub(/ at [^ ]*:\?$/, " at ??:?")
	inlined = sub(/^ \(inlined by\) /, "")
	if (file == 4)
		inlined ? reference[n_reference] = reference[n_reference] "\n" $0 : reference[++n_reference] = $0
	else
		inlined ? ours[n_ours] = ours[n_ours] "\n" $0 : ours[++n_ours] = $0
}

END {
	if (n_reference != n_addresses || n_ours != n_addresses) {
		print "other count", n_addresses, "(" n_reference " answers of addr2line, " n_ours + 0 " of ours)"
		exit
	}
	for (i = 1; i <= n_addresses; i++) {
		c = class(i)
		count[c]++
		print c, address[i]
	}
	for (c in count)
		print c, "count", count[c]
}
