// A run as a timeline that Perfetto (ui.perfetto.dev) and chrome://tracing open: Chrome's trace
// event format, JSON. One process a tile with one track a unit; requests; DRAM channels and NoC
// links as counters; arrows from the command that posted a semaphore to the command that took it.
//
// Trace time is in microseconds; a cycle is 1 ns, so a cycle is 0.001.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <vector>

#include "host/driver/session.hpp"
#include "host/report/executions.hpp"

namespace systole::report {

class Timeline {
 public:
  explicit Timeline(const ProgramMap& map) : map_(map) {}

  /// `semaphore`: the one it waited for longest, if any.
  void add(const Execution& execution, std::optional<unsigned> semaphore);
  void add_flow(const Execution& producer, const Execution& consumer, unsigned semaphore);
  void add_sample(const ChipCounters& counters) { samples_.push_back(counters); }
  void set_requests(const std::vector<RequestReport>& requests) { requests_ = requests; }

  void write(std::ostream& out) const;

 private:
  struct Slice {
    Execution execution;
    std::optional<unsigned> semaphore;
  };
  struct Flow {
    UnitId from, to;
    uint64_t from_cycle, to_cycle;
    unsigned semaphore;
  };
  class Writer;

  void write_names(Writer& writer) const;
  void write_requests(Writer& writer) const;
  void write_unit(Writer& writer, const std::vector<Slice>& slices) const;
  void write_wait(Writer& writer, const Slice& slice, uint64_t last_end) const;
  void write_command(Writer& writer, const Slice& slice) const;
  void write_flows(Writer& writer) const;
  void write_samples(Writer& writer) const;

  const ProgramMap& map_;
  std::map<UnitId, std::vector<Slice>> slices_;
  std::vector<Flow> flows_;
  std::vector<ChipCounters> samples_;
  std::vector<RequestReport> requests_;
};

}  // namespace systole::report
