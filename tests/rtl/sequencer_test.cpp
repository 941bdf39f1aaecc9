#include "Vsequencer.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <deque>
#include <vector>

#include "rtl/spec/gen/systole_commands.hpp"
#include "tests/support/dut.hpp"

using namespace systole::spec;
using systole::test::make_rng;
using systole::test::one_in;
using systole::test::uniform;

namespace {

constexpr uint32_t PROGRAM = 0x3000;

struct RemotePost {
  int node;
  int semaphore;
  bool operator==(const RemotePost& other) const {
    return node == other.node && semaphore == other.semaphore;
  }
};

struct Retired {
  int pc;
  uint16_t posts;
  bool operator==(const Retired& other) const { return pc == other.pc && posts == other.posts; }
};

struct FaultRecord {
  Fault code = Fault::None;
  int pc = 0;
  uint64_t info = 0;
};

/// What a program does when all goes well: an interpreter of the specification.
struct Expected {
  std::vector<CommandWords> commands;  // handed to the unit, parameters added
  std::vector<Retired> retired;
  std::vector<RemotePost> remote;
  std::vector<uint16_t> waits;

  Expected(const std::vector<CommandWords>& program, uint32_t inputs,
           std::array<uint32_t, 16> params, const std::array<uint32_t, 16>& steps,
           const std::vector<bool>& travels) {
    uint32_t input = 0;
    size_t done = 0;
    for (size_t pc = 0;;) {
      const CommandWords& words = program.at(pc);
      const CommandHeader header = CommandHeader::decode(words);
      waits.push_back(header.wait_mask);
      retired.push_back({int(pc), header.post_mask});
      const bool internal = header.opcode == Opcode::End || header.opcode == Opcode::Nop ||
                            header.opcode == Opcode::Loop;
      if (header.remote_en && (internal || !travels[done % travels.size()])) {
        remote.push_back({header.remote_y << 4 | header.remote_x, header.remote_sem});
      }
      if (!internal) {
        ++done;
        CommandWords sum = words;
        const auto add = [&](bool enable, int word, int param) {
          if (!enable) return;
          if (word == 4) {
            const uint64_t addr = (uint64_t(sum[5]) << 32 | sum[4]) + params[param];
            sum[4] = uint32_t(addr);
            sum[5] = uint32_t(addr >> 32) & 0xffff;
          } else {
            sum[word] += params[param];
          }
        };
        add(header.sel0_en, header.sel0_word, header.sel0_param);
        add(header.sel1_en, header.sel1_word, header.sel1_param);
        add(header.sel2_en, header.sel2_word, header.sel2_param);
        commands.push_back(sum);
      }
      if (header.opcode == Opcode::End) return;
      if (header.opcode == Opcode::Loop && input + 1 < inputs) {
        ++input;
        for (int i = 0; i < 16; ++i) params[i] += steps[i];
        pc = LoopCommand::decode(words).target;
      } else {
        ++pc;
      }
    }
  }
};

/// The sequencer of a load unit, with a memory, semaphores and a unit around it.
class Dut : public systole::test::Dut<Vsequencer> {
 public:
  std::vector<CommandWords> program;
  std::array<uint32_t, 16> params{};
  std::array<uint32_t, 16> steps{};
  uint32_t inputs = 1;
  uint32_t base = PROGRAM;
  /// Chance of one in so many cycles that the memory, semaphores, unit, network answer: 1 is
  /// always.
  int slowness = 1;
  /// Cycles that the unit takes for a command.
  int command_cycles = 10;
  /// Cycles from then to its done; the next command may run meanwhile.
  int latency = 0;
  int jitter = 0;
  /// Whether the remote post of the unit's n-th command went with its data.
  std::vector<bool> travels{false};

  std::vector<CommandWords> commands;
  std::vector<uint64_t> command_cycle;
  std::vector<Retired> retired;
  std::vector<RemotePost> remote;
  std::vector<uint16_t> takes;
  std::vector<FaultRecord> faults;
  std::array<int, NumUnitStates> states{};

  explicit Dut(uint64_t stream = 0) : rng_(make_rng(stream)) {
    Vsequencer& dut = **this;
    dut.launch_i = dut.stop_i = dut.aborted_i = dut.clear_i = dut.overflow_i = 0;
    dut.fetch_gnt_i = dut.take_gnt_i = dut.cmd_ready_i = dut.remote_ready_i = 0;
    dut.done_i = dut.done_posted_i = dut.fault_valid_i = 0;
    dut.state_i = int(UnitState::NoWork);
    reset();
  }

