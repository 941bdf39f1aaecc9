# The examples of the C++ API: build/examples/<name>. Tests compile and run them.

EXAMPLES := $(BUILD)/examples

-include $(OBJ)/examples/digits.d
$(EXAMPLES)/%: $(OBJ)/examples/%.o $(HOST_LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $^ $(HOST_LIBS) -ldl -pthread -o $@

.SECONDARY: $(OBJ)/examples/digits.o
TESTS += example_digits
.PHONY: test-example_digits
test-example_digits: $(EXAMPLES)/digits $(BUILD)/tiny/libsystole_chip.so $(BUILD)/firmware/firmware.bin
	@$(EXAMPLES)/digits tests/models/digits tiny
