#include "host/report/wave_view.hpp"

#include <fmt/format.h>

#include <vector>

namespace systole::report {
namespace {

constexpr uint64_t kPicosecondsPerCycle = 1000;
constexpr uint64_t kCyclesBefore = 60;  // shown left of the cursor
constexpr double kZoom = -14.6;         // log2 of picoseconds a pixel: about 130 cycles a screen

/// GTKWave's trace flags: right-justified; binary, hexadecimal, decimal, signed decimal, or the
/// enumerator's name.
enum class Format : uint64_t {
  Bit = 0x28,
  Hex = 0x22,
  Decimal = 0x24,
  Signed = 0x424,
  Enumerator = 0x100000028
};

struct Signal {
  const char* name;  // below the tile
  Format format = Format::Bit;
};

using Signals = std::vector<Signal>;

const Signals kMatrix = {
    {"u_matrix.cmd_valid_i"},
    {"u_matrix.cmd_ready_o"},
    {"u_matrix.done_o"},
    {"u_matrix.act_req_o[3:0]", Format::Hex},
    {"u_matrix.act_gnt_i[3:0]", Format::Hex},
    {"u_matrix.act_addr_o[0][17:0]", Format::Hex},
    {"u_matrix.act_rdata_i[255:0]", Format::Hex},
    {"u_matrix.wgt_req_o[7:0]", Format::Hex},
    {"u_matrix.wgt_gnt_i[7:0]", Format::Hex},
    {"u_matrix.wgt_addr_o[0][17:0]", Format::Hex},
    {"u_matrix.swap"},
    {"u_matrix.row_valid"},
    {"u_matrix.psum_valid"},
    {"u_matrix.u_accumulators.base_i[1:0]", Format::Hex},
    {"u_matrix.u_accumulators.row_valid_i"},
    {"u_matrix.u_accumulators.row_i[8:0]", Format::Decimal},
    {"u_matrix.u_accumulators.row_q[8:0]", Format::Decimal},
};
const Signals kVector = {
    {"u_vector.cmd_valid_i"},
    {"u_vector.cmd_ready_o"},
    {"u_vector.done_o"},
    {"u_vector.vacc_req_o"},
    {"u_vector.vacc_gnt_i"},
    {"u_vector.vacc_row_o[8:0]", Format::Decimal},
    {"u_vector.va_req_o"},
    {"u_vector.va_gnt_i"},
    {"u_vector.a_addr[17:0]", Format::Hex},
    {"u_vector.va_rdata_i[255:0]", Format::Hex},
    {"u_vector.vb_req_o"},
    {"u_vector.vb_gnt_i"},
    {"u_vector.vb_rdata_i[255:0]", Format::Hex},
    {"u_vector.vd_req_o"},
    {"u_vector.vd_gnt_i"},
    {"u_vector.d_addr[17:0]", Format::Hex},
    {"u_vector.result_half[255:0]", Format::Hex},
};
const Signals kLoad = {
    {"u_load.cmd_valid_i"},
    {"u_load.cmd_ready_o"},
    {"u_load.done_o"},
    {"u_load.req_valid_o"},
    {"u_load.req_ready_i"},
    {"u_load.req_addr_o[47:0]", Format::Hex},
    {"u_load.req_len_o[9:0]", Format::Decimal},
    {"u_load.req_slot_o[3:0]", Format::Decimal},
    {"u_load.rsp_valid_i"},
    {"u_load.rsp_ready_o"},
    {"u_load.rsp_last"},
    {"u_load.slot[3:0]", Format::Decimal},
    {"u_load.slot_busy_q[15:0]", Format::Hex},
    {"u_load.spad_req_o"},
    {"u_load.spad_gnt_i"},
};
const Signals kStore = {
    {"u_store.cmd_valid_i"}, {"u_store.cmd_ready_o"},
    {"u_store.done_o"},      {"u_store.spad_req_o"},
    {"u_store.spad_gnt_i"},  {"u_store.spad_rdata_i[255:0]", Format::Hex},
    {"u_store.wr_valid_o"},  {"u_store.wr_ready_i"},
    {"u_store.ack_valid_i"}, {"u_store.slot_busy_q[15:0]", Format::Hex},
};
const Signals kNetwork = {
    {"req_valid_o"}, {"req_ready_i"}, {"rsp_valid_i"}, {"rsp_ready_o"},
    {"req_valid_i"}, {"req_ready_o"}, {"rsp_valid_o"}, {"rsp_ready_i"},
};

const Signals& signals_of(spec::Unit unit) {
  switch (unit) {
    case spec::Unit::Load:
      return kLoad;
    case spec::Unit::Matrix:
      return kMatrix;
    case spec::Unit::Vector:
      return kVector;
    case spec::Unit::Store:
      return kStore;
  }
  return kNetwork;
}

class Writer {
 public:
  explicit Writer(const WaveView& view)
      : view_(view),
        tile_(fmt::format("TOP.systole_chip.gen_row[{}].gen_col[{}].gen_tile.u_tile.", view.node.y,
                          view.node.x)) {}