  void launch() {
    Vsequencer& dut = **this;
    dut.program_i = base;
    dut.inputs_i = inputs;
    for (int i = 0; i < 16; ++i) {
      dut.param_i[i] = params[i];
      dut.step_i[i] = steps[i];
    }
    dut.launch_i = 1;
    cycle();
    dut.launch_i = 0;
  }

  void run(uint64_t bound = 20000) {
    launch();
    for (uint64_t i = 0; i < bound && faults.empty(); ++i) {
      cycle();
      if ((*this)->ended_o && !(*this)->busy_o) return;
    }
    if (faults.empty()) throw systole::test::Timeout("sequencer does not end");
  }

  void cycle() {
    Vsequencer& dut = **this;
    dut.fetch_gnt_i = 0;
    dut.take_gnt_i = 0;
    dut.remote_ready_i = maybe();
    dut.done_i = !under_way_.empty() && under_way_.front() <= cycle_count_ && maybe();
    dut.done_posted_i = dut.done_i && travels[done_ % travels.size()];
    dut.state_i = int(under_way_.empty() ? UnitState::NoWork : UnitState::Busy);
    dut.cmd_ready_i =
        under_way_.size() < 4 && cycle_count_ >= ready_at_ && (slowness == 1 || ready_);
    settle();
    const bool fetch = dut.fetch_req_o && maybe();
    const uint32_t fetch_addr = dut.fetch_addr_o;
    dut.fetch_gnt_i = fetch;
    const bool take = dut.take_req_o && (slowness == 1 || one_in(rng_, slowness));
    dut.take_gnt_i = take;
    settle();
    if (take) takes.push_back(dut.take_mask_o);
    if (dut.retire_o) retired.push_back({int(dut.retire_pc_o), uint16_t(dut.post_mask_o)});
    if (!dut.retire_o) REQUIRE(dut.post_mask_o == 0);
    if (dut.remote_valid_o && dut.remote_ready_i) {
      remote.push_back({dut.remote_node_o, dut.remote_sem_o});
    }
    if (dut.fault_valid_o) {
      // code above 48 bits of information
      const uint64_t low = uint64_t(dut.fault_o);
      faults.push_back({Fault(low >> 48), dut.fault_pc_o, low & 0xffffffffffffULL});
    }
    ++states[dut.state_o];
    if (dut.cmd_valid_o && dut.cmd_ready_i) {
      CommandWords words;
      std::memcpy(words.data(), dut.cmd_o.data(), 128);
      commands.push_back(words);
      command_cycle.push_back(cycle_count_);
      ready_at_ = cycle_count_ + command_cycles;
      under_way_.push_back(cycle_count_ + command_cycles + latency + uniform(rng_, 0, jitter));
    }
    if (dut.done_i) {
      under_way_.pop_front();
      ++done_;
    }
    tick();
    ready_ = one_in(rng_, slowness);
    ++cycle_count_;
    std::array<uint32_t, 8> data;
    for (uint32_t& word : data) word = uint32_t(rng_());
    if (fetch) {
      const uint32_t offset = fetch_addr - base;
      REQUIRE(offset / 128 < program.size());
      std::memcpy(data.data(), &program[offset / 128][offset % 128 / 4], 32);
    }
    std::memcpy(dut.fetch_rdata_i.data(), data.data(), 32);
  }

  Expected expected() const { return Expected(program, inputs, params, steps, travels); }

  void expect_all_done() {
    const Expected want = expected();
    REQUIRE(faults.empty());
    REQUIRE(commands == want.commands);
    REQUIRE(retired == want.retired);
    REQUIRE(remote == want.remote);
    REQUIRE(takes == want.waits);
  }

 private:
  bool maybe() { return slowness == 1 || one_in(rng_, slowness); }

