#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a place that cannot become a session is refused in one line before the target is touched; what is there
# stays as it is. Only --force replaces a file, by a whole new session and not before that one is.
# beside others
# cases: exists symlink missing_directory not_writable directory force force_fails
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
start_target count 1009 1009 1

# A file that is not ours to change.
precious() {
	echo "precious" >"$1"
}

case $CASE in
exists)
	precious s.db
	one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db
	contains message "$MESSAGE" s.db
	contains message "$MESSAGE" --force
	eq "content" "$(<s.db)" precious
	;;
symlink)
	precious behind
	ln -s behind s.db
	one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db
	one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db --force
	eq "content" "$(<behind)" precious
	;;
missing_directory)
	one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o no/such/s.db
	contains message "$MESSAGE" no/such/s.db
	;;
not_writable)
	install -m 755 "$MPSAMPLE" mpsample
	mkdir -m 755 roots
	one_line_error 1 setpriv --reuid 65534 --regid 65534 --clear-groups ./mpsample record -p "$TARGET" -o roots/s.db
	contains message "$MESSAGE" roots/s.db
	;;
directory)
	mkdir s.db
	one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db
	contains message "$MESSAGE" s.db
	one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db --force
	;;
force)
	precious s.db
	precious s.db-wal # of the old one: must not be replayed into the new one
	record_work s.db --force
	eq "mallocs" "$(calls s.db malloc)" 1009
	eq "integrity" "$(sql s.db "PRAGMA integrity_check")" ok
	eq "files left beside it" "$(find . -name '*.db*' ! -name s.db)" ""
	exit
	;;
force_fails)
	precious s.db
	precious s.db-wal
	one_line_error 1 "$MPSAMPLE" record -p 2147483647 -o s.db --force
	eq "content" "$(<s.db)" precious
	;;
esac
end_target 2 # it was not told to go
