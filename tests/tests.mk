# SPDX-License-Identifier: MIT
# Tests: unit tests (Criterion, one binary a module), target programs, and black-box tests over them.

include tests/targets.mk

UNIT_SRC := $(wildcard tests/unit/*.c)
UNIT     := $(UNIT_SRC:tests/unit/%.c=$(O)/tests/unit/%)

$(O)/tests/unit/%: tests/unit/%.c $(LIB_OBJ)
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) $(MP_CFLAGS) $(CFLAGS) $(MP_LDFLAGS) -MMD -MP -o $@ $< $(LIB_OBJ) $(LIBS) -lcriterion

-include $(UNIT:=.d)
