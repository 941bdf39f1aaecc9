# The simulated chip, one library a configuration: build/<config>/libsystole_chip.so; build/systole, which
# loads it; and `make sim`. build/<config>-xrand holds the same chip with a random initial state,
# build/<config>-unobserved one without what only observes.

CHIP_CONFIGS := tiny small wide medium large
# Columns and rows of a configuration, from the specification: $(call mesh-of,<config>).
mesh-of = $(shell sed -nE 's/^ *\{"$(1)", ([0-9]+), ([0-9]+),.*/-GNumCols=\1 -GNumRows=\2/p' \
  rtl/spec/gen/systole_commands.hpp)

CHIP_VERILATOR_FLAGS := --cc --savable --trace-fst --trace-structs --assert --no-timing -O3 \
  --unroll-stmts 200000 --unroll-count 1024 -Wall +incdir+rtl/common
CHIP_X := --x-assign fast --x-initial fast
CHIP_XRAND := --x-assign unique --x-initial unique

# All of the library is position-independent, and hides what it does not export.
PIC_FLAGS := -fPIC -fvisibility=hidden
VERILATOR_ROOT ?= /usr/share/verilator
MODEL_INCLUDE := -isystem $(VERILATOR_ROOT)/include -isystem $(VERILATOR_ROOT)/include/vltstd
SIM_CXXFLAGS = -std=c++17 $(OPT) $(FP_FLAGS) $(WARN_FLAGS) $(PIC_FLAGS) -I. $(MODEL_INCLUDE) \
  -DVL_USER_STOP -DVL_USER_FATAL $(CHIP_INTERFACE)
# Verilated code: the fast part runs every cycle, the slow part once.
MODEL_CXXFLAGS := -std=c++17 $(FP_FLAGS) $(PIC_FLAGS) -DVL_USER_STOP -DVL_USER_FATAL -w

# What the host and a chip's library must agree on, as one number: headers with the types that pass between them.
CHIP_INTERFACE := -DSYSTOLE_CHIP_INTERFACE=$(shell cat host/driver/device.hpp host/driver/simulated_chip.hpp \
  host/driver/chip_*.hpp host/golden/lockstep.hpp host/golden/machine.hpp \
  rtl/spec/gen/systole_commands.hpp | cksum | cut -d ' ' -f 1)u
$(OBJ)/host/driver/simulated_chip.o: CPPFLAGS += $(CHIP_INTERFACE)