  std::mt19937_64 rng_;
  uint64_t cycle_count_ = 0;
  uint64_t ready_at_ = 0;
  bool ready_ = true;
  size_t done_ = 0;
  std::deque<uint64_t> under_way_;  // when the unit is done with each
};

CommandWords load(uint64_t addr) {
  LoadCommand command;
  command.addr = addr;
  command.run = command.count0 = command.count1 = 1;
  return command.encode();
}

CommandWords end() { return EndCommand{}.encode(); }

template <class Rng>
void random_posts(CommandHeader& header, Rng& rng) {
  header.wait_mask = uint16_t(uniform(rng, 0, 65535));
  header.post_mask = uint16_t(uniform(rng, 0, 65535));
  header.remote_en = one_in(rng, 3);
  header.remote_sem = uint8_t(uniform(rng, 0, 15));
  header.remote_x = uint8_t(uniform(rng, 0, 15));
  header.remote_y = uint8_t(uniform(rng, 0, 15));
}

}  // namespace

TEST_CASE("sequencer runs random programs as the specification says", "[sequencer]") {
  for (int trial = 0; trial < 60; ++trial) {
    auto rng = make_rng(1000 + trial);
    Dut dut(trial);
    dut.slowness = int(uniform(rng, 1, 4));
    dut.command_cycles = int(uniform(rng, 1, 12));
    dut.latency = int(uniform(rng, 0, 60));
    dut.jitter = one_in(rng, 3) ? 0 : 100;
    dut.inputs = uint32_t(uniform(rng, 0, 5));
    for (auto& param : dut.params) param = uint32_t(rng());
    for (auto& step : dut.steps) step = uint32_t(rng());
    dut.travels.clear();
    for (int i = 0; i < 7; ++i) dut.travels.push_back(one_in(rng, 2));
    const int body = int(uniform(rng, 1, 10));
    for (int i = 0; i < body; ++i) {
      if (one_in(rng, 3)) {
        NopCommand nop;
        random_posts(nop.header, rng);
        dut.program.push_back(nop.encode());
        continue;
      }
      LoadCommand command;
      random_posts(command.header, rng);
      command.addr = rng() >> 16;
      command.local_addr = uint32_t(rng());
      command.run = uint32_t(rng());
      command.gstride1 = int32_t(rng());
      const std::array<uint8_t, 5> words{4, 6, 7, 8, 11};
      command.header.sel0_en = one_in(rng, 2);
      command.header.sel0_word = words[uniform(rng, 0, 4)];
      command.header.sel0_param = uint8_t(uniform(rng, 0, 15));
      command.header.sel1_en = one_in(rng, 2);
      command.header.sel1_word = words[uniform(rng, 0, 4)];
      command.header.sel1_param = uint8_t(uniform(rng, 0, 15));
      command.header.sel2_en = one_in(rng, 2);
      command.header.sel2_word = words[uniform(rng, 0, 4)];
      command.header.sel2_param = uint8_t(uniform(rng, 0, 15));
      dut.program.push_back(command.encode());
    }
    LoopCommand loop;
    random_posts(loop.header, rng);
    loop.target = uint16_t(uniform(rng, 0, body));
    dut.program.push_back(loop.encode());
    dut.program.push_back(load(rng() >> 16));
    EndCommand last;
    random_posts(last.header, rng);
    dut.program.push_back(last.encode());
    INFO("trial " << trial);
    dut.run();
    dut.expect_all_done();
  }
}

TEST_CASE("sequencer hands over a command in the cycle in which the unit is ready again",
          "[sequencer]") {
  Dut dut;
  dut.command_cycles = 10;
  for (int i = 0; i < 8; ++i) {
    LoadCommand command = LoadCommand::decode(load(i * 64));
    command.header.sel0_en = command.header.sel1_en = command.header.sel2_en = true;
    command.header.sel0_word = command.header.sel1_word = command.header.sel2_word = 4;
    dut.program.push_back(command.encode());
  }
  dut.program.push_back(end());
  dut.run();
  dut.expect_all_done();
  for (size_t i = 1; i < dut.command_cycle.size(); ++i) {
    REQUIRE(dut.command_cycle[i] - dut.command_cycle[i - 1] == 10);
  }
}

TEST_CASE("sequencer: the body of a loop follows itself without a gap", "[sequencer]") {
  Dut dut;
  dut.inputs = 4;
  dut.command_cycles = 20;
  dut.program = {load(0), load(64), LoopCommand{{Opcode::Loop}, 1}.encode(), end()};
  dut.run();
  dut.expect_all_done();
  REQUIRE(dut.command_cycle.size() == 5);
  REQUIRE(dut.command_cycle[4] - dut.command_cycle[0] == 80);
}

