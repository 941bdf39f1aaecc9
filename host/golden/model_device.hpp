// The functional model as a device: takes the same requests as the chip, at once and without time.
#pragma once

#include <map>
#include <memory>

#include "host/driver/device.hpp"
#include "host/golden/requests.hpp"

namespace systole::golden {

class ModelDevice : public Device {
 public:
  ModelDevice(const ChipConfig& config, std::size_t host_memory_bytes);

  const ChipConfig& config() const override { return model_.machine().config(); }
  void write(Address address, const void* data, std::size_t bytes) override;
  void read(Address address, void* data, std::size_t bytes) override;
  uint8_t* host_memory() override { return model_.machine().host_memory().data(); }
  std::size_t host_memory_bytes() const override { return host_memory_bytes_; }
  bool wait_interrupt(uint64_t max_cycles) override;
  uint64_t cycles() const override { return 0; }
  bool needs_firmware() const override { return false; }

 private:
  void write_io_register(uint32_t offset, uint32_t value);
  void serve(const Request& request);
  void run(const Request& request, Completion& completion);

  FunctionalModel model_;
  std::size_t host_memory_bytes_;
  RequestRing ring_;
  std::vector<TileEntry> program_;
  std::map<uint32_t, uint32_t> io_registers_;
  bool interrupt_ = false;
};

}  // namespace systole::golden
