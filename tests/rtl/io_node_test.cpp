// verilator: -f build/ibex.f
#include "Vio_node.h"

#include <catch2/catch.hpp>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>

#include "rtl/spec/gen/systole_commands.hpp"
#include "tests/rtl/core_bench.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole;
using namespace systole::test;

constexpr unsigned kCols = 3, kRows = 2;
constexpr unsigned kTiles = (kCols - 1) * kRows;
constexpr uint64_t kIoRegs = SYSTOLE_IO_REGS_BASE;

uint64_t tile_base(Node node) {
  return SYSTOLE_TILE_BASE | uint64_t{node.y} << SYSTOLE_TILE_ROW_SHIFT |
         uint64_t{node.x} << SYSTOLE_TILE_COL_SHIFT;
}

/// What stands in for a compute tile: registers, and an end of each launch at a chosen time.
struct TileMock {
  enum class Ends { Done, Fault, Never };

  std::map<uint32_t, uint32_t> registers;
  Ends ends = Ends::Done;
  int cycles = 300;       // from launch to its end
  int abort_cycles = 50;  // from abort until it is idle, -1: never
  uint32_t fault = 0;     // what FAULT and FAULT_INFO then hold
  uint64_t info = 0;

  bool running = false;  // an aborted tile runs until it is cleared
  bool unit_busy = false;
  bool faulted = false;
  int countdown = -1;
  int aborting = -1;
  int launches = 0;
  int clears = 0;
  std::vector<uint32_t> launched_params;
};

/// The io node between a host (AXI master, host memory) and a mesh of tile mocks.
class IoDut : public Dut<Vio_node> {
 public:
  explicit IoDut(uint64_t stream = 0)
      : Dut(20'000'000),
        host_memory(1 << 20),
        mesh_port(serve(), stream, 20),
        rng_(make_rng(100 + stream)) {
    auto& m = **this;
    m.s_axi_host_awvalid_i = m.s_axi_host_wvalid_i = m.s_axi_host_arvalid_i = 0;
    m.s_axi_host_bready_i = m.s_axi_host_rready_i = 1;
    m.s_axi_host_awburst_i = m.s_axi_host_arburst_i = 1;
    m.s_axi_host_awsize_i = m.s_axi_host_arsize_i = 5;
    m.m_axi_host_awready_i = m.m_axi_host_wready_i = m.m_axi_host_arready_i = 0;
    m.m_axi_host_bvalid_i = m.m_axi_host_rvalid_i = 0;
    m.noc_req_ready_i = m.noc_rsp_ready_i = 1;
    m.noc_req_valid_i = m.noc_rsp_valid_i = 0;
    for (unsigned y = 0; y < kRows; ++y) {
      for (unsigned x = 1; x < kCols; ++x) tiles[{x, y}];
    }
    reset();
  }

  // ------------------------------------------------------------------------------ one cycle
  void step() {
    auto& m = **this;
    advance_tiles();
    drive_mesh();
    drive_host_memory();
    settle();
    take_mesh();
    take_host_memory();
    if (m.busy_o) ++busy_cycles;
    if (m.irq_host_o && irq_at == 0) irq_at = cycle();
    tick();
  }

  void steps(int count) {
    for (int i = 0; i < count; ++i) step();
  }

  // ------------------------------------------------------------------- the host's AXI master
  /// One beat; `strobes` tells which bytes of the 32 at the aligned address. Returns BRESP.
  unsigned axi_write(uint64_t address, const uint8_t* beat, uint32_t strobes) {
    auto& m = **this;
    m.s_axi_host_awvalid_i = m.s_axi_host_wvalid_i = 1;
    m.s_axi_host_awaddr_i = address / 32 * 32;
    m.s_axi_host_awlen_i = 0;
    m.s_axi_host_awid_i = 5;
    m.s_axi_host_wlast_i = 1;
    m.s_axi_host_wstrb_i = strobes;
    std::memcpy(m.s_axi_host_wdata_i.m_storage, beat, 32);
    for (int i = 0; i < 5000; ++i) {
      settle();
      const bool aw = m.s_axi_host_awvalid_i && m.s_axi_host_awready_o;
      const bool w = m.s_axi_host_wvalid_i && m.s_axi_host_wready_o;
      const bool done = m.s_axi_host_bvalid_o;
      const unsigned resp = m.s_axi_host_bresp_o;
      if (done) CHECK(m.s_axi_host_bid_o == 5);
      step();
      if (aw) m.s_axi_host_awvalid_i = 0;
      if (w) m.s_axi_host_wvalid_i = 0;
      if (done) return resp;
    }
    throw Timeout("no B");
  }

  unsigned host_write(uint64_t address, const Bytes& data) {
    unsigned resp = 0;
    for (uint64_t beat = address / 32 * 32; beat < address + data.size(); beat += 32) {
      uint8_t bytes[32] = {};
      uint32_t strobes = 0;
      for (unsigned i = 0; i < 32; ++i) {
        if (beat + i < address || beat + i >= address + data.size()) continue;
        bytes[i] = data[beat + i - address];
        strobes |= 1u << i;
      }
      resp |= axi_write(beat, bytes, strobes);
    }
    return resp;
  }

  unsigned host_write32(uint64_t address, uint32_t value) {
    return host_write(address, bytes_of(&value, 4));
  }

  /// Four bytes; RRESP in `*resp`, which must be 0 when that is null.
  uint32_t host_read32(uint64_t address, unsigned* resp = nullptr) {
    auto& m = **this;
    m.s_axi_host_arvalid_i = 1;
    m.s_axi_host_araddr_i = address;
    m.s_axi_host_arlen_i = 0;
    m.s_axi_host_arsize_i = 2;
    m.s_axi_host_arid_i = 9;
    for (int i = 0; i < 5000; ++i) {
      settle();
      const bool ar = m.s_axi_host_arvalid_i && m.s_axi_host_arready_o;
      const bool done = m.s_axi_host_rvalid_o;
      const uint32_t value = m.s_axi_host_rdata_o.m_storage[address / 4 % 8];
      const unsigned r = m.s_axi_host_rresp_o;
      if (done) CHECK((m.s_axi_host_rid_o == 9 && m.s_axi_host_rlast_o));
      step();
      if (ar) m.s_axi_host_arvalid_i = 0;
      if (!done) continue;
      if (resp)
        *resp = r;
      else if (r != 0)
        throw std::runtime_error("RRESP");
      return value;
    }
    throw Timeout("no R");
  }

