# SPDX-License-Identifier: MIT
# Fuzz targets: tests/fuzz/fuzz_NAME.c, each with the code that reads the target's files (symbolize/), its heaps, a JVM's
# hsperfdata, and recordings of perf, built by clang with libFuzzer. Without its runtime they are built by gcc and only run what is in the corpus (tests/fuzz/replay.c).

FUZZ_DIR     := $(O)/fuzz
FUZZ_SRC     := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ         := $(FUZZ_SRC:tests/fuzz/%.c=$(FUZZ_DIR)/%)
FUZZ_OBJ     := $(patsubst %.c,$(FUZZ_DIR)/obj/%.o,$(wildcard symbolize/*.c symbolize/*/*.c) store/err.c \
	$(addprefix sampler/,index.c import/gc_line.c import/gc_log.c pools/glibc_arena.c pools/glibc_heap.c pressure/hsperf.c $(addprefix perf/,record.c level.c data_file.c data_describe.c data_order.c space.c spe.c)))
FUZZ_SECONDS ?= 20
FUZZ_CFLAGS  := -std=gnu11 -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all

# Which of both, told to the rules by a file of this name.
FUZZ_ENGINE = $(FUZZ_DIR)/engine
fuzz_engine = $(file < $(FUZZ_ENGINE))
fuzz_cc     = $(if $(filter libfuzzer,$(fuzz_engine)),$(CLANG) -fsanitize=$(1)address$(,)undefined,$(CC) -fsanitize=address$(,)undefined)
, := ,

.PHONY: fuzz fuzz-targets
fuzz-targets: $(FUZZ) $(FUZZ_DIR)/seeds

targets: fuzz-targets

fuzz: fuzz-targets
	@O="$(O)" tests/fuzz/run.sh $(FUZZ_SECONDS)

$(FUZZ_ENGINE):
	@mkdir -p $(@D)
	$(Q)echo 'int LLVMFuzzerTestOneInput(const void *p, __SIZE_TYPE__ n); int LLVMFuzzerTestOneInput(const void *p, __SIZE_TYPE__ n) { return p && n ? 0 : 0; }' > $@.c
	$(Q)if $(CLANG) -fsanitize=fuzzer,address,undefined -o $@.probe $@.c 2>/dev/null; then echo libfuzzer; else echo replay; fi > $@
	@rm -f $@.c $@.probe

$(FUZZ_DIR)/obj/%.o: %.c $(FUZZ_ENGINE)
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(call fuzz_cc,fuzzer-no-link$(,)) $(CPPFLAGS) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_DIR)/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(FUZZ_OBJ) $(FUZZ_ENGINE)
	$(call say,FUZZ,$@)
	$(Q)$(call fuzz_cc,fuzzer$(,)) $(CPPFLAGS) $(FUZZ_CFLAGS) -MMD -MP -MF $(FUZZ_DIR)/fuzz_$*.d -o $@ $< \
		$(if $(filter libfuzzer,$(fuzz_engine)),,tests/fuzz/replay.c) $(FUZZ_OBJ) $(LIBS)

# What to begin with beside tests/fuzz/corpus: files that compilers and binutils make.
$(FUZZ_DIR)/seeds: tests/fuzz/seeds.sh tests/fuzz/seeds_perf.c tests/unit/perf_data_fixture.h
	$(call say,FUZZ,$@)
	$(Q)rm -rf $@ && CC="$(CC)" tests/fuzz/seeds.sh $@

.SECONDARY: $(FUZZ_OBJ)

-include $(FUZZ_OBJ:.o=.d) $(FUZZ:=.d)
