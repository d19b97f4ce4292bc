#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: the folders depend on each other in one direction only (README.md, How it is built), by their #include lines:
#
#   store        includes none of the others
#   symbolize    store's basic types
#   symbolize/elf, dwarf, unwind, jit, demangle   themselves, how files are opened, and: dwarf and unwind use elf, dwarf
#                demangle; none of them what stands above
#   sampler      store, symbolize
#   analysis     store, symbolize
#   sampler/preload   itself, and of store the operations and the histogram: it goes into other people's processes
#   mpsample.c   the cmd_*.h
#
# And this check finds an include that breaks the rule.
# beside others
source "${BASH_SOURCE[0]%/*}/lib.sh"

# violations DIR: "file: header" of each include of another folder that is not allowed.
violations() {
	(
		cd "$1"
		grep -HoE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"[^"]+"' mpsample.c $(find store symbolize sampler analysis -name '*.[ch]')
	) | sed 's/:[^"]*"/ /; s/"$//' | awk '
		BEGIN {
			allowed["store"] = "^store/"
			allowed["symbolize"] = "^(symbolize/|store/(err|place|op)\\.h$)"
			own = "store/(err|op)\\.h$|symbolize/file\\.h$"
			allowed["symbolize/elf"] = "^(symbolize/elf/|" own ")"
			allowed["symbolize/dwarf"] = "^(symbolize/(dwarf|elf|demangle)/|" own ")"
			allowed["symbolize/unwind"] = "^(symbolize/(unwind|elf)/|" own ")"
			allowed["symbolize/jit"] = "^(symbolize/jit/|" own ")"
			allowed["symbolize/demangle"] = "^(symbolize/demangle/|" own ")"
			allowed["sampler"] = "^(sampler|symbolize|store)/"
			allowed["sampler/preload"] = "^(sampler/preload/|store/(op|histogram)\\.h$)"
			allowed["analysis"] = "^(analysis|symbolize|store)/"
			allowed["mpsample.c"] = "^[a-z]+/cmd_[a-z_]+\\.h$"
		}
		{
			folder = $1
			sub("/.*", "", folder)
			if ($1 ~ "^sampler/preload/")
				folder = "sampler/preload"
			if (match($1, "^symbolize/[a-z]+/"))
				folder = substr($1, 1, RLENGTH - 1)
			if ($2 !~ allowed[folder])
				print $1 ": " $2
		}'
}

eq "includes that break the rule" "$(violations "$ROOT")" ""

cp -r "$ROOT"/{mpsample.c,store,symbolize,sampler,analysis} .
planted() { # FILE HEADER
	cp "$1" saved
	echo "#include \"$2\"" >>"$1"
	eq "planted in $1" "$(violations .)" "$1: $2"
	mv saved "$1"
}
planted store/session.c sampler/probe.h
planted store/err.h symbolize/elf/elf.h
planted symbolize/elf/elf.c store/session.h
planted symbolize/unwind/cfi.c symbolize/symbolize.h
planted symbolize/jit/jitdump.c symbolize/elf/elf.h
planted symbolize/elf/elf.h analysis/report.h
planted sampler/target.c analysis/report.h
planted sampler/preload/hooks.c sampler/target.h
planted sampler/preload/shared.h store/err.h
planted analysis/report.c sampler/target.h
planted mpsample.c store/session.h
eq "includes that break the rule, the plants gone" "$(violations .)" ""