  uint32_t io(uint32_t offset) { return host_read32(kIoRegs + offset); }
  void set_io(uint32_t offset, uint32_t value) {
    if (host_write32(kIoRegs + offset, value)) throw std::runtime_error("BRESP");
  }

  /// Puts a packet of a tile into the mesh towards this node.
  void send_from_tile(Packet packet) {
    for (Flit& flit : packet) to_node_.push_back(flit);
  }

  std::map<std::pair<unsigned, unsigned>, TileMock> tiles;
  SparseBytes memory;  // scratchpads and DRAM, by global address
  Bytes host_memory;
  MeshPort mesh_port;
  std::deque<Flit> responses;  // of this node to tiles
  uint64_t busy_cycles = 0;
  uint64_t irq_at = 0;         // first cycle of the interrupt
  uint64_t last_write_at = 0;  // cycle of the last B of host memory
  int write_delay = 0;         // of B; 0: random
  uint64_t bad_page = ~0ull;   // 4 KiB of host memory that answer SLVERR

 private:
  MeshPort::Serve serve() {
    return [this](const Flit& head, Bytes& data) -> unsigned {
      const uint64_t address = head.address();
      if (address >> 40 == 2) return serve_memory(head, data);
      const Node node{static_cast<unsigned>(address >> 24 & 15),
                      static_cast<unsigned>(address >> 32 & 15)};
      if (node.x != head.dst.x || node.y != head.dst.y)
        throw std::runtime_error("a packet went to the wrong node");
      const uint32_t offset = address & 0xffffff;
      if (offset < SYSTOLE_SCRATCHPAD_BYTES) return serve_memory(head, data);
      if (offset < SYSTOLE_TILE_REGS_OFFSET) return SYSTOLE_ERR_DECODE;
      return serve_registers(tiles.at({node.x, node.y}), offset - SYSTOLE_TILE_REGS_OFFSET, head,
                             data);
    };
  }

  unsigned serve_memory(const Flit& head, Bytes& data) {
    if (head.op == SYSTOLE_NOC_OP_READ)
      data = memory.read(head.address(), head.length());
    else
      memory.write(head.address(), data);
    return SYSTOLE_ERR_OK;
  }

  unsigned serve_registers(TileMock& tile, uint32_t offset, const Flit& head, Bytes& data) {
    if (offset % 4 || head.length() % 4) throw std::runtime_error("part of a tile register");
    if (head.op == SYSTOLE_NOC_OP_READ) data.resize(head.length());
    for (std::size_t i = 0; i < data.size(); i += 4) {
      uint32_t value;
      std::memcpy(&value, &data[i], 4);
      const auto at = static_cast<uint32_t>(offset + i);
      if (head.op == SYSTOLE_NOC_OP_READ)
        value = read_register(tile, at);
      else
        write_register(tile, at, value);
      std::memcpy(&data[i], &value, 4);
    }
    return SYSTOLE_ERR_OK;
  }

  static uint32_t read_register(TileMock& tile, uint32_t offset) {
    switch (offset) {
      case SYSTOLE_TILE_STATUS:
        return (tile.running ? SYSTOLE_TILE_STATUS_RUNNING_MASK : 0) |
               (tile.unit_busy ? SYSTOLE_TILE_STATUS_UNIT_BUSY_MASK : 0) |
               (tile.faulted ? SYSTOLE_TILE_STATUS_FAULT_MASK : 0);
      case SYSTOLE_TILE_FAULT:
        return tile.faulted ? tile.fault : 0;
      case SYSTOLE_TILE_FAULT_INFO_LO:
        return static_cast<uint32_t>(tile.info);
      case SYSTOLE_TILE_FAULT_INFO_HI:
        return static_cast<uint32_t>(tile.info >> 32);
      default:
        return tile.registers[offset];
    }
  }

  static void write_register(TileMock& tile, uint32_t offset, uint32_t value) {
    if (offset != SYSTOLE_TILE_CONTROL) {
      tile.registers[offset] = value;
      return;
    }
    if (value & SYSTOLE_TILE_CONTROL_LAUNCH_MASK) {
      if (tile.running) throw std::runtime_error("launched while running");
      tile.running = tile.unit_busy = true;
      tile.countdown = tile.ends == TileMock::Ends::Never ? -1 : tile.cycles;
      tile.launched_params.clear();
      for (uint32_t i = 0; i < 16; ++i)
        tile.launched_params.push_back(tile.registers[SYSTOLE_TILE_PARAM0 + 4 * i]);
      ++tile.launches;
    }
    if (value & SYSTOLE_TILE_CONTROL_ABORT_MASK && tile.running) {
      tile.countdown = -1;
      tile.aborting = tile.abort_cycles;
    }
    if (value & SYSTOLE_TILE_CONTROL_CLEAR_MASK) {
      if (tile.unit_busy) throw std::runtime_error("cleared while a unit was busy");
      tile.running = false;
      tile.faulted = false;
      ++tile.clears;
    }
  }

  void advance_tiles() {
    for (auto& [place, tile] : tiles) {
      if (tile.aborting > 0 && --tile.aborting == 0) tile.unit_busy = false;
      if (tile.countdown <= 0 || --tile.countdown > 0) continue;
      const Node node{place.first, place.second};
      const bool fault = tile.ends == TileMock::Ends::Fault;
      tile.running = tile.unit_busy = false;
      tile.faulted = fault;
      const uint32_t event = node.x | node.y << 4 | uint32_t{fault} << 8;
      const Bytes data = bytes_of(&event, 4);
      send_from_tile(request_packet(SYSTOLE_NOC_OP_WRITE, node, 0x20,
                                    kIoRegs + SYSTOLE_IO_TILE_EVENT, 4, data.data()));
    }
  }

  void drive_mesh() {
    auto& m = **this;
    mesh_port.advance();
    const Flit* offered = mesh_port.offered();
    m.noc_rsp_valid_i = offered != nullptr;
    if (offered) offered->to_port(m.noc_rsp_i);
    if (!m.noc_req_valid_i) m.noc_req_valid_i = !to_node_.empty();
    if (m.noc_req_valid_i) to_node_.front().to_port(m.noc_req_i);
    m.noc_req_ready_i = !one_in(rng_, 4);
    m.noc_rsp_ready_i = !one_in(rng_, 4);
  }

