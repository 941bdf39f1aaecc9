#include "host/report/html.hpp"

#include <fmt/format.h>

#include <cmath>

#include "host/report/svg.hpp"

namespace systole::report {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1a1a1a;
  background: #fff; max-width: 1180px; margin: 0 auto; padding: 16px 20px 48px; }
h1 { font-size: 26px; margin: 8px 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 36px 0 4px; border-bottom: 2px solid #1a1a1a; padding-bottom: 3px; }
p { margin: 6px 0 10px; max-width: 900px; }
.lead { color: #444; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); gap: 10px;
  margin: 16px 0; }
dl div { border: 1px solid #888; border-radius: 4px; padding: 7px 11px; }
dt { font-size: 12.5px; color: #444; }
dd { margin: 0; font-size: 18px; font-weight: 600; overflow-wrap: anywhere; }
dd small { display: block; font-size: 12.5px; font-weight: 400; color: #444; }
.bad { border: 3px solid #a01822; }
svg[role=img] { width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1a1a1a; }
svg .small { font-size: 11px; }
svg .strong { font-weight: 700; }
svg .halo { paint-order: stroke; stroke: #fff; stroke-width: 3.5px; stroke-linejoin: round; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; border-bottom: 2px solid #1a1a1a; padding: 4px 7px; vertical-align: bottom; }
td { border-bottom: 1px solid #bbb; padding: 4px 7px; vertical-align: top; }
.wide { min-width: 215px; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td svg[role=img] { width: 110px; height: 22px; display: block; }
figure { margin: 8px 0 0; }
figcaption { color: #444; font-size: 13.5px; max-width: 900px; margin-top: 4px; }
@media print { body { max-width: none; } h2 { break-after: avoid; } figure { break-inside: avoid; } }
)";

std::string card(const std::string& name, const std::string& value, const std::string& more = "",
                 bool bad = false) {
  return fmt::format("<div{}><dt>{}</dt><dd>{}{}</dd></div>\n", bad ? " class=\"bad\"" : "",
                     escape(name), escape(value),
                     more.empty() ? "" : " <small>" + escape(more) + "</small>");
}

std::string judgement(const std::string& name, const std::optional<bool>& matches) {
  return card(name, verdict(matches), "", matches && !*matches);
}

std::string speed_text(const RunReport& r) {
  if (r.sim_cycles_per_s == 0) return "";
  return fmt::format("cycles/s: a second of the chip takes {} s",
                     with_commas(static_cast<uint64_t>(1e9 / r.sim_cycles_per_s)));
}

std::string summary(const RunReport& r) {
  std::string text = "<dl>\n";
  text += card("configuration", r.config,
               fmt::format("{} x {} nodes, {} tiles used", r.cols, r.rows, r.tiles));
  text += card("DRAM", r.dram,
               r.rows > 1 ? fmt::format("{} channel{}", r.rows - 1, r.rows == 2 ? "" : "s") : "");
  text += card("inputs", with_commas(r.inputs));
  if (r.accuracy) text += card("accuracy", fmt::format("{:.2f} %", 100 * *r.accuracy));
  text += judgement("bit-exact to functional model", r.matches_model);
  text += judgement("bit-exact to graph reference", r.matches_reference);
  if (r.matches_recorded) text += judgement("recorded outputs", r.matches_recorded);
  text += card("chip cycles", with_commas(r.chip_cycles),
               fmt::format("{:.0f} an input", r.cycles_per_input()));
  text += card(
      "MAC utilization", fmt::format("{:.1f} %", 100 * r.utilization()),
      fmt::format("of {} MAC a cycle", with_commas(static_cast<uint64_t>(r.peak_mac_per_cycle()))));
  if (r.chip_cycles != 0) {
    text += card("control core awake",
                 fmt::format("{:.1f} %", 100.0 * static_cast<double>(r.core_awake_cycles) /
                                             static_cast<double>(r.chip_cycles)));
  }
  if (r.lockstep_commands != 0)
    text += card("commands judged in lockstep", with_commas(r.lockstep_commands));
  text += card("simulation speed", with_commas(static_cast<uint64_t>(r.sim_cycles_per_s)),
               speed_text(r));
  text += card("wall time", fmt::format("{:.2f} s", r.wall_s), "compiling, checking included");
  return text + "</dl>\n";
}

/// A chart with its heading and what to know to read it; nothing without the chart.
std::string section(const std::string& heading, const std::string& lead, const std::string& chart,
                    const std::string& caption = "") {
  if (chart.empty()) return "";
  std::string text =
      fmt::format("<h2>{}</h2>\n<p class=\"lead\">{}</p>\n", escape(heading), escape(lead));
  text += "<figure><div class=\"scroll\">\n" + chart + "</div>\n";
  if (!caption.empty()) text += "<figcaption>" + escape(caption) + "</figcaption>\n";
  return text + "</figure>\n";
}

/// What a reader would look for in vain.
std::string missing(const RunReport& r) {
  std::string text;
  if (!r.observable) {
    text += fmt::format(
        "<p><strong>No counters in this build</strong> of the chip: make build-{} has them.</p>\n",
        escape(r.config));
  }
  if (!r.events) text += "<p>Commands were not followed (--events off): no cycles of layers.</p>\n";
  return text;
}

/// What the run says of such predictions.
std::string this_run(const RunReport& r) {
  if (!r.input_spacing || r.predicted_spacing == 0) return "";
  return fmt::format(
      "This run, {} inputs on {} tiles of the chip: {} cycles from input to input measured, {} "
      "predicted.",
      with_commas(r.inputs), r.tiles,
      with_commas(static_cast<uint64_t>(std::lround(*r.input_spacing))),
      with_commas(static_cast<uint64_t>(std::lround(r.predicted_spacing))));
}

std::string sections(const RunReport& r) {
  std::string text;
  text +=
      section("Layers",
              "Cycles of one input, mean over all, from the begin of a layer's first command to "
              "the retirement of its last one; layers may overlap. Bound by: what the unit that "
              "is busy longest spends most of its cycles in the layer on.",
              r.events ? layer_rows(r) : "");
  text += section(
      "Roofline",
      "Each layer's speed over what it moves to and from DRAM, both axes logarithmic. No point "
      "can lie above a solid line: the level one is what the matrix units can do, the slope "
      "what DRAM delivers. Broken slopes: what the NoC's ports to memory and what the "
      "scratchpads would deliver.",
      r.events ? roofline_chart(r) : "");
  text += section("Where the cycles of each unit went",
                  "Of the run after loading. In every cycle a unit is in exactly one state, or its "
                  "tile's clock stands still; a bar is the whole run.",
                  tile_states_chart(r) + wait_rows(r),
                  "What each state means: docs/reference/enums.md, unit_state.");
  text += section("Where the cycles of each layer went",
                  "Cycles of one input by unit, mean over the tiles. A unit's cycles since the end "
                  "of the command before belong to the command that it retires, so a wait at a "
                  "layer's begin is that layer's.",
                  r.events ? layer_states_chart(r) : "");
  text += section("Network on chip",
                  "Load of every link: cycles in which it passed a flit of 32 bytes, over all "
                  "cycles of the run. Thicker is busier; dotted passed nothing. \"To node\" is the "
                  "router's port to its own tile or memory.",
                  mesh_chart(r) + link_rows(r));
  text += section("DRAM",
                  "Row hits find their row open, misses a closed bank, conflicts another row. Bus "
                  "utilization is the share of the run in which data passed the channel's pins.",
                  dram_chart(r));
  text += section(
      "More tiles",
      "The same network, a long stream of inferences, on 1 tile and more of this configuration and "
      "on larger ones, each with a plan of its own. Predicted by the compiler's model of the "
      "chip's cycles, not run; the MLPerf Tiny networks run within 0.03 % of its predictions. "
      "Bound by: the unit that is busy longest (waits: none is for half of the time), and how much "
      "of DRAM's bandwidth is taken.",
      scaling_chart(r) + scaling_rows(r), this_run(r));
  return text;
}

}  // namespace

std::string html(const RunReport& r) {
  std::string text =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  text += fmt::format("<title>Systole: {}</title>\n<style>{}</style></head>\n<body>\n",
                      escape(r.model), kStyle);
  text += pattern_definitions();
  text += fmt::format(
      "<h1>{}</h1>\n<p class=\"lead\">One run on the simulated chip, Systole {}. A "
      "cycle is 1 ns.</p>\n",
      escape(r.model), escape(r.commit));
  return text + summary(r) + missing(r) + sections(r) + "</body></html>\n";
}

}  // namespace systole::report
