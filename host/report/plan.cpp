#include "host/report/plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "host/command/loop_nest.hpp"
#include "host/compile/cycle_model.hpp"

namespace systole::report {
namespace {

using compile::CompiledModel;
using compile::TensorPlace;

/// Steps of a stream that are looked at.
constexpr unsigned kSteps = 4;
/// A unit that is busy for less of a layer's cycles does not bind it.
constexpr double kBinds = 0.5;

// ------------------------------------------------------------------------------- what is to be
// done

/// "n=1 r2=1 r1=8 r0=32 column=16 k=9": the variables of a command's loops and how far they go.
std::string loops_of(const spec::CommandWords& words) {
  const Iteration names = iteration_of(words, 0);
  const std::vector<int64_t> extents = extents_of(words);
  std::string text = spec::to_string(spec::CommandHeader::decode(words).opcode);
  for (std::size_t i = 0; i < std::min(names.size(), extents.size()); ++i)
    text += fmt::format(" {}={}", names[i].first, extents[i]);
  if (spec::CommandHeader::decode(words).opcode == spec::Opcode::Matmul) {
    const auto c = spec::MatmulCommand::decode(words);
    text += fmt::format(" k={}", uint64_t{c.kcount0} * c.kcount1 * c.kcount2);
  }
  return text;
}

int64_t iterations_of(const spec::CommandWords& words) {
  int64_t product = 1;
  for (const int64_t extent : extents_of(words)) product *= extent;
  return product;
}

/// The commands of layers, collected from all programs.
class Commands {
 public:
  explicit Commands(const CompiledModel& model) : map_(model), layers_(model.layers.size()) {
    for (const auto& [unit, program] : map_.programs()) add(unit, program);
  }

  void describe(std::size_t layer, LayerPlan& plan) const {
    const Layer& of = layers_[layer];
    plan.tiles.assign(of.tiles.begin(), of.tiles.end());
    plan.resident = of.resident;
    plan.traffic = map_.traffic(layer);
    for (std::size_t u = 0; u < spec::NumUnits; ++u)
      plan.commands[u] = (of.commands[u] + map_.inputs_at_once() - 1) / map_.inputs_at_once();
    const spec::CommandWords* longest = of.matmul != nullptr ? of.matmul : of.vector;
    if (longest != nullptr) plan.loops = loops_of(*longest);
  }

 private:
  struct ByPlace {
    bool operator()(golden::Node a, golden::Node b) const {
      return std::make_pair(a.y, a.x) < std::make_pair(b.y, b.x);
    }
  };
  struct Layer {
    std::set<golden::Node, ByPlace> tiles;
    std::array<std::size_t, spec::NumUnits> commands{};
    const spec::CommandWords* matmul = nullptr;  // the longest
    const spec::CommandWords* vector = nullptr;
    uint64_t resident = 0;
  };

  void add(const UnitId& unit, const ProgramMap::Program& program) {
    for (std::size_t i = 0; i < program.commands.size(); ++i) {
      if (program.layers[i] < 0) continue;
      const spec::CommandWords& words = program.commands[i];
      Layer& layer = layers_[static_cast<std::size_t>(program.layers[i])];
      if (i % program.length < program.body) {
        layer.resident += traffic_of(words).dram;
        continue;
      }
      layer.tiles.insert(unit.node);
      ++layer.commands[static_cast<std::size_t>(unit.unit)];
      const auto opcode = spec::CommandHeader::decode(words).opcode;
      if (opcode == spec::Opcode::Matmul) keep_longer(layer.matmul, words);
      if (opcode == spec::Opcode::Vector) keep_longer(layer.vector, words);
    }
  }

  static void keep_longer(const spec::CommandWords*& longest, const spec::CommandWords& words) {
    if (longest == nullptr || iterations_of(words) > iterations_of(*longest)) longest = &words;
  }

