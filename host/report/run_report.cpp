#include "host/report/run_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/report/counters.hpp"

namespace systole::report {
namespace {

nlohmann::json verdict_json(const std::optional<bool>& matches) {
  return matches ? nlohmann::json(*matches) : nlohmann::json(nullptr);
}

std::string row(const std::string& name, const std::string& value) {
  return fmt::format("  {:<32} {}\n", name, value);
}

std::string percent(const std::optional<double>& fraction) {
  return fraction ? fmt::format("{:+.1f}%", 100 * *fraction) : "-";
}

/// ", predicted 4711 (-0.3%)"
std::string prediction(double predicted, double measured) {
  if (predicted == 0) return "";
  return fmt::format(", predicted {:.0f} ({})", predicted,
                     percent(prediction_error(predicted, measured)));
}

nlohmann::ordered_json number_json(const std::optional<double>& number) {
  return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json(nullptr);
}

std::string layer_row(const RunReport& r, const LayerReport& layer) {
  const double peak = layer.cycles * r.peak_mac_per_cycle();
  return fmt::format("  {:<32.32} {:<18.18} {:>9.0f} {:>9.0f} {:>6} {:>11} {:>6.1f}% {}\n",
                     short_name(layer.name), layer.op, layer.cycles, layer.predicted_cycles,
                     percent(layer.prediction_error()), layer.mac,
                     peak == 0 ? 0 : 100.0 * static_cast<double>(layer.mac) / peak,
                     layer.bound_by.empty() ? "-" : layer.bound_by);
}

std::string layer_table(const RunReport& r) {
  std::string text =
      fmt::format("  {:<32} {:<18} {:>9} {:>9} {:>6} {:>11} {:>7} {}\n", "layer", "operator",
                  "cycles", "predicted", "off by", "MAC", "util", "bound by");
  for (const LayerReport& layer : r.layers) text += layer_row(r, layer);
  return text;
}

nlohmann::ordered_json layer_json(const LayerReport& layer) {
  nlohmann::ordered_json j = {{"name", layer.name},
                              {"operator", layer.op},
                              {"cycles", layer.cycles},
                              {"mac", layer.mac},
                              {"predicted_cycles", layer.predicted_cycles},
                              {"bound_by", layer.bound_by},
                              {"badly_predicted", layer.badly_predicted()},
                              {"dram_bytes", layer.traffic.dram},
                              {"host_bytes", layer.traffic.host},
                              {"tile_bytes", layer.traffic.tiles}};
  j["prediction_error"] = number_json(layer.prediction_error());
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    j["states"][spec::to_string(static_cast<spec::Unit>(u))] = states_json(layer.states[u].states);
  }
  return j;
}

nlohmann::ordered_json wait_json(const WaitReport& wait) {
  return {{"x", wait.who.node.x},
          {"y", wait.who.node.y},
          {"unit", spec::to_string(wait.who.unit)},
          {"semaphore", wait.semaphore},
          {"posted_by", wait.posted_by},
          {"cycles", wait.cycles}};
}

uint64_t refusals_of(const ChipCounters& counters) {
  uint64_t sum = 0;
  for (const TileCounters& tile : counters.tiles) sum += tile.scratchpad_refusals;
  return sum;
}

/// Where a run that was predicted goes another way, its scratchpads mostly refuse another number.
std::string refusals_row(const RunReport& r) {
  if (!r.counters || r.predicted_cycles == 0) return "";
  const uint64_t refusals = refusals_of(*r.counters);
  return row("scratchpad refusals",
             fmt::format("{}", refusals) + prediction(static_cast<double>(r.predicted_refusals),
                                                      static_cast<double>(refusals)));
}

/// Layers that the prediction has missed, with what bounds them: what it did not know of is there.
std::string surprises(const RunReport& r) {
  std::string text;
  for (const LayerReport& layer : r.layers) {
    if (!layer.badly_predicted()) continue;
    text += row("predicted otherwise",
                fmt::format("{}: {:+.0f} cycles; {}", short_name(layer.name),
                            layer.predicted_cycles - layer.cycles, layer.bound_by));
  }
  return text;
}

}  // namespace

const char* verdict(const std::optional<bool>& matches) {
  if (!matches) return "not compared";
  return *matches ? "yes" : "NO";
}

std::optional<double> prediction_error(double predicted, double measured) {
  if (predicted == 0 || measured == 0) return std::nullopt;
  return predicted / measured - 1;
}

std::optional<double> LayerReport::prediction_error() const {
  return report::prediction_error(predicted_cycles, cycles);
}

bool LayerReport::badly_predicted() const {
  if (!prediction_error()) return false;
  return std::abs(predicted_cycles - cycles) >
         std::max(kPredictionBound * cycles, kPredictionCycles);
}

double RunReport::peak_mac_per_cycle() const {
  return double{spec::ArrayCols} * spec::ArrayDepth * tiles;
}

double RunReport::utilization() const {
  const double peak = static_cast<double>(chip_cycles) * peak_mac_per_cycle();
  return peak == 0 ? 0 : static_cast<double>(mac) * static_cast<double>(inputs) / peak;
}

double RunReport::cycles_per_input() const {
  return inputs == 0 ? 0 : static_cast<double>(chip_cycles) / static_cast<double>(inputs);
}

bool RunReport::agrees() const {
  return matches_model.value_or(true) && matches_reference.value_or(true) &&
         matches_recorded.value_or(true);
}

