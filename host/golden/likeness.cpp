#include "host/golden/likeness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

namespace systole::golden {
namespace {

using spec::AccInit;
using spec::MatmulCommand;
using spec::Opcode;
using spec::Vact;
using spec::VectorCommand;
using spec::Vreduce;
using spec::Vtype;

/// A change of a command, and how it is told: "as if ...".
struct Variant {
  std::string name;
  CommandWords words;
};

class Variants {
 public:
  Variants(const CommandWords& words, const std::optional<CommandWords>& previous)
      : words_(words), previous_(previous) {}

  std::vector<Variant> all() {
    switch (static_cast<Opcode>(words_[0] & 0xff)) {
      case Opcode::Load:
        block(spec::LoadCommand::decode(words_));
        global(spec::LoadCommand::decode(words_));
        break;
      case Opcode::Store:
        block(spec::StoreCommand::decode(words_));
        global(spec::StoreCommand::decode(words_));
        break;
      case Opcode::Fill:
        block(spec::FillCommand::decode(words_));
        break;
      case Opcode::Matmul:
        matmul();
        break;
      case Opcode::Vector:
        vector();
        break;
      default:
        break;
    }
    return std::move(variants_);
  }

 private:
  /// `change` alters a copy of the command. One that changes nothing, or makes it one that there
  /// is not, is none.
  template <class Command, class Change>
  void add(std::string name, Command command, Change change) {
    change(command);
    try {
      const CommandWords words = command.encode();
      if (words != words_) variants_.push_back({std::move(name), words});
    } catch (const std::out_of_range&) {
    }
  }

  template <class Command>
  void block(const Command& c) {
    if (c.count0 > 1) add("count0 were one less", c, [](Command& v) { --v.count0; });
    if (c.count1 > 1) add("count1 were one less", c, [](Command& v) { --v.count1; });
    add("count0 were one more", c, [](Command& v) { ++v.count0; });
    add("count1 were one more", c, [](Command& v) { ++v.count1; });
    if (c.run > 1) add("run were one less", c, [](Command& v) { --v.run; });
    add("run were one more", c, [](Command& v) { ++v.run; });
    add("lstride0 were 0", c, [](Command& v) { v.lstride0 = 0; });
    add("lstride1 were 0", c, [](Command& v) { v.lstride1 = 0; });
    add("lstride0 were run", c, [](Command& v) { v.lstride0 = static_cast<int32_t>(v.run); });
    add("lstride1 were lstride0", c, [](Command& v) { v.lstride1 = v.lstride0; });
    add("lstride0 were lstride1", c, [](Command& v) { v.lstride0 = v.lstride1; });
    for (const int32_t by : {1, -1}) {
      const char* how = by > 0 ? "more" : "less";
      add(fmt::format("lstride0 were 1 {}", how), c, [&](Command& v) { v.lstride0 += by; });
      add(fmt::format("lstride1 were 1 {}", how), c, [&](Command& v) { v.lstride1 += by; });
    }
    if (previous_ && (*previous_)[0] % 256 == words_[0] % 256) {
      const auto previous = Command::decode(*previous_);
      add("local_addr were that of the command before", c,
          [&](Command& v) { v.local_addr = previous.local_addr; });
    }
  }

  template <class Command>
  void global(const Command& c) {
    add("gstride0 were 0", c, [](Command& v) { v.gstride0 = 0; });
    add("gstride1 were 0", c, [](Command& v) { v.gstride1 = 0; });
    add("gstride0 were run", c, [](Command& v) { v.gstride0 = static_cast<int32_t>(v.run); });
    add("gstride1 were gstride0", c, [](Command& v) { v.gstride1 = v.gstride0; });
    add("gstride0 were gstride1", c, [](Command& v) { v.gstride0 = v.gstride1; });
    for (const int32_t by : {1, 8, 16, 32, 64}) {
      add(fmt::format("gstride0 were {} more", by), c, [&](Command& v) { v.gstride0 += by; });
      add(fmt::format("gstride0 were {} less", by), c, [&](Command& v) { v.gstride0 -= by; });
      add(fmt::format("gstride1 were {} more", by), c, [&](Command& v) { v.gstride1 += by; });
      add(fmt::format("gstride1 were {} less", by), c, [&](Command& v) { v.gstride1 -= by; });
      add(fmt::format("addr were {} more", by), c,
          [&](Command& v) { v.addr += static_cast<uint64_t>(by); });
      add(fmt::format("addr were {} less", by), c,
          [&](Command& v) { v.addr -= static_cast<uint64_t>(by); });
    }
    if (previous_ && (*previous_)[0] % 256 == words_[0] % 256) {
      const auto previous = Command::decode(*previous_);
      add("addr were that of the command before", c, [&](Command& v) { v.addr = previous.addr; });
    }
  }

