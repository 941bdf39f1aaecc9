#include "host/report/whereabouts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "host/command/loop_nest.hpp"
#include "host/report/chip_address.hpp"

namespace systole::report {
namespace {

using compile::TensorPlace;
using golden::kLanes;
using spec::Unit;

constexpr int kMaxHops = 4;

/// The layer that a command works for; weights, which are loaded once a launch, included.
int layer_at(const ProgramMap::Program& program, std::size_t phase, uint32_t pc) {
  return pc < program.length ? program.layers[phase * program.length + pc] : -1;
}

/// The page in which a unit is, by the loops that have retired.
std::size_t phase_of(const ProgramMap::Program& program, const CommandLog& log,
                     const UnitId& unit) {
  return program.phase_after(log.count(unit.node, unit.unit, program.loop).retired);
}

std::string element_text(const std::string& tensor, const Shape& shape,
                         const std::vector<int64_t>& element) {
  return fmt::format("element [{}] of {} [{}]", fmt::join(element, ", "), tensor,
                     fmt::join(shape, ", "));
}

std::vector<int64_t> indices_of(const Shape& shape, int64_t element) {
  std::vector<int64_t> indices(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    indices[d] = element % std::max<int64_t>(shape[d], 1);
    element /= std::max<int64_t>(shape[d], 1);
  }
  return indices;
}

class Search {
 public:
  Search(const compile::CompiledModel& model, const ProgramMap& map,
         const golden::Mismatch& mismatch, const CommandLog& log)
      : model_(model),
        map_(map),
        mismatch_(mismatch),
        log_(log),
        program_(*map.find({mismatch.node, mismatch.unit})),
        phase_(phase_of(program_, log, {mismatch.node, mismatch.unit})),
        layer_(layer_at(program_, phase_, mismatch.pc)) {}

  Whereabouts run() {
    Whereabouts result;
    if (layer_ >= 0) {
      const compile::Layer& layer = model_.layers[static_cast<std::size_t>(layer_)];
      result.layer = layer.name;
      result.op = layer.op;
    }
    result.source = source();
    if (!result.source.empty()) return result;
    std::optional<Destination> at = start();
    for (int hop = 0; at && hop < kMaxHops; ++hop) {
      result.intermediate = mismatch_.accumulator || hop > 0;
      if (tensor_at(*at, result)) break;
      at = at->global
               ? std::nullopt
               : next_reader({Unit::Store, Unit::Vector}, [&](const spec::CommandWords& words) {
                   return reader_of_scratchpad(words, static_cast<uint32_t>(at->address));
                 });
    }
    return result;
  }

 private:
  /// The wrong element's own place.
  std::optional<Destination> start() const {
    if (mismatch_.accumulator) {
      return next_reader({Unit::Vector}, [&](const spec::CommandWords& words) {
        return reader_of_accumulator(words, static_cast<uint32_t>(mismatch_.address / kLanes),
                                     static_cast<unsigned>(mismatch_.address % kLanes));
      });
    }
    const Address own = golden::scratchpad_address(mismatch_.node, 0);
    if (mismatch_.address - own < spec::ScratchpadBytes)
      return Destination{false, mismatch_.address - own};
    return Destination{true, mismatch_.address - parameters()};
  }

  /// What launch parameters added to the command's global address.
  Address parameters() const {
    if (mismatch_.pc >= program_.length) return 0;
    const spec::CommandWords& words = program_.words(phase_, mismatch_.pc);
    if (mismatch_.unit == Unit::Store) {
      return spec::StoreCommand::decode(mismatch_.words).addr -
             spec::StoreCommand::decode(words).addr;
    }
    if (mismatch_.unit == Unit::Load) {
      return spec::LoadCommand::decode(mismatch_.words).addr -
             spec::LoadCommand::decode(words).addr;
    }
    return 0;
  }

  /// The first destination that `reads` gives for a command that has not retired, in the order of
  /// the units' programs, around their loops once, page by page.
  template <class Reads>
  std::optional<Destination> next_reader(std::initializer_list<Unit> units, Reads reads) const {
    for (const Unit unit : units) {
      const UnitId id{mismatch_.node, unit};
      const ProgramMap::Program* program = map_.find(id);
      if (program == nullptr || program->length == 0) continue;
      std::size_t phase = phase_of(*program, log_, id);
      const auto last = log_.last_retired(id.node, unit);
      uint32_t pc = last ? *last + 1 : 0;
      for (std::size_t i = 0; i < program->commands.size(); ++i, ++pc) {
        if (pc > program->loop || pc >= program->length) {
          if (pc > program->loop) phase = (phase + 1) % program->phases();
          pc = program->loop < program->length ? program->body : 0;
        }
        if (id.unit == mismatch_.unit && pc == mismatch_.pc && phase == phase_) continue;
        if (layer_at(*program, phase, pc) != layer_) continue;
        if (const auto found = reads(program->words(phase, pc))) return found;
      }
    }
    return std::nullopt;
  }

  bool tensor_at(const Destination& at, Whereabouts& result) const {
    for (const TensorPlace& place : model_.places) {
      if (place.layer != layer_) continue;
      const auto element =
          element_at(place, at.global ? at.address
                                      : golden::scratchpad_address(
                                            mismatch_.node, static_cast<uint32_t>(at.address)));
      if (!element) continue;
      result.tensor = place.name;
      result.shape = place.shape;
      result.element = *element;
      return true;
    }
    return false;
  }

