# SPDX-License-Identifier: MIT
# Tests: unit tests (Criterion, one binary a module), target programs, and black-box tests over them.

include tests/targets.mk
include tests/unwind.mk

UNIT_SRC := $(wildcard tests/unit/*.c)
UNIT     := $(UNIT_SRC:tests/unit/%.c=$(O)/tests/unit/%)

$(O)/tests/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) $(MP_CFLAGS) $(CFLAGS) $(MP_LDFLAGS) -MMD -MP -o $@ $< $(LIB) $(LIBS) -lcriterion

# What finds functions in a process needs one.
$(O)/tests/unit/pool_function: $(O)/tests/targets/pool_functions

-include $(UNIT:=.d)

# Tools of black-box tests and benchmarks, over the project's own modules.
TOOLS := $(patsubst %.c,$(O)/%,$(wildcard tests/tools/*.c))

targets: $(TOOLS)

$(O)/tests/tools/%: tests/tools/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) $(MP_CFLAGS) $(CFLAGS) $(MP_LDFLAGS) -MMD -MP -o $@ $< $(LIB) $(LIBS)

-include $(TOOLS:=.d)

# Stress: the recording code beside a reader, also with ThreadSanitizer: hence a program of its own, for Criterion does
# not bear that. What the compiler has no library for is left out.
STRESS_DIR    := $(O)/tests/stress
STRESS        := $(addprefix $(STRESS_DIR)/ring_,tsan plain asan)
STRESS_CFLAGS := -std=gnu11 -g -fno-omit-frame-pointer $(WARN) $(if $(WERROR),-Werror) -pthread
$(STRESS_DIR)/ring_tsan: SANITIZE = -O1 -fsanitize=thread
$(STRESS_DIR)/ring_plain: SANITIZE = -O2
$(STRESS_DIR)/ring_asan: SANITIZE = -O2 -fsanitize=address,undefined -fno-sanitize-recover=all

targets: $(STRESS)

$(STRESS): tests/stress/ring_tsan.c sampler/preload/record.h sampler/preload/shared.h store/histogram.h store/op.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)if echo 'int main(void) { return 0; }' | $(CC) $(SANITIZE) -x c -o $@.probe - 2>/dev/null; then \
		$(CC) $(CPPFLAGS) $(STRESS_CFLAGS) $(SANITIZE) -o $@ $<; fi; ret=$$?; rm -f $@.probe; exit $$ret

# Benchmark programs (tests/bench/*.sh run them).
BENCH := $(addprefix $(O)/tests/bench/,alloc_pairs markers pools unwind cost stalls)
$(O)/tests/bench/pools: BENCH_LDFLAGS := -rdynamic
$(O)/tests/bench/%: tests/bench/%.c tests/targets/target.h store/histogram.h sampler/preload/mpsample.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -I. -Isampler/preload -o $@ $< -pthread $(BENCH_LDFLAGS)

# The comparison (tests/bench/compare/): its workloads are one program, the limit is another.
COMPARE := $(addprefix $(O)/tests/bench/compare/,workload limit limit.bpf.o)
BENCH   += $(COMPARE)

$(O)/tests/bench/compare/workload: $(wildcard tests/bench/compare/workloads/*.[ch]) tests/targets/target.h store/histogram.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) $(if $(WERROR),-Werror) -I. -o $@ $(filter %.c,$^) -pthread

$(O)/tests/bench/compare/limit: tests/bench/compare/limit.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) $(if $(WERROR),-Werror) -o $@ $< -lbpf -lelf

$(O)/tests/bench/compare/limit.bpf.o: $(O)/obj/tests/bench/compare/limit.bpf.o
	@mkdir -p $(@D)
	@cp $< $@