  void take_mesh() {
    auto& m = **this;
    if (m.noc_req_valid_o && m.noc_req_ready_i) mesh_port.receive(Flit::from_port(m.noc_req_o));
    if (m.noc_rsp_valid_i && m.noc_rsp_ready_o) mesh_port.taken();
    if (m.noc_rsp_valid_o && m.noc_rsp_ready_i) responses.push_back(Flit::from_port(m.noc_rsp_o));
    if (m.noc_req_valid_i && m.noc_req_ready_o) {
      to_node_.pop_front();
      taken_from_mesh_ = true;
    } else {
      taken_from_mesh_ = false;
    }
  }

  struct Burst {
    uint64_t address;
    unsigned beats;
    int delay;
    unsigned id;
  };

  bool bad(uint64_t address) const { return address / 4096 == bad_page; }

  void drive_host_memory() {
    auto& m = **this;
    if (taken_from_mesh_) m.noc_req_valid_i = 0;
    taken_from_mesh_ = false;
    if (!m.noc_req_valid_i && !to_node_.empty()) {
      m.noc_req_valid_i = 1;
      to_node_.front().to_port(m.noc_req_i);
    }
    m.m_axi_host_awready_i = !one_in(rng_, 3);
    m.m_axi_host_wready_i = !one_in(rng_, 3);
    m.m_axi_host_arready_i = !one_in(rng_, 3);
    if (!writes_.empty() && writes_.front().beats == 0 && writes_.front().delay > 0)
      --writes_.front().delay;
    const bool b = !writes_.empty() && writes_.front().beats == 0 && writes_.front().delay == 0;
    m.m_axi_host_bvalid_i = b;
    if (b) {
      m.m_axi_host_bid_i = writes_.front().id;
      m.m_axi_host_bresp_i = bad(writes_.front().address - 1) ? 2 : 0;
    }
    if (!reads_.empty() && reads_.front().delay > 0) --reads_.front().delay;
    const bool r = !reads_.empty() && reads_.front().delay == 0;
    m.m_axi_host_rvalid_i = r;
    if (r) {
      Burst& burst = reads_.front();
      m.m_axi_host_rid_i = burst.id;
      m.m_axi_host_rlast_i = burst.beats == 1;
      m.m_axi_host_rresp_i = bad(burst.address) ? 2 : 0;
      std::memcpy(m.m_axi_host_rdata_i.m_storage, &host_memory.at(burst.address), 32);
    }
  }

  void take_host_memory() {
    auto& m = **this;
    if (m.m_axi_host_bvalid_i && m.m_axi_host_bready_o) {
      for (auto& [at, value] : landing_) host_memory.at(at) = value;
      landing_.clear();
      last_write_at = cycle();
      writes_.pop_front();
    }
    if (m.m_axi_host_rvalid_i && m.m_axi_host_rready_o) {
      Burst& burst = reads_.front();
      burst.address += 32;
      if (--burst.beats == 0) reads_.pop_front();
    }
    if (m.m_axi_host_awvalid_o && m.m_axi_host_awready_i) {
      const int delay = write_delay ? write_delay : static_cast<int>(uniform(rng_, 1, 60));
      writes_.push_back(
          {m.m_axi_host_awaddr_o, m.m_axi_host_awlen_o + 1u, delay, m.m_axi_host_awid_o});
    }
    if (m.m_axi_host_wvalid_o && m.m_axi_host_wready_i)
      beats_.push_back({bytes_of(m.m_axi_host_wdata_o.m_storage, 32), m.m_axi_host_wstrb_o});
    for (Burst& burst : writes_) {
      while (burst.beats > 0 && !beats_.empty()) {
        // Lands with its response, not before.
        for (unsigned i = 0; i < 32; ++i) {
          if (beats_.front().second >> i & 1)
            landing_.push_back({burst.address + i, beats_.front().first[i]});
        }
        beats_.pop_front();
        burst.address += 32;
        --burst.beats;
      }
      if (burst.beats > 0) break;
    }
    if (m.m_axi_host_arvalid_o && m.m_axi_host_arready_i)
      reads_.push_back({m.m_axi_host_araddr_o, m.m_axi_host_arlen_o + 1u,
                        static_cast<int>(uniform(rng_, 1, 60)), m.m_axi_host_arid_o});
  }

  std::mt19937_64 rng_;
  std::deque<Flit> to_node_;
  bool taken_from_mesh_ = false;
  std::deque<Burst> writes_, reads_;
  std::deque<std::pair<Bytes, uint32_t>> beats_;
  std::vector<std::pair<uint64_t, uint8_t>> landing_;
};

// ------------------------------------------------------------------------------------ the driver

constexpr uint64_t kRing = 0x1000, kCompletions = 0x2000, kTable = 0x4000, kImages = 0x10000;
constexpr uint32_t kEntries = 4;

using Words = spec::CommandWords;

/// What one tile gets: the commands of each unit.
using Programs = std::array<std::vector<Words>, 4>;

Words end_command() { return spec::EndCommand{}.encode(); }

spec::LoadCommand good_load() {
  spec::LoadCommand c;
  c.addr = SYSTOLE_HOST_MEM_BASE + 0x8000;
  c.local_addr = 0x20000;
  c.run = 64;
  c.count0 = 4;
  c.gstride0 = 64;
  c.lstride0 = 64;
  c.count1 = 1;
  c.header.post_mask = 1;
  return c;
}

spec::StoreCommand good_store() {
  spec::StoreCommand c;
  c.addr = SYSTOLE_HOST_MEM_BASE + 0x9000;
  c.local_addr = 0x20000;
  c.run = 256;
  c.count0 = 1;
  c.count1 = 1;
  c.header.wait_mask = 1;
  c.header.sel0_en = 1;
  c.header.sel0_param = 1;
  c.header.sel0_word = 4;
  return c;
}

