// Breaks ONNX models: their bytes, and, so that what stands behind the parser is reached too, the
// values of parsed ones: dimensions, types, attributes, names, operators, elements.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <onnx/onnx_pb.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/support/seed.hpp"

namespace systole::test {

/// Flips up to three bytes; sometimes cuts the end off, or doubles or removes a piece.
template <class Rng>
std::string flip_bytes(std::string bytes, Rng& rng) {
  if (bytes.empty()) return bytes;
  const auto place = [&] {
    return static_cast<std::size_t>(uniform(rng, 0, static_cast<int64_t>(bytes.size()) - 1));
  };
  for (int64_t flips = uniform(rng, 1, 3); flips > 0; --flips)
    bytes[place()] = static_cast<char>(uniform(rng, 0, 255));
  const std::size_t at = place();
  const auto length = static_cast<std::size_t>(uniform(rng, 1, 64));
  switch (uniform(rng, 0, 11)) {
    case 0:
      bytes.resize(at);
      break;
    case 1:
      bytes.insert(at, bytes.substr(place(), length));
      break;
    case 2:
      bytes.erase(at, length);
      break;
    default:
      break;
  }
  return bytes;
}

/// Changes some values of a message, whatever its type: fields are found by reflection.
template <class Rng>
class Mutator {
 public:
  using Message = google::protobuf::Message;
  using Field = google::protobuf::FieldDescriptor;

  explicit Mutator(Rng& rng) : rng_(rng) {}

  void mutate(Message& message) {
    words_.clear();
    spots_.clear();
    collect(message);
    if (spots_.empty()) return;
    change(spots_[static_cast<std::size_t>(below(spots_.size()))]);
  }

 private:
  struct Spot {
    Message* message;
    const Field* field;
  };

  int64_t below(std::size_t count) { return uniform(rng_, 0, static_cast<int64_t>(count) - 1); }

  // Every field that is set, and the names in use.
  void collect(Message& message) {
    const auto* reflection = message.GetReflection();
    std::vector<const Field*> fields;
    reflection->ListFields(message, &fields);
    for (const Field* field : fields) {
      spots_.push_back({&message, field});
      const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
      for (int i = 0; i < count; ++i) {
        if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
          collect(field->is_repeated() ? *reflection->MutableRepeatedMessage(&message, field, i)
                                       : *reflection->MutableMessage(&message, field));
        } else if (field->type() == Field::TYPE_STRING) {
          words_.push_back(field->is_repeated() ? reflection->GetRepeatedString(message, field, i)
                                                : reflection->GetString(message, field));
        }
      }
    }
  }

  void change(const Spot& spot) {
    if (spot.field->is_repeated()) {
      change_list(*spot.message, spot.field);
    } else if (spot.field->cpp_type() == Field::CPPTYPE_MESSAGE || one_in(rng_, 16)) {
      // A message's own fields are spots, too.
      if (one_in(rng_, 8)) spot.message->GetReflection()->ClearField(spot.message, spot.field);
    } else {
      change_value(*spot.message, spot.field, -1);
    }
  }

  void change_list(Message& message, const Field* field) {
    const auto* reflection = message.GetReflection();
    const int count = reflection->FieldSize(message, field);
    const int at = static_cast<int>(below(static_cast<std::size_t>(count)));
    const bool is_message = field->cpp_type() == Field::CPPTYPE_MESSAGE;
    if (!is_message && !one_in(rng_, 4)) return change_value(message, field, at);
    switch (uniform(rng_, 0, 3)) {
      case 0:
        reflection->RemoveLast(&message, field);
        break;
      case 1:
        reflection->SwapElements(&message, field, at, count - 1);
        reflection->RemoveLast(&message, field);
        break;
      case 2:
        reflection->SwapElements(&message, field, at, static_cast<int>(below(std::size_t(count))));
        break;
      default:
        double_element(message, field, at);
    }
  }

  void double_element(Message& message, const Field* field, int at) {
    const auto* r = message.GetReflection();
    switch (field->cpp_type()) {
      case Field::CPPTYPE_MESSAGE: {
        std::string bytes;
        r->GetRepeatedMessage(message, field, at).SerializePartialToString(&bytes);
        r->AddMessage(&message, field)->ParsePartialFromString(bytes);
        break;
      }
      case Field::CPPTYPE_STRING:
        r->AddString(&message, field, r->GetRepeatedString(message, field, at));
        break;
      case Field::CPPTYPE_INT64:
        r->AddInt64(&message, field, integer(r->GetRepeatedInt64(message, field, at)));
        break;
      case Field::CPPTYPE_FLOAT:
        r->AddFloat(&message, field, number(r->GetRepeatedFloat(message, field, at)));
        break;
      default:
        break;
    }
  }

