#include "sim/axi_master.hpp"

#include <algorithm>
#include <cstring>

namespace systole::sim {
namespace {

constexpr uint64_t kBoundary = 4096;    // that no burst crosses
constexpr unsigned kNarrowBytes = 256;  // an access up to this long may go as narrow beats

/// log2 of the bytes of a beat: narrow where whole beats would touch more than is asked for.
unsigned beat_size(uint64_t address, uint64_t bytes, bool write) {
  unsigned size = 5;
  if (write || bytes > kNarrowBytes) return size;
  while ((address | bytes) % (1u << size) != 0) --size;
  return size;
}

}  // namespace

AxiMaster::AxiMaster(const sc_core::sc_module_name& name, const AxiPins& pins)
    : sc_module(name), socket("socket"), pins_(pins) {
  socket.register_nb_transport_fw(this, &AxiMaster::begin);
  drop_taken();
  *pins_.r.ready = 1;
  *pins_.b.ready = 1;
}

tlm::tlm_sync_enum AxiMaster::begin(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                    sc_core::sc_time&) {
  if (phase != tlm::BEGIN_REQ || payload_ != nullptr) return tlm::TLM_ACCEPTED;
  payload_ = &payload;
  plan();
  phase = tlm::END_REQ;
  return tlm::TLM_UPDATED;
}

void AxiMaster::plan() {
  const uint64_t first = payload_->get_address();
  const uint64_t end = first + payload_->get_data_length();
  size_ = beat_size(first, payload_->get_data_length(), payload_->is_write());
  const unsigned beat_bytes = 1u << size_;
  bursts_.clear();
  for (uint64_t at = first; at < end;) {
    const uint64_t aligned = at / beat_bytes * beat_bytes;
    const uint64_t stop = std::min(
        {end, at / kBoundary * kBoundary + kBoundary, aligned + uint64_t{256} * beat_bytes});
    bursts_.push_back({at, static_cast<unsigned>((stop - aligned + beat_bytes - 1) / beat_bytes)});
    at = stop;
  }
  addresses_ = data_burst_ = responses_ = 0;
  data_beat_ = 0;
  worst_ = kRespOkay;
}

uint64_t AxiMaster::beat_address(const Burst& burst, unsigned beat) const {
  return beat == 0 ? burst.address : ((burst.address >> size_) + beat) << size_;
}

void AxiMaster::show_address(const AxiPins::Address& pins) {
  const Burst& burst = bursts_[addresses_];
  address_shown_ = true;
  *pins.valid = 1;
  *pins.addr = burst.address;
  *pins.len = static_cast<uint8_t>(burst.beats - 1);
  *pins.size = static_cast<uint8_t>(size_);
  *pins.burst = kBurstIncr;
  *pins.id = 0;
}

void AxiMaster::show_write() {
  const Burst& burst = bursts_[data_burst_];
  const uint64_t first = payload_->get_address();
  const uint64_t end = first + payload_->get_data_length();
  const uint64_t at = beat_address(burst, data_beat_);
  const uint64_t beat = at / kBeatBytes * kBeatBytes;
  const uint64_t from = std::max(at, first);
  const uint64_t to = std::min(end, beat + kBeatBytes);
  const auto bytes = static_cast<unsigned>(to - from);
  write_shown_ = true;
  *pins_.w.valid = 1;
  *pins_.w.strb = static_cast<uint32_t>(((uint64_t{1} << bytes) - 1) << (from - beat));
  *pins_.w.last = data_beat_ + 1 == burst.beats ? 1 : 0;
  std::memcpy(reinterpret_cast<uint8_t*>(pins_.w.data) + (from - beat),
              payload_->get_data_ptr() + (from - first), bytes);
}

/// What passed at the last edge leaves the pins.
void AxiMaster::drop_taken() {
  moved_ = false;
  if (!address_shown_) *pins_.aw.valid = *pins_.ar.valid = 0;
  if (!write_shown_) *pins_.w.valid = 0;
}

void AxiMaster::drive_active() {
  if (moved_) drop_taken();
  if (payload_ == nullptr) return;
  const bool write = payload_->is_write();
  const AxiPins::Address& address = write ? pins_.aw : pins_.ar;
  if (!address_shown_ && addresses_ < bursts_.size()) show_address(address);
  if (write && !write_shown_ && data_burst_ < bursts_.size()) show_write();
}

bool AxiMaster::take_write() {
  if (!*pins_.w.valid || !*pins_.w.ready) return false;
  write_shown_ = false;
  ++beats_;
  if (++data_beat_ == bursts_[data_burst_].beats) {
    data_beat_ = 0;
    ++data_burst_;
  }
  return true;
}

void AxiMaster::take_read() {
  const Burst& burst = bursts_[data_burst_];
  const uint64_t first = payload_->get_address();
  const uint64_t end = first + payload_->get_data_length();
  const uint64_t at = beat_address(burst, data_beat_);
  const uint64_t beat = at / kBeatBytes * kBeatBytes;
  const uint64_t to = std::min(end, ((at >> size_) + 1) << size_);
  std::memcpy(payload_->get_data_ptr() + (at - first),
              reinterpret_cast<const uint8_t*>(pins_.r.data) + (at - beat), to - at);
  ++beats_;
  if (*pins_.r.resp != kRespOkay && worst_ == kRespOkay) {
    worst_ = *pins_.r.resp;
    error_address_ = at;
  }
  if (++data_beat_ < burst.beats) return;
  data_beat_ = 0;
  ++data_burst_;
  ++responses_;
}

void AxiMaster::take_response(uint8_t resp) {
  if (resp != kRespOkay && worst_ == kRespOkay) {
    worst_ = resp;
    error_address_ = bursts_[responses_].address;
  }
  ++responses_;
}

bool AxiMaster::sample_active(const sc_core::sc_time& now) {
  bool passed = false;
  for (const AxiPins::Address* address : {&pins_.aw, &pins_.ar}) {
    if (!*address->valid || !*address->ready) continue;
    address_shown_ = false;
    ++addresses_;
    passed = true;
  }
  passed |= take_write();
  if (*pins_.r.valid) {
    take_read();
    passed = true;
  }
  if (*pins_.b.valid) {
    take_response(*pins_.b.resp);
    passed = true;
  }
  moved_ |= passed;
  if (responses_ == bursts_.size()) finish(now);
  return passed;
}

void AxiMaster::finish(const sc_core::sc_time& now) {
  tlm::tlm_generic_payload& payload = *payload_;
  payload_ = nullptr;
  payload.set_response_status(worst_ == kRespOkay     ? tlm::TLM_OK_RESPONSE
                              : worst_ == kRespDecerr ? tlm::TLM_ADDRESS_ERROR_RESPONSE
                                                      : tlm::TLM_GENERIC_ERROR_RESPONSE);
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_core::sc_time delay = now;
  socket->nb_transport_bw(payload, phase, delay);
}

}  // namespace systole::sim