  void matmul() {
    const auto c = MatmulCommand::decode(words_);
    add("act_signed were inverted", c, [](auto& v) { v.act_signed = !v.act_signed; });
    add("wgt_signed were inverted", c, [](auto& v) { v.wgt_signed = !v.wgt_signed; });
    for (const AccInit init : {AccInit::Zero, AccInit::Bias, AccInit::Accumulate}) {
      add(fmt::format("init were {}", spec::to_string(init)), c, [&](auto& v) { v.init = init; });
    }
    if (c.len > 1) add("len were one less", c, [](auto& v) { --v.len; });
    if (c.len_last > 1) add("len_last were one less", c, [](auto& v) { --v.len_last; });
    add("len_last were len", c, [](auto& v) { v.len_last = v.len; });
    add("len were len_last", c, [](auto& v) { v.len = v.len_last; });
    const auto less = [&](const char* name, uint16_t MatmulCommand::*field) {
      if (c.*field > 1)
        add(fmt::format("{} were one less", name), c, [&](auto& v) { --(v.*field); });
    };
    less("kcount0", &MatmulCommand::kcount0);
    less("kcount1", &MatmulCommand::kcount1);
    less("kcount2", &MatmulCommand::kcount2);
    less("rcount0", &MatmulCommand::rcount0);
    less("rcount1", &MatmulCommand::rcount1);
    less("rcount2", &MatmulCommand::rcount2);
    less("ncount", &MatmulCommand::ncount);
    strides(c, {{"rstride0", &MatmulCommand::rstride0},
                {"rstride1", &MatmulCommand::rstride1},
                {"rstride2", &MatmulCommand::rstride2},
                {"kstride0", &MatmulCommand::kstride0},
                {"kstride1", &MatmulCommand::kstride1},
                {"kstride2", &MatmulCommand::kstride2},
                {"act_nstride", &MatmulCommand::act_nstride},
                {"run_stride", &MatmulCommand::run_stride}});
    strides(c, {{"wgt_kstride", &MatmulCommand::wgt_kstride},
                {"wgt_nstride", &MatmulCommand::wgt_nstride},
                {"wgt_run", &MatmulCommand::wgt_run}});
    add("wgt_nstride were counted from the last block of weights before", c, [&](auto& v) {
      const int64_t ksteps = int64_t{c.kcount0} * c.kcount1 * c.kcount2;
      v.wgt_nstride += static_cast<int32_t>((ksteps - 1) * c.wgt_kstride);
    });
    if (!previous_ || (*previous_)[0] % 256 != words_[0] % 256) return;
    const auto p = MatmulCommand::decode(*previous_);
    add("the weights were those of the command before", c, [&](auto& v) {
      v.wgt = p.wgt, v.wgt_kstride = p.wgt_kstride, v.wgt_nstride = p.wgt_nstride;
      v.wgt_run = p.wgt_run, v.wgt_signed = p.wgt_signed, v.weight_mode = p.weight_mode;
    });
    // One block of weights too late or too soon: that of the command before, its last one.
    add("the weights were the last ones of the command before", c, [&](auto& v) {
      const int64_t ksteps = int64_t{p.kcount0} * p.kcount1 * p.kcount2;
      v.wgt = static_cast<uint32_t>(p.wgt + (ksteps - 1) * p.wgt_kstride +
                                    (p.ncount - 1) * int64_t{p.wgt_nstride});
      v.wgt_kstride = 0, v.wgt_nstride = 0;
      v.wgt_run = p.wgt_run, v.wgt_signed = p.wgt_signed, v.weight_mode = p.weight_mode;
    });
    add("the bias were that of the command before", c, [&](auto& v) { v.bias = p.bias; });
  }

