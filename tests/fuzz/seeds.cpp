// Writes what the fuzzers start from: seeds FOLDER MODEL.onnx ...
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "host/bundle/failure_record.hpp"
#include "host/bundle/tar_file.hpp"
#include "host/import/npy.hpp"
#include "tests/host/sample_models.hpp"

using namespace systole;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_models(const fs::path& folder) {
  int count = 0;
  for (const test::ModelBuilder& model : test::sample_models())
    write(folder / ("sample" + std::to_string(count++) + ".onnx"), model.bytes());
}

template <typename T>
void write_array(const fs::path& folder, const Shape& shape) {
  const Tensor tensor = test::scattered<T>(shape);
  const std::string name = to_string(tensor.type());
  write(folder / (name + ".npy"), npy::serialize(tensor));
  ::onnx::TensorProto proto = test::ModelBuilder::tensor_proto(tensor);
  write(folder / (name + ".pb"), proto.SerializeAsString());
}

void write_arrays(const fs::path& folder) {
  write_array<float>(folder, {2, 3});
  write_array<int8_t>(folder, {});
  write_array<uint8_t>(folder, {0, 4});
  write_array<int32_t>(folder, {5});
  write_array<int64_t>(folder, {1, 2, 2});
  ::onnx::TensorProto typed;
  typed.set_data_type(::onnx::TensorProto::INT8);
  typed.add_dims(2);
  typed.add_int32_data(-5);
  typed.add_int32_data(300);
  write(folder / "typed.pb", typed.SerializeAsString());
}

bundle::FailureRecord record() {
  bundle::FailureRecord record;
  record.config = record.build = "tiny";
  record.optimize = "auto";
  record.dram = "ddr4-3200";
  record.plusargs = {"+fault=post"};
  record.model = {"model/m.onnx", {5, std::string(64, '0')}};
  record.inputs = {{"x", {"inputs/0_x.npy", {5, std::string(64, '0')}}}};
  record.firmware = {"firmware/f.bin", {5, std::string(64, '0')}};
  record.failure = {ChipFailure::Kind::Hang, 5, "text"};
  record.waves_to = 9;
  record.identity = {{"configuration", "tiny"}};
  return record;
}

// Without the zip, which the fuzzer adds.
void write_bundles(const fs::path& folder) {
  const std::string json = bundle::to_json(record());
  write(folder / "run.json", json);
  const fs::path zipped = folder / "bundle.tar.gz";
  bundle::write_tar(zipped.string(), "b", {{"run.json", json, {}}, {"inputs/0_x.npy", "x", {}}});
  gzFile in = gzopen(zipped.c_str(), "rb");
  std::string bytes(1 << 20, '\0');
  bytes.resize(static_cast<std::size_t>(gzread(in, bytes.data(), 1 << 20)));
  gzclose(in);
  fs::remove(zipped);
  write(folder / "bundle.tar", bytes);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const fs::path folder = argv[1];
  write_models(folder / "model");
  for (int i = 2; i < argc; ++i)
    write(folder / "model" / fs::path(argv[i]).filename(), read(argv[i]));
  write_arrays(folder / "array");
  write_bundles(folder / "bundle");
  return 0;
}