namespace {

/// "4 tiles", "4 tiles in 2 groups, 2 inputs in flight in each".
std::string division(const RunReport& r) {
  std::string text = fmt::format("{} tiles", r.tiles);
  if (r.groups > 1) text += fmt::format(" in {} groups", r.groups);
  if (r.stages > 1) text += fmt::format(", a stage of the network each");
  if (r.in_flight > 1)
    text += fmt::format(", {} inputs in flight{}", r.in_flight, r.groups > 1 ? " in each" : "");
  return text;
}

}  // namespace

std::string table(const RunReport& r) {
  std::string text = fmt::format("{} on {} ({}, {})\n", r.model, r.device, r.config, division(r));
  if (!r.layers.empty() && r.chip_cycles != 0 && r.events) text += layer_table(r);
  text += row("inputs", fmt::format("{}", r.inputs));
  if (r.accuracy) text += row("accuracy", fmt::format("{:.2f} %", 100 * *r.accuracy));
  text += row("bit-exact to functional model", verdict(r.matches_model));
  text += row("bit-exact to graph reference", verdict(r.matches_reference));
  if (r.matches_recorded)
    text += row("recorded outputs", (*r.matches_recorded ? "" : "NO, ") + r.recorded);
  if (r.chip_cycles != 0) {
    text += row("chip cycles",
                fmt::format("{} ({:.0f} an input)", r.chip_cycles, r.cycles_per_input()) +
                    prediction(r.predicted_cycles, static_cast<double>(r.chip_cycles)));
    text += row("cycles from input to input",
                r.input_spacing ? fmt::format("{:.0f}", *r.input_spacing) +
                                      prediction(r.predicted_spacing, *r.input_spacing)
                                : "-");
    text +=
        row("latency of an input", fmt::format("{:.0f} cycles; {} with the weights' way from DRAM",
                                               r.input_latency, r.cold_latency));
    text += row("loading of programs", fmt::format("{} cycles from reset", r.loading_cycles));
    text += refusals_row(r) + surprises(r);
    text += row("MAC utilization", fmt::format("{:.1f} %", 100 * r.utilization()));
    text += row("control core awake",
                fmt::format("{:.1f} %", 100.0 * static_cast<double>(r.core_awake_cycles) /
                                            static_cast<double>(r.chip_cycles)));
    if (!r.observable) text += row("counters", "no counters in this build");
    text += row("simulated cycles per second", fmt::format("{:.0f}", r.sim_cycles_per_s));
  }
  if (r.lockstep_commands != 0)
    text += row("commands judged in lockstep", fmt::format("{}", r.lockstep_commands));
  text += row("wall time",
              fmt::format("{:.2f} s, of which the compiler took {:.2f}", r.wall_s, r.compile_s));
  return text;
}

nlohmann::ordered_json scale_json(const RunReport& r, std::size_t i) {
  const ScalePoint& point = r.scaling[i];
  nlohmann::ordered_json j = {{"config", point.config},
                              {"tiles", point.tiles},
                              {"channels", point.channels},
                              {"predicted_input_spacing", point.cycles}};
  j["speed_up"] = number_json(speed_up(r.scaling, i));
  j["efficiency"] = number_json(efficiency(r.scaling, i));
  j["bound_by"] = point.bound_by;
  return j;
}

std::string json(const RunReport& r) {
  nlohmann::ordered_json j;
  j["model"] = r.model;
  j["device"] = r.device;
  j["config"] = r.config;
  j["tiles"] = r.tiles;
  j["groups"] = r.groups;
  j["in_flight"] = r.in_flight;
  j["stages"] = r.stages;
  j["inputs"] = r.inputs;
  if (r.accuracy) j["accuracy"] = *r.accuracy;
  j["chip_cycles"] = r.chip_cycles;
  j["cycles_per_input"] = r.cycles_per_input();
  j["predicted_cycles"] = r.predicted_cycles;
  j["prediction_error"] =
      number_json(prediction_error(r.predicted_cycles, static_cast<double>(r.chip_cycles)));
  if (r.counters) j["scratchpad_refusals"] = refusals_of(*r.counters);
  j["predicted_scratchpad_refusals"] = r.predicted_refusals;
  if (r.input_spacing) j["input_spacing"] = *r.input_spacing;
  j["predicted_input_spacing"] = r.predicted_spacing;
  j["input_spacing_prediction_error"] =
      number_json(prediction_error(r.predicted_spacing, r.input_spacing.value_or(0)));
  j["input_latency"] = r.input_latency;
  j["cold_latency"] = r.cold_latency;
  j["loading_cycles"] = r.loading_cycles;
  j["mac"] = r.mac * r.inputs;
  j["utilization"] = r.utilization();
  j["sim_cycles_per_s"] = r.sim_cycles_per_s;
  j["wall_s"] = r.wall_s;
  j["compile_s"] = r.compile_s;
  j["core_awake_cycles"] = r.core_awake_cycles;
  j["lockstep_commands"] = r.lockstep_commands;
  j["observable"] = r.observable;
  j["events"] = r.events;
  j["bit_exact"]["functional_model"] = verdict_json(r.matches_model);
  j["bit_exact"]["graph_reference"] = verdict_json(r.matches_reference);
  j["bit_exact"]["recorded_outputs"] = verdict_json(r.matches_recorded);
  j["layers"] = nlohmann::ordered_json::array();
  for (const LayerReport& layer : r.layers) j["layers"].push_back(layer_json(layer));
  j["waits"] = nlohmann::ordered_json::array();
  for (const WaitReport& wait : r.waits) j["waits"].push_back(wait_json(wait));
  for (std::size_t i = 0; i < r.scaling.size(); ++i) j["scaling"].push_back(scale_json(r, i));
  if (r.counters) j["counters"] = counters_json(*r.counters);
  return j.dump(2) + "\n";
}

}  // namespace systole::report