  /// Each stride as 0, and as each of the others.
  template <class Command>
  void strides(const Command& c,
               const std::vector<std::pair<const char*, int32_t Command::*>>& fields) {
    for (const auto& [name, field] : fields) {
      add(fmt::format("{} were 0", name), c, [&, f = field](auto& v) { v.*f = 0; });
      for (const auto& [other, from] : fields) {
        add(fmt::format("{} were {}", name, other), c,
            [&, f = field, o = from](auto& v) { v.*f = c.*o; });
      }
      add(fmt::format("{} were 1 more", name), c, [f = field](auto& v) { ++(v.*f); });
      add(fmt::format("{} were 1 less", name), c, [f = field](auto& v) { --(v.*f); });
    }
  }

  void vector() {
    const auto c = VectorCommand::decode(words_);
    add("a_zp were 0", c, [](auto& v) { v.a_zp = 0; });
    add("b_zp were 0", c, [](auto& v) { v.b_zp = 0; });
    add("zp were 0", c, [](auto& v) { v.zp = 0; });
    clamps(c);
    types(c);
    for (const Vact act : {Vact::None, Vact::Relu, Vact::Clip})
      add(fmt::format("act were {}", spec::to_string(act)), c, [&](auto& v) { v.act = act; });
    for (const Vreduce reduce : {Vreduce::Sum, Vreduce::Max})
      add(fmt::format("reduce were {}", spec::to_string(reduce)), c,
          [&](auto& v) { v.reduce = reduce; });
    for (unsigned op = 0; spec::to_string(static_cast<spec::Vop>(op)) != nullptr; ++op) {
      add(fmt::format("op were {}", spec::to_string(static_cast<spec::Vop>(op))), c,
          [&](auto& v) { v.op = static_cast<spec::Vop>(op); });
    }
    scalars(c);
    const auto less = [&](const char* name, uint16_t VectorCommand::*field) {
      if (c.*field > 1)
        add(fmt::format("{} were one less", name), c, [&](auto& v) { --(v.*field); });
    };
    less("wcount0", &VectorCommand::wcount0);
    less("wcount1", &VectorCommand::wcount1);
    less("count0", &VectorCommand::count0);
    less("count1", &VectorCommand::count1);
    less("count2", &VectorCommand::count2);
    less("count3", &VectorCommand::count3);
    if (c.lanes > 1) add("lanes were one less", c, [](auto& v) { --v.lanes; });
    if (c.lanes_last > 1) add("lanes_last were one less", c, [](auto& v) { --v.lanes_last; });
    add("lanes_last were lanes", c, [](auto& v) { v.lanes_last = v.lanes; });
    add("lanes were lanes_last", c, [](auto& v) { v.lanes = v.lanes_last; });
    strides(c, {{"a_stride0", &VectorCommand::a_stride0},
                {"a_stride1", &VectorCommand::a_stride1},
                {"a_stride2", &VectorCommand::a_stride2},
                {"a_stride3", &VectorCommand::a_stride3},
                {"a_wstride0", &VectorCommand::a_wstride0},
                {"a_wstride1", &VectorCommand::a_wstride1}});
    strides(c, {{"b_stride0", &VectorCommand::b_stride0},
                {"b_stride1", &VectorCommand::b_stride1},
                {"b_stride2", &VectorCommand::b_stride2},
                {"b_stride3", &VectorCommand::b_stride3}});
    strides(c, {{"d_stride0", &VectorCommand::d_stride0},
                {"d_stride1", &VectorCommand::d_stride1},
                {"d_stride2", &VectorCommand::d_stride2},
                {"d_stride3", &VectorCommand::d_stride3}});
  }

