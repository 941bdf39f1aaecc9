#include "sim/memory_targets.hpp"

#include <algorithm>
#include <cstring>

namespace systole::sim {

MemoryTarget::MemoryTarget(const sc_core::sc_module_name& name, uint64_t bytes)
    : sc_module(name), socket("socket"), bytes_(bytes) {
  socket.register_b_transport(this, &MemoryTarget::transport);
}

void MemoryTarget::commit(const Write& write) {
  if (write.enables == ~uint64_t{0}) {
    store(write.address, write.data.data(), write.bytes);
  } else {
    for (unsigned i = 0; i < write.bytes; ++i) {
      if ((write.enables >> i & 1) != 0) store(write.address + i, &write.data[i], 1);
    }
  }
  if (on_write) on_write(write.address, write.bytes);
}

void MemoryTarget::settle(Picoseconds now) {
  while (!writes_.empty() && writes_.front().answered <= now) {
    commit(writes_.front());
    writes_.pop_front();
  }
}

void MemoryTarget::begin_write(const tlm::tlm_generic_payload& payload, Picoseconds answered) {
  writes_.push_back({answered, payload.get_address(), payload.get_data_length(), {}, ~uint64_t{0}});
  Write& write = writes_.back();
  std::memcpy(write.data.data(), payload.get_data_ptr(), write.bytes);
  const unsigned char* enables = payload.get_byte_enable_ptr();
  if (enables == nullptr) return;
  write.enables = 0;
  for (unsigned i = 0; i < write.bytes; ++i) {
    if (enables[i] == TLM_BYTE_ENABLED) write.enables |= uint64_t{1} << i;
  }
}

/// The storage, and over it the writes that arrived before and are not in it.
void MemoryTarget::read(const tlm::tlm_generic_payload& payload) const {
  uint8_t* data = payload.get_data_ptr();
  load(payload.get_address(), data, payload.get_data_length());
  for (const Write& write : writes_) {
    if (write.address != payload.get_address()) continue;  // aligned alike
    for (unsigned i = 0; i < write.bytes; ++i) {
      if ((write.enables >> i & 1) != 0) data[i] = write.data[i];
    }
  }
}

void MemoryTarget::transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const uint64_t address = payload.get_address();
  const unsigned bytes = payload.get_data_length();
  if (bytes != kMaxBytes || address % kMaxBytes != 0 || bytes_ < bytes ||
      address > bytes_ - bytes) {
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  const sc_core::sc_time arrival = sc_core::sc_time_stamp() + delay;
  const auto arrived = static_cast<Picoseconds>(arrival.value());
  settle(arrived);
  const Picoseconds answered = answer(address, payload.is_write(), arrived);
  if (payload.is_write()) {
    begin_write(payload, answered);
  } else {
    read(payload);
  }
  delay += sc_core::sc_time::from_value(static_cast<uint64_t>(answered - arrived));
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

// ------------------------------------------------------------------------------------------- DRAM

DramTarget::DramTarget(const sc_core::sc_module_name& name, const DramParameters& parameters,
                       uint64_t bytes)
    : MemoryTarget(name, bytes), channel_(parameters) {}

Picoseconds DramTarget::answer(uint64_t address, bool write, Picoseconds arrival) {
  Picoseconds time = 0;
  for (unsigned at = 0; at < kMaxBytes; at += channel_.parameters().burst_bytes) {
    time = channel_.access(address + at, write, arrival);
  }
  return time;
}

void DramTarget::load(uint64_t address, uint8_t* data, std::size_t bytes) const {
  memory_.read(address, data, bytes);
}

void DramTarget::store(uint64_t address, const uint8_t* data, std::size_t bytes) {
  memory_.write(address, data, bytes);
}

// ------------------------------------------------------------------------------------ host memory

HostMemoryTarget::HostMemoryTarget(const sc_core::sc_module_name& name, std::size_t bytes)
    : MemoryTarget(name, (bytes + kMaxBytes - 1) / kMaxBytes * kMaxBytes),
      memory_((bytes + kMaxBytes - 1) / kMaxBytes * kMaxBytes) {}

Picoseconds HostMemoryTarget::answer(uint64_t, bool, Picoseconds arrival) {
  return bus_.access(kMaxBytes, arrival);
}

void HostMemoryTarget::load(uint64_t address, uint8_t* data, std::size_t bytes) const {
  std::memcpy(data, memory_.data() + address, bytes);
}

void HostMemoryTarget::store(uint64_t address, const uint8_t* data, std::size_t bytes) {
  std::memcpy(memory_.data() + address, data, bytes);
}

}  // namespace systole::sim
