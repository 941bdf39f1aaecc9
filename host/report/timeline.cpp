#include "host/report/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "host/report/counters.hpp"

namespace systole::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr unsigned kCoreProcess = 1;
constexpr unsigned kDramProcess = 2;
constexpr unsigned kNocProcess = 3;  // and the next one: requests, responses
constexpr unsigned kTileProcess = 16;
constexpr unsigned kTileColumns = 256;  // process numbers of a row of tiles

unsigned process_of(golden::Node node) { return kTileProcess + node.y * kTileColumns + node.x; }

unsigned thread_of(spec::Unit unit) { return static_cast<unsigned>(unit) + 1; }

std::string microseconds(uint64_t cycles) {
  return fmt::format("{}.{:03}", cycles / 1000, cycles % 1000);
}

/// States in which cycles were spent.
Json nonzero(const StateCounts& states) {
  auto j = Json::object();
  for (std::size_t s = 0; s < states.size(); ++s) {
    if (states[s] != 0) j[spec::to_string(static_cast<spec::UnitState>(s))] = states[s];
  }
  return j;
}

spec::UnitState largest(const StateCounts& states) {
  return static_cast<spec::UnitState>(std::max_element(states.begin(), states.end()) -
                                      states.begin());
}

/// A number with few digits, for counters.
double rate(uint64_t count, uint64_t cycles) {
  const double exact = cycles == 0 ? 0 : static_cast<double>(count) / static_cast<double>(cycles);
  return static_cast<double>(static_cast<int64_t>(exact * 10000 + 0.5)) / 10000;
}

}  // namespace

/// One event a line, with commas between.
class Timeline::Writer {
 public:
  explicit Writer(std::ostream& out) : out_(out) {}

  void metadata(const char* what, unsigned process, unsigned thread, const Json& args) {
    event(fmt::format(R"("ph":"M","name":"{}","pid":{},"tid":{},"args":{})", what, process, thread,
                      args.dump()));
  }
  void process(unsigned process, const std::string& name, unsigned order) {
    metadata("process_name", process, 0, {{"name", name}});
    metadata("process_sort_index", process, 0, {{"sort_index", order}});
  }
  void thread(unsigned process, unsigned thread, const std::string& name) {
    metadata("thread_name", process, thread, {{"name", name}});
    metadata("thread_sort_index", process, thread, {{"sort_index", thread}});
  }
  void slice(unsigned process, unsigned thread, const char* category, const std::string& name,
             uint64_t begin, uint64_t end, const Json& args) {
    event(
        fmt::format(R"("ph":"X","cat":"{}","name":{},"pid":{},"tid":{},"ts":{},"dur":{},"args":{})",
                    category, Json(name).dump(), process, thread, microseconds(begin),
                    microseconds(end - begin), args.dump()));
  }
  void flow(const char* phase, std::size_t id, unsigned semaphore, const UnitId& unit,
            uint64_t cycle) {
    event(fmt::format(
        R"("ph":"{}","cat":"semaphore","name":"semaphore {}","id":{},"pid":{},"tid":{},"ts":{})"
        R"({})",
        phase, semaphore, id, process_of(unit.node), thread_of(unit.unit), microseconds(cycle),
        *phase == 'f' ? R"(,"bp":"e")" : ""));
  }
  void counter(unsigned process, const std::string& name, uint64_t cycle, const Json& args) {
    event(fmt::format(R"("ph":"C","name":"{}","pid":{},"ts":{},"args":{})", name, process,
                      microseconds(cycle), args.dump()));
  }

 private:
  void event(const std::string& body) {
    out_ << (first_ ? "\n{" : ",\n{") << body << "}";
    first_ = false;
  }

  std::ostream& out_;
  bool first_ = true;
};

void Timeline::add(const Execution& execution, std::optional<unsigned> semaphore) {
  slices_[execution.where].push_back({execution, semaphore});
}

/// Both ends lie inside their slices, and no arrow points backwards: a post that travelled with a
/// store's data is there before the store has retired.
void Timeline::add_flow(const Execution& producer, const Execution& consumer, unsigned semaphore) {
  const uint64_t last = consumer.end - 1;
  const uint64_t to = std::clamp(consumer.taken, std::min(consumer.begin, last), last);
  const uint64_t from = std::max(producer.begin, std::min(producer.end - 1, to));
  flows_.push_back({producer.where, consumer.where, from, std::max(from, to), semaphore});
}

void Timeline::write(std::ostream& out) const {
  out << R"({"displayTimeUnit":"ns","otherData":{"time":"a cycle is 1 ns; ts and dur are in )"
      << R"(microseconds, from reset on"},"traceEvents":[)";
  Writer writer(out);
  write_names(writer);
  write_requests(writer);
  for (const auto& [unit, slices] : slices_) write_unit(writer, slices);
  write_flows(writer);
  write_samples(writer);
  out << "\n]}\n";
}

