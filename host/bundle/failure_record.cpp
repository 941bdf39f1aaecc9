#include "host/bundle/failure_record.hpp"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "host/bundle/tar_file.hpp"
#include "host/command/error.hpp"

namespace systole::bundle {
namespace {

using Json = nlohmann::ordered_json;

constexpr unsigned kVersion = 2;
constexpr int kMaxDepth = 20;

using Kind = ChipFailure::Kind;
constexpr std::pair<Kind, const char*> kKinds[] = {
    {Kind::Mismatch, "mismatch"}, {Kind::Assertion, "assertion"}, {Kind::Hang, "hang"},
    {Kind::Refusal, "refusal"},   {Kind::Request, "request"},     {Kind::Boot, "boot"}};

Json file_json(const RecordedFile& file) {
  return {{"path", file.path}, {"bytes", file.digest.bytes}, {"sha256", file.digest.sha256}};
}

/// A value of the record, and its place for who is told that it is wrong: "failure.cycle".
class Field {
 public:
  Field(const Json& value, std::string file, std::string name = "")
      : value_(value), file_(std::move(file)), name_(std::move(name)) {}

  Field operator[](const std::string& key) const {
    if (!value_.is_object()) fail("an object");
    const auto found = value_.find(key);
    if (found == value_.end()) fail("a field '" + key + "'", "none");
    return {*found, file_, name_.empty() ? key : name_ + "." + key};
  }

  std::string text() const {
    if (!value_.is_string()) fail("a text");
    return value_.get<std::string>();
  }

  /// A word that can be part of a path and leads nowhere else.
  std::string plain() const {
    const std::string word = text();
    if (word.empty() || plain_name(word) != word) fail("a plain name");
    return word;
  }

  bool flag() const {
    if (!value_.is_boolean()) fail("true or false");
    return value_.get<bool>();
  }

  template <typename T>
  T number(T least = 0) const {
    const std::string expected =
        fmt::format("a number from {} to {}", least, std::numeric_limits<T>::max());
    if (!value_.is_number_unsigned()) fail(expected);
    const auto number = value_.get<uint64_t>();
    if (number < least || number > std::numeric_limits<T>::max()) fail(expected);
    return static_cast<T>(number);
  }

  template <typename See>
  void each(const See& see) const {
    if (!value_.is_array()) fail("a list");
    for (std::size_t i = 0; i < value_.size(); ++i)
      see(Field(value_[i], file_, fmt::format("{}[{}]", name_, i)));
  }

  std::vector<std::string> texts() const {
    std::vector<std::string> texts;
    each([&](const Field& field) { texts.push_back(field.text()); });
    return texts;
  }

  RecordedFile recorded_file() const {
    return {(*this)["path"].text(),
            {(*this)["bytes"].number<uint64_t>(), (*this)["sha256"].text()}};
  }

  Kind kind() const {
    std::string known;
    for (const auto& [kind, name] : kKinds) {
      if (text() == name) return kind;
      known += (known.empty() ? "" : ", ") + std::string(name);
    }
    fail(known);
  }

  [[noreturn]] void fail(const std::string& expected, const std::string& got = "") const {
    throw Error(name_.empty() ? "not a record of a failed run" : "a bad value for " + name_, file_,
                expected, got.empty() ? value_.dump(-1, ' ', true, kReplace).substr(0, 80) : got);
  }

