# The control core's RTL is a package; its folder is known after `make setup` (IBEX_DIR).

# By a link: the names of files are in a chip's library, whose build ID must not depend on where this folder
# stands. The name is the one of rtl/core/ibex.vlt.
IBEX_FILES := $(BUILD)/ibex.f
IBEX_LINK := $(BUILD)/pythondata_cpu_ibex
$(IBEX_FILES): rtl/core/ibex.f rtl/core/ibex.vlt rtl/core/ibex_end.sv rtl/core/core.mk $(wildcard $(VENV)/ibex.mk)
	@mkdir -p $(@D)
	@test -n "$(IBEX_DIR)" || { echo "no control core: run make setup first" >&2; exit 1; }
	@ln -sfn "$(IBEX_DIR)" $(IBEX_LINK)
	@sed 's|@IBEX@|$(IBEX_LINK)|' $< >$@

# Tests whose module holds the core say `// verilator: -f build/ibex.f`.
IBEX_TESTS := control_core io_node
$(IBEX_TESTS:%=$(BUILD)/test/%/verilated) $(IBEX_TESTS:%=lint-%): $(IBEX_FILES)

# ---- riscv-tests, from the same package: build/riscv_tests/<suite>/<name>.bin, for control_core_test --------
RISCV_TESTS_DIR := $(IBEX_DIR)/vendor/riscv-tests/isa
RISCV_TESTS_BUILD := $(BUILD)/riscv_tests
RISCV_TESTS := $(patsubst $(RISCV_TESTS_DIR)/%.S,%,$(if $(IBEX_DIR),$(wildcard \
  $(RISCV_TESTS_DIR)/rv32ui/*.S $(RISCV_TESTS_DIR)/rv32um/*.S $(RISCV_TESTS_DIR)/rv32uc/*.S)))
RISCV_TESTS_BINS := $(RISCV_TESTS:%=$(RISCV_TESTS_BUILD)/%.bin)

$(RISCV_TESTS_BUILD)/%.bin: $(RISCV_TESTS_DIR)/%.S tests/rtl/riscv_tests/riscv_test.h \
    tests/rtl/riscv_tests/link.ld
	@mkdir -p $(@D)
	@riscv64-unknown-elf-gcc -march=rv32imc -misa-spec=2.2 -mabi=ilp32 -nostdlib -nostartfiles -static \
	  -I. -Itests/rtl/riscv_tests -I$(RISCV_TESTS_DIR)/macros/scalar \
	  -Wl,--no-warn-rwx-segments -T tests/rtl/riscv_tests/link.ld $< -o $(@:.bin=.elf)
	@riscv64-unknown-elf-objcopy -O binary $(@:.bin=.elf) $@

$(BUILD)/test/control_core/test: | $(RISCV_TESTS_BINS)
$(BUILD)/test/io_node/test: | $(BUILD)/firmware/firmware.bin
