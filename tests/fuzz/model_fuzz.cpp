// libFuzzer: a model from its bytes to its results. Half of the mutants are made of parsed models,
// so that the graph and the compiler come to see them too.
#include <google/protobuf/stubs/logging.h>

#include "tests/host/model_mutator.hpp"
#include "tests/host/untrusted_model.hpp"

extern "C" std::size_t LLVMFuzzerMutate(uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

// What is compiled and executed: a fraction of a second.
constexpr int64_t kWork = 200'000;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  std::mt19937_64 rng(size);
  systole::test::examine_model(std::string(reinterpret_cast<const char*>(data), size),
                               systole::chip_config("tiny"), kWork, rng);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  std::mt19937_64 rng(seed);
  onnx::ModelProto model;
  google::protobuf::LogSilencer silencer;
  if (systole::test::one_in(rng, 6) || !model.ParseFromArray(data, static_cast<int>(size)))
    return LLVMFuzzerMutate(data, size, max_size);
  systole::test::Mutator mutator(rng);
  for (int64_t changes = systole::test::uniform(rng, 1, 4); changes > 0; --changes)
    mutator.mutate(model);
  const std::string bytes = model.SerializePartialAsString();
  if (bytes.empty() || bytes.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
