# The firmware: build/firmware/firmware.bin, what the host writes into the core RAM from its base on.

FIRMWARE := $(BUILD)/firmware
FIRMWARE_BIN := $(FIRMWARE)/firmware.bin
RISCV := riscv64-unknown-elf-
# rv32imc_zicsr would pick the RV64 libraries of Debian's compiler.
RISCV_ARCH := -march=rv32imc -misa-spec=2.2 -mabi=ilp32
FIRMWARE_CFLAGS := $(RISCV_ARCH) -std=c11 -O2 -flto -ffreestanding -nostdlib -msmall-data-limit=0 -falign-functions=4 \
  -ffunction-sections -fdata-sections -Wall -Wextra -Werror -I.
FIRMWARE_SOURCES := firmware/crt0.S $(wildcard firmware/*.c firmware/hal/*.c)
FIRMWARE_OBJECTS := $(patsubst firmware/%,$(FIRMWARE)/%.o,$(FIRMWARE_SOURCES))

.PHONY: firmware test-firmware_fit
firmware: $(FIRMWARE_BIN) ## Build the control core's firmware and print its size

$(FIRMWARE)/%.o: firmware/%
	$(call say,RISCV-CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(RISCV)gcc $(FIRMWARE_CFLAGS) -MMD -MP -c $< -o $@
-include $(FIRMWARE_OBJECTS:.o=.d)

FIRMWARE_LINK := $(RISCV)gcc $(FIRMWARE_CFLAGS) -Wl,--gc-sections -Wl,--no-warn-rwx-segments \
  -T firmware/link.ld $(FIRMWARE_OBJECTS) -lgcc

$(FIRMWARE)/firmware.elf: $(FIRMWARE_OBJECTS) firmware/link.ld rtl/spec/gen/systole_memory.ld
	$(call say,RISCV-LD,$@)
	$(Q)$(FIRMWARE_LINK) -Wl,-Map=$(@:.elf=.map) -o $@

$(FIRMWARE_BIN): $(FIRMWARE)/firmware.elf
	$(Q)$(RISCV)objcopy -O binary $< $@
	@$(RISCV)size -A $< >$(FIRMWARE)/size.txt
	@$(RISCV)size $< | awk 'NR == 2 { printf "firmware: %d bytes of program, %d of data and stack\n", \
	  $$1 + $$2, $$3 }'

# A firmware larger than the core RAM does not link, and the linker says why.
TESTS += firmware_fit
test-firmware_fit: $(FIRMWARE)/firmware.elf
	@! $(FIRMWARE_LINK) -Wl,--defsym=stack_bytes=0x10000 -o $(FIRMWARE)/too_large.elf \
	  2>$(FIRMWARE)/too_large.log
	@grep -q "firmware does not fit" $(FIRMWARE)/too_large.log
	@test ! -e $(FIRMWARE)/too_large.elf