# ---- what all configurations share -----------------------------------------------------------------
SIM_OBJ := $(BUILD)/sim
SIM_SHARED := sim/axi_master.cpp sim/axi_slave.cpp sim/checkpoint.cpp sim/chip_view.cpp \
  host/timing/dram_timing.cpp sim/memory_targets.cpp $(wildcard host/command/*.cpp) \
  $(addprefix host/driver/,chip_activity.cpp chip_counters.cpp) $(addprefix host/golden/,execute.cpp \
  functional_model.cpp likeness.cpp lockstep.cpp machine.cpp program.cpp requests.cpp)
SIM_SHARED_OBJECTS := $(SIM_SHARED:%.cpp=$(SIM_OBJ)/%.o) \
  $(addprefix $(SIM_OBJ)/verilated/,verilated.o verilated_fst_c.o verilated_save.o verilated_threads.o)
# With the model's header in sight.
SIM_CHIP := sim/chip_tb.cpp sim/library.cpp sim/sim_device.cpp

$(SIM_OBJ)/verilated/verilated_fst_c.o: WAVE_WRITER := -DSYSTOLE_WAVE_WRITER
$(SIM_OBJ)/verilated/%.o: $(VERILATOR_ROOT)/include/%.cpp sim/model_output.hpp
	$(call say,CXX,$(<F))
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CXX) $(MODEL_INCLUDE) $(MODEL_CXXFLAGS) $(WAVE_WRITER) \
	  -include sim/model_output.hpp -O3 \
	  -march=native -c $< -o $@

$(SIM_OBJ)/%.o: %.cpp
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CXX) $(SIM_CXXFLAGS) -MMD -MP -c $< -o $@

-include $(SIM_SHARED:%.cpp=$(SIM_OBJ)/%.d)

# ---- one build: $(eval $(call chip-build,<folder>,<config>,<Verilator's x flags>,<defines>,<RTL folders>))
define chip-build
.PHONY: build-$(1)
build-$(1): $(BUILD)/$(1)/libsystole_chip.so

$(BUILD)/$(1)/verilated: lint.vlt sim/public.vlt sim/sim.mk tools/share_functions.py tools/note_activity.py $(BUILD)/ibex.f \
    rtl/spec/gen/systole_commands.hpp
	$$(call say,VERILATE,$(1))
	@mkdir -p $$(@D)
	@# Parts of an earlier model that had more of them would be taken for parts of this one.
	@rm -f $$(@D)/Vsystole_chip*.cpp
	@tools/rtl_files.py systole_chip $(or $(5),rtl) >$$(@D)/files.f
	$$(Q)$$(VERILATOR) $(CHIP_VERILATOR_FLAGS) $(3) $$(call mesh-of,$(2)) -f $(BUILD)/ibex.f lint.vlt \
	  sim/public.vlt -f $$(@D)/files.f --top-module systole_chip --prefix Vsystole_chip -Mdir $$(@D)
	$$(Q)$$(PYTHON) tools/share_functions.py $$(@D) Vsystole_chip $$(if $$(V),,>/dev/null)
	$$(Q)$$(PYTHON) tools/note_activity.py $$(@D) Vsystole_chip $$(if $$(V),,>/dev/null)
	@tools/verilator_deps.sh $$(@D)/Vsystole_chip__ver.d $$@
	@touch $$@
-include $(BUILD)/$(1)/Vsystole_chip__ver.d

$(BUILD)/$(1)/Vsystole_chip__ALL.a: $(BUILD)/$(1)/verilated sim/model.make sim/model_functions.hpp
	$$(call say,CXX,$$@)
	@$$(MAKE) $$(if $$(V),,--silent) --no-print-directory -C $$(@D) -f $$(CURDIR)/sim/model.make \
	  CXX="$$(CCACHE) $$(CXX)" OPT="$$(OPT)" CPPFLAGS="-I. $(MODEL_INCLUDE) $(MODEL_CXXFLAGS)" \
	  Vsystole_chip__ALL.a $$(if $$(V),,>/dev/null)
	@touch $$@

$(BUILD)/$(1)/sim/%.o: sim/%.cpp | $(BUILD)/$(1)/verilated
	$$(call say,CXX,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CCACHE) $$(CXX) $$(SIM_CXXFLAGS) -I$(BUILD)/$(1) -DSYSTOLE_CONFIG='"$(2)"' $(4) -MMD -MP \
	  -c $$< -o $$@
-include $(SIM_CHIP:%.cpp=$(BUILD)/$(1)/%.d)

$(BUILD)/$(1)/libsystole_chip.so: $(SIM_CHIP:%.cpp=$(BUILD)/$(1)/%.o) \
    $(BUILD)/$(1)/Vsystole_chip__ALL.a $(SIM_SHARED_OBJECTS)
	$$(call say,LINK,$$@)
	$$(Q)$$(CXX) -shared -Wl,-Bsymbolic -Wl,-z,defs -Wl,--build-id=sha1 $$^ -lsystemc -lfmt -lz -pthread -latomic -o $$@
endef

#: build-<config>: ## Build the simulated chip of a configuration: build-small
$(foreach config,$(CHIP_CONFIGS),$(eval $(call chip-build,$(config),$(config),$(CHIP_X),)))
$(foreach config,$(CHIP_CONFIGS),$(eval $(call \
  chip-build,$(config)-xrand,$(config),$(CHIP_XRAND),-DSYSTOLE_RANDOM_RESET)))
# A chip that cannot be observed: no counters, no trace, no waves, no checkpoints, nothing that the simulation reads inside.
UNOBSERVED := "-GObservable=1'b0" +define+UNOBSERVED --no-trace --no-savable
$(foreach config,$(CHIP_CONFIGS),$(eval $(call \
  chip-build,$(config)-unobserved,$(config),$(CHIP_X) $(UNOBSERVED),-DSYSTOLE_UNOBSERVED)))

# ---- the program -----------------------------------------------------------------------------------
SYSTOLE := $(BUILD)/systole
APP_OBJECTS := $(patsubst %.cpp,$(OBJ)/%.o,$(wildcard host/app/*.cpp))

# Changes when the commit does, so that only then the version is compiled anew.
.PHONY: FORCE
$(BUILD)/commit.txt: FORCE
	@mkdir -p $(@D)
	@commit=$$(git describe --always --dirty 2>/dev/null || echo unknown); \
	  [ "$$commit" = "$$(cat $@ 2>/dev/null)" ] || echo "$$commit" >$@

$(OBJ)/host/app/main.o: $(BUILD)/commit.txt
$(OBJ)/host/app/main.o: CPPFLAGS += -DSYSTOLE_COMMIT='"$(shell cat $(BUILD)/commit.txt)"'

.PHONY: systole
systole: $(SYSTOLE) ## Build the command line program, build/systole

$(SYSTOLE): $(APP_OBJECTS) $(HOST_LIB)
	$(call say,LINK,$@)
	$(Q)$(CXX) $^ $(HOST_LIBS) -lboost_program_options -ldl -pthread -o $@
-include $(APP_OBJECTS:.o=.d)

# ---- runs ------------------------------------------------------------------------------------------
# make sim MODEL=model.onnx INPUT="x.npy" CONFIG=small TRACE=FROM:TO LABELS=y.npy ARGS="more options"
# Without MODEL: the two digits networks. RUNS: images of them, empty: all.
DIGITS := tests/models/digits
SIM_OPTIONS = --config $(CONFIG) $(if $(TRACE),--trace $(TRACE)) $(ARGS)
sim-digits = $(SYSTOLE) run $(DIGITS)/$(1).onnx --input $(DIGITS)/$(1)_images.npy \
  --labels $(DIGITS)/labels.npy --json $(BUILD)/sim_$(1).json $(SIM_OPTIONS)

# MLPerf Tiny, where its networks are: all samples, against the recorded outputs.
SYSTOLE_DATA ?= ../shared/data
ZOO := $(SYSTOLE_DATA)/mlperf_tiny
ZOO_NETWORKS := $(patsubst $(ZOO)/%/model.onnx,%,$(wildcard $(ZOO)/*/model.onnx))
sim-zoo = $(SYSTOLE) run $(ZOO)/$(1)/model.onnx --samples $(ZOO)/$(1) \
  --json $(BUILD)/sim_$(1).json $(SIM_OPTIONS)
