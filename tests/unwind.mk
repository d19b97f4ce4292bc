# SPDX-License-Identifier: MIT
# Programs that write stacks and what they truly are (tests/targets/unwind/), by two compilers and three levels, and
# the checker that unwinds and compares them (tests/tools/check_unwind.c). Their flags are those of binaries that are
# hard to unwind: no frame pointers.

UNWIND_DIR   := $(O)/tests/targets/unwind
UNWIND_HOW   := $(foreach c,gcc clang,$(foreach o,O0 O2 O3,$(c)_$(o)))
UNWIND       := $(addprefix $(UNWIND_DIR)/,$(addprefix places_,$(UNWIND_HOW)) $(addprefix places_cxx_,$(UNWIND_HOW)) \
	places_static $(if $(shell command -v musl-gcc),places_musl))
UNWIND_FLAGS := -D_GNU_SOURCE -g -fomit-frame-pointer -I. $(TARGET_WARN)
UNWIND_HDR   := tests/targets/unwind/capture.h

# gcc_O2: the compiler and the level. The capturing part is C everywhere.
unwind_how    = $(subst _, ,$*)
unwind_cc     = $(if $(filter clang,$(unwind_how)),$(CLANG),$(CC))
unwind_cxx    = $(if $(filter clang,$(unwind_how)),$(CLANG)++,$(CXX))
unwind_level  = -$(lastword $(unwind_how))

targets: $(UNWIND) $(O)/tests/tools/check_unwind

$(UNWIND_DIR)/places_cxx_%: tests/targets/unwind/places_cxx.cc $(UNWIND_DIR)/capture.o $(UNWIND_HDR)
	$(call say,CXX,$@)
	$(Q)$(unwind_cxx) -std=gnu++17 $(unwind_level) $(UNWIND_FLAGS) -o $@ $< $(UNWIND_DIR)/capture.o -pthread -lunwind

# Bound lazily: the dynamic linker's trampoline is among the places.
$(UNWIND_DIR)/places_%: tests/targets/unwind/places.c $(UNWIND_DIR)/capture.o $(UNWIND_HDR)
	$(call say,CC,$@)
	$(Q)$(unwind_cc) -std=gnu11 $(unwind_level) $(UNWIND_FLAGS) -Wl,-z,lazy -o $@ $< $(UNWIND_DIR)/capture.o -pthread -lunwind

$(UNWIND_DIR)/places_static: tests/targets/unwind/places.c $(UNWIND_DIR)/capture.o $(UNWIND_HDR)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -O2 $(UNWIND_FLAGS) -static -o $@ $< $(UNWIND_DIR)/capture.o -pthread -lunwind -llzma

$(UNWIND_DIR)/places_musl: tests/targets/unwind/places.c tests/targets/unwind/capture.c $(UNWIND_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)musl-gcc -std=gnu11 -O2 $(UNWIND_FLAGS) -DLIBGCC -static -Wl,--eh-frame-hdr -o $@ $(filter %.c,$^) -pthread

$(UNWIND_DIR)/capture.o: tests/targets/unwind/capture.c $(UNWIND_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -O2 $(UNWIND_FLAGS) -c -o $@ $<

# On the stacks of places_gcc_O2.
$(O)/tests/bench/unwind: tests/bench/unwind.c tests/tools/stacks.h $(UNWIND_HDR) $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(MP_CFLAGS) $(CFLAGS) $(MP_LDFLAGS) -o $@ $< $(LIB) $(LIBS)
