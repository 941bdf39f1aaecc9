# Tests of the whole: the program as a user meets it (tests/app), a chip that is broken on purpose
# (tests/must_fail), cycle counts that may only change on purpose (tests/baselines). Their rules are those
# of host tests (tests/tests.mk); here is what else they want.
HOST_TEST_FOLDERS := app
CXXFLAGS_app = $(CXXFLAGS_host)

.PHONY: test-app
test-app: test-app_command_line
$(BUILD)/test/app_command_line/test: | $(BUILD)/systole $(BUILD)/tiny/libsystole_chip.so \
  $(BUILD)/firmware/firmware.bin