Programs good_programs() {
  spec::LoopCommand loop;
  loop.target = 0;
  Programs p;
  p[0] = {good_load().encode(), loop.encode(), end_command()};
  p[1] = {end_command()};
  p[2] = {spec::NopCommand{}.encode(), end_command()};
  p[3] = {good_store().encode(), loop.encode(), end_command()};
  return p;
}

/// The host's side of the request ring.
class Driver {
 public:
  explicit Driver(IoDut& dut) : dut_(dut) {}

  void boot(uint64_t bound = 20'000) {
    std::ifstream file("build/firmware/firmware.bin", std::ios::binary);
    const Bytes firmware(std::istreambuf_iterator<char>(file), {});
    REQUIRE(firmware.size() > 256);
    REQUIRE(dut_.host_write(SYSTOLE_CORE_RAM_BASE, firmware) == 0);
    dut_.set_io(SYSTOLE_IO_RING_LO, static_cast<uint32_t>(kRing));
    dut_.set_io(SYSTOLE_IO_RING_HI, SYSTOLE_HOST_MEM_BASE >> 32);
    dut_.set_io(SYSTOLE_IO_RING_ENTRIES, kEntries);
    dut_.set_io(SYSTOLE_IO_COMPLETION_LO, static_cast<uint32_t>(kCompletions));
    dut_.set_io(SYSTOLE_IO_COMPLETION_HI, SYSTOLE_HOST_MEM_BASE >> 32);
    dut_.set_io(SYSTOLE_IO_CORE_CTRL, 1);
    const uint64_t start = dut_.cycle();
    while (dut_.io(SYSTOLE_IO_FW_STATE) == SYSTOLE_FW_STATE_NOT_BOOTED) {
      if (dut_.cycle() - start > bound) throw Timeout("firmware does not boot");
      dut_.steps(50);
    }
    REQUIRE(dut_.io(SYSTOLE_IO_FW_STATE) == SYSTOLE_FW_STATE_READY);
  }

  /// Puts a request into the ring; the doorbell rings unless told not to.
  void submit(systole_request request, bool ring = true) {
    request.phase = phase(produced_);
    request.id = 1000 + produced_;
    std::memcpy(&dut_.host_memory[kRing + produced_ % kEntries * 64], &request, 64);
    ++produced_;
    if (ring) dut_.set_io(SYSTOLE_IO_DOORBELL, produced_);
  }

  /// Waits for the next completion by interrupt, takes it and clears the interrupt.
  systole_completion wait(uint64_t bound = 2'000'000) {
    const uint64_t start = dut_.cycle();
    systole_completion completion;
    for (;;) {
      std::memcpy(&completion, &dut_.host_memory[kCompletions + consumed_ % kEntries * 64], 64);
      if (completion.phase == phase(consumed_)) break;
      while (!dut_->irq_host_o) {
        if (dut_.cycle() - start > bound) throw Timeout("no interrupt");
        dut_.step();
      }
      // Read the record after the interrupt was seen, and clear it before reading again.
      std::memcpy(&completion, &dut_.host_memory[kCompletions + consumed_ % kEntries * 64], 64);
      dut_.set_io(SYSTOLE_IO_HOST_IRQ, SYSTOLE_IO_HOST_IRQ_CLEAR_MASK);
      if (completion.phase == phase(consumed_)) break;
    }
    CHECK(completion.id == 1000 + consumed_);
    ++consumed_;
    return completion;
  }

  systole_completion call(const systole_request& request) {
    submit(request);
    return wait();
  }

  /// Writes entries and images for `count` tiles; `change` may spoil one.
  systole_request load_request(
      const std::function<void(unsigned, Programs&, systole_tile_entry&)>& change = {},
      unsigned count = kTiles) {
    unsigned i = 0;
    for (auto& [place, tile] : dut_.tiles) {
      if (i == count) break;
      systole_tile_entry entry{};
      entry.x = static_cast<uint8_t>(place.first);
      entry.y = static_cast<uint8_t>(place.second);
      entry.window_perm = 3;
      entry.window_base[0] = SYSTOLE_HOST_MEM_BASE >> 16;
      entry.window_limit[0] = (SYSTOLE_HOST_MEM_BASE >> 16) + 15;
      entry.local = 0x1000;
      for (uint32_t k = 0; k < 12; ++k) entry.param[k] = 100 * i + k;
      Programs programs = good_programs();
      entry.image = SYSTOLE_HOST_MEM_BASE + kImages + 0x4000 * i;
      place_programs(entry, programs);
      if (change) {
        change(i, programs, entry);
        const systole_tile_entry spoiled = entry;
        entry.image_bytes = 0;
        place_programs(entry, programs);
        const uint32_t bytes = entry.image_bytes;
        entry = spoiled;
        if (entry.image_bytes == 9 * 128) entry.image_bytes = bytes;
      }
      std::memcpy(&dut_.host_memory[kTable + 128 * i], &entry, 128);
      ++i;
    }
    systole_request request{};
    request.kind = SYSTOLE_REQUEST_KIND_LOAD_PROGRAM;
    request.tiles = static_cast<uint16_t>(count);
    request.table = SYSTOLE_HOST_MEM_BASE + kTable;
    return request;
  }

  static systole_request run_request(uint32_t first_param, uint32_t inputs = 32,
                                     uint32_t timeout = 0) {
    systole_request request{};
    request.kind = SYSTOLE_REQUEST_KIND_RUN;
    request.inputs = inputs;
    request.timeout = timeout;
    for (uint32_t i = 0; i < 4; ++i) {
      request.param[i] = first_param + i;
      request.step[i] = 8 * i;
    }
    return request;
  }

  static systole_request abort_request() {
    systole_request request{};
    request.kind = SYSTOLE_REQUEST_KIND_ABORT;
    return request;
  }

  void load() { REQUIRE(call(load_request()).status == SYSTOLE_STATUS_OK); }

 private:
  static uint8_t phase(uint32_t index) { return index / kEntries % 2 == 0; }

  void place_programs(systole_tile_entry& entry, const Programs& programs) {
    uint64_t at = entry.image - SYSTOLE_HOST_MEM_BASE;
    uint32_t local = entry.local;
    for (int unit = 0; unit < 4; ++unit) {
      entry.program[unit] = local;
      for (const Words& words : programs[unit]) {
        if (at + 128 <= dut_.host_memory.size())
          std::memcpy(&dut_.host_memory[at], words.data(), 128);
        at += 128;
        local += 128;
      }
    }
    entry.image_bytes = local - entry.local;
  }