  void clamps(const VectorCommand& c) {
    add("there were no lower limit", c, [](auto& v) { v.lo = -32768; });
    add("there were no upper limit", c, [](auto& v) { v.hi = 32767; });
    add("there were no limits", c, [](auto& v) { v.lo = -32768, v.hi = 32767; });
    for (const int16_t by : {1, -1}) {
      const char* how = by > 0 ? "more" : "less";
      const auto moved = [by](int16_t from) { return static_cast<int16_t>(from + by); };
      add(fmt::format("lo were one {}", how), c, [&](auto& v) { v.lo = moved(v.lo); });
      add(fmt::format("hi were one {}", how), c, [&](auto& v) { v.hi = moved(v.hi); });
      add(fmt::format("zp were one {}", how), c, [&](auto& v) { v.zp = moved(v.zp); });
    }
    add("the limits were those of a signed byte", c, [](auto& v) { v.lo = -128, v.hi = 127; });
    add("the limits were those of an unsigned byte", c, [](auto& v) { v.lo = 0, v.hi = 255; });
  }

  void types(const VectorCommand& c) {
    const auto other = [](Vtype type) {
      return type == Vtype::S8 ? Vtype::U8 : type == Vtype::U8 ? Vtype::S8 : type;
    };
    add("a were of the other sign", c, [&](auto& v) { v.a_type = other(v.a_type); });
    add("b were of the other sign", c, [&](auto& v) { v.b_type = other(v.b_type); });
    add("d were of the other sign", c, [&](auto& v) { v.d_type = other(v.d_type); });
  }

  /// Of s: an exponent one off, bits that are lost.
  void scalars(const VectorCommand& c) {
    if (!c.s_vector) {
      add("s were twice as much", c, [](auto& v) { v.s += 0x00800000; });
      add("s were half as much", c, [](auto& v) { v.s -= 0x00800000; });
      add("the last bit of s were inverted", c, [](auto& v) { v.s ^= 1; });
      add("the sign of s were inverted", c, [](auto& v) { v.s ^= 0x80000000; });
    }
    if (!c.c_vector) add("c were 0", c, [](auto& v) { v.c = 0; });
    if (!c.t_vector) add("t were 0", c, [](auto& v) { v.t = 0; });
    if (!previous_ || (*previous_)[0] % 256 != words_[0] % 256) return;
    const auto p = VectorCommand::decode(*previous_);
    add("s, t and c were those of the command before", c, [&](auto& v) {
      v.s = p.s, v.t = p.t, v.c = p.c;
      v.s_vector = p.s_vector, v.t_vector = p.t_vector, v.c_vector = p.c_vector;
    });
  }

  const CommandWords& words_;
  const std::optional<CommandWords>& previous_;
  std::vector<Variant> variants_;
};

// ------------------------------------------------------------------------------------- comparison

/// Runs variants on a machine that is as it was before the command.
class Trial {
 public:
  Trial(const Machine& machine, const WrongResult& wrong) : machine_(machine), wrong_(wrong) {
    machine_.tile(wrong.node) = wrong.before;
  }

  /// What the machine holds where the command wrote, before it.
  std::vector<uint8_t> before() const { return held(); }

  /// Of the command, and alike of those whose sums it adds to.
  bool gives_it(const Variant& variant) {
    restore();
    std::optional<CommandWords> previous;
    for (const CommandWords& words : wrong_.chain) {
      if (execute(machine_, wrong_.node, alike(words, previous, variant.name), nullptr))
        return false;
      previous = words;
    }
    if (execute(machine_, wrong_.node, variant.words, nullptr)) return false;
    return held() == wrong_.got;
  }

  /// Whether the result hangs on these bytes of the scratchpad, as the chip has them.
  bool reads(std::size_t first, std::size_t last) {
    restore();
    auto& scratchpad = machine_.tile(wrong_.node).scratchpad;
    std::copy(wrong_.scratchpad_got.begin() + static_cast<std::ptrdiff_t>(first),
              wrong_.scratchpad_got.begin() + static_cast<std::ptrdiff_t>(last),
              scratchpad.begin() + static_cast<std::ptrdiff_t>(first));
    for (const CommandWords& words : wrong_.chain) {
      if (execute(machine_, wrong_.node, words, nullptr)) return false;
    }
    if (execute(machine_, wrong_.node, wrong_.words, nullptr)) return false;
    return held() != wrong_.expected;
  }

