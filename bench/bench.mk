# Benchmarks: build/bench/<program>, and `make bench`, which writes build/bench.json.

BENCH := $(BUILD)/bench
BENCH_PROGRAMS := $(BENCH)/gemm_chip $(BENCH)/gemm_tile
NATIVE_FLAGS := -std=c++17 -O3 -march=native -I.

$(BENCH)/native_gemm_gcc.o: bench/native_gemm.cpp bench/native_gemm.hpp
	@mkdir -p $(@D)
	$(Q)g++ $(NATIVE_FLAGS) -DNATIVE_GEMM=native_gemm_gcc -c $< -o $@

$(BENCH)/native_gemm_clang.o: bench/native_gemm.cpp bench/native_gemm.hpp
	@mkdir -p $(@D)
	$(Q)clang++ $(NATIVE_FLAGS) -DNATIVE_GEMM=native_gemm_clang -c $< -o $@

BENCH_OBJECTS := $(patsubst $(BENCH)/%,$(OBJ)/bench/%.o,$(BENCH_PROGRAMS))
-include $(BENCH_OBJECTS:.o=.d)

$(BENCH_PROGRAMS): $(BENCH)/%: $(OBJ)/bench/%.o $(BENCH)/native_gemm_gcc.o \
    $(BENCH)/native_gemm_clang.o $(HOST_LIB)
	@mkdir -p $(@D)
	$(Q)$(CXX) $^ $(HOST_LIBS) -ldl -pthread -latomic -o $@

.PHONY: bench
# FIGURES: gemm noc firmware zoo observability explain edits; scaling, which takes chips of 8 and 16 tiles, by name alone
bench: $(if $(filter scaling,$(FIGURES)),build-wide build-medium) build-small build-small-unobserved build-tiny $(BUILD)/systole firmware $(BENCH_PROGRAMS) \
    $(BUILD)/test/must_fail_gallery/test ## Measure; writes build/bench.json
	@python3 bench/bench.py $(FIGURES)
