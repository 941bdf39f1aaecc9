// The pins of one AXI4 port of the chip, as pointers into the Verilated model, and constants of the
// protocol. Adapters work on these, so that they know neither the model nor SystemC's signals.
#pragma once

#include <cstdint>

namespace systole::sim {

constexpr unsigned kBeatBytes = 32;
constexpr unsigned kBeatWords = kBeatBytes / 4;
constexpr uint8_t kRespOkay = 0;
constexpr uint8_t kRespSlverr = 2;
constexpr uint8_t kRespDecerr = 3;
constexpr uint8_t kBurstIncr = 1;

/// Of either direction: the side that drives a pin is the one whose model port is an output.
struct AxiPins {
  struct Address {
    uint8_t* valid;
    uint8_t* ready;
    uint64_t* addr;
    uint8_t* len;
    uint8_t* size;
    uint8_t* burst;
    uint8_t* id;
  };
  struct Write {
    uint8_t* valid;
    uint8_t* ready;
    uint32_t* data;
    uint32_t* strb;
    uint8_t* last;
  };
  struct Response {
    uint8_t* valid;
    uint8_t* ready;
    uint8_t* resp;
    uint8_t* id;
  };
  struct Read {
    uint8_t* valid;
    uint8_t* ready;
    uint32_t* data;
    uint8_t* resp;
    uint8_t* last;
    uint8_t* id;
  };

  Address aw;
  Write w;
  Response b;
  Address ar;
  Read r;
};

}  // namespace systole::sim