 private:
  /// A Store's destination as it is behind the command: what was there before is not known.
  void restore() {
    machine_.tile(wrong_.node) = wrong_.before;
    std::size_t at = 0;
    for (const WrittenRange& range : wrong_.written) {
      if (range.space == WrittenRange::Space::Accumulator) return;
      const bool own = range.address - scratchpad_address(wrong_.node, 0) < spec::ScratchpadBytes;
      if (!own) machine_.write(range.address, wrong_.expected.data() + at, range.count);
      at += range.count;
    }
  }

  static CommandWords alike(const CommandWords& words, const std::optional<CommandWords>& previous,
                            const std::string& name) {
    for (Variant& variant : Variants(words, previous).all()) {
      if (variant.name == name) return variant.words;
    }
    return words;
  }

  std::vector<uint8_t> held() const {
    std::vector<uint8_t> bytes;
    for (const WrittenRange& range : wrong_.written) {
      const std::size_t at = bytes.size();
      if (range.space == WrittenRange::Space::Accumulator) {
        const auto& rows = machine_.tile(wrong_.node).accumulators;
        bytes.resize(at + range.count * sizeof rows[0]);
        std::memcpy(bytes.data() + at, rows[range.address].data(), range.count * sizeof rows[0]);
      } else {
        bytes.resize(at + range.count);
        machine_.read(range.address, bytes.data() + at, range.count);
      }
    }
    return bytes;
  }

  Machine machine_;
  const WrongResult& wrong_;
};

uint32_t element(const std::vector<uint8_t>& bytes, std::size_t i, unsigned size) {
  uint32_t value = 0;
  std::memcpy(&value, &bytes[i * size], size);
  return value;
}

/// Of a product that starts from its bias: the row of biases of each element, as a likeness.
class Biases {
 public:
  explicit Biases(const WrongResult& wrong) : wrong_(wrong) {
    // With a chain of commands the first one adds the bias.
    const CommandWords& words = wrong.chain.empty() ? wrong.words : wrong.chain.front();
    if (static_cast<Opcode>(words[0] & 0xff) != Opcode::Matmul) return;
    const auto c = MatmulCommand::decode(words);
    if (c.init != AccInit::Bias) return;
    command_ = c;
  }

  /// "the bias were added twice", when each element is too large by just that.
  std::optional<std::string> likeness() const {
    if (!command_) return std::nullopt;
    if (all(1)) return "the bias were added twice";
    if (all(-1)) return "the bias were not added";
    return std::nullopt;
  }

 private:
  bool all(int32_t times) const {
    const std::size_t rows = std::size_t{command_->rcount0} * command_->rcount1 * command_->rcount2;
    for (std::size_t i = 0; i < wrong_.got.size() / 4; ++i) {
      const std::size_t n = i / kLanes / rows;
      const std::size_t at = command_->bias + 4 * (n * kLanes + i % kLanes);
      if (at + 4 > wrong_.before.scratchpad.size()) return false;
      uint32_t bias, expected, got;
      std::memcpy(&bias, &wrong_.before.scratchpad[at], 4);
      std::memcpy(&expected, &wrong_.expected[4 * i], 4);
      std::memcpy(&got, &wrong_.got[4 * i], 4);
      if (got - expected != static_cast<uint32_t>(times) * bias) return false;
    }
    return true;
  }

  const WrongResult& wrong_;
  std::optional<MatmulCommand> command_;
};

/// What all wrong elements have in common.
class Common {
 public:
  Common(const WrongResult& wrong, const std::vector<uint8_t>& before)
      : wrong_(wrong), before_(before), size_(wrong.element_bytes) {
    for (std::size_t i = 0; i < wrong.got.size() / size_; ++i) {
      if (got(i) != expected(i)) wrong_elements_.push_back(i);
    }
  }

  std::vector<std::string> text() const {
    std::vector<std::string> lines;
    if (all([&](std::size_t i) { return got(i) == element(before_, i, size_); })) {
      lines.push_back("each wrong element holds what was there before the command");
    } else if (wrong_elements_.size() > 1) {
      add_value(lines);
      add_shift(lines);
    }
    return lines;
  }