  std::string write() {
    header();
    line(Format::Bit, "TOP.systole_chip.clk_i");
    group(fmt::format("tile ({}, {}): what each unit does", view_.node.x, view_.node.y), [&] {
      for (unsigned u = 0; u < spec::NumUnits; ++u) unit_brief(u);
      line(Format::Hex, tile_ + "sem_nonzero[15:0]", "semaphores not 0");
    });
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      const auto unit = static_cast<spec::Unit>(u);
      if (view_.unit && *view_.unit != unit) continue;
      group(fmt::format("{} unit", spec::to_string(unit)), [&] {
        all(signals_of(unit));
        lane(unit);
      });
    }
    group("network", [&] { all(kNetwork); });
    return text_;
  }

 private:
  void header() {
    const uint64_t cursor = view_.cycle * kPicosecondsPerCycle;
    const uint64_t before = kCyclesBefore * kPicosecondsPerCycle;
    text_ += fmt::format("[*] {}\n[dumpfile] \"{}\"\n[timestart] {}\n[size] 1600 900\n",
                         view_.title, view_.dump_file, cursor < before ? 0 : cursor - before);
    text_ += fmt::format("*{:.6f} {}", kZoom, cursor);
    for (int i = 0; i < 26; ++i) text_ += " -1";
    text_ += "\n[sst_width] 200\n[signals_width] 320\n";
  }

  template <class Body>
  void group(const std::string& name, Body body) {
    text_ += "@800200\n-" + name + "\n";
    body();
    text_ += "@1000200\n-" + name + "\n";
  }

  void line(Format format, const std::string& name, const std::string& alias = "") {
    text_ += fmt::format("@{:x}\n", static_cast<uint64_t>(format));
    text_ += (alias.empty() ? name : "+{" + alias + "} " + name) + "\n";
  }

  void all(const Signals& signals) {
    for (const Signal& signal : signals) line(signal.format, tile_ + signal.name);
  }

  /// The lane looked at, of sums and accumulators.
  void lane(spec::Unit unit) {
    const bool matrix = unit == spec::Unit::Matrix;
    if (!matrix && unit != spec::Unit::Vector) return;
    line(Format::Signed,
         fmt::format("{}{}[{}][31:0]", tile_, matrix ? "u_matrix.psum" : "u_vector.vacc_data_i",
                     view_.lane));
  }

  void unit_brief(unsigned u) {
    const std::string unit = spec::to_string(static_cast<spec::Unit>(u));
    line(Format::Enumerator, fmt::format("{}gen_sequencer[{}].u_sequencer.state_o[3:0]", tile_, u),
         unit + " state");
    line(Format::Decimal, fmt::format("{}cmd_pc[{}][15:0]", tile_, u), unit + " command");
  }

  const WaveView& view_;
  std::string tile_;
  std::string text_;
};

}  // namespace

std::string gtkw(const WaveView& view) { return Writer(view).write(); }

}  // namespace systole::report
