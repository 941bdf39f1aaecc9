# The host library: every source under host/ but the applications, as $(HOST_LIB).

HOST_SOURCES := $(filter-out host/app/%,$(wildcard host/*/*.cpp))
HOST_OBJECTS := $(HOST_SOURCES:%.cpp=$(OBJ)/%.o)
HOST_LIBS := -lonnx -lonnx_proto -lprotobuf -lfmt
CXXFLAGS_host := -DONNX_NAMESPACE=onnx -DONNX_ML=1

$(HOST_LIB): $(HOST_OBJECTS)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^

-include $(HOST_OBJECTS:.o=.d)
