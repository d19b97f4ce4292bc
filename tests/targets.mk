# SPDX-License-Identifier: MIT
# Targets: small programs whose truth is known (each one's header says which). Their flags are their own:
# optimized and with frame pointers whatever DEBUG and SAN say, for they stand for a user's program.
# Named call sites are part of the truth: no tail calls, which drop a caller's frame, and no folding of
# functions that happen to be alike.

TARGET_DIR    := $(O)/tests/targets
TARGET_WARN   := -Wall -Wextra -Wshadow $(if $(WERROR),-Werror)
TARGET_OPT    := -O2 -g -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-ipa-icf
TARGET_CFLAGS := -std=gnu11 -D_GNU_SOURCE $(TARGET_OPT) -Wstrict-prototypes -Wmissing-prototypes $(TARGET_WARN)
TARGET_CXXFLAGS := -std=gnu++17 $(TARGET_OPT) $(TARGET_WARN)
TARGET_HDR    := $(wildcard tests/targets/*.h)

TARGETS := $(addprefix $(TARGET_DIR)/,matching_engine count delay delay_own threads lifecycle family family_static \
	family_cxx faults left_call prefixed noalloc $(if $(filter x86_64,$(ARCH)),noalloc32) libdelay_alloc.so libcalls_counter.so \
	stamped logged paced seeded bad_region frozen_writer \
	markers markers_static markers_cxx libmarkers_late.so dry_pool scopes \
	causes libcause_alloc.so heap heap_static orders spans spans_cxx pool_functions pools pools_marked pools_bulk watched paged blocks \
	where where_other libwhere_a.so libwhere_b.so order_flow \
	preload_life preload_early preload_signals preload_errno preload_plugin stl quiet libsafe_alloc.so libplugin.so libplugin_static.so)

# Programs of libraries with pools of their own, where these are there.
has_header = $(if $(wildcard /usr/include/$(1)),$(TARGET_DIR)/$(2))
TARGETS += $(TARGET_DIR)/pools_pmr $(call has_header,apr-1.0/apr_pools.h,pools_apr) $(call has_header,glib-2.0/glib.h,pools_glib) \
	$(call has_header,dpdk/rte_mempool.h,pools_dpdk)

# Loads on collectors of garbage (gc/), where what builds them is there. Those in Python and JavaScript are run as they are.
has_command = $(if $(shell command -v $(1) 2>/dev/null),$(addprefix $(TARGET_DIR)/gc/,$(2)))
TARGETS += $(call has_command,javac,GcLoad.class GcClasses.class) $(call has_command,go,gc_load gc_load_stripped) $(call has_header,gc.h,gc/boehm)

.PHONY: targets
targets: $(TARGETS)

MATCHING_ENGINE_SRC := $(wildcard tests/targets/matching_engine/*.c)
$(TARGET_DIR)/matching_engine: TARGET_CFLAGS += -Isampler/preload
$(TARGET_DIR)/matching_engine: $(MATCHING_ENGINE_SRC) $(wildcard tests/targets/matching_engine/*.h) sampler/preload/mpsample.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -o $@ $(MATCHING_ENGINE_SRC) -pthread

$(TARGET_DIR)/%: tests/targets/%.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -o $@ $< -pthread

# Its dlsym is to be found by the library, and its calls are to stay what they are.
$(TARGET_DIR)/preload_early: TARGET_CFLAGS += -rdynamic -fno-builtin

$(TARGET_DIR)/%: tests/targets/%.cc $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CXX,$@)
	$(Q)$(CXX) $(TARGET_CXXFLAGS) -o $@ $<

# -fno-builtin: or the compiler makes a calloc out of malloc and memset inside these very functions.
$(TARGET_DIR)/lib%.so: tests/targets/%.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -fno-builtin -fPIC -shared -Wl,-soname,$(notdir $@) -o $@ $<

$(TARGET_DIR)/delay: tests/targets/delay.c $(TARGET_DIR)/libdelay_alloc.so
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -o $@ $< $(TARGET_DIR)/libdelay_alloc.so -Wl,-rpath,'$$ORIGIN'

$(TARGET_DIR)/spans: tests/targets/spans.cc $(TARGET_HDR)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -x c -o $@ $<

$(TARGET_DIR)/spans_cxx: tests/targets/spans.cc $(TARGET_HDR)
	$(call say,CXX,$@)
	$(Q)$(CXX) $(TARGET_CXXFLAGS) -o $@ $<

$(TARGET_DIR)/orders: sampler/preload/mpsample.h
$(TARGET_DIR)/orders: TARGET_CFLAGS += -Isampler/preload
$(TARGET_DIR)/causes $(TARGET_DIR)/orders: $(TARGET_DIR)/%: tests/targets/%.c $(TARGET_DIR)/libcause_alloc.so
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -o $@ $< $(TARGET_DIR)/libcause_alloc.so -Wl,-rpath,'$$ORIGIN'

$(TARGET_DIR)/stamped: tests/targets/stamped.c $(TARGET_DIR)/libstamped_alloc.so
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -o $@ $< $(TARGET_DIR)/libstamped_alloc.so -Wl,-rpath,'$$ORIGIN'

$(TARGET_DIR)/delay_own: tests/targets/delay.c tests/targets/delay_alloc.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -fno-builtin -o $@ $(filter %.c,$^)

MARKER_TARGETS := $(addprefix $(TARGET_DIR)/,markers markers_static markers_cxx libmarkers_late.so dry_pool scopes preload_life)
$(MARKER_TARGETS): sampler/preload/mpsample.h
$(MARKER_TARGETS): TARGET_CFLAGS += -Isampler/preload
$(MARKER_TARGETS): TARGET_CXXFLAGS += -Isampler/preload

$(TARGET_DIR)/markers_static: tests/targets/markers.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -DSTATIC -static -o $@ $< -pthread

$(TARGET_DIR)/pools_marked: tests/targets/pools.c $(TARGET_HDR) sampler/preload/mpsample.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -Isampler/preload -DMARKED -o $@ $< -pthread

$(TARGET_DIR)/pools_apr: tests/targets/pools_apr.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -isystem /usr/include/apr-1.0 -o $@ $< -lapr-1

$(TARGET_DIR)/pools_glib: tests/targets/pools_glib.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) $(shell pkg-config --cflags glib-2.0 2>/dev/null | sed 's/-I/-isystem /g') -o $@ $< -lglib-2.0

# What a program links that uses no device; a driver of mempools registers itself, and no symbol of it is used.
DPDK_LIBS := -Wl,--no-as-needed -lrte_eal -lrte_mempool -lrte_mempool_ring -lrte_mbuf
$(TARGET_DIR)/pools_dpdk: tests/targets/pools_dpdk.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) $(shell pkg-config --cflags libdpdk 2>/dev/null | sed 's/-I/-isystem /g') -o $@ $< $(DPDK_LIBS)

$(TARGET_DIR)/pools_bulk: tests/targets/pools_bulk.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -fvisibility=hidden -s -rdynamic -o $@ $< -pthread

$(TARGET_DIR)/pool_functions: sampler/preload/mpsample.h
$(TARGET_DIR)/pool_functions: TARGET_CXXFLAGS += -Isampler/preload

$(TARGET_DIR)/heap_static: tests/targets/heap.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -static -o $@ $< -pthread

$(TARGET_DIR)/stl: tests/targets/stl.cc $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CXX,$@)
	$(Q)$(CXX) $(TARGET_CXXFLAGS) -o $@ $< -pthread

$(TARGET_DIR)/libplugin.so $(TARGET_DIR)/libplugin_static.so: tests/targets/plugin.cc $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CXX,$@)
	$(Q)$(CXX) $(TARGET_CXXFLAGS) -fPIC -shared $(if $(filter %_static.so,$@),-static-libstdc++ -static-libgcc) -o $@ $< -pthread

$(TARGET_DIR)/libwhere_a.so $(TARGET_DIR)/libwhere_b.so: tests/targets/where_plugin.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -fno-builtin $(if $(filter %_a.so,$@),-DPLUGIN_A) -fPIC -shared -Wl,-soname,$(notdir $@) -o $@ $<

# As production programs are built: no frame pointers, tail calls, functions folded.
$(TARGET_DIR)/order_flow: TARGET_CXXFLAGS = -std=gnu++17 -O2 -g -fomit-frame-pointer $(TARGET_WARN)

$(TARGET_DIR)/left_call: TARGET_CFLAGS += -fno-builtin

$(TARGET_DIR)/bad_region: TARGET_CFLAGS += -I.
$(TARGET_DIR)/bad_region: sampler/preload/shared.h

$(TARGET_DIR)/family_static: tests/targets/family.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -static -o $@ $<

$(TARGET_DIR)/gc/%.class: tests/targets/gc/%.java
	@mkdir -p $(@D)
	$(call say,JAVAC,$@)
	$(Q)javac -XDignore.symbol.file -d $(@D) $<

# With the compiled packages that it keeps in build/: the home of whoever builds may not be writable.
$(TARGET_DIR)/gc/gc_load $(TARGET_DIR)/gc/gc_load_stripped: tests/targets/gc/gc_load.go
	@mkdir -p $(@D)
	$(call say,GO,$@)
	$(Q)GO111MODULE=off GOFLAGS= CGO_ENABLED=0 GOCACHE=$(abspath $(O))/go-cache go build $(if $(filter %_stripped,$@),-ldflags=-s) -o $@ $<

$(TARGET_DIR)/gc/boehm: tests/targets/gc/boehm.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -o $@ $< -lgc -pthread

NOLIBC_CFLAGS := -ffreestanding -nostdlib -static -fno-stack-protector -fcf-protection=none -Wl,--build-id
$(TARGET_DIR)/noalloc $(TARGET_DIR)/noalloc32: tests/targets/noalloc.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) $(if $(filter %32,$@),-m32 -fno-pie -no-pie) $(NOLIBC_CFLAGS) -o $@ $<