  ProgramMap map_;
  std::vector<Layer> layers_;
};

// ---------------------------------------------------------------------------------- where it lies

bool is_in_scratchpads(const TensorPlace& place) {
  return place.space == TensorPlace::Space::Global && !place.pieces.empty() &&
         place.pieces[0].address >= spec::TileBase;
}

/// What each memory holds: a tile may have its lines apart, with padding between.
std::vector<TensorPlace::Piece> by_memory(const TensorPlace& place) {
  if (!is_in_scratchpads(place)) return place.pieces;
  std::map<Address, TensorPlace::Piece> tiles;
  for (const TensorPlace::Piece& piece : place.pieces) {
    TensorPlace::Piece& all =
        tiles.emplace(piece.address >> spec::TileColShift, piece).first->second;
    all.r0 = std::min(all.r0, piece.r0);
    all.r1 = std::max(all.r1, piece.r1);
  }
  std::vector<TensorPlace::Piece> pieces;
  for (const auto& [tile, piece] : tiles) pieces.push_back(piece);
  return pieces;
}

/// How the pieces of a value in scratchpads divide it.
std::string division_of(const TensorPlace& place) {
  std::set<std::pair<int64_t, int64_t>> rows, columns;
  for (const TensorPlace::Piece& piece : by_memory(place)) {
    rows.emplace(piece.r0, piece.r1);
    columns.emplace(piece.c0, piece.c1);
  }
  if (rows.size() > 1 && columns.size() > 1) return "rows and channels";
  if (rows.size() > 1) return "rows";
  return columns.size() > 1 ? "channels" : "";
}

std::string output_of(const TensorPlace& place) {
  int64_t bytes = 0, largest = 0;
  for (const TensorPlace::Piece& piece : by_memory(place)) {
    const int64_t size = (piece.r1 - piece.r0) * (piece.c1 - piece.c0);
    bytes += size;
    largest = std::max(largest, size);
  }
  if (is_in_scratchpads(place)) {
    return fmt::format("{} bytes in scratchpads, {} in one at most", bytes, largest);
  }
  const char* where = place.space == TensorPlace::Space::Global  ? "in DRAM"
                      : place.space == TensorPlace::Space::Input ? "of the input record"
                                                                 : "of the output record";
  return fmt::format("{} bytes {}", bytes, where);
}

void describe_places(const CompiledModel& model, std::vector<LayerPlan>& layers) {
  for (const TensorPlace& place : model.places) {
    LayerPlan& layer = layers[static_cast<std::size_t>(place.layer)];
    if (!layer.output.empty()) continue;  // of another input
    layer.output = output_of(place);
    if (is_in_scratchpads(place)) layer.division = division_of(place);
  }
}

// ------------------------------------------------------------------------------- how long it takes

/// Cycles in which units work on layers: a command's from its begin, or the retirement of the one
/// before it, to its own.
class BusyCycles {
 public:
  BusyCycles(const CompiledModel& model, const std::vector<timing::Event>& events)
      : model_(model), busy_(model.layers.size()) {
    const ProgramMap map(model);
    for (const timing::Event& event : events) add(map, event);
  }

  /// Of the tile and unit that the layer keeps busy longest: the unit, cycles in all.
  std::pair<spec::Unit, uint64_t> longest(std::size_t layer) const {
    return longest_of(busy_[layer]);
  }
  /// The same of all layers together.
  std::pair<spec::Unit, uint64_t> longest() const {
    std::map<UnitId, uint64_t> all;
    for (const auto& layer : busy_) {
      for (const auto& [unit, cycles] : layer) all[unit] += cycles;
    }
    return longest_of(all);
  }

 private:
  static std::pair<spec::Unit, uint64_t> longest_of(const std::map<UnitId, uint64_t>& busy) {
    std::pair<spec::Unit, uint64_t> longest{spec::Unit::Load, 0};
    for (const auto& [unit, cycles] : busy) {
      if (cycles > longest.second) longest = {unit.unit, cycles};
    }
    return longest;
  }

  void add(const ProgramMap& map, const timing::Event& event) {
    const compile::TileProgram& tile = model_.tiles[event.launch];
    const UnitId unit{{tile.x, tile.y}, event.unit};
    Unit& state = units_[unit];
    if (!event.retired) {
      state.begun.emplace(event.iteration * kPages + event.pc, event.cycle);
      return;
    }
    const auto begun = state.begun.find(event.iteration * kPages + event.pc);
    const uint64_t from = begun == state.begun.end() ? event.cycle : begun->second;
    if (begun != state.begun.end()) state.begun.erase(begun);
    const ProgramMap::Program* program = map.find(unit);
    const int layer = program->layer(event.iteration % map.phases(), event.pc);
    if (layer >= 0)
      busy_[static_cast<std::size_t>(layer)][unit] += event.cycle - std::max(from, state.retired);
    state.retired = event.cycle;
  }

