# The host library: every source under host/ but the applications, as $(HOST_LIB).

HOST_SOURCES := $(filter-out host/app/%,$(wildcard host/*/*.cpp))
HOST_OBJECTS := $(HOST_SOURCES:%.cpp=$(OBJ)/%.o)
VERILATOR_ROOT ?= /usr/share/verilator
# The reader of FST files comes with Verilator, as source.
FST_READER := $(patsubst %,$(OBJ)/fst/%.o,fstapi fastlz lz4)
$(FST_READER): $(OBJ)/fst/%.o: $(VERILATOR_ROOT)/include/gtkwave/%.c
	$(call say,CC,$(<F))
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CC) -O2 -w -DFST_CONFIG_INCLUDE='"fst_config.h"' -c $< -o $@
HOST_OBJECTS += $(FST_READER)
$(OBJ)/host/report/waves.o: CPPFLAGS += -isystem $(VERILATOR_ROOT)/include

HOST_LIBS := -lonnx -lonnx_proto -lprotobuf -lfmt -larchive -lcrypto -lz
CXXFLAGS_host := -DONNX_NAMESPACE=onnx -DONNX_ML=1

$(HOST_LIB): $(HOST_OBJECTS)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^

-include $(HOST_OBJECTS:.o=.d)