TEST_CASE("sequencer: every cycle of a run has one state", "[sequencer]") {
  Dut dut;
  dut.program = {load(0), end()};
  dut.run();
  REQUIRE(dut.states[int(UnitState::Busy)] == 10);
  REQUIRE(dut.states[int(UnitState::Fetch)] > 0);
  REQUIRE(dut.states[int(UnitState::WaitSemaphore)] == 0);
}

TEST_CASE("sequencer faults on a bad command once all before it have retired", "[sequencer]") {
  Dut dut;
  dut.program = {load(0), load(64), load(128), end()};
  FaultRecord want;
  want.pc = 1;
  SECTION("an opcode of another unit") {
    dut.program[1][0] = uint32_t(Opcode::Store);
    want.code = Fault::Opcode;
    want.info = uint32_t(Opcode::Store);
  }
  SECTION("empty memory") {
    dut.program[1] = CommandWords{};
    want.code = Fault::Opcode;
  }
  SECTION("a reserved bit") {
    dut.program[1][20] = 0x100;
    dut.program[1][31] = 1;
    want.code = Fault::Reserved;
    want.info = 20;
  }
  SECTION("a parameter for a word that takes none") {
    dut.program[1][3] = 9 << 4 | 1 << 9;
    want.code = Fault::Reserved;
    want.info = 9;
  }
  SECTION("a loop with a reserved bit") {
    dut.program[1] = LoopCommand{{Opcode::Loop}, 0}.encode();
    dut.program[1][4] = 1 << 16;
    want.code = Fault::Reserved;
    want.info = 4;
  }
  dut.run();
  REQUIRE(dut.faults.front().code == want.code);
  REQUIRE(dut.faults.front().pc == want.pc);
  REQUIRE(dut.faults.front().info == want.info);
  REQUIRE(dut.retired == std::vector<Retired>{{0, 0}});
  REQUIRE(dut.commands.size() == 1);
}

TEST_CASE("sequencer faults where a program leaves the scratchpad", "[sequencer]") {
  Dut dut;
  dut.base = 0x40000 - 256;
  dut.program = {load(0), load(64)};
  FaultRecord want{Fault::ProgramRange, 2, 0x40000};
  SECTION("it runs over the end") {}
  SECTION("it jumps beyond") {
    dut.inputs = 2;
    dut.program[1] = LoopCommand{{Opcode::Loop}, 0xffff}.encode();
    want.pc = 0xffff;
    want.info = dut.base + 0xffff * 128;
  }
  SECTION("it starts at a misaligned address") {
    dut.base = 0x3020;
    want.pc = 0;
    want.info = 0x3020;
  }
  dut.run();
  REQUIRE(dut.faults.front().code == want.code);
  REQUIRE(dut.faults.front().pc == want.pc);
  REQUIRE(dut.faults.front().info == want.info);
}

TEST_CASE("sequencer names the oldest command in a fault of the unit", "[sequencer]") {
  Dut dut;
  dut.command_cycles = 1;
  dut.program = {NopCommand{}.encode(), load(0), load(64), load(128), end()};
  dut.launch();
  while (dut.commands.empty()) dut.cycle();
  dut->fault_valid_i = 1;
  dut->fault_i = uint64_t(Fault::Window) << 48 | 0x123456789abc;
  dut.cycle();
  REQUIRE(dut.faults.front().code == Fault::Window);
  REQUIRE(dut.faults.front().pc == 1);
  REQUIRE(dut.faults.front().info == 0x123456789abc);
  dut->fault_valid_i = 0;

  SECTION("stop ends issue and fetch, clear and launch start anew") {
    dut->stop_i = 1;
    const size_t issued = dut.commands.size();
    for (int i = 0; i < 50; ++i) dut.cycle();
    REQUIRE(dut.commands.size() == issued);
    REQUIRE(dut->busy_o == 0);
    dut->clear_i = 1;
    dut.cycle();
    dut->clear_i = dut->stop_i = 0;
    dut.commands.clear();
    dut.retired.clear();
    dut.takes.clear();
    dut.faults.clear();
    dut.run();
    dut.expect_all_done();
  }
}
