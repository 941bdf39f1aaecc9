# The specification's generated files, and the test that fails when they are stale.

SPEC_GENERATE := $(PYTHON) -B rtl/spec/generate.py
TESTS += spec_fresh

.PHONY: gen test-spec_fresh registers-html

gen: ## Write rtl/spec/gen and docs/reference from rtl/spec
	@$(SPEC_GENERATE)

test-spec_fresh:
	@$(SPEC_GENERATE) --check

#: registers-html: ## Browse the registers: build/registers/index.html
registers-html:
	@mkdir -p $(BUILD)
	$(VENV)/bin/peakrdl html $(wildcard rtl/spec/registers/*.rdl) -o $(BUILD)/registers
