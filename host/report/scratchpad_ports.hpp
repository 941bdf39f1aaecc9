// What goes over the ports of a tile's scratchpad, in the waves of a run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/golden/machine.hpp"
#include "host/report/waves.hpp"

namespace systole::report {

/// "TOP.systole_chip.gen_row[0].gen_col[1].gen_tile.u_tile."
std::string tile_scope(golden::Node node);

/// Byte `i` of a value, whose highest bit comes first.
uint8_t byte_at(const std::string& bits, std::size_t i);

struct SpadPortName {
  const char* name = "";   // "act", "wgt", "va", "vb", "vd", "ni", "ld", "st", "seq"
  const char* owner = "";  // "the Matrix unit's"
};

/// Bytes that a port wrote, or was given.
struct PortAccess {
  uint64_t cycle = 0;  // of the grant
  SpadPortName port;
  bool write = false;
  uint32_t address = 0;
  std::vector<uint8_t> bytes;
  std::vector<bool> enabled;  // of a write
};

class ScratchpadPorts {
 public:
  ScratchpadPorts(const Waves& waves, golden::Node node);

  /// Whether the waves hold the ports' signals.
  bool known() const { return known_; }
  /// In the order of their cycles. Data of a read came in the cycle after its grant.
  const std::vector<PortAccess>& accesses() const { return accesses_; }

 private:
  void see(uint64_t cycle, const WaveValues& values);
  void window_write(uint64_t cycle, SpadPortName port, const WaveValues& values, std::size_t at);
  void beat_write(uint64_t cycle, const WaveValues& values, uint32_t beat);
  void expect(uint64_t cycle, SpadPortName port, uint32_t address, std::size_t bytes,
              std::size_t signal, std::size_t lane);

  struct Read {
    PortAccess access;
    std::size_t signal, lane;
  };
  bool known_ = false;
  std::vector<Read> reads_;  // granted in the cycle before
  std::vector<PortAccess> accesses_;
};

}  // namespace systole::report
