#include "host/import/npy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "host/command/error.hpp"
#include "host/command/output_file.hpp"

namespace systole::npy {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicBytes = 6;
constexpr const char* kTypes = "<f4, |i1, |u1, <i4 or <i8";

struct Header {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
};

// The header is a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }
class HeaderParser {
 public:
  HeaderParser(const std::string& text, const std::string& where) : text_(text), where_(where) {}

  Header parse() {
    Header header;
    int keys = 0;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr") {
        header.descr = string();
      } else if (key == "fortran_order") {
        header.fortran_order = boolean();
      } else if (key == "shape") {
        header.shape = tuple();
      } else {
        fail(fmt::format("unknown key '{}'", key));
      }
      ++keys;
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (keys != 3) fail(fmt::format("{} keys", keys));
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& got) const {
    throw Error("broken .npy header", where_, "descr, fortran_order and shape", got);
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("no '{}' at byte {}", c, at_));
  }
  std::string string() {
    skip_spaces();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote != '\'' && quote != '"') fail(fmt::format("no string at byte {}", at_));
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string::npos) fail("an open string");
    const std::string result = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return result;
  }
  bool boolean() {
    skip_spaces();
    for (const auto& [word, value] : {std::pair{"True", true}, std::pair{"False", false}}) {
      if (text_.compare(at_, std::string(word).size(), word) == 0) {
        at_ += std::string(word).size();
        return value;
      }
    }
    fail(fmt::format("no True or False at byte {}", at_));
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      skip_spaces();
      int64_t dim = -1;
      const char* end = text_.data() + text_.size();
      const auto [stop, error] = std::from_chars(text_.data() + at_, end, dim);
      if (error != std::errc() || dim < 0) fail(fmt::format("no dimension at byte {}", at_));
      at_ = static_cast<size_t>(stop - text_.data());
      shape.push_back(dim);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  const std::string& text_;
  const std::string& where_;
  size_t at_ = 0;
};

DataType element_type(const std::string& descr, const std::string& where) {
  static const std::pair<const char*, DataType> types[] = {
      {"f4", DataType::F32}, {"i1", DataType::S8},  {"u1", DataType::U8},
      {"i4", DataType::S32}, {"i8", DataType::S64},
  };
  for (const auto& [name, type] : types) {
    const bool little = descr == std::string("<") + name || descr == std::string("=") + name;
    const bool byte = element_size(type) == 1 && descr == std::string("|") + name;
    if (little || byte) return type;
  }
  throw Error("unsupported element type", where, kTypes, fmt::format("'{}'", descr));
}

std::string descr_of(DataType type) {
  switch (type) {
    case DataType::F32:
      return "<f4";
    case DataType::S8:
      return "|i1";
    case DataType::U8:
      return "|u1";
    case DataType::S32:
      return "<i4";
    case DataType::S64:
      return "<i8";
  }
  throw Error("unknown element type", "npy");
}

// Fortran order (first index fastest) to C order.
Tensor to_c_order(const Tensor& fortran) {
  const Shape& shape = fortran.shape();
  const size_t bytes = element_size(fortran.type());
  Tensor result(fortran.type(), shape);
  std::vector<int64_t> index(shape.size());
  for (int64_t i = 0; i < fortran.size(); ++i) {
    int64_t target = 0;
    for (size_t d = 0; d < shape.size(); ++d) target = target * shape[d] + index[d];
    std::memcpy(result.bytes().data() + static_cast<size_t>(target) * bytes,
                fortran.bytes().data() + static_cast<size_t>(i) * bytes, bytes);
    for (size_t d = 0; d < shape.size() && ++index[d] == shape[d]; ++d) index[d] = 0;
  }
  return result;
}

[[noreturn]] void fail_truncated(const std::string& name, size_t expected, size_t got) {
  throw Error("broken .npy file", name, fmt::format("{} bytes", expected),
              fmt::format("{} bytes", got));
}

}  // namespace

Tensor parse(const std::string& bytes, const std::string& name) {
  if (bytes.size() < kMagicBytes + 4 || bytes.compare(0, kMagicBytes, kMagic) != 0) {
    throw Error("not a .npy file", name, "numpy's magic at its start");
  }
  const auto byte = [&bytes](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const int version = byte(6);
  if (version < 1 || version > 3) {
    throw Error("unsupported .npy version", name, "1, 2 or 3", fmt::format("{}", version));
  }
  const size_t start = version == 1 ? 10 : 12;
  if (bytes.size() < start) fail_truncated(name, start, bytes.size());
  size_t header_bytes = byte(8) | byte(9) << 8;
  if (version > 1) header_bytes |= size_t{byte(10)} << 16 | size_t{byte(11)} << 24;
  if (bytes.size() - start < header_bytes) {
    fail_truncated(name, start + header_bytes, bytes.size());
  }
  const std::string text = bytes.substr(start, header_bytes);
  const Header header = HeaderParser(text, name).parse();
  const DataType type = element_type(header.descr, name);
  const size_t data = start + header_bytes;
  const size_t size = static_cast<size_t>(element_count(header.shape, name)) * element_size(type);
  if (bytes.size() - data != size) fail_truncated(name, data + size, bytes.size());
  Tensor tensor(type, header.shape);
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(data), bytes.end(), tensor.bytes().begin());
  return header.fortran_order ? to_c_order(tensor) : tensor;
}

Tensor load(const std::string& path) {
  // Before it is opened: opening a FIFO waits for a writer.
  if (std::filesystem::exists(path) && !std::filesystem::is_regular_file(path))
    throw Error("not a regular file", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("can't open file", path);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) throw Error("can't read file", path);
  return parse(bytes, path);
}

std::string serialize(const Tensor& tensor) {
  const auto& shape = tensor.shape();
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                  descr_of(tensor.type()), fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  // numpy pads with spaces so that the data starts at a multiple of 64 bytes.
  const size_t fixed = kMagicBytes + 4 + 1;
  header.append((64 - (header.size() + fixed) % 64) % 64, ' ');
  header += '\n';
  std::string bytes(kMagic, kMagicBytes);
  bytes += {1, 0, static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  bytes += header;
  bytes.append(tensor.bytes().begin(), tensor.bytes().end());
  return bytes;
}

void save(const std::string& path, const Tensor& tensor) {
  OutputFile file(path);
  file.stream() << serialize(tensor);
  file.commit();
}

}  // namespace systole::npy
