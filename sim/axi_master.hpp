// Drives an AXI4 slave port of the chip (the host port) as a TLM-2.0 target.
//
// A transaction of any address and length, given by nb_transport_fw(BEGIN_REQ), becomes INCR bursts
// of up to 4 KiB, all of them under way as fast as the pins take them; nb_transport_bw(BEGIN_RESP)
// answers when the last response has come. One transaction at a time. Short accesses that do not
// fill beats go as narrow bursts, so that a read touches no byte that was not asked for.
//
// Per cycle: drive(), then the low phase of the clock, then sample(), then the rising edge.
#pragma once

#include <tlm_utils/simple_target_socket.h>
#include <systemc>
#include <tlm>

#include <cstdint>
#include <vector>

#include "host/command/archive.hpp"
#include "sim/axi.hpp"

namespace systole::sim {

class AxiMaster : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<AxiMaster> socket;

  AxiMaster(const sc_core::sc_module_name& name, const AxiPins& pins);

  /// Sets the chip's input pins for the coming cycle.
  void drive() {
    if (payload_ != nullptr || moved_) drive_active();
  }

  /// Takes what passes at the rising edge that ends this cycle, and leaves the pins as they are;
  /// `now` is that edge, from the present SystemC time. True when anything passed.
  bool sample(const sc_core::sc_time& now) { return payload_ != nullptr && sample_active(now); }

  uint64_t beats() const { return beats_; }
  bool busy() const { return payload_ != nullptr; }
  uint64_t address() const { return payload_->get_address(); }
  bool is_write() const { return payload_->is_write(); }
  /// Address of the first burst of the last transaction that was answered with an error.
  uint64_t error_address() const { return error_address_; }

  /// What a checkpoint holds; the pins are the model's. When a transaction was under way, load it
  /// after the same one has been begun again: what it had read goes to where that one reads to.
  template <class Archive>
  void serialize(Archive& archive) {
    plain_all(archive, moved_, address_shown_, write_shown_, addresses_, data_burst_, data_beat_,
              responses_, worst_, error_address_, beats_);
    if (payload_ != nullptr && payload_->is_read())
      archive(cereal::binary_data(payload_->get_data_ptr(), payload_->get_data_length()));
  }

 private:
  struct Burst {
    uint64_t address;
    unsigned beats;
  };

  tlm::tlm_sync_enum begin(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                           sc_core::sc_time& delay);
  void plan();
  void drive_active();
  void drop_taken();
  bool sample_active(const sc_core::sc_time& now);
  void show_address(const AxiPins::Address& pins);
  void show_write();
  bool take_write();
  void take_read();
  void take_response(uint8_t resp);
  void finish(const sc_core::sc_time& now);
  uint64_t beat_address(const Burst& burst, unsigned beat) const;

  AxiPins pins_;
  tlm::tlm_generic_payload* payload_ = nullptr;
  std::vector<Burst> bursts_;
  bool moved_ = false;  // since the pins were set
  bool address_shown_ = false;
  bool write_shown_ = false;
  unsigned size_ = 0;           // log2 of the bytes of a beat
  std::size_t addresses_ = 0;   // bursts whose address has been taken
  std::size_t data_burst_ = 0;  // burst whose beat comes next
  unsigned data_beat_ = 0;
  std::size_t responses_ = 0;  // bursts that have been answered
  uint8_t worst_ = kRespOkay;
  uint64_t error_address_ = 0;
  uint64_t beats_ = 0;
};

}  // namespace systole::sim
