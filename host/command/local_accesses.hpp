// What a command reads and writes in its tile's scratchpad, and by which port, in the order of its
// loops (docs/reference/commands.md).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole {

/// Ports of the scratchpad (rtl/tile/scratchpad.sv) by which the units go through their operands.
enum class SpadPort : unsigned { Act, Wgt, VectorA, VectorB, VectorD, Load, Store };
inline constexpr unsigned kSpadPorts = 7;
/// "act"
const char* to_string(SpadPort port);
inline bool writes(SpadPort port) { return port == SpadPort::VectorD || port == SpadPort::Load; }

/// Bytes that one iteration touches. Vectors of scales (s, t, c) are not among them.
struct LocalAccess {
  SpadPort port;
  uint32_t address;  // in the scratchpad
  uint32_t bytes;
  /// Loop variables, outermost first, and their names; null behind the last.
  std::array<int64_t, 7> at{};
  std::array<const char*, 7> names{};

  /// "n=0 k0=1 r0=5"
  std::string iteration() const;
};

/// Calls `see` for each of them until it returns false. A command with a count of 0 has none.
void for_each_access(const spec::CommandWords& words,
                     const std::function<bool(const LocalAccess&)>& see);

}  // namespace systole