 private:
  uint32_t got(std::size_t i) const { return element(wrong_.got, i, size_); }
  uint32_t expected(std::size_t i) const { return element(wrong_.expected, i, size_); }

  template <class Holds>
  bool all(Holds holds) const {
    return std::all_of(wrong_elements_.begin(), wrong_elements_.end(), holds);
  }

  uint32_t masked(uint32_t value) const { return size_ == 1 ? value & 0xff : value; }

  void add_value(std::vector<std::string>& lines) const {
    const std::size_t first = wrong_elements_.front();
    const uint32_t difference = masked(got(first) - expected(first));
    const uint32_t bits = got(first) ^ expected(first);
    if (all([&](std::size_t i) { return got(i) == got(first); })) {
      lines.push_back(fmt::format("each wrong element is 0x{:0{}x}", got(first), 2 * size_));
    } else if (all([&](std::size_t i) { return masked(got(i) - expected(i)) == difference; })) {
      const bool less = (difference >> (8 * size_ - 1) & 1) != 0;
      lines.push_back(fmt::format("each wrong element is {} too {}",
                                  less ? masked(0 - difference) : difference,
                                  less ? "small" : "large"));
    } else if (all([&](std::size_t i) { return (got(i) ^ expected(i)) == bits; })) {
      lines.push_back(
          fmt::format("each wrong element differs in the bits 0x{:0{}x} alone", bits, 2 * size_));
    }
  }

  /// Elements that lie elsewhere than they should.
  void add_shift(std::vector<std::string>& lines) const {
    const auto count = static_cast<int64_t>(wrong_.got.size() / size_);
    for (int64_t by = 1; by <= 64 && by < count; ++by) {
      for (const int64_t shift : {by, -by}) {
        const auto fits = [&](std::size_t i) {
          const int64_t from = static_cast<int64_t>(i) + shift;
          return from >= 0 && from < count && got(i) == expected(static_cast<std::size_t>(from));
        };
        if (!all(fits)) continue;
        lines.push_back(fmt::format("each wrong element is the right one of the place {} {}", by,
                                    shift > 0 ? "further" : "before"));
        return;
      }
    }
  }

  const WrongResult& wrong_;
  const std::vector<uint8_t>& before_;
  unsigned size_;
  std::vector<std::size_t> wrong_elements_;
};

constexpr std::size_t kMost = 3;       // likenesses that are told
constexpr std::size_t kMostRuns = 64;  // of bytes that differ, which are tried

bool is_written(const WrongResult& wrong, uint32_t offset) {
  const Address address = scratchpad_address(wrong.node, offset);
  return std::any_of(wrong.written.begin(), wrong.written.end(), [&](const WrittenRange& range) {
    return range.space != WrittenRange::Space::Accumulator && address - range.address < range.count;
  });
}

}  // namespace

std::optional<uint32_t> wrong_operand(const Machine& machine, const WrongResult& wrong) {
  Trial trial(machine, wrong);
  const auto differs = [&](uint32_t i) {
    return wrong.scratchpad_got[i] != wrong.scratchpad_expected[i] && !is_written(wrong, i);
  };
  std::size_t runs = 0;
  for (uint32_t i = 0; i < wrong.scratchpad_got.size() && runs < kMostRuns; ++i) {
    if (!differs(i)) continue;
    uint32_t end = i;
    while (end < wrong.scratchpad_got.size() && differs(end)) ++end;
    if (trial.reads(i, end)) return i;
    i = end;
    ++runs;
  }
  return std::nullopt;
}

Likenesses likenesses(const Machine& machine, const WrongResult& wrong) {
  Trial trial(machine, wrong);
  const std::vector<uint8_t> before = trial.before();
  Likenesses result;
  for (const Variant& variant : Variants(wrong.words, wrong.previous).all()) {
    if (result.as_if.size() < kMost && trial.gives_it(variant))
      result.as_if.push_back(variant.name);
  }
  if (auto bias = Biases(wrong).likeness()) result.as_if.push_back(std::move(*bias));
  // A Store's destination is not known as it was before.
  if (static_cast<Opcode>(wrong.words[0] & 0xff) != Opcode::Store)
    result.common = Common(wrong, before).text();
  return result;
}

}  // namespace systole::golden