no-zoo = echo "skipped: no MLPerf Tiny networks in $(ZOO); $(SYSTOLE) zoo says how to get them"

.PHONY: sim
sim: $(SYSTOLE) $(BUILD)/firmware/firmware.bin build-$(CONFIG) ## Run the digits networks and MLPerf Tiny, or MODEL=, on the RTL
ifdef MODEL
	@$(SYSTOLE) run $(MODEL) $(INPUT:%=--input %) $(if $(LABELS),--labels $(LABELS)) \
	  --json $(BUILD)/sim.json $(SIM_OPTIONS)
else
	@status=0; $(foreach network,mlp cnn,$(call sim-digits,$(network)) || status=1;) \
	  $(foreach network,$(ZOO_NETWORKS),$(call sim-zoo,$(network)) || status=1;) \
	  $(if $(ZOO_NETWORKS),,$(no-zoo);) exit $$status
endif

# make report MODEL=model.onnx INPUT=x.npy CONFIG=small: build/report/model.html. Without MODEL: the digits networks.
REPORTS := $(BUILD)/report
report-run = $(SYSTOLE) run $(1) $(2) $(SIM_OPTIONS) --scaling --report $(REPORTS)/$(basename $(notdir $(1))).html \
  && echo "open $(REPORTS)/$(basename $(notdir $(1))).html"
report-digits = $(call report-run,$(DIGITS)/$(1).onnx,--input $(DIGITS)/$(1)_images.npy --labels $(DIGITS)/labels.npy)

.PHONY: report
report: $(SYSTOLE) $(BUILD)/firmware/firmware.bin build-$(CONFIG) ## Where the cycles of a run went: a page in build/report
	@mkdir -p $(REPORTS)
ifdef MODEL
	@$(call report-run,$(MODEL),$(INPUT:%=--input %) $(if $(LABELS),--labels $(LABELS)))
else
	@status=0; $(call report-digits,mlp) || status=1; $(call report-digits,cnn) || status=1; exit $$status
endif

# ---- tests and lint --------------------------------------------------------------------------------
# Tests that run a chip want the libraries and the firmware; the DRAM's do not.
CXXFLAGS_chip = $(CXXFLAGS_host)
CHIP_TESTS := $(filter-out chip_dram_timing,$(patsubst tests/chip/%_test.cpp,chip_%,\
  $(wildcard tests/chip/*_test.cpp)))
$(CHIP_TESTS:%=$(BUILD)/test/%/test): | $(BUILD)/tiny/libsystole_chip.so \
  $(BUILD)/tiny-xrand/libsystole_chip.so $(BUILD)/firmware/firmware.bin
$(BUILD)/test/chip_unobserved/test: | $(BUILD)/tiny-unobserved/libsystole_chip.so

.PHONY: lint-chip
lint: lint-chip
# 64 tiles of the same take minutes: make lint-chip LINT_CONFIGS=large.
LINT_CONFIGS := tiny small medium
lint-chip: $(BUILD)/ibex.f ## Check the chip's configurations, with and without observability, with verilator -Wall
	@mkdir -p $(BUILD)/lint
	@tools/rtl_files.py systole_chip rtl >$(BUILD)/lint/systole_chip.f
	@$(foreach config,$(LINT_CONFIGS),$(foreach observable,1 0,$(VERILATOR) --lint-only -Wall --assert --no-timing \
	  "-GObservable=1'b$(observable)" +incdir+rtl/common $(call mesh-of,$(config)) -f $(BUILD)/ibex.f lint.vlt \
	  -f $(BUILD)/lint/systole_chip.f --top-module systole_chip &&)) true