  static constexpr uint64_t kPages = uint64_t{1} << 32;
  struct Unit {
    uint64_t retired = 0;
    std::map<uint64_t, uint64_t> begun;  // by iteration and command: cycle
  };
  const CompiledModel& model_;
  std::map<UnitId, Unit> units_;
  std::vector<std::map<UnitId, uint64_t>> busy_;
};

/// "compute: matrix busy 93 %".
std::string bound_text(spec::Unit unit, double share) {
  share = std::min(1.0, share);
  const bool computes = unit == spec::Unit::Matrix || unit == spec::Unit::Vector;
  return fmt::format("{}: {} busy {:.0f} %",
                     share < kBinds ? "waits"
                     : computes     ? "compute"
                                    : "transfer",
                     lower(spec::to_string(unit)), 100 * share);
}

void predict(const CompiledModel& model, const std::string& dram, Plan& plan) {
  std::vector<LayerPlan>& layers = plan.layers;
  const unsigned inputs = kSteps * model.inputs_at_once;
  const compile::RequestCycles request = compile::run_request(model, {inputs, dram, {}});
  const BusyCycles busy(model, request.events);
  // A tile works on its group's inputs alone.
  const double of_a_tile = static_cast<double>(inputs) / model.division.groups;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    LayerPlan& layer = layers[i];
    layer.cycles = static_cast<double>(model.layers[i].predicted_cycles);
    const auto [unit, cycles] = busy.longest(i);
    if (cycles == 0 || layer.cycles == 0) continue;
    layer.bound_by = bound_text(unit, static_cast<double>(cycles) / of_a_tile / layer.cycles);
  }
  const auto [unit, cycles] = busy.longest();
  if (plan.spacing > 0)
    plan.bound_by = bound_text(unit, static_cast<double>(cycles) / inputs / plan.spacing);
}

// --------------------------------------------------------------------------------------- in words

std::string tiles_text(const LayerPlan& layer) {
  std::vector<std::string> names;
  for (const golden::Node node : layer.tiles)
    names.push_back(fmt::format("({}, {})", node.x, node.y));
  std::string text = names.empty() ? "none" : fmt::format("{}", fmt::join(names, " "));
  if (!layer.division.empty()) text += "; the output's " + layer.division + " are divided";
  return text;
}

std::string commands_text(const LayerPlan& layer) {
  std::vector<std::string> counts;
  for (std::size_t u = 0; u < spec::NumUnits; ++u) {
    if (layer.commands[u] > 0)
      counts.push_back(fmt::format("{} {}", layer.commands[u],
                                   lower(spec::to_string(static_cast<spec::Unit>(u)))));
  }
  return fmt::format("{}", fmt::join(counts, ", "));
}

std::string moved_text(const LayerPlan& layer) {
  const Traffic& t = layer.traffic;
  std::vector<std::string> parts;
  if (t.host > 0) parts.push_back(fmt::format("{} bytes host", t.host));
  if (t.dram > 0) parts.push_back(fmt::format("{} bytes DRAM", t.dram));
  if (t.tiles > 0) parts.push_back(fmt::format("{} bytes between tiles", t.tiles));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string layer_text(const LayerPlan& layer) {
  const auto line = [](const char* name, const std::string& value) {
    return value.empty() ? "" : fmt::format("    {:<10} {}\n", name, value);
  };
  std::string text = fmt::format("  {} ({})\n", short_name(layer.name), layer.op);
  text += line("predicted", fmt::format("{:.0f} cycles{}", layer.cycles,
                                        layer.bound_by.empty() ? "" : "; " + layer.bound_by));
  text += line("tiles", tiles_text(layer));
  text += line("commands", commands_text(layer));
  text += line("loops", layer.loops);
  if (layer.resident > 0)
    text += line("resident", fmt::format("{} bytes of constants", layer.resident));
  text += line("moves", moved_text(layer));
  text += line("output", layer.output);
  return text;
}

std::string division_text(const compile::Division& division) {
  return fmt::format("{} group{}, {} in flight, {} stage{}", division.groups,
                     division.groups == 1 ? "" : "s", division.in_flight, division.stages,
                     division.stages == 1 ? "" : "s");
}

}  // namespace

Plan plan(const CompiledModel& model, const std::string& dram) {
  Plan plan;
  plan.config = model.config.name;
  plan.dram = dram;
  plan.division = model.division;
  plan.tiles = static_cast<unsigned>(model.tiles.size());
  plan.latency = model.latency;
  plan.spacing = model.spacing;
  plan.pages = model.phases;
  for (const compile::TileProgram& tile : model.tiles)
    plan.program = std::max<uint64_t>(plan.program, tile.image.size());
  for (const compile::Segment& segment : model.segments) plan.constants += segment.bytes.size();
  const Commands commands(model);
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const compile::Layer& layer = model.layers[i];
    plan.layers.push_back({});
    plan.layers.back().name = layer.name;
    plan.layers.back().op = layer.op;
    plan.layers.back().mac = layer.mac;
    commands.describe(i, plan.layers.back());
  }
  describe_places(model, plan.layers);
  predict(model, dram, plan);
  return plan;
}