  IoDut& dut_;
  uint32_t produced_ = 0;
  uint32_t consumed_ = 0;
};

// -------------------------------------------------------------------------------- without firmware

TEST_CASE(
    "io_node lets the host reach RAM and registers, and answers what is not there with an error",
    "[io_node]") {
  IoDut dut;
  CHECK(dut.io(SYSTOLE_IO_ID) == 0x5359534C);
  CHECK(dut.io(SYSTOLE_IO_MESH) == (kCols | kRows << 8));
  Bytes data(700);
  auto rng = make_rng();
  for (uint8_t& b : data) b = static_cast<uint8_t>(rng());
  CHECK(dut.host_write(SYSTOLE_CORE_RAM_BASE + 1001, data) == 0);
  for (unsigned i = 3; i + 4 < 700; i += 52) {
    uint32_t word;
    std::memcpy(&word, &data[i], 4);
    CHECK(dut.host_read32(SYSTOLE_CORE_RAM_BASE + 1001 + i) == word);
  }
  unsigned resp = 0;
  const std::vector<uint64_t> holes{
      0x00300000,        SYSTOLE_CORE_RAM_BASE + 0x10000,
      0x0500'0000'0000,  tile_base({7, 0}),
      tile_base({1, 5}), SYSTOLE_DRAM_BASE + 5 * SYSTOLE_DRAM_CHANNEL_BYTES};
  for (const uint64_t address : holes) {
    dut.host_read32(address, &resp);
    CHECK(resp >= 2);
    CHECK(dut.host_write32(address, 1) >= 2);
  }
  // Others are reached through the mesh.
  CHECK(dut.host_write32(SYSTOLE_DRAM_BASE + 0x1234, 77) == 0);
  CHECK(dut.host_read32(SYSTOLE_DRAM_BASE + 0x1234) == 77);
  CHECK(dut.host_write32(tile_base({2, 1}) + 0x40, 78) == 0);
  CHECK(dut.memory.read32(tile_base({2, 1}) + 0x40) == 78);
}

TEST_CASE("io_node answers tiles: RAM, registers, host memory, errors", "[io_node]") {
  IoDut dut;
  const Node tile{2, 1};
  auto ask = [&](Packet packet) {
    dut.responses.clear();
    dut.send_from_tile(std::move(packet));
    for (int i = 0; i < 2000; ++i) {
      dut.step();
      if (!dut.responses.empty() && dut.responses.back().last) break;
    }
    REQUIRE(!dut.responses.empty());
    REQUIRE(dut.responses.back().last);
    CHECK(dut.responses.front().head);
    CHECK(dut.responses.front().dst.x == 2);
    CHECK(dut.responses.front().dst.y == 1);
    CHECK(dut.responses.front().tag == 0x15);
    return dut.responses;
  };
  const std::vector<uint64_t> memories{SYSTOLE_CORE_RAM_BASE + 0x2000,
                                       SYSTOLE_CORE_RAM_BASE + SYSTOLE_CORE_RAM_BYTES - 512,
                                       SYSTOLE_HOST_MEM_BASE + 0x3000};
  for (const uint64_t base : memories) {
    for (const auto& [offset, length] : {std::pair{0u, 512u}, {5u, 507u}, {31u, 2u}, {60u, 100u}}) {
      Bytes data(length);
      for (unsigned i = 0; i < length; ++i) data[i] = static_cast<uint8_t>(i * 7 + offset);
      const auto ack =
          ask(request_packet(SYSTOLE_NOC_OP_WRITE, tile, 0x15, base + offset, length, data.data()));
      CHECK(ack.size() == 1);
      CHECK(ack.front().err == SYSTOLE_ERR_OK);
      CHECK(ack.front().op == SYSTOLE_NOC_OP_ACK);
      const auto flits =
          ask(request_packet(SYSTOLE_NOC_OP_READ, tile, 0x15, base + offset, length));
      CHECK(flits.size() == (offset % 32 + length + 31) / 32);
      Bytes got;
      for (const Flit& flit : flits) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(flit.payload.data());
        got.insert(got.end(), bytes, bytes + 32);
      }
      REQUIRE(got.size() >= offset % 32 + length);
      CHECK(Bytes(got.begin() + offset % 32, got.begin() + offset % 32 + length) == data);
    }
  }
  // Several registers in one packet.
  const uint32_t words[3] = {0x111, 0x222, 0x10};
  const Bytes three = bytes_of(words, 12);
  CHECK(ask(request_packet(SYSTOLE_NOC_OP_WRITE, tile, 0x15, kIoRegs + SYSTOLE_IO_RING_LO, 12,
                           three.data()))
            .front()
            .err == SYSTOLE_ERR_OK);
  CHECK(dut.io(SYSTOLE_IO_RING_LO) == 0x111);
  CHECK(dut.io(SYSTOLE_IO_RING_HI) == 0x222);
  CHECK(dut.io(SYSTOLE_IO_RING_ENTRIES) == 0x10);
  const auto both =
      ask(request_packet(SYSTOLE_NOC_OP_READ, tile, 0x15, kIoRegs + SYSTOLE_IO_RING_LO, 16));
  CHECK(both.size() == 2);
  CHECK(both[0].payload[5] == 0x111);
  CHECK(both[0].payload[7] == 0x10);
  // Part of a register, a post, a hole.
  const uint8_t byte = 1;
  CHECK(ask(request_packet(SYSTOLE_NOC_OP_WRITE, tile, 0x15, kIoRegs + 1, 1, &byte)).front().err ==
        SYSTOLE_ERR_DECODE);
  CHECK(ask(request_packet(SYSTOLE_NOC_OP_POST, tile, 0x15, kIoRegs, 4)).front().err ==
        SYSTOLE_ERR_SEMAPHORE);
  CHECK(ask(request_packet(SYSTOLE_NOC_OP_READ, tile, 0x15, 0x400000, 4)).front().err ==
        SYSTOLE_ERR_DECODE);
}

// ----------------------------------------------------------------------------------- with firmware