 private:
  static constexpr auto kReplace = Json::error_handler_t::replace;
  const Json& value_;
  std::string file_;
  std::string name_;
};

Json options_json(const FailureRecord& r) {
  return {{"tiles", r.tiles},
          {"dram_channels", r.channels},
          {"optimize", r.optimize},
          {"groups", r.groups},
          {"in_flight", r.in_flight},
          {"stages", r.stages},
          {"stream", r.stream},
          {"dram", r.dram},
          {"lockstep", r.lockstep},
          {"requests_of", r.inputs_per_request},
          {"timeout", r.timeout_cycles},
          {"watchdog", r.watchdog_cycles},
          {"cycles_per_wait", r.cycles_per_wait},
          {"plusargs", r.plusargs}};
}

void read_options(const Field& options, FailureRecord& r) {
  r.tiles = options["tiles"].number<unsigned>();
  r.channels = options["dram_channels"].number<unsigned>();
  r.optimize = options["optimize"].text();
  r.groups = options["groups"].number<unsigned>();
  r.in_flight = options["in_flight"].number<unsigned>();
  r.stages = options["stages"].number<unsigned>();
  r.stream = options["stream"].number<uint64_t>();
  r.dram = options["dram"].text();
  r.lockstep = options["lockstep"].flag();
  r.inputs_per_request = options["requests_of"].number<unsigned>(1);
  r.timeout_cycles = options["timeout"].number<uint32_t>();
  r.watchdog_cycles = options["watchdog"].number<uint64_t>();
  r.cycles_per_wait = options["cycles_per_wait"].number<unsigned>(1);
  r.plusargs = options["plusargs"].texts();
}

Json pairs_json(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Json json = Json::array();
  for (const auto& [name, value] : pairs) json.push_back({{"name", name}, {"value", value}});
  return json;
}

}  // namespace

std::string to_string(ChipFailure::Kind kind) {
  for (const auto& [known, name] : kKinds) {
    if (known == kind) return name;
  }
  return "failure";
}

std::string one_line(const ChipFailure& failure) {
  const std::string first = failure.text.substr(0, failure.text.find('\n'));
  return fmt::format("{} in cycle {}{}{}", to_string(failure.kind), failure.cycle,
                     first.empty() ? "" : ": ", first);
}

std::string to_json(const FailureRecord& r) {
  Json inputs = Json::array();
  for (const RecordedInput& input : r.inputs) {
    Json json = file_json(input.file);
    json["name"] = input.name;
    inputs.push_back(json);
  }
  const Json json = {
      {"version", kVersion},
      {"commit", r.commit},
      {"chip", {{"configuration", r.config}, {"build", r.build}, {"build_id", r.build_id}}},
      {"seed", r.seed},
      {"options", options_json(r)},
      {"model", file_json(r.model)},
      {"inputs", inputs},
      {"firmware", file_json(r.firmware)},
      {"failure",
       {{"kind", to_string(r.failure.kind)}, {"cycle", r.failure.cycle}, {"text", r.failure.text}}},
      {"checkpoint", r.checkpoint},
      {"waves", {{"from", r.waves_from}, {"to", r.waves_to}}},
      {"identity", pairs_json(r.identity)},
      {"repeat", r.repeat}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

FailureRecord parse_record(const std::string& text, const std::string& where) {
  // What is nested deeper is no part of a record; to print it would take as much stack.
  const auto is_shallow = [](int depth, Json::parse_event_t, Json&) { return depth < kMaxDepth; };
  const Json json = Json::parse(text, is_shallow, false);
  if (json.is_discarded()) throw Error("not a record of a failed run", where, "JSON");
  const Field record(json, where);
  const auto version = record["version"].number<unsigned>();
  if (version != kVersion)
    throw Error("a record of another version", where, std::to_string(kVersion),
                std::to_string(version));
  FailureRecord r;
  r.commit = record["commit"].text();
  r.config = record["chip"]["configuration"].plain();
  r.build = record["chip"]["build"].plain();
  r.build_id = record["chip"]["build_id"].text();
  r.seed = record["seed"].number<uint32_t>();
  read_options(record["options"], r);
  r.model = record["model"].recorded_file();
  record["inputs"].each([&](const Field& input) {
    r.inputs.push_back({input["name"].text(), input.recorded_file()});
  });
  r.firmware = record["firmware"].recorded_file();
  const Field failure = record["failure"];
  r.failure = {failure["kind"].kind(), failure["cycle"].number<uint64_t>(), failure["text"].text()};
  r.checkpoint = record["checkpoint"].number<uint64_t>();
  r.waves_from = record["waves"]["from"].number<uint64_t>();
  r.waves_to = record["waves"]["to"].number<uint64_t>();
  if (r.waves_from >= r.waves_to) record["waves"].fail("from < to");
  record["identity"].each([&](const Field& pair) {
    r.identity.emplace_back(pair["name"].text(), pair["value"].text());
  });
  r.repeat = record["repeat"].texts();
  return r;
}

}  // namespace systole::bundle
