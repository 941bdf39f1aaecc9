// What a driver needs of a chip. Two implementations: the simulated chip (sim/sim_device.hpp) and
// the functional model (host/golden/model_device.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace systole {

/// A global byte address (48 bits).
using Address = uint64_t;

/// Mesh of a chip: column 0 holds the io node (row 0) and the mem nodes, all others are compute
/// tiles.
struct ChipConfig {
  std::string name;
  unsigned num_cols = 0;
  unsigned num_rows = 0;

  unsigned tiles() const { return (num_cols - 1) * num_rows; }
  unsigned channels() const { return num_rows - 1; }
};

/// A configuration by name ("tiny", "small", ...) from rtl/spec. Throws Error naming the known
/// ones.
ChipConfig chip_config(const std::string& name);

/// One chip and its host memory. Calls block until the chip has done what they ask for; simulated
/// time passes only inside them. All of them throw Error when the chip answers with an error, or
/// when nothing happens for the device's watchdog time.
class Device {
 public:
  virtual ~Device() = default;

  virtual const ChipConfig& config() const = 0;

  /// Writes or reads chip memory or registers (DRAM, io node, tiles) through the host port.
  /// Any alignment; registers take multiples of 4.
  virtual void write(Address address, const void* data, std::size_t bytes) = 0;
  virtual void read(Address address, void* data, std::size_t bytes) = 0;

  /// Host memory, which the chip reaches at HostMemBase + offset. Valid as long as the device
  /// lives.
  virtual uint8_t* host_memory() = 0;
  virtual std::size_t host_memory_bytes() const = 0;

  /// Lets the chip run until its interrupt is up or `max_cycles` have passed; true when it is up.
  virtual bool wait_interrupt(uint64_t max_cycles) = 0;

  /// Core cycles since reset; 0 always on a device without time.
  virtual uint64_t cycles() const = 0;

  /// Whether the device has a control core that wants firmware (the functional model does not).
  virtual bool needs_firmware() const = 0;

  uint32_t read32(Address address) {
    uint32_t value = 0;
    read(address, &value, sizeof value);
    return value;
  }
  void write32(Address address, uint32_t value) { write(address, &value, sizeof value); }
};

}  // namespace systole
