// The commands that retired last, as text: what the chip did before it failed.
#pragma once

#include <deque>
#include <string>

#include "host/report/executions.hpp"

namespace systole::report {

class CommandTrace {
 public:
  /// Of these programs; `kept` commands at most are held, the last ones.
  explicit CommandTrace(const ProgramMap& map, std::size_t kept = 4096) : map_(map), kept_(kept) {}

  void add(const Execution& execution);

  /// A line a command, in the order in which they retired: the cycles in which it began and
  /// retired, tile, unit, pc, disassembly; the names of these columns first.
  std::string text() const;

 private:
  struct Retired {
    UnitId where;
    std::size_t phase = 0;
    uint32_t pc = 0;
    uint64_t begin = 0, end = 0;
  };
  const ProgramMap& map_;
  std::size_t kept_;
  std::size_t dropped_ = 0;
  std::deque<Retired> retired_;
};

}  // namespace systole::report
