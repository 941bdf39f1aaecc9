# Compiles what Verilator wrote, in its folder: make -C build/<config> -f sim/model.make with CXX, CPPFLAGS, OPT.
# Only what runs every cycle is worth optimizing; most of the text is waves, set-up and save.
include Vsystole_chip_classes.mk

SLOW := $(VM_CLASSES_SLOW) $(VM_SUPPORT_SLOW) $(filter %__Dpi,$(VM_SUPPORT_FAST)) \
  $(filter Vsystole_chip__Trace__%,$(VM_SUPPORT_FAST))
FAST := $(filter-out $(SLOW),$(VM_CLASSES_FAST) $(VM_SUPPORT_FAST))
OBJECTS := $(FAST:%=%.o) $(SLOW:%=%.o)

Vsystole_chip__ALL.a: $(OBJECTS)
	rm -f $@
	ar rcs $@ $^

# All but the tiles, which gain by it, is not vectorized: clang would gather bits that were just written one by one by a
# wide load, which waits until they have left the store buffer.
SCALAR := $(foreach class,$(FAST),$(if $(findstring ___024root__,$(class)),$(class)))

$(FAST:%=%.o): OPTIMIZE := $(OPT)
$(SCALAR:%=%.o): OPTIMIZE := $(OPT) -fno-slp-vectorize
$(SLOW:%=%.o): OPTIMIZE := -O0
FUNCTIONS := $(dir $(firstword $(MAKEFILE_LIST)))model_functions.hpp
$(OBJECTS): %.o: %.cpp $(firstword $(MAKEFILE_LIST)) $(FUNCTIONS)
	$(CXX) $(CPPFLAGS) -include $(FUNCTIONS) $(OPTIMIZE) -c $< -o $@
