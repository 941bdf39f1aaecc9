# Tests of the whole: the program as a user meets it (tests/app), a chip that is broken on purpose
# (tests/must_fail), cycle counts that may only change on purpose (tests/baselines). Their rules are those
# of host tests (tests/tests.mk); here is what else they want.
HOST_TEST_FOLDERS := app must_fail baselines
CXXFLAGS_app = $(CXXFLAGS_host)
CXXFLAGS_must_fail = $(CXXFLAGS_host)
CXXFLAGS_baselines = $(CXXFLAGS_host)

.PHONY: test-app test-must_fail
test-app: test-app_command_line test-app_samples
test-must_fail: test-must_fail_chip test-must_fail_run test-must_fail_gallery test-must_fail_bundle
$(BUILD)/test/app_command_line/test $(BUILD)/test/app_samples/test: | $(BUILD)/systole $(BUILD)/tiny/libsystole_chip.so \
  $(BUILD)/tiny-unobserved/libsystole_chip.so $(BUILD)/firmware/firmware.bin

# ---- cycle counts ---------------------------------------------------------------------------------
.PHONY: test-cycles baseline
test-cycles: test-baselines_cycles
$(BUILD)/test/baselines_cycles/test: | $(BUILD)/small/libsystole_chip.so $(BUILD)/firmware/firmware.bin

baseline: $(BUILD)/test/baselines_cycles/test ## Record the cycle counts in tests/baselines/cycles.json
	@$< "[.record]" | grep -e '->' -e FAILED -e CHECK -e REQUIRE; exit $${PIPESTATUS[0]}

# ---- waves ----------------------------------------------------------------------------------------
# A run of the digits perceptron; loading ends, and running begins, within the default window.
WAVE := $(BUILD)/chip.fst
WAVE_WINDOW = $(or $(TRACE),0:200000)
.PHONY: wave check-views
wave: $(SYSTOLE) $(BUILD)/firmware/firmware.bin build-$(CONFIG) ## Run a digits network with TRACE=FROM:TO and open it in GTKWave
	$(SYSTOLE) run $(DIGITS)/mlp.onnx --input $(DIGITS)/mlp_images.npy --config $(CONFIG) \
	  --trace $(WAVE_WINDOW) --trace-file $(WAVE)
	gtkwave $(WAVE) waveforms/chip.gtkw

