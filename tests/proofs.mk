# Tests of the whole: the program as a user meets it (tests/app), a chip that is broken on purpose
# (tests/must_fail), cycle counts that may only change on purpose (tests/baselines). Their rules are those
# of host tests (tests/tests.mk); here is what else they want.
HOST_TEST_FOLDERS := app must_fail
CXXFLAGS_app = $(CXXFLAGS_host)
CXXFLAGS_must_fail = $(CXXFLAGS_host)

.PHONY: test-app test-must_fail
test-app: test-app_command_line
test-must_fail: test-must_fail_chip
$(BUILD)/test/app_command_line/test: | $(BUILD)/systole $(BUILD)/tiny/libsystole_chip.so \
  $(BUILD)/firmware/firmware.bin

# ---- a chip with faults ---------------------------------------------------------------------------
# Modules of tests/must_fail stand before those of rtl/, which they wrap under the name <module>_right. A
# fault shows only where the simulation is told, so that the same library passes too.
FAULTY_DIR := $(BUILD)/tiny-faults/rtl
FAULTY_MODULES := $(patsubst tests/must_fail/%.sv,%,$(wildcard tests/must_fail/*.sv))
FAULTY_RIGHT := $(FAULTY_MODULES:%=$(FAULTY_DIR)/%_right.sv)
$(FAULTY_RIGHT): $(FAULTY_DIR)/%_right.sv: tests/proofs.mk
	@mkdir -p $(@D)
	@sed 's/^module $*\b/module $*_right/' $(wildcard rtl/*/$*.sv) >$@
$(foreach module,$(FAULTY_MODULES),$(eval $(FAULTY_DIR)/$(module)_right.sv: $(wildcard rtl/*/$(module).sv)))
$(BUILD)/tiny-faults/verilated: $(FAULTY_RIGHT)
# Waivers of lint.vlt go by the file's name.
$(eval $(call chip-build,tiny-faults,tiny,$(CHIP_X) -Wno-BLKSEQ,,tests/must_fail $(FAULTY_DIR) rtl))
# Runs are short: the compiler's time counts.
$(BUILD)/tiny-faults/Vsystole_chip__ALL.a: private OPT := -O1 -march=native
$(BUILD)/test/must_fail_chip/test: | $(BUILD)/tiny-faults/libsystole_chip.so \
  $(BUILD)/firmware/firmware.bin