  // Element `at` of a list, or the field itself where that is negative.
  void change_value(Message& message, const Field* field, int at) {
    const auto* r = message.GetReflection();
    const bool list = at >= 0;
    switch (field->cpp_type()) {
      case Field::CPPTYPE_INT32: {
        const auto old =
            list ? r->GetRepeatedInt32(message, field, at) : r->GetInt32(message, field);
        const auto value = static_cast<int32_t>(integer(old));
        list ? r->SetRepeatedInt32(&message, field, at, value)
             : r->SetInt32(&message, field, value);
        break;
      }
      case Field::CPPTYPE_INT64: {
        const auto old =
            list ? r->GetRepeatedInt64(message, field, at) : r->GetInt64(message, field);
        const int64_t value = integer(old);
        list ? r->SetRepeatedInt64(&message, field, at, value)
             : r->SetInt64(&message, field, value);
        break;
      }
      case Field::CPPTYPE_FLOAT: {
        const auto old =
            list ? r->GetRepeatedFloat(message, field, at) : r->GetFloat(message, field);
        const float value = number(old);
        list ? r->SetRepeatedFloat(&message, field, at, value)
             : r->SetFloat(&message, field, value);
        break;
      }
      case Field::CPPTYPE_ENUM:
        if (!list) r->SetEnumValue(&message, field, static_cast<int>(uniform(rng_, 0, 15)));
        break;
      case Field::CPPTYPE_STRING: {
        const auto old =
            list ? r->GetRepeatedString(message, field, at) : r->GetString(message, field);
        const std::string value = field->type() == Field::TYPE_BYTES ? data(old) : word(old);
        list ? r->SetRepeatedString(&message, field, at, value)
             : r->SetString(&message, field, value);
        break;
      }
      default:
        break;
    }
  }

  int64_t integer(int64_t old) {
    static const std::vector<int64_t> far = {std::numeric_limits<int64_t>::min(),
                                             std::numeric_limits<int64_t>::max(),
                                             int64_t{1} << 31,
                                             int64_t{1} << 32,
                                             int64_t{1} << 40,
                                             int64_t{1} << 62,
                                             -(int64_t{1} << 31),
                                             (int64_t{1} << 28) + 1,
                                             100000,
                                             -100000};
    const auto wrapped = static_cast<uint64_t>(old);
    switch (uniform(rng_, 0, 6)) {
      case 0:
        return static_cast<int64_t>(wrapped + 1);
      case 1:
        return static_cast<int64_t>(wrapped - 1);
      case 2:
        return static_cast<int64_t>(wrapped * 2);
      case 3:
        return static_cast<int64_t>(0 - wrapped);
      case 4:
        return far[static_cast<std::size_t>(below(far.size()))];
      default:
        return uniform(rng_, -2, 24);
    }
  }

  float number(float old) {
    static const std::vector<float> odd = {0.0f,
                                           -0.0f,
                                           -1.0f,
                                           std::numeric_limits<float>::quiet_NaN(),
                                           std::numeric_limits<float>::infinity(),
                                           -std::numeric_limits<float>::infinity(),
                                           std::numeric_limits<float>::denorm_min(),
                                           1e-38f,
                                           std::numeric_limits<float>::max(),
                                           1e20f,
                                           1e-20f,
                                           0.5f};
    return one_in(rng_, 4) ? -2.0f * old : odd[static_cast<std::size_t>(below(odd.size()))];
  }

  // Raw elements: a byte or a number among them, sometimes one more or less.
  std::string data(std::string old) {
    const bool has_number = old.size() >= sizeof(float);
    if (has_number && one_in(rng_, 2)) {
      const auto at = 4 * static_cast<std::size_t>(below(old.size() / 4));
      float value;
      std::memcpy(&value, &old[at], sizeof value);
      value = number(value);
      std::memcpy(&old[at], &value, sizeof value);
    } else if (has_number && one_in(rng_, 3) && old.size() % 8 == 0) {
      const auto at = 8 * static_cast<std::size_t>(below(old.size() / 8));
      int64_t value;
      std::memcpy(&value, &old[at], sizeof value);
      value = integer(value);
      std::memcpy(&old[at], &value, sizeof value);
    } else if (one_in(rng_, 6)) {
      one_in(rng_, 2) ? old.resize(old.size() / 2) : old.resize(old.size() + 4);
    } else if (!old.empty()) {
      old[static_cast<std::size_t>(below(old.size()))] = static_cast<char>(uniform(rng_, 0, 255));
    }
    return old;
  }

  // Another name of the model, another operator, or none.
  std::string word(const std::string& old) {
    static const std::vector<std::string> operators = {
        "Add",           "ArgMax",        "AveragePool", "Cast",        "Clip",
        "Concat",        "Constant",      "Conv",        "ConvInteger", "DequantizeLinear",
        "Div",           "Flatten",       "Gather",      "Gemm",        "GlobalAveragePool",
        "GlobalMaxPool", "HardSigmoid",   "HardSwish",   "Identity",    "LeakyRelu",
        "MatMul",        "MatMulInteger", "MaxPool",     "Mul",         "Pad",
        "ReduceMean",    "Relu",          "Reshape",     "Resize",      "Shape",
        "Sigmoid",       "Slice",         "Softmax",     "Split",       "Squeeze",
        "Sub",           "Tanh",          "Transpose",   "Unsqueeze",   "QuantizeLinear",
        "QLinearAdd",    "QLinearConv",   "QLinearMul",  "Upsample",    "QLinearConcat",
        "QLinearMatMul", "NoSuchThing",   "If",          "Loop"};
    static const std::vector<std::string> others = {
        "",       "axis",     "axes",      "perm",       "pads",          "strides", "dilations",
        "group",  "auto_pad", "ceil_mode", "SAME_UPPER", "com.microsoft", "ai.onnx", "alpha",
        "transB", "keepdims", "to",        "mode",       "kernel_shape",  "value",   "block_size"};
    switch (uniform(rng_, 0, 7)) {
      case 0:
        return old + static_cast<char>(uniform(rng_, 0, 255));
      case 1:
        return others[static_cast<std::size_t>(below(others.size()))];
      case 2:
      case 3:
        return operators[static_cast<std::size_t>(below(operators.size()))];
      default:
        return words_[static_cast<std::size_t>(below(words_.size()))];
    }
  }

  Rng& rng_;
  std::vector<Spot> spots_;
  std::vector<std::string> words_;
};

}  // namespace systole::test
