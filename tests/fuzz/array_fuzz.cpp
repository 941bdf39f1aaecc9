// libFuzzer: arrays of input, numpy's and ONNX's. What was read of an .npy is what is written.
#include <stdexcept>

#include "host/import/model.hpp"
#include "host/import/npy.hpp"
#include "tests/host/untrusted_model.hpp"

using namespace systole;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  try {
    const Tensor tensor = npy::parse(bytes, "array");
    if (!(npy::parse(npy::serialize(tensor), "array") == tensor))
      throw std::logic_error("an array is not what was written");
  } catch (const Error& error) {
    test::require_place(error);
  }
  try {
    onnx::parse_tensor_proto(bytes, "tensor");
  } catch (const Error& error) {
    test::require_place(error);
  }
  return 0;
}