TEST_CASE("firmware boots, then the whole node sleeps", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  dut.steps(200);
  const uint64_t busy = dut.busy_cycles;
  dut.steps(1000);
  CHECK(dut.busy_cycles == busy);
}

TEST_CASE("firmware loads a program, runs it with the request's parameters, and completes",
          "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  driver.load();
  unsigned i = 0;
  for (auto& [place, tile] : dut.tiles) {
    INFO("tile " << place.first << "," << place.second);
    auto& r = tile.registers;
    CHECK(r[SYSTOLE_TILE_WINDOW_PERM] == 3);
    CHECK(r[SYSTOLE_TILE_WINDOW_BASE0] == SYSTOLE_HOST_MEM_BASE >> 16);
    CHECK(r[SYSTOLE_TILE_WINDOW_LIMIT0] == (SYSTOLE_HOST_MEM_BASE >> 16) + 15);
    CHECK(r[SYSTOLE_TILE_PROGRAM_LOAD] == 0x1000);
    CHECK(r[SYSTOLE_TILE_PROGRAM_MATRIX] == 0x1000 + 3 * 128);
    CHECK(r[SYSTOLE_TILE_PROGRAM_VECTOR] == 0x1000 + 4 * 128);
    CHECK(r[SYSTOLE_TILE_PROGRAM_STORE] == 0x1000 + 6 * 128);
    for (uint32_t k = 0; k < 12; ++k) CHECK(r[SYSTOLE_TILE_PARAM4 + 4 * k] == 100 * i + k);
    const Bytes image = dut.memory.read(tile_base({place.first, place.second}) + 0x1000, 9 * 128);
    CHECK(image == Bytes(&dut.host_memory[kImages + 0x4000 * i],
                         &dut.host_memory[kImages + 0x4000 * i + 9 * 128]));
    CHECK(tile.clears == 1);
    ++i;
  }
  // More runs than the ring has entries: the phase flips. Tiles end at different times.
  for (uint32_t run = 0; run < 11; ++run) {
    int cycles = 100;
    for (auto& [place, tile] : dut.tiles) tile.cycles = cycles += 150;
    const systole_completion c = driver.call(Driver::run_request(0x10 * (run / 2), 32 + run / 3));
    CHECK(c.status == SYSTOLE_STATUS_OK);
    CHECK(c.end - c.start > 700);
    CHECK(c.end - c.start < 1100);
    for (auto& [place, tile] : dut.tiles) {
      CHECK(tile.launches == static_cast<int>(run) + 1);
      CHECK(tile.registers[SYSTOLE_TILE_INPUTS] == 32 + run / 3);
      for (uint32_t k = 0; k < 4; ++k) {
        CHECK(tile.launched_params[k] == 0x10 * (run / 2) + k);
        CHECK(tile.registers[SYSTOLE_TILE_STEP0 + 4 * k] == 8 * k);
      }
    }
  }
}

TEST_CASE("firmware is awake for at most 800 cycles of a run on four tiles, however long it lasts",
          "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  driver.load();
  uint32_t awake[4];
  for (int run = 0; run < 4; ++run) {
    for (auto& [place, tile] : dut.tiles) tile.cycles = run < 2 ? 1000 : 20000;
    const systole_completion c = driver.call(Driver::run_request(16 * run));
    REQUIRE(c.status == SYSTOLE_STATUS_OK);
    awake[run] = c.awake;
    CHECK(c.awake <= 800);
    CHECK(c.awake > 100);
  }
  CHECK(awake[3] <= awake[1] + 150);
  std::cout << "awake cycles of a run on " << kTiles << " tiles: " << awake[1] << ", " << awake[3]
            << std::endl;
  // While the tiles work the node's clock stands still but for the events.
  for (auto& [place, tile] : dut.tiles) tile.cycles = 5000;
  driver.submit(Driver::run_request(0));
  dut.steps(2000);
  const uint64_t busy = dut.busy_cycles;
  dut.steps(2000);
  CHECK(dut.busy_cycles == busy);
  driver.wait();
}

TEST_CASE("firmware raises the interrupt only after the completion has landed", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  dut.write_delay = 700;
  dut.irq_at = 0;
  driver.submit(Driver::abort_request());
  const systole_completion c = driver.wait();
  CHECK(c.status == SYSTOLE_STATUS_OK);
  CHECK(dut.last_write_at > 0);
  CHECK(dut.irq_at > dut.last_write_at);
}

struct BadProgram {
  const char* what;
  unsigned unit, pc;
  unsigned fault;
  std::function<void(Programs&, systole_tile_entry&)> change;
};

Words with(Words words, unsigned word, uint32_t value) {
  words[word] = value;
  return words;
}