void Timeline::write_names(Writer& writer) const {
  writer.process(kCoreProcess, "control core", 0);
  writer.thread(kCoreProcess, 1, "requests: launch to last tile's end");
  writer.process(kDramProcess, "DRAM", 100000);
  writer.process(kNocProcess, "NoC: requests", 100001);
  writer.process(kNocProcess + 1, "NoC: responses", 100002);
  for (const auto& [unit, program] : map_.programs()) {
    const unsigned process = process_of(unit.node);
    if (unit.unit == spec::Unit::Load) {
      writer.process(process, fmt::format("tile ({}, {})", unit.node.x, unit.node.y), process);
    }
    writer.thread(process, thread_of(unit.unit), lower(spec::to_string(unit.unit)));
  }
}

void Timeline::write_requests(Writer& writer) const {
  for (const RequestReport& request : requests_) {
    writer.slice(kCoreProcess, 1, "request", fmt::format("run of {} inputs", request.inputs),
                 request.start, request.end,
                 {{"inputs", request.inputs},
                  {"core awake, cycles", request.awake},
                  {"core asleep, cycles",
                   std::max<int64_t>(0, static_cast<int64_t>(request.end - request.start) -
                                            static_cast<int64_t>(request.awake))}});
  }
}

void Timeline::write_unit(Writer& writer, const std::vector<Slice>& slices) const {
  uint64_t last_end = 0;
  for (const Slice& slice : slices) {
    write_wait(writer, slice, last_end);
    write_command(writer, slice);
    last_end = slice.execution.end;
  }
}

/// What the unit did between two commands, named after most of it; nothing before a launch.
void Timeline::write_wait(Writer& writer, const Slice& slice, uint64_t last_end) const {
  const Execution& e = slice.execution;
  const uint64_t cycles = sum(e.before);
  if (cycles == 0 || e.begin <= last_end || e.layer < 0) return;
  const spec::UnitState state = largest(e.before);
  std::string name = spec::to_string(state);
  if (state == spec::UnitState::WaitSemaphore && slice.semaphore) {
    name = fmt::format("waits for {} (semaphore {})",
                       map_.posters_text(e.where.node, *slice.semaphore), *slice.semaphore);
  }
  writer.slice(process_of(e.where.node), thread_of(e.where.unit), "wait", name,
               std::max(last_end, e.begin - std::min(e.begin, cycles)), e.begin,
               {{"cycles", nonzero(e.before)}});
}

void Timeline::write_command(Writer& writer, const Slice& slice) const {
  const Execution& e = slice.execution;
  const char* opcode = spec::to_string(e.header.opcode);
  Json args = {{"pc", e.pc}, {"input", e.input}, {"taken in cycle", e.taken}};
  if (e.layer >= 0) args["layer"] = map_.layer_name(e.layer);
  if (slice.semaphore && e.internal()) {
    args["waits for"] = fmt::format(
        "{} (semaphore {})", map_.posters_text(e.where.node, *slice.semaphore), *slice.semaphore);
  }
  args["cycles"] = nonzero(e.during);
  writer.slice(process_of(e.where.node), thread_of(e.where.unit), "command",
               e.layer < 0 ? opcode : fmt::format("{}: {}", map_.layer_name(e.layer), opcode),
               e.begin, e.end, args);
}

void Timeline::write_flows(Writer& writer) const {
  for (std::size_t i = 0; i < flows_.size(); ++i) {
    const Flow& flow = flows_[i];
    writer.flow("s", i + 1, flow.semaphore, flow.from, flow.from_cycle);
    writer.flow("f", i + 1, flow.semaphore, flow.to, flow.to_cycle);
  }
}

/// Rates of the time between two samples stand at its begin; the last sample ends with zeros.
void Timeline::write_samples(Writer& writer) const {
  if (samples_.size() < 2) return;
  const ChipCounters all = difference(samples_.back(), samples_.front());
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    const bool last = i + 1 == samples_.size();
    const ChipCounters d = difference(samples_[last ? i : i + 1], samples_[i]);
    const uint64_t at = samples_[i].cycle;
    for (std::size_t c = 0; c < d.channels.size(); ++c) {
      const DramChannelCounters& channel = d.channels[c];
      writer.counter(kDramProcess, fmt::format("channel {}: bytes a cycle", c), at,
                     {{"read", rate(channel.read_beats * spec::FlitBytes, d.cycle)},
                      {"write", rate(channel.write_beats * spec::FlitBytes, d.cycle)}});
      writer.counter(kDramProcess, fmt::format("channel {}: row misses and conflicts", c), at,
                     {{"misses", channel.row_misses}, {"conflicts", channel.row_conflicts}});
    }
    for (std::size_t l = 0; l < d.links.size(); ++l) {
      if (all.links[l].flits == 0) continue;
      const LinkCounters& link = d.links[l];
      writer.counter(
          kNocProcess + static_cast<unsigned>(link.network),
          fmt::format("({}, {}) {}: flits a cycle", link.from.x, link.from.y, name_of(link.port)),
          at, {{"sent", rate(link.flits, d.cycle)}, {"stalled", rate(link.stalls, d.cycle)}});
    }
  }
}

}  // namespace systole::report
