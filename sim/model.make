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

$(FAST:%=%.o): OPTIMIZE := $(OPT)
$(SLOW:%=%.o): OPTIMIZE := -O0
$(OBJECTS): %.o: %.cpp
	$(CXX) $(CPPFLAGS) $(OPTIMIZE) -c $< -o $@