TEST_CASE("firmware refuses a bad program, naming tile, unit, command and reason", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  const BadProgram cases[] = {
      {"unknown opcode", 2, 0, SYSTOLE_FAULT_OPCODE,
       [](Programs& p, systole_tile_entry&) { p[2][0][0] = 0x77; }},
      {"empty memory", 1, 0, SYSTOLE_FAULT_OPCODE,
       [](Programs& p, systole_tile_entry&) { p[1][0] = Words{}; }},
      {"another unit's opcode", 3, 0, SYSTOLE_FAULT_OPCODE,
       [](Programs& p, systole_tile_entry&) { p[3][0] = good_load().encode(); }},
      {"a reserved bit", 0, 2, SYSTOLE_FAULT_RESERVED,
       [](Programs& p, systole_tile_entry&) { p[0][2][31] = 1; }},
      {"a parameter for a word that takes none", 0, 0, SYSTOLE_FAULT_RESERVED,
       [](Programs& p, systole_tile_entry&) { p[0][0][3] = 1u << 9 | 9u << 4; }},
      {"a scratchpad range beyond the end", 0, 0, SYSTOLE_FAULT_OPERAND,
       [](Programs& p, systole_tile_entry&) { p[0][0] = with(p[0][0], 6, 0x3ffff); }},
      {"a count of 0", 0, 0, SYSTOLE_FAULT_OPERAND,
       [](Programs& p, systole_tile_entry&) { p[0][0] = with(p[0][0], 8, 0); }},
      {"an address outside every window", 0, 0, SYSTOLE_FAULT_WINDOW,
       [](Programs& p, systole_tile_entry&) { p[0][0] = with(p[0][0], 5, 0x200); }},
      {"a last row outside every window", 0, 0, SYSTOLE_FAULT_WINDOW,
       [](Programs& p, systole_tile_entry&) { p[0][0] = with(p[0][0], 9, 0x60000); }},
      {"a store without permission", 3, 0, SYSTOLE_FAULT_WINDOW,
       [](Programs& p, systole_tile_entry& e) {
         p[3][0] = with(p[3][0], 3, 0);
         e.window_perm = 1;
       }},
      {"a loop forward", 3, 1, SYSTOLE_FAULT_OPERAND,
       [](Programs& p, systole_tile_entry&) { p[3][1][4] = 2; }},
      {"no End", 3, 2, SYSTOLE_FAULT_PROGRAM_RANGE,
       [](Programs& p, systole_tile_entry&) { p[3].pop_back(); }},
      {"a program outside the image", 1, 0, SYSTOLE_FAULT_PROGRAM_RANGE,
       [](Programs&, systole_tile_entry& e) { e.program[1] = 0x8000; }},
  };
  for (const BadProgram& bad : cases) {
    INFO(bad.what);
    const systole_request request =
        driver.load_request([&](unsigned tile, Programs& p, systole_tile_entry& e) {
          if (tile == 2) bad.change(p, e);
        });
    const systole_completion c = driver.call(request);
    CHECK(c.status == SYSTOLE_STATUS_BAD_PROGRAM);
    CHECK(c.fault == bad.fault);
    CHECK(c.unit == bad.unit);
    CHECK(c.pc == bad.pc);
    CHECK(c.x == 2);
    CHECK(c.y == 0);
    CHECK(driver.call(Driver::run_request(0)).status == SYSTOLE_STATUS_NO_PROGRAM);
  }
  driver.load();
  CHECK(driver.call(Driver::run_request(0)).status == SYSTOLE_STATUS_OK);
}

/// Programs of `total` commands, no two loads alike; the entry says where they begin.
Programs long_programs(uint32_t total, systole_tile_entry* entry) {
  Programs p;
  for (auto& program : p) program = {end_command()};
  for (uint32_t unit = 1; unit < 4; ++unit)
    entry->program[unit] = entry->local + 128 * (total - 4 + unit);
  for (uint32_t i = 0; i + 4 < total; ++i) {
    spec::LoadCommand load = good_load();
    load.local_addr = 0x20000 + 4 * i;
    p[0].insert(p[0].end() - 1, load.encode());
  }
  return p;
}

// The firmware moves an image in pieces of 64 commands while it checks the halves of another one.
TEST_CASE("firmware loads images of any length whole", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  for (uint32_t total : {4u, 32u, 33u, 63u, 64u, 65u, 96u, 97u, 128u, 129u, 200u}) {
    INFO(total << " commands");
    const auto request = driver.load_request(
        [&](unsigned, Programs& p, systole_tile_entry& e) { p = long_programs(total, &e); }, 1);
    REQUIRE(driver.call(request).status == SYSTOLE_STATUS_OK);
    const auto& [x, y] = dut.tiles.begin()->first;
    const Bytes image = dut.memory.read(tile_base({x, y}) + 0x1000, total * 128);
    CHECK(image == Bytes(&dut.host_memory[kImages], &dut.host_memory[kImages + total * 128]));
  }
}

TEST_CASE("firmware refuses a bad command wherever it lies in a long image", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  for (uint32_t bad : {0u, 31u, 32u, 63u, 64u, 95u, 96u, 127u, 128u, 195u}) {
    INFO("command " << bad);
    const auto request = driver.load_request(
        [&](unsigned, Programs& p, systole_tile_entry& e) {
          p = long_programs(200, &e);
          p[0][bad][31] = 1;
        },
        1);
    const systole_completion c = driver.call(request);
    CHECK(c.status == SYSTOLE_STATUS_BAD_PROGRAM);
    CHECK(c.fault == SYSTOLE_FAULT_RESERVED);
    CHECK(c.unit == 0);
    CHECK(c.pc == bad);
    CHECK(c.info == 31);
  }
  driver.load();
}

TEST_CASE("firmware names the piece of a long image that cannot be fetched", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  constexpr uint64_t kPiece = 64 * 128;
  for (bool bad : {false, true}) {
    for (uint64_t piece : {0u, 1u, 2u, 3u}) {
      INFO("piece " << piece << ", bad command " << bad);
      dut.bad_page = (kImages + piece * kPiece) / 4096;
      const auto request = driver.load_request(
          [&](unsigned, Programs& p, systole_tile_entry& e) {
            p = long_programs(200, &e);
            if (bad) p[0][63][31] = 1;
          },
          1);
      const systole_completion c = driver.call(request);
      // What comes first in the image is told, though the next piece is fetched meanwhile.
      if (bad && piece > 0) {
        CHECK(c.status == SYSTOLE_STATUS_BAD_PROGRAM);
      } else {
        CHECK(c.status == SYSTOLE_STATUS_BUS_ERROR);
        CHECK(c.info == SYSTOLE_HOST_MEM_BASE + kImages + piece * kPiece);
      }
    }
  }
  dut.bad_page = ~0ull;
  driver.load();
}

TEST_CASE("firmware leaves to the unit what a launch parameter decides", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  const auto request = driver.load_request([&](unsigned, Programs& p, systole_tile_entry&) {
    // The address is outside all windows until parameter 0 is added.
    p[0][0][5] = 0;
    p[0][0][3] = 1u << 9 | 4u << 4;
  });
  CHECK(driver.call(request).status == SYSTOLE_STATUS_OK);
}

