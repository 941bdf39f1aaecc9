# Fuzzers: what reads files that nobody vouches for, under libFuzzer with clang's sanitizers. Adding
# one is adding a file, tests/fuzz/<name>_fuzz.cpp, and its seeds in tests/fuzz/seeds.cpp.

FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.cpp,%,$(wildcard tests/fuzz/*_fuzz.cpp))
# How long each of them runs, in seconds.
FUZZ_SECONDS ?= 60
# An input may take so many seconds and MiB.
FUZZ_LIMITS := -timeout=20 -rss_limit_mb=4096 -malloc_limit_mb=2048
FUZZ_BUILD := $(BUILD)/fuzz
FUZZ_OBJ := $(FUZZ_BUILD)/obj
SANITIZERS := address,undefined
# A value that does not fit its type is a finding, too; wrapping unsigned arithmetic is not.
FUZZ_CXXFLAGS := -std=c++17 -O1 -g -march=native -fno-omit-frame-pointer $(FP_FLAGS) $(WARN_FLAGS) \
  -fsanitize=fuzzer-no-link,$(SANITIZERS),float-cast-overflow -fno-sanitize-recover=all \
  $(CXXFLAGS_host)
FUZZ_LIB := $(FUZZ_BUILD)/libsystole_host.a
# Of the host library what they reach: no chip, no reports but the file that a bundle is written to.
FUZZ_SOURCES := $(wildcard $(foreach folder,import graph compile command golden timing bundle,\
  host/$(folder)/*.cpp)) host/report/output_file.cpp
FUZZ_LIB_OBJECTS := $(FUZZ_SOURCES:%.cpp=$(FUZZ_OBJ)/%.o)
FUZZ_OBJECTS := $(patsubst %.cpp,$(FUZZ_OBJ)/%.o,$(wildcard tests/fuzz/*.cpp))

$(FUZZ_OBJ)/%.o: %.cpp
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CXX) $(CPPFLAGS) $(FUZZ_CXXFLAGS) -MMD -MP -c $< -o $@
-include $(FUZZ_LIB_OBJECTS:.o=.d) $(FUZZ_OBJECTS:.o=.d)

$(FUZZ_LIB): $(FUZZ_LIB_OBJECTS)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(FUZZ_TARGETS:%=$(FUZZ_BUILD)/%): $(FUZZ_BUILD)/%: $(FUZZ_OBJ)/tests/fuzz/%_fuzz.o $(FUZZ_LIB)
	$(call say,LINK,$@)
	$(Q)$(CXX) -fsanitize=fuzzer,$(SANITIZERS) $^ $(HOST_LIBS) -pthread -o $@

$(FUZZ_BUILD)/seeds: $(FUZZ_OBJ)/tests/fuzz/seeds.o $(FUZZ_LIB)
	$(call say,LINK,$@)
	$(Q)$(CXX) -fsanitize=$(SANITIZERS) $^ $(HOST_LIBS) -pthread -o $@

$(FUZZ_BUILD)/corpus/ready: $(FUZZ_BUILD)/seeds $(wildcard tests/models/*/*.onnx)
	@mkdir -p $(FUZZ_TARGETS:%=$(@D)/%)
	@$< $(@D) $(wildcard tests/models/*/*.onnx)
	@touch $@

.PHONY: fuzz $(FUZZ_TARGETS:%=fuzz-%)

fuzz: $(FUZZ_TARGETS:%=fuzz-%) ## Fuzz the readers of files, sanitized: FUZZ_SECONDS=60 for each

#: fuzz-<name>: ## Fuzz one of them: fuzz-model, fuzz-array, fuzz-bundle
$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: $(FUZZ_BUILD)/% $(FUZZ_BUILD)/corpus/ready
	@mkdir -p $(FUZZ_BUILD)/found
	@echo "fuzz $*: $(FUZZ_SECONDS) s, log in $(FUZZ_BUILD)/$*.log"
	@$< $(FUZZ_BUILD)/corpus/$* $(FUZZ_LIMITS) -max_total_time=$(FUZZ_SECONDS) \
	  -artifact_prefix=$(FUZZ_BUILD)/found/$*- -print_final_stats=1 $(if $(SEED),-seed=$(SEED)) \
	  >$(FUZZ_BUILD)/$*.log 2>&1 || { tail -n 40 $(FUZZ_BUILD)/$*.log; \
	  found=$$(sed -n 's/.*Test unit written to //p' $(FUZZ_BUILD)/$*.log | tail -n 1); \
	  echo "failed; repeat with: $< $$found"; exit 1; }
	@sed -nE 's/^stat::(number_of_executed_units|peak_rss_mb):/  \1/p' $(FUZZ_BUILD)/$*.log