std::string text(const Plan& plan, bool explain) {
  const auto row = [](const char* name, const std::string& value) {
    return fmt::format("  {:<32} {}\n", name, value);
  };
  std::string text = fmt::format("{} for {} ({} tiles: {})\n", plan.model, plan.config, plan.tiles,
                                 division_text(plan.division));
  if (explain) {
    for (const LayerPlan& layer : plan.layers) text += layer_text(layer);
  }
  text += row("layers", fmt::format("{}", plan.layers.size()));
  text += row("predicted from input to input",
              fmt::format("{:.0f} cycles{}", plan.spacing,
                          plan.bound_by.empty() ? "" : "; " + plan.bound_by));
  if (plan.latency > 0)
    text += row("predicted for one input alone", fmt::format("{} cycles", plan.latency));
  text += row("commands of a tile",
              fmt::format("{} bytes at most{}", plan.program,
                          plan.pages > 1 ? fmt::format(", in {} pages", plan.pages) : ""));
  text += row("constants in DRAM", fmt::format("{} bytes", plan.constants));
  text += row("compiled in", fmt::format("{:.2f} s", plan.compile_s));
  return text;
}

std::string json(const Plan& plan) {
  nlohmann::ordered_json j = {{"model", plan.model},
                              {"config", plan.config},
                              {"dram", plan.dram},
                              {"tiles", plan.tiles},
                              {"groups", plan.division.groups},
                              {"in_flight", plan.division.in_flight},
                              {"stages", plan.division.stages},
                              {"predicted_input_spacing", plan.spacing},
                              {"bound_by", plan.bound_by},
                              {"predicted_latency", plan.latency},
                              {"program_bytes", plan.program},
                              {"constant_bytes", plan.constants},
                              {"pages", plan.pages},
                              {"compile_s", plan.compile_s}};
  j["layers"] = nlohmann::ordered_json::array();
  for (const LayerPlan& layer : plan.layers) {
    nlohmann::ordered_json l = {{"name", layer.name},
                                {"operator", layer.op},
                                {"mac", layer.mac},
                                {"predicted_cycles", layer.cycles},
                                {"bound_by", layer.bound_by},
                                {"loops", layer.loops},
                                {"divided", layer.division},
                                {"resident_bytes", layer.resident},
                                {"dram_bytes", layer.traffic.dram},
                                {"host_bytes", layer.traffic.host},
                                {"tile_bytes", layer.traffic.tiles},
                                {"output", layer.output}};
    l["tiles"] = nlohmann::ordered_json::array();
    for (const golden::Node node : layer.tiles) l["tiles"].push_back({node.x, node.y});
    for (std::size_t u = 0; u < spec::NumUnits; ++u)
      l["commands"][spec::to_string(static_cast<spec::Unit>(u))] = layer.commands[u];
    j["layers"].push_back(std::move(l));
  }
  return j.dump(2) + "\n";
}

}  // namespace systole::report