TEST_CASE("firmware refuses bad requests and goes on", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  CHECK(driver.call(Driver::run_request(0)).status == SYSTOLE_STATUS_NO_PROGRAM);
  systole_request request{};
  request.kind = 99;
  CHECK(driver.call(request).status == SYSTOLE_STATUS_BAD_REQUEST);
  CHECK(driver.call(Driver::run_request(0, 0)).status == SYSTOLE_STATUS_BAD_REQUEST);
  request = driver.load_request();
  request.tiles = 0;
  CHECK(driver.call(request).status == SYSTOLE_STATUS_BAD_REQUEST);
  request = driver.load_request();
  request.table += 2;
  CHECK(driver.call(request).status == SYSTOLE_STATUS_BAD_REQUEST);
  for (const auto& [x, y] : {std::pair{0u, 0u}, {0u, 1u}, {kCols, 0u}, {1u, kRows}, {2u, 1u}}) {
    INFO("tile " << x << "," << y << " for tile 0");
    const auto spoiled =
        driver.load_request([&, x = x, y = y](unsigned i, Programs&, systole_tile_entry& e) {
          if (i == 0) e.x = static_cast<uint8_t>(x), e.y = static_cast<uint8_t>(y);
        });
    CHECK(driver.call(spoiled).status == SYSTOLE_STATUS_BAD_REQUEST);
  }
  // Nothing behind this address: the chip is told so by the bus.
  dut.bad_page = (kImages + 0x4000) / 4096;
  const systole_completion c = driver.call(driver.load_request());
  CHECK(c.status == SYSTOLE_STATUS_BUS_ERROR);
  CHECK(c.info == SYSTOLE_HOST_MEM_BASE + kImages + 0x4000);
  dut.bad_page = ~0ull;
  driver.load();
  CHECK(driver.call(Driver::run_request(0)).status == SYSTOLE_STATUS_OK);
}

TEST_CASE("firmware ends a run that exceeds its time, and the chip works afterwards", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  driver.load();
  dut.tiles.at({2, 1}).ends = TileMock::Ends::Never;
  const systole_completion c = driver.call(Driver::run_request(0, 1, 3000));
  CHECK(c.status == SYSTOLE_STATUS_TIMEOUT);
  CHECK(c.x == 2);
  CHECK(c.y == 1);
  CHECK(c.end - c.start >= 3000);
  CHECK(c.end - c.start < 3200);
  for (auto& [place, tile] : dut.tiles) {
    CHECK(!tile.running);
    CHECK(tile.clears == 2);
  }
  CHECK(driver.call(Driver::run_request(0)).status == SYSTOLE_STATUS_NO_PROGRAM);
  dut.tiles.at({2, 1}).ends = TileMock::Ends::Done;
  driver.load();
  CHECK(driver.call(Driver::run_request(0)).status == SYSTOLE_STATUS_OK);
}

TEST_CASE("firmware does not wait for ever for a tile that ignores its abort", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  driver.load();
  TileMock& stuck = dut.tiles.at({1, 1});
  stuck.ends = TileMock::Ends::Never;
  stuck.abort_cycles = -1;
  const systole_completion c = driver.call(Driver::run_request(0, 1, 3000));
  CHECK(c.status == SYSTOLE_STATUS_TIMEOUT);
  CHECK(c.x == 1);
  CHECK(c.y == 1);
  CHECK(driver.call(driver.load_request()).status == SYSTOLE_STATUS_TIMEOUT);
}

TEST_CASE("firmware records a tile's fault and stops the others", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  driver.load();
  for (auto& [place, tile] : dut.tiles) tile.ends = TileMock::Ends::Never;
  TileMock& bad = dut.tiles.at({2, 0});
  bad.ends = TileMock::Ends::Fault;
  bad.fault = SYSTOLE_FAULT_RESPONSE | SYSTOLE_UNIT_STORE << 8 | 17u << 16;
  bad.info = 0x123456789abc;
  const systole_completion c = driver.call(Driver::run_request(0));
  CHECK(c.status == SYSTOLE_STATUS_TILE_FAULT);
  CHECK(c.x == 2);
  CHECK(c.y == 0);
  CHECK(c.fault == SYSTOLE_FAULT_RESPONSE);
  CHECK(c.unit == SYSTOLE_UNIT_STORE);
  CHECK(c.pc == 17);
  CHECK(c.info == 0x123456789abc);
  for (auto& [place, tile] : dut.tiles) {
    CHECK(!tile.running);
    CHECK(!tile.faulted);
    tile.ends = TileMock::Ends::Done;
  }
  driver.load();
  CHECK(driver.call(Driver::run_request(0)).status == SYSTOLE_STATUS_OK);
}

TEST_CASE("firmware aborts what runs and all that was asked for before the abort", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  driver.boot();
  driver.load();
  for (auto& [place, tile] : dut.tiles) tile.ends = TileMock::Ends::Never;
  driver.submit(Driver::run_request(0));
  dut.steps(3000);
  for (auto& [place, tile] : dut.tiles) CHECK(tile.running);
  driver.submit(Driver::run_request(1));
  dut.steps(1000);
  driver.submit(Driver::abort_request());
  CHECK(driver.wait().status == SYSTOLE_STATUS_ABORTED);
  CHECK(driver.wait().status == SYSTOLE_STATUS_ABORTED);
  CHECK(driver.wait().status == SYSTOLE_STATUS_OK);
  for (auto& [place, tile] : dut.tiles) {
    CHECK(!tile.running);
    CHECK(tile.launches == 1);
    tile.ends = TileMock::Ends::Done;
  }
  // With nothing running an abort just completes; requests announced together are all served.
  CHECK(driver.call(Driver::abort_request()).status == SYSTOLE_STATUS_OK);
  driver.submit(driver.load_request(), false);
  driver.submit(Driver::run_request(2), false);
  driver.submit(Driver::run_request(3));
  CHECK(driver.wait().status == SYSTOLE_STATUS_OK);
  CHECK(driver.wait().status == SYSTOLE_STATUS_OK);
  CHECK(driver.wait().status == SYSTOLE_STATUS_OK);
}

TEST_CASE("firmware panics on a ring that it cannot use", "[io_node]") {
  IoDut dut;
  Driver driver(dut);
  dut.set_io(SYSTOLE_IO_RING_ENTRIES, 3);
  std::ifstream file("build/firmware/firmware.bin", std::ios::binary);
  const Bytes firmware(std::istreambuf_iterator<char>(file), {});
  dut.host_write(SYSTOLE_CORE_RAM_BASE, firmware);
  dut.set_io(SYSTOLE_IO_CORE_CTRL, 1);
  dut.steps(20'000);
  CHECK(dut.io(SYSTOLE_IO_FW_STATE) == SYSTOLE_FW_STATE_PANIC);
  CHECK(dut.io(SYSTOLE_IO_FW_PANIC) == 0x7f000001);
}

}  // namespace
