#include "host/golden/model_device.hpp"

#include <fmt/format.h>

#include <cstring>

#include "host/command/error.hpp"

namespace systole::golden {
namespace {

bool is_io_register(Address address) {
  return address >= spec::IoRegsBase && address < spec::IoRegsBase + spec::IoRegsBytes;
}

std::string range_text(Address address, std::size_t bytes) {
  return fmt::format("global address 0x{:012x}, {} bytes", address, bytes);
}

}  // namespace

ModelDevice::ModelDevice(const ChipConfig& config, std::size_t host_memory_bytes)
    : model_(config, host_memory_bytes), host_memory_bytes_(host_memory_bytes) {
  io_registers_[SYSTOLE_IO_FW_STATE] = SYSTOLE_FW_STATE_READY;
}

void ModelDevice::write(Address address, const void* data, std::size_t bytes) {
  if (is_io_register(address)) {
    for (std::size_t i = 0; i < bytes; i += 4) {
      uint32_t value;
      std::memcpy(&value, static_cast<const uint8_t*>(data) + i, 4);
      write_io_register(static_cast<uint32_t>(address - spec::IoRegsBase + i), value);
    }
  } else if (!model_.machine().write(address, data, bytes)) {
    throw Error("no memory there", range_text(address, bytes));
  }
}

void ModelDevice::read(Address address, void* data, std::size_t bytes) {
  if (is_io_register(address)) {
    for (std::size_t i = 0; i < bytes; i += 4) {
      const uint32_t value = io_registers_[static_cast<uint32_t>(address - spec::IoRegsBase + i)];
      std::memcpy(static_cast<uint8_t*>(data) + i, &value, 4);
    }
  } else if (!model_.machine().read(address, data, bytes)) {
    throw Error("no memory there", range_text(address, bytes));
  }
}

void ModelDevice::write_io_register(uint32_t offset, uint32_t value) {
  io_registers_[offset] = value;
  ring_.write_register(offset, value);
  if (offset == SYSTOLE_IO_HOST_IRQ) interrupt_ = false;
  if (offset != SYSTOLE_IO_DOORBELL) return;
  while (const auto request = ring_.next(model_.machine())) serve(*request);
}

void ModelDevice::serve(const Request& request) {
  Completion completion{};
  completion.id = request.id;
  completion.phase = ring_.phase();
  completion.status = SYSTOLE_STATUS_OK;
  switch (request.kind) {
    case SYSTOLE_REQUEST_KIND_LOAD_PROGRAM: {
      auto entries = load_program(model_, request);
      if (!entries) completion.status = SYSTOLE_STATUS_BAD_PROGRAM;
      program_ = entries.value_or(std::vector<TileEntry>{});
      break;
    }
    case SYSTOLE_REQUEST_KIND_RUN:
      run(request, completion);
      break;
    case SYSTOLE_REQUEST_KIND_ABORT:
      break;
    default:
      completion.status = SYSTOLE_STATUS_BAD_REQUEST;
  }
  if (!model_.machine().write(ring_.completion_address(), &completion, sizeof completion)) {
    throw Error("completion ring is not in host memory",
                range_text(ring_.completion_address(), sizeof completion));
  }
  interrupt_ = true;
}

void ModelDevice::run(const Request& request, Completion& completion) {
  if (program_.empty() || request.inputs == 0) {
    completion.status = program_.empty() ? SYSTOLE_STATUS_NO_PROGRAM : SYSTOLE_STATUS_BAD_REQUEST;
    return;
  }
  for (const TileEntry& entry : program_)
    model_.launch({entry.x, entry.y}, launch_of(entry, request));
  const std::optional<TileFault> fault = model_.run();
  if (!fault) return;
  completion.status = SYSTOLE_STATUS_TILE_FAULT;
  completion.fault = static_cast<uint8_t>(fault->fault.code);
  completion.unit = static_cast<uint8_t>(fault->unit);
  completion.x = static_cast<uint8_t>(fault->node.x);
  completion.y = static_cast<uint8_t>(fault->node.y);
  completion.pc = static_cast<uint16_t>(fault->pc);
  completion.info = fault->fault.info;
}

bool ModelDevice::wait_interrupt(uint64_t) { return interrupt_; }

}  // namespace systole::golden