  std::optional<std::vector<int64_t>> element_at(const TensorPlace& place, Address address) const {
    if (auto element = place.element_at(TensorPlace::Space::Global, address)) return element;
    for (const auto space : {TensorPlace::Space::Input, TensorPlace::Space::Output}) {
      if (auto element = place.element_at(space, address - model_.record_base)) return element;
    }
    return std::nullopt;
  }

  // ------------------------------------------------------------------------------------- a Load

  std::string source() const {
    const auto from = source_of(mismatch_.words, mismatch_.element);
    if (!from || mismatch_.kind != golden::Mismatch::Kind::Value) return "";
    if (parameters() != 0 || in_record_alone(*from)) return input_text(*from - parameters());
    std::string text = tensor_text(*from);
    if (text.empty()) text = program_text();
    if (text.empty() && in_segments(*from)) text = "a constant of the layer";
    return text;
  }

  /// Host memory holds nothing but records that a Load reads.
  bool in_record_alone(Address address) const {
    return model_.record_base == spec::HostMemBase && address >= spec::HostMemBase &&
           address < spec::DramBase;
  }

  /// A page that comes next is a Load too.
  std::string program_text() const {
    const auto load = spec::LoadCommand::decode(mismatch_.words);
    for (const compile::TileProgram& tile : model_.tiles) {
      if (!(golden::Node{tile.x, tile.y} == mismatch_.node)) continue;
      if (load.local_addr >= tile.local && load.local_addr < tile.local + tile.image.size())
        return "commands: the program's next page";
    }
    return "";
  }

  std::string input_text(Address address) const {
    const Address record = (address - model_.record_base) % std::max(model_.input_record, 1u);
    for (const compile::Binding& input : model_.inputs) {
      const Address offset = record - input.offset;
      if (offset >= input.bytes) continue;
      const auto element = static_cast<int64_t>(offset / element_size(input.type));
      return element_text("the input " + input.name, input.shape, indices_of(input.shape, element));
    }
    return "";
  }

  /// Of the layers before this one, the last that left a tensor there.
  std::string tensor_text(Address address) const {
    const TensorPlace* best = nullptr;
    std::vector<int64_t> element;
    for (const TensorPlace& place : model_.places) {
      if (place.layer >= layer_ && layer_ >= 0) continue;
      if (best != nullptr && place.layer < best->layer) continue;
      const auto found = element_at(place, address);
      if (!found) continue;
      best = &place;
      element = *found;
    }
    if (best == nullptr) return "";
    std::string text = element_text(best->name, best->shape, element);
    if (best->layer >= 0)
      text += ", of layer " + model_.layers[static_cast<std::size_t>(best->layer)].name;
    return text;
  }

  bool in_segments(Address address) const {
    return std::any_of(model_.segments.begin(), model_.segments.end(), [&](const auto& segment) {
      return address >= segment.address && address < segment.address + segment.bytes.size();
    });
  }

  const compile::CompiledModel& model_;
  const ProgramMap& map_;
  const golden::Mismatch& mismatch_;
  const CommandLog& log_;
  const ProgramMap::Program& program_;
  std::size_t phase_;
  int layer_;
};

/// Whether a Load's block holds an address.
bool reads(const spec::LoadCommand& load, Address address) {
  for (int64_t i1 = 0; i1 < load.count1; ++i1) {
    for (int64_t i0 = 0; i0 < load.count0; ++i0) {
      const auto from = static_cast<Address>(static_cast<int64_t>(load.addr) + i1 * load.gstride1 +
                                             i0 * load.gstride0);
      if (address - from < load.run) return true;
    }
  }
  return false;
}

}  // namespace

Whereabouts find(const compile::CompiledModel& model, const ProgramMap& map,
                 const golden::Mismatch& mismatch, const CommandLog& log) {
  if (map.find({mismatch.node, mismatch.unit}) == nullptr) return {};
  return Search(model, map, mismatch, log).run();
}

Whereabouts layer_of(const compile::CompiledModel& model, const ProgramMap& map,
                     const CommandLog& log, const UnitId& unit, uint32_t pc) {
  const ProgramMap::Program* program = map.find(unit);
  if (program == nullptr) return {};
  const int layer = layer_at(*program, phase_of(*program, log, unit), pc);
  if (layer < 0) return {};
  Whereabouts where;
  where.layer = model.layers[static_cast<std::size_t>(layer)].name;
  where.op = model.layers[static_cast<std::size_t>(layer)].op;
  return where;
}

std::string constant_text(const compile::CompiledModel& model, const ProgramMap& map,
                          Address address) {
  for (const auto& [unit, program] : map.programs()) {
    if (unit.unit != Unit::Load) continue;
    for (std::size_t i = 0; i < program.commands.size(); ++i) {
      const spec::CommandWords& words = program.commands[i];
      if (spec::CommandHeader::decode(words).opcode != spec::Opcode::Load) continue;
      if (!reads(spec::LoadCommand::decode(words), address)) continue;
      const std::string what = fmt::format("loaded by tile ({}, {})", unit.node.x, unit.node.y);
      const int layer = program.layers[i];
      if (layer < 0) return "a constant or a page of commands, " + what;
      return fmt::format("a constant of layer {}, {}",
                         model.layers[static_cast<std::size_t>(layer)].name, what);
    }
  }
  return "";
}

}  // namespace systole::report
