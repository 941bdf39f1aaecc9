// A run as one HTML page that needs nothing but itself: charts are inline SVG, no script, no
// network.
#pragma once

#include <string>

#include "host/report/run_report.hpp"

namespace systole::report {

std::string html(const RunReport& report);

/// The charts of the page, each an <svg>; empty when the run has nothing to show in it.
std::string roofline_chart(const RunReport& report);      // html_roofline.cpp
std::string tile_states_chart(const RunReport& report);   // html_stalls.cpp
std::string layer_states_chart(const RunReport& report);  // html_stalls.cpp
std::string mesh_chart(const RunReport& report);          // html_mesh.cpp
std::string dram_chart(const RunReport& report);          // html_dram.cpp
std::string scaling_chart(const RunReport& report);       // html_scaling.cpp
std::string wait_rows(const RunReport& report);     // html_stalls.cpp: a <table> of the longest
std::string layer_rows(const RunReport& report);    // html_layers.cpp: a <table>
std::string link_rows(const RunReport& report);     // html_mesh.cpp: a <table> of the busiest
std::string scaling_rows(const RunReport& report);  // html_scaling.cpp: a <table>

/// Bytes that a channel's data bus passes in a cycle: 25.6 GB/s with both timings of
/// host/timing/dram_timing.cpp.
constexpr double kDramBytesPerCycle = 25.6;

}  // namespace systole::report
