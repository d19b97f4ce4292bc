# SPDX-License-Identifier: MIT
# A PMU in a guest (tests/pmu/): mpsample and a workload, built for arm64 and static, and the guest that runs them. They
# are not part of `all` and `targets`: tests/run/t_pmu.sh skips where they were not built.

GUEST_DIR  := $(O)/arm64
GUEST_ROOT := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mpsample/arm64
GUEST_VARS := O=$(GUEST_DIR) SAN= CC=aarch64-linux-gnu-gcc \
	CPPFLAGS="-isystem $(GUEST_ROOT)/usr/include -isystem $(GUEST_ROOT)/usr/include/aarch64-linux-gnu" \
	LDFLAGS="-static -L$(GUEST_ROOT)/usr/lib/aarch64-linux-gnu -Wl,--no-warnings"

.PHONY: pmu check-pmu guest

# Packages that cannot be had are no error, but what the test skips with; what cannot be built of them is one.
pmu:
	@mkdir -p $(GUEST_DIR)
	@if { .ci/deps pmu && tests/pmu/packages.sh $(GUEST_ROOT); } 2>$(GUEST_DIR)/missing; then \
		rm $(GUEST_DIR)/missing && $(MAKE) --no-print-directory $(GUEST_VARS) guest; else cat $(GUEST_DIR)/missing >&2; fi

check-pmu: deps-check
	@$(MAKE) --no-print-directory pmu
	@O="$(O)" tests/run/run.sh --run pmu

# ---- By the make that builds for arm64 ----

guest: $(O)/guest/initrd $(O)/guest/vmlinuz
	@:

$(O)/guest/split: tests/pmu/split.c $(TARGET_HDR)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TARGET_CFLAGS) -I. -static -o $@ $<

# What is not in it is added at boot (tests/pmu/guest.sh): the kernel takes archives one after the other.
$(O)/guest/initrd: tests/pmu/init $(O)/mpsample $(O)/guest/split $(GUEST_ROOT)/bin/busybox
	$(call say,CPIO,$@)
	$(Q)rm -rf $@.d && mkdir -p $@.d/bin $@.d/dev $@.d/proc $@.d/sys $@.d/tmp
	$(Q)cp $^ $@.d/bin && mv $@.d/bin/init $@.d/ && $(CC:gcc=strip) $@.d/bin/mpsample
	$(Q)cd $@.d && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1 >../$(@F)
	$(Q)rm -r $@.d

$(O)/guest/vmlinuz: $(GUEST_ROOT)/vmlinuz
	@mkdir -p $(@D)
	$(Q)ln -sf $(abspath $<) $@
