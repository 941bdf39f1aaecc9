#include "sim/axi_slave.hpp"

#include <algorithm>
#include <cstring>

namespace systole::sim {

AxiSlave::AxiSlave(const sc_core::sc_module_name& name, const AxiPins& pins)
    : sc_module(name), socket("socket"), pins_(pins) {
  update_pins();
}

/// What passed at the last edge leaves the pins.
void AxiSlave::update_pins() {
  moved_ = false;
  if (!read_shown_) *pins_.r.valid = 0;
  if (!response_shown_) *pins_.b.valid = 0;
  *pins_.ar.ready = reads_.size() < kMaxReadBeats ? 1 : 0;
  *pins_.aw.ready = writes_.size() < kMaxWrites ? 1 : 0;
  *pins_.w.ready = writes_.empty() ? 0 : 1;
}

void AxiSlave::show_read() {
  const ReadBeat& beat = reads_.front();
  read_shown_ = true;
  *pins_.r.valid = 1;
  std::memcpy(pins_.r.data, beat.data.data(), kBeatBytes);
  *pins_.r.resp = beat.resp;
  *pins_.r.last = beat.last ? 1 : 0;
  *pins_.r.id = beat.id;
}

void AxiSlave::show_response() {
  const WriteResponse& response = responses_.front();
  response_shown_ = true;
  *pins_.b.valid = 1;
  *pins_.b.resp = response.resp;
  *pins_.b.id = response.id;
}

bool AxiSlave::sample_active(uint64_t cycle, const sc_core::sc_time& now) {
  bool passed = false;
  if (*pins_.r.valid && *pins_.r.ready) {
    reads_.pop_front();
    read_shown_ = false;
    ++counters_.read_beats;
    passed = true;
  }
  if (*pins_.b.valid && *pins_.b.ready) {
    responses_.pop_front();
    response_shown_ = false;
    passed = true;
  }
  if (*pins_.w.valid && *pins_.w.ready) {
    take_beat(cycle, now);
    passed = true;
  }
  if (*pins_.aw.valid && *pins_.aw.ready) {
    writes_.push_back({*pins_.aw.addr, *pins_.aw.id, kRespOkay, 0});
    ++counters_.write_bursts;
    passed = true;
  }
  if (*pins_.ar.valid && *pins_.ar.ready) {
    take_read(cycle, now);
    passed = true;
  }
  moved_ |= passed;
  return passed;
}

uint64_t AxiSlave::transport(tlm::tlm_command command, uint64_t address, uint8_t* data,
                             uint8_t* enables, uint8_t& resp, uint64_t cycle,
                             const sc_core::sc_time& now) {
  payload_.set_command(command);
  payload_.set_address(address);
  payload_.set_data_ptr(data);
  payload_.set_data_length(kGranule);
  payload_.set_streaming_width(kGranule);
  payload_.set_byte_enable_ptr(enables);
  payload_.set_byte_enable_length(enables == nullptr ? 0 : kGranule);
  payload_.set_dmi_allowed(false);
  payload_.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  sc_core::sc_time delay = now;
  socket->b_transport(payload_, delay);
  if (payload_.is_response_error()) {
    resp = payload_.get_response_status() == tlm::TLM_ADDRESS_ERROR_RESPONSE ? kRespDecerr
                                                                             : kRespSlverr;
  }
  const auto waited = static_cast<int64_t>((delay - now).value());  // picoseconds
  const int64_t cycles = (waited + kPicosecondsPerCycle - 1) / kPicosecondsPerCycle;
  return cycle + 1 + static_cast<uint64_t>(cycles);
}

void AxiSlave::take_read(uint64_t cycle, const sc_core::sc_time& now) {
  const uint64_t first = *pins_.ar.addr / kBeatBytes * kBeatBytes;
  const uint64_t end = first + (uint64_t{*pins_.ar.len} + 1) * kBeatBytes;
  for (uint64_t at = first; at < end;) {
    const uint64_t granule = at / kGranule * kGranule;
    uint8_t resp = kRespOkay;
    const uint64_t ready =
        transport(tlm::TLM_READ_COMMAND, granule, read_.data(), nullptr, resp, cycle, now);
    for (; at < end && at < granule + kGranule; at += kBeatBytes) {
      ReadBeat beat{ready, {}, resp, at + kBeatBytes == end, *pins_.ar.id};
      std::memcpy(beat.data.data(), read_.data() + (at - granule), kBeatBytes);
      reads_.push_back(beat);
    }
  }
  ++counters_.read_bursts;
}

void AxiSlave::take_beat(uint64_t cycle, const sc_core::sc_time& now) {
  WriteBurst& burst = writes_.front();
  const uint64_t offset = burst.address / kBeatBytes * kBeatBytes % kGranule;
  std::memcpy(written_.data() + offset, pins_.w.data, kBeatBytes);
  for (unsigned i = 0; i < kBeatBytes; ++i) {
    enables_[offset + i] = (*pins_.w.strb >> i & 1) != 0 ? TLM_BYTE_ENABLED : TLM_BYTE_DISABLED;
  }
  ++counters_.write_beats;
  const bool last = *pins_.w.last != 0;
  if (last || offset + kBeatBytes == kGranule) send_granule(burst, cycle, now);
  burst.address = burst.address / kBeatBytes * kBeatBytes + kBeatBytes;
  if (!last) return;
  responses_.push_back({burst.ready, burst.resp, burst.id});
  writes_.pop_front();
}

void AxiSlave::send_granule(WriteBurst& burst, uint64_t cycle, const sc_core::sc_time& now) {
  const bool all = std::all_of(enables_.begin(), enables_.end(),
                               [](uint8_t enable) { return enable == TLM_BYTE_ENABLED; });
  burst.ready = transport(tlm::TLM_WRITE_COMMAND, burst.address / kGranule * kGranule,
                          written_.data(), all ? nullptr : enables_.data(), burst.resp, cycle, now);
  enables_.fill(TLM_BYTE_DISABLED);
}

}  // namespace systole::sim
