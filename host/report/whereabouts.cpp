#include "host/report/whereabouts.hpp"

#include <algorithm>

#include "host/command/loop_nest.hpp"

namespace systole::report {
namespace {

using compile::TensorPlace;
using golden::kLanes;
using spec::Unit;

constexpr int kMaxHops = 4;

const compile::TileProgram* tile_of(const compile::CompiledModel& model, golden::Node node) {
  for (const compile::TileProgram& tile : model.tiles) {
    if (tile.x == node.x && tile.y == node.y) return &tile;
  }
  return nullptr;
}

class Search {
 public:
  Search(const compile::CompiledModel& model, const golden::Mismatch& mismatch,
         const CommandLog& log)
      : model_(model), mismatch_(mismatch), log_(log), tile_(*tile_of(model, mismatch.node)) {}

  Whereabouts run() {
    Whereabouts result;
    layer_ = layer_of(mismatch_.unit, mismatch_.pc);
    if (layer_ >= 0) {
      const compile::Layer& layer = model_.layers[static_cast<std::size_t>(layer_)];
      result.layer = layer.name;
      result.op = layer.op;
    }
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
  int layer_of(Unit unit, uint32_t pc) const {
    const std::vector<int>& layers = tile_.layer_of_command[static_cast<std::size_t>(unit)];
    return model_.phases == 1 && pc < layers.size() ? layers[pc] : -1;
  }

  /// The wrong element's own place.
  std::optional<Destination> start() const {
    if (model_.phases != 1) return std::nullopt;
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
    const auto commands = compile::commands_of(tile_, mismatch_.unit);
    if (mismatch_.unit != Unit::Store || mismatch_.pc >= commands.size()) return 0;
    return spec::StoreCommand::decode(mismatch_.words).addr -
           spec::StoreCommand::decode(commands[mismatch_.pc]).addr;
  }

  /// The first destination that `reads` gives for a command that has not retired, in the order of
  /// the units' programs, around their loops once.
  template <class Reads>
  std::optional<Destination> next_reader(std::initializer_list<Unit> units, Reads reads) const {
    for (const Unit unit : units) {
      const auto commands = compile::commands_of(tile_, unit);
      const auto last = log_.last_retired(mismatch_.node, unit);
      const std::size_t first = last ? *last + 1 : 0;
      for (std::size_t i = 0; i < commands.size(); ++i) {
        const std::size_t pc = (first + i) % commands.size();
        if (unit == mismatch_.unit && pc == mismatch_.pc) continue;
        if (layer_of(unit, static_cast<uint32_t>(pc)) != layer_) continue;
        if (const auto found = reads(commands[pc])) return found;
      }
    }
    return std::nullopt;
  }

  bool tensor_at(const Destination& at, Whereabouts& result) const {
    for (const TensorPlace& place : model_.places) {
      if (place.layer != layer_) continue;
      auto element = at.global
                         ? place.element_at(TensorPlace::Space::Global, at.address)
                         : place.element_at(TensorPlace::Space::Global,
                                            golden::scratchpad_address(
                                                mismatch_.node, static_cast<uint32_t>(at.address)));
      if (!element && at.global) {
        element = place.element_at(TensorPlace::Space::Output, at.address - model_.record_base);
      }
      if (!element) continue;
      result.tensor = place.name;
      result.shape = place.shape;
      result.element = *element;
      return true;
    }
    return false;
  }

  const compile::CompiledModel& model_;
  const golden::Mismatch& mismatch_;
  const CommandLog& log_;
  const compile::TileProgram& tile_;
  int layer_ = -1;
};

}  // namespace

Whereabouts find(const compile::CompiledModel& model, const golden::Mismatch& mismatch,
                 const CommandLog& log) {
  if (tile_of(model, mismatch.node) == nullptr) return {};
  return Search(model, mismatch, log).run();
}

}  // namespace systole::report
