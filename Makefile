# SPDX-License-Identifier: MIT
# mpsample: a kernel-assisted memory profiler. `make help` lists targets and options.

O       ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= gcc
CLANG   ?= clang
DEBUG   ?=
SAN     ?=

# As many at a time as there are CPUs, unless make is told otherwise.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

VERSION := 0.1.0
ARCH    := $(or $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null))),$(shell uname -m))
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
BPF_ARCH := $(if $(filter aarch64,$(ARCH)),arm64,x86)

WARN    := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS  ?= $(if $(DEBUG),-O0 -g3,-O2 -g)
override CPPFLAGS += -I. -D_GNU_SOURCE -DMP_VERSION='"$(VERSION)"'
MP_CFLAGS := -std=gnu11 -fno-omit-frame-pointer $(WARN) $(if $(WERROR),-Werror) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
MP_LDFLAGS := $(if $(SAN),-fsanitize=$(SAN))
LIBS    := -lbpf -ldwarf -lelf -lunwind-$(ARCH) -lunwind -lsqlite3 -linih -l:libiberty.a -llzma -lz -lzstd -lpfm -lseccomp -lkissfft-float $(if $(filter x86_64,$(ARCH)),-lZydis) -lm

SRC     := mpsample.c $(filter-out sampler/preload/%,$(wildcard sampler/*.c sampler/*/*.c)) $(wildcard symbolize/*.c symbolize/*/*.c store/*.c analysis/*.c analysis/*/*.c)
BPF_SRC := $(filter %.bpf.c,$(SRC))
SRC     := $(filter-out %.bpf.c,$(SRC))
SQL     := $(sort $(wildcard sql/*.sql sql/*/*.sql))
PROFILES := $(sort $(wildcard sampler/profiles/*.ini))

OBJ     := $(SRC:%.c=$(O)/obj/%.o) $(O)/obj/embedded.o $(BPF_SRC:%.bpf.c=$(O)/obj/%.bpfobj.o)
# All but main(): a test is linked with those of them that it uses.
LIB     := $(O)/obj/libmpsample.a
LIB_OBJ := $(filter-out $(O)/obj/mpsample.o,$(OBJ))

# The preload library: a product of its own that goes into other people's processes. Its flags do not follow DEBUG
# and SAN: what is measured and checked is what is shipped. Return addresses are read from its frames: unsigned ones.
PRELOAD_SRC := $(wildcard sampler/preload/*.c)
PRELOAD_OBJ := $(PRELOAD_SRC:%.c=$(O)/obj/%.o)
PRELOAD_CFLAGS := -std=gnu11 -O2 -g -fPIC -fvisibility=hidden -ftls-model=initial-exec -fomit-frame-pointer \
	-fasynchronous-unwind-tables -fno-builtin -fno-tree-loop-distribute-patterns -fno-stack-protector -fno-plt \
	$(if $(filter aarch64,$(ARCH)),-mbranch-protection=none) $(WARN) $(if $(WERROR),-Werror)

.PHONY: all help deps deps-check deps-all demo check check-all ci unit bench bench-attach bench-readme lint format install uninstall clean
.DELETE_ON_ERROR:
.SECONDARY: $(BPF_SRC:%.c=$(O)/obj/%.o)

all: $(O)/mpsample $(O)/libmpsample.so

include tests/tests.mk
include tests/fuzz.mk
include tests/pmu.mk

help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

#: Targets
#:   make              build build/mpsample and build/libmpsample.so (no installation, no root)
#:   make demo         install what is missing, build, and profile the example matching engine for 20 s
#:   make check        install what is missing, build, run all tests that the core needs
#:   make check-all    the same with the optional runtimes and allocators installed
#:   make check-pmu    test with an emulated arm64 PMU: a cross build, run in a guest
#:   make fuzz         fuzz what reads the target's files, FUZZ_SECONDS=20 each
#:   make bench        install what is missing, build, measure overhead beside other tools: one table, then details (QUICK=1: the
#:                     table alone, in 3 minutes)
#:   make bench-attach  measure how long attaching and detaching stall a process, beside other tools
#:   make bench-readme  put the last table of make bench into README.md
#:   make lint         clang-format check and cppcheck
#:   make format       let clang-format rewrite the sources
#:   make deps         install the Debian packages that the build needs (deps-check, deps-all: that tests need)
#:   make install      PREFIX=/usr/local DESTDIR=
#:   make clean
#: Options
#:   O=DIR             build into DIR instead of build
#:   DEBUG=1           no optimization, full debug information
#:   SAN=LIST          -fsanitize=LIST: address,undefined or thread (use with its own O=)
#:   WERROR=1          warnings are errors
#:   V=1               show the commands

Q := $(if $(V),,@)
say = @printf '  %-5s %s\n' $(1) $(2)

$(O)/mpsample: $(OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(MP_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(LIB): $(LIB_OBJ)
	$(Q)rm -f $@
	$(Q)$(AR) rcsT $@ $^

$(O)/libmpsample.so: $(PRELOAD_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libmpsample.so -Wl,-z,now -Wl,-z,nodelete -Wl,--no-undefined $(LDFLAGS) -o $@ $^

$(O)/obj/sampler/preload/%.o: sampler/preload/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(PRELOAD_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(MP_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# BPF programs: compiled by clang, carried in the binary. The UAPI headers are libc's, not the kernel's.
$(O)/obj/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -I. $(foreach d,/usr/include/$(MULTIARCH) /usr/$(MULTIARCH)/include,-idirafter $d) \
		-Wall -Wextra -Wno-unused-parameter $(if $(WERROR),-Werror) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

$(O)/obj/%.bpfobj.o: $(O)/obj/%.bpf.o Makefile
	$(Q)printf '.section .rodata\n.balign 8\n.global mp_bpf_%s, mp_bpf_%s_size\nmp_bpf_%s: .incbin "%s"\n1:\n.balign 8\nmp_bpf_%s_size: .quad 1b - mp_bpf_%s\n.section .note.GNU-stack,"",%%progbits\n' \
		$(foreach i,1 2 3,$(notdir $*)) $< $(foreach i,1 2,$(notdir $*)) | $(CC) -c -x assembler -o $@ -

# SQL and profiles: text in the tree, string constants in the binary (store/embed.h).
$(O)/gen/embedded.c: $(SQL) $(PROFILES) Makefile
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q){ printf '#include "store/embed.h"\n\nconst struct mp_embedded mp_embedded_files[] = {\n'; \
	for f in $(SQL) $(PROFILES); do printf '{"%s",\n' $$f; sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $$f; printf '},\n'; done; \
	printf '{0, 0},\n};\n'; } > $@

$(O)/obj/embedded.o: $(O)/gen/embedded.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(MP_CFLAGS) $(CFLAGS) -c -o $@ $<

# Packages. The targets below need them before this file can be evaluated with the compiler: hence the second make.
deps:
	@.ci/deps build

deps-check:
	@.ci/deps build test

deps-all:
	@.ci/deps build test all

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

demo: deps
	@$(MAKE) --no-print-directory all $(O)/tests/targets/matching_engine
	@SUDO="$(SUDO)" O="$(O)" tests/demo.sh

check: deps-check
	@$(MAKE) --no-print-directory all targets unit
	@O="$(O)" $(SUDO) $(if $(SUDO),-E) tests/run/run.sh

check-all: deps-all
	@$(MAKE) --no-print-directory check

# What .ci/run does. One closing line for all: the unit tests under sanitizers are tests of their own.
ci: deps-all
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory WERROR=1 all targets unit
	@$(MAKE) --no-print-directory O=$(O)/asan SAN=address,undefined unit
	@$(MAKE) --no-print-directory WERROR=1 pmu
	@O="$(O)" UNIT_ALSO="$(O)/asan" $(SUDO) $(if $(SUDO),-E) tests/run/run.sh

unit: $(UNIT)

# The peers that it compares with are not needed for anything else.
bench bench-attach:
	@.ci/deps build test all bench
	@$(MAKE) --no-print-directory all targets $(BENCH)
	@O="$(O)" $(SUDO) $(if $(SUDO),-E) tests/bench/$(if $(filter bench,$@),bench,attach).sh

bench-readme:
	@tests/bench/compare/readme.sh $(O)/bench.md README.md

C_FILES := $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h' '*.cc' 2>/dev/null)

lint:
	@clang-format --dry-run -Werror $(C_FILES)
	@cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr --suppress=missingInclude \
		--suppress=missingIncludeSystem --suppress=ctuuninitvar -i sampler/uprobe/uprobe.bpf.c -I. -D__x86_64__ --std=c11 mpsample.c store symbolize analysis sampler

format:
	@clang-format -i $(C_FILES)

install: $(O)/mpsample $(O)/libmpsample.so
	install -D -m 755 $(O)/mpsample $(DESTDIR)$(PREFIX)/bin/mpsample
	install -D -m 644 $(O)/libmpsample.so $(DESTDIR)$(PREFIX)/lib/libmpsample.so
	install -D -m 644 sampler/preload/mpsample.h $(DESTDIR)$(PREFIX)/include/mpsample.h
	install -d $(DESTDIR)$(PREFIX)/share/doc/mpsample
	install -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/mpsample/

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/mpsample $(DESTDIR)$(PREFIX)/lib/libmpsample.so $(DESTDIR)$(PREFIX)/include/mpsample.h
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/mpsample

clean:
	rm -rf $(O)

-include $(OBJ:.o=.d) $(PRELOAD_OBJ:.o=.d) $(BPF_SRC:%.c=$(O)/obj/%.d)
