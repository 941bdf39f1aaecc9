# The firmware: build/firmware/firmware.bin, what the host writes into the core RAM from its base on.

FIRMWARE := $(BUILD)/firmware
FIRMWARE_BIN := $(FIRMWARE)/firmware.bin
RISCV := riscv64-unknown-elf-
# rv32imc_zicsr would pick the RV64 libraries of Debian's compiler.
RISCV_ARCH := -march=rv32imc -misa-spec=2.2 -mabi=ilp32
FIRMWARE_CFLAGS := $(RISCV_ARCH) -std=c11 -O2 -flto -ffreestanding -nostdlib -msmall-data-limit=0 \
  -ffunction-sections -fdata-sections -Wall -Wextra -Werror -I.
FIRMWARE_SOURCES := firmware/crt0.S $(wildcard firmware/*.c firmware/hal/*.c)
FIRMWARE_OBJECTS := $(patsubst firmware/%,$(FIRMWARE)/%.o,$(FIRMWARE_SOURCES))

.PHONY: firmware
firmware: $(FIRMWARE_BIN) ## Build the control core's firmware and print its size

$(FIRMWARE)/%.o: firmware/%
	@mkdir -p $(@D)
	$(CCACHE) $(RISCV)gcc $(FIRMWARE_CFLAGS) -MMD -MP -c $< -o $@
-include $(FIRMWARE_OBJECTS:.o=.d)

$(FIRMWARE)/firmware.elf: $(FIRMWARE_OBJECTS) firmware/link.ld rtl/spec/gen/systole_memory.ld
	$(RISCV)gcc $(FIRMWARE_CFLAGS) -Wl,--gc-sections -Wl,--no-warn-rwx-segments -Wl,-Map=$(@:.elf=.map) \
	  -T firmware/link.ld $(FIRMWARE_OBJECTS) -lgcc -o $@

$(FIRMWARE_BIN): $(FIRMWARE)/firmware.elf
	$(RISCV)objcopy -O binary $< $@
	@$(RISCV)size -A $< >$(FIRMWARE)/size.txt
	@$(RISCV)size $< | awk 'NR == 2 { printf "firmware: %d bytes of program, %d of data and stack\n", \
	  $$1 + $$2, $$3 }'