# Names in a view are lost when a signal is renamed: each must be in a trace of its module's test.
check-views: tests-build ## Check that the signals of the saved views exist
	@status=0; for view in $(filter-out waveforms/chip.gtkw,$(wildcard waveforms/*.gtkw)); do \
	  module=$$(basename $$view .gtkw); trace=$(BUILD)/test/$$module/view.fst; \
	  TRACE=$$trace $(BUILD)/test/$$module/test -w NoTests >/dev/null 2>&1; \
	  tools/check_view.py $$trace $$view; result=$$?; rm -f $$trace; \
	  [ $$result != 2 ] || exit 2; [ $$result = 0 ] || status=1; done; exit $$status

# ---- a chip with faults ---------------------------------------------------------------------------
# Modules of tests/must_fail stand before those of rtl/, which they wrap under the name <module>_right; of others
# a script changes a line; <module>_right.sed does so in what is wrapped. A
# fault shows only where the simulation is told, so that the same library passes too.
FAULTY_DIR := $(BUILD)/tiny-faults/rtl
FAULTY_MODULES := $(filter-out fault,$(patsubst tests/must_fail/%.sv,%,$(wildcard tests/must_fail/*.sv)))
FAULTY_RIGHT := $(FAULTY_MODULES:%=$(FAULTY_DIR)/%_right.sv)
# Changes the lines of a file by a script, every line that the script names: $(call change-lines,<script>,<file>)
change-lines = sed -f $(1) $(2) >$(2).changed; \
  [ $$(diff $(2) $(2).changed | grep -c '^<') = $$(grep -c '^s/' $(1)) ] || \
  { echo "$(1): a line to change is not in rtl/"; rm $(2) $(2).changed; exit 1; }; mv $(2).changed $(2)
$(FAULTY_RIGHT): $(FAULTY_DIR)/%_right.sv: tests/proofs.mk $(wildcard tests/must_fail/*_right.sed)
	@mkdir -p $(@D)
	@sed 's/^module $*\b/module $*_right/' $(wildcard rtl/*/$*.sv) >$@
	$(if $(wildcard tests/must_fail/$*_right.sed),@$(call change-lines,tests/must_fail/$*_right.sed,$@))
$(foreach module,$(FAULTY_MODULES),$(eval $(FAULTY_DIR)/$(module)_right.sv: $(wildcard rtl/*/$(module).sv)))
FAULTY_LINES := $(patsubst tests/must_fail/%.sed,$(FAULTY_DIR)/%.sv,$(filter-out %_right.sed,$(wildcard tests/must_fail/*.sed)))
$(FAULTY_LINES): $(FAULTY_DIR)/%.sv: tests/must_fail/%.sed
	@mkdir -p $(@D)
	@cp $(wildcard rtl/*/$*.sv) $@ && $(call change-lines,$<,$@)
$(foreach file,$(FAULTY_LINES),$(eval $(file): $(wildcard rtl/*/$(notdir $(file)))))
$(BUILD)/tiny-faults/verilated: $(FAULTY_RIGHT) $(FAULTY_LINES)
# Waivers of lint.vlt go by the file's name.
$(eval $(call chip-build,tiny-faults,tiny,$(CHIP_X) -Wno-BLKSEQ -Wno-UNUSEDSIGNAL -Wno-PINCONNECTEMPTY,,tests/must_fail $(FAULTY_DIR) rtl))
# Runs are short: the compiler's time counts.
$(BUILD)/tiny-faults/Vsystole_chip__ALL.a: private OPT := -O1 -march=native
MUST_FAIL_TESTS := must_fail_chip must_fail_run must_fail_gallery must_fail_bundle
$(MUST_FAIL_TESTS:%=$(BUILD)/test/%/test): | $(BUILD)/tiny-faults/libsystole_chip.so \
  $(BUILD)/firmware/firmware.bin
$(BUILD)/test/must_fail_gallery/test $(BUILD)/test/must_fail_bundle/test: | $(BUILD)/systole \
  $(BUILD)/must_fail/forgetful/firmware.bin $(BUILD)/must_fail/polling/firmware.bin
# Where the faults are not.
$(BUILD)/test/must_fail_bundle/test: | build-tiny

# Firmware with a fault: $(eval $(call faulty-firmware,<name>,<sed script on the command loop>)).
define faulty-firmware
$(BUILD)/must_fail/$(1)/command_loop.c: firmware/command_loop.c tests/proofs.mk
	@mkdir -p $$(@D)
	@sed '$(2)' $$< >$$@
	@! cmp -s $$< $$@ || { echo "$$@: nothing to change in $$<"; rm $$@; exit 1; }
$(BUILD)/must_fail/$(1)/firmware.bin: $(BUILD)/must_fail/$(1)/command_loop.c $(FIRMWARE_OBJECTS)
	$$(Q)$(RISCV)gcc $(FIRMWARE_CFLAGS) -Ifirmware -Wl,--gc-sections -Wl,--no-warn-rwx-segments -T firmware/link.ld \
	  $$(filter-out %/command_loop.c.o,$(FIRMWARE_OBJECTS)) $$< -lgcc -o $$(@:.bin=.elf)
	$$(Q)$(RISCV)objcopy -O binary $$(@:.bin=.elf) $$@
endef
# The completion of one request, number 2, is forgotten.
FORGET := s/complete(serve());/{ const uint8_t status = serve(); if (request.id != 2) complete(status); else loop.served++; }/
# Instead of sleeping until the tiles have ended, the core reads the host's memory over and over.
POLL := s/const uint32_t event = io_wait(io, ends | SYSTOLE_IO_CORE_IRQ_DOORBELL_MASK);/uint32_t event; while (!(event = io_pending(io, ends))) (void)fetch(\&next_request, ring_entry(loop.served), sizeof next_request);/
$(eval $(call faulty-firmware,forgetful,$(FORGET)))
$(eval $(call faulty-firmware,polling,$(POLL)))

# The same faults in their modules alone, always on: each module's own test must fail.
FAULTY_TESTED := $(foreach module,$(FAULTY_MODULES),$(if $(wildcard \
  tests/rtl/$(module)_test.cpp),$(if $(wildcard tests/rtl/$(module)_tb.sv),,$(module))))
define broken-unit
$(BUILD)/must_fail/$(1)/test: tests/rtl/$(1)_test.cpp tests/must_fail/$(1).sv $(FAULTY_DIR)/$(1)_right.sv \
    lint.vlt $(BUILD)/test/support/catch_main.o $(BUILD)/test/support/libverilated.a \
    $(BUILD)/test/support/catch2.hpp.pch
	$$(call say,VERILATE,tests/must_fail/$(1).sv)
	@mkdir -p $$(@D)
	@tools/rtl_files.py $(1) tests/must_fail $(FAULTY_DIR) rtl >$$(@D)/files.f
	$$(Q)$$(VERILATOR) $$(VERILATOR_TEST_FLAGS) $$(call test-lines,tests/rtl/$(1)_test.cpp,verilator) \
	  "-GBroken=1'b1" -Wno-BLKSEQ -Wno-UNUSEDSIGNAL -Wno-PINCONNECTEMPTY --top-module $(1) --prefix V$(1) -Mdir $$(@D) lint.vlt -f $$(@D)/files.f
	@tools/verilator_deps.sh $$(@D)/V$(1)__ver.d $$@
	@$$(MAKE) $$(if $$(V),,--silent) --no-print-directory -C $$(@D) -f V$(1).mk \
	  CXX="$$(CCACHE) $$(CXX)" CFG_CXXFLAGS_NO_UNUSED= OPT_FAST= OPT_SLOW= OPT_GLOBAL= \
	  CPPFLAGS="-I. $$(VERILATOR_INCLUDE) $$(VERILATED_CXXFLAGS)" V$(1)__ALL.a $$(if $$(V),,>/dev/null)
	$$(Q)$$(CCACHE) $$(CXX) -include-pch $$(PCH) $$(CPPFLAGS) $$(TEST_CXXFLAGS) -I$$(@D) $$(VERILATOR_INCLUDE) \
	  -c tests/rtl/$(1)_test.cpp -o $$(@D)/test.o
	$$(Q)$$(CXX) $$(@D)/test.o $$(@D)/V$(1)__ALL.a $$(SUPPORT_OBJECTS) $$(VERILATED_LIB) \
	  -lfmt -lz -pthread -latomic -o $$@
-include $(BUILD)/must_fail/$(1)/V$(1)__ver.d
endef
$(foreach module,$(FAULTY_TESTED),$(eval $(call broken-unit,$(module))))

TESTS += must_fail_units
TEST_BUILDS += $(FAULTY_TESTED:%=$(BUILD)/must_fail/%/test)
.PHONY: test-must_fail_units
test-must_fail: test-must_fail_units
test-must_fail_units: $(FAULTY_TESTED:%=$(BUILD)/must_fail/%/test)
	@for module in $(FAULTY_TESTED); do \
	  log=$(BUILD)/must_fail/$$module/log; \
	  if $(BUILD)/must_fail/$$module/test -w NoTests >$$log 2>&1; then \
	    echo "test-$$module passes with the fault of tests/must_fail/$$module.sv"; exit 1; fi; \
	  grep -E '^test cases:' $$log | sed "s/^/$$module with its fault: /" || exit 1; done
