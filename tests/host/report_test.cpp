// What a run's report says: which command of which layer ran when, who fed whom, where cycles went;
// as a table, as JSON, as a timeline and as a page.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "host/command/error.hpp"
#include "host/command/output_file.hpp"
#include "host/driver/batch.hpp"
#include "host/import/npy.hpp"
#include "host/report/command_trace.hpp"
#include "host/report/counters.hpp"
#include "host/report/executions.hpp"
#include "host/report/html.hpp"
#include "host/report/layer_cycles.hpp"
#include "host/report/run_recorder.hpp"
#include "host/report/svg.hpp"
#include "host/timing/dram_timing.hpp"
#include "tests/host/toy_chip.hpp"

using namespace systole;
using namespace systole::report;
using namespace systole::test;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

namespace fs = std::filesystem;

const std::string kScratch = "build/test/host_report/";

/// Writes of this program beyond so many bytes of a file fail, as those to a full disk do.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

compile::CompiledModel digits(const std::string& name, const std::string& config = "small",
                              unsigned page_commands = 0) {
  const std::string folder = "tests/models/digits/";
  const onnx::Model model = onnx::load(folder + name + ".onnx");
  const Batch batch = make_batch(model, {{"image", npy::load(folder + name + "_images.npy")}});
  return compile::compile(batch.graph, chip_config(config), {0, false, page_commands, 1, {}});
}

RunReport report_of(const compile::CompiledModel& model, uint64_t inputs) {
  RunReport report;
  report.model = "tests/models/<digits>.onnx";
  report.device = "chip";
  report.config = model.config.name;
  report.commit = "abc";
  report.dram = "ddr4-3200";
  report.tiles = static_cast<unsigned>(model.tiles.size());
  report.cols = model.config.num_cols;
  report.rows = model.config.num_rows;
  report.inputs = inputs;
  report.matches_reference = true;
  report.sim_cycles_per_s = 250000;
  for (const compile::Layer& layer : model.layers) {
    LayerReport out;
    out.name = layer.name, out.op = layer.op, out.mac = layer.mac;
    out.predicted_cycles = layer.predicted_cycles;
    report.layers.push_back(out);
    report.mac += layer.mac;
  }
  return report;
}

/// A model that has run on the toy chip: two launches, a rest between them.
struct ToyRun {
  explicit ToyRun(compile::CompiledModel compiled, uint64_t inputs = 3)
      : model(std::move(compiled)), chip(model), recorder(model, chip, {true, 100}) {
    chip.observe([this](const CommandEvent& event) { recorder.add(event); });
    chip.rest(500);
    recorder.loaded();
    const uint64_t start = chip.cycles();
    REQUIRE(chip.run(inputs));
    const uint64_t middle = chip.cycles();
    chip.rest(300);
    const uint64_t second = chip.cycles();
    REQUIRE(chip.run(inputs));
    requests = {{static_cast<uint32_t>(inputs), start, middle, 20},
                {static_cast<uint32_t>(inputs), second, chip.cycles(), 20}};
    report = report_of(model, 2 * inputs);
    report.chip_cycles = chip.cycles() - start;
    recorder.finish(start, report);
  }

  Json timeline() {
    fs::create_directories(kScratch);
    recorder.write_timeline(kScratch + "timeline.json", requests);
    std::ifstream file(kScratch + "timeline.json");
    return Json::parse(file);
  }

  compile::CompiledModel model;
  ToyChip chip;
  RunRecorder recorder;
  std::vector<RequestReport> requests;
  RunReport report;
};

StateCounts states(uint32_t busy, uint32_t waiting = 0) {
  StateCounts counts{};
  counts[static_cast<std::size_t>(spec::UnitState::Busy)] = busy;
  counts[static_cast<std::size_t>(spec::UnitState::WaitSemaphore)] = waiting;
  return counts;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

// -----------------------------------------------------------------------------------------
// programs

TEST_CASE("program map: knows the words and the layer of each command", "[report]") {
  const compile::CompiledModel model = digits("mlp");
  const ProgramMap map(model);
  CHECK(map.programs().size() == 4 * spec::NumUnits);
  std::set<int> layers;
  for (const auto& [unit, program] : map.programs()) {
    REQUIRE(program.length > 0);
    CHECK(spec::CommandHeader::decode(program.commands.back()).opcode == spec::Opcode::End);
    CHECK(spec::CommandHeader::decode(program.words(0, program.loop)).opcode == spec::Opcode::Loop);
    for (uint32_t pc = 0; pc < program.length; ++pc) layers.insert(program.layer(0, pc));
    CHECK(program.layer(0, program.loop + 1) == -1);
    if (program.body > 0) CHECK(program.layer(0, program.body - 1) == -1);
  }
  CHECK(layers.size() == model.layers.size() + 1);  // and -1
  CHECK(map.find({{0, 0}, spec::Unit::Load}) == nullptr);
}

TEST_CASE("program map: a model in pages has the commands of each page", "[report]") {
  const compile::CompiledModel model = digits("cnn", "tiny", 60);
  REQUIRE(model.phases > 1);
  const ProgramMap map(model);
  std::set<int> layers;
  for (const auto& [unit, program] : map.programs()) {
    REQUIRE(program.commands.size() == model.phases * program.length);
    for (std::size_t phase = 0; phase < model.phases; ++phase) {
      for (uint32_t pc = 0; pc < program.length; ++pc) {
        const auto opcode = spec::CommandHeader::decode(program.words(phase, pc)).opcode;
        const int layer = program.layer(phase, pc);
        layers.insert(layer);
        // A page's words and its layers are of the same page: matrix commands have MACs to do.
        if (opcode == spec::Opcode::Matmul)
          CHECK(model.layers.at(static_cast<std::size_t>(layer)).mac > 0);
      }
    }
  }
  CHECK(layers.size() > 5);
}

TEST_CASE("program map: says who posts a semaphore, here and from other tiles", "[report]") {
  const ProgramMap map(digits("mlp"));
  bool remote = false;
  for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
    for (const UnitId& poster : map.posters({1, 0}, s))
      remote |= !(poster.node == golden::Node{1, 0});
  }
  CHECK(remote);
  CHECK(map.posters_text({1, 0}, 0) == "load");
  CHECK_THAT(map.posters_text({1, 0}, 14), Contains("of 3 other tiles"));
  CHECK(map.posters_text({7, 7}, 3) == "nobody");
}

TEST_CASE("program map: traffic is told by the memory at the other end", "[report]") {
  spec::LoadCommand load;
  load.run = 100, load.count0 = 3, load.count1 = 2;
  load.addr = spec::DramBase + 5;
  CHECK(traffic_of(load.encode()).dram == 600);
  load.addr = spec::HostMemBase;
  CHECK(traffic_of(load.encode()).host == 600);
  spec::StoreCommand store;
  store.run = 32, store.count0 = store.count1 = 1;
  store.addr = golden::scratchpad_address({1, 1}, 0);
  CHECK(traffic_of(store.encode()).tiles == 32);
  CHECK(traffic_of(spec::MatmulCommand{}.encode()).dram == 0);

  const compile::CompiledModel model = digits("mlp");
  const ProgramMap map(model);
  CHECK(map.traffic(0).host >= model.inputs[0].bytes);
  CHECK(map.traffic(model.layers.size() - 1).host >= model.outputs[0].bytes);
}

// ----------------------------------------------------------------------------------------
// executions

TEST_CASE("executions: commands that overlap share no cycle", "[report]") {
  const ProgramMap map(digits("mlp"));
  const UnitId load{{1, 0}, spec::Unit::Load};
  const auto& program = *map.find(load);
  std::vector<uint32_t> pcs;  // two loads, one behind the other
  for (uint32_t pc = 0; pc < program.length && pcs.size() < 2; ++pc) {
    if (!is_internal(spec::CommandHeader::decode(program.words(0, pc)).opcode)) pcs.push_back(pc);
  }
  REQUIRE(pcs.size() == 2);
  std::vector<Execution> seen;
  ExecutionTracker tracker(map, [&](const Execution& e) { seen.push_back(e); });
  const auto event = [&](uint32_t pc, uint64_t cycle, bool retired, StateCounts counts) {
    tracker.add({load.node, load.unit, pc, cycle, retired, counts});
  };
  event(pcs[0], 100, false, states(10, 5));
  event(pcs[1], 110, false, states(20, 5));
  event(pcs[0], 130, true, states(40, 5));
  event(pcs[1], 150, true, states(58, 7));
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].begin == 100);
  CHECK(seen[0].end == 130);
  CHECK(sum(seen[0].during) == 30);
  CHECK(seen[1].taken == 110);
  CHECK(seen[1].begin == 130);
  CHECK(sum(seen[1].before) == 0);
  CHECK(seen[1].during == states(18, 2));
}

TEST_CASE("executions: a unit's cycles are those of its commands, each once", "[report]") {
  const compile::CompiledModel model = digits("cnn");
  ToyChip chip(model);
  const ProgramMap map(model);
  std::map<UnitId, uint64_t> cycles, last_end;
  ExecutionTracker tracker(map, [&](const Execution& e) {
    cycles[e.where] += sum(e.before) + sum(e.during);
    CHECK(e.begin >= last_end[e.where]);
    CHECK(e.begin <= e.end);
    last_end[e.where] = e.end;
  });
  chip.observe([&](const CommandEvent& event) { tracker.add(event); });
  REQUIRE(chip.run(2));
  for (const TileCounters& tile : chip.counters().tiles) {
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      const auto unit = static_cast<spec::Unit>(u);
      const StateCounts& counted = tile.units[u].states;
      // Before its first event nothing is known of a unit; behind its End it has no work.
      const uint64_t all =
          sum(counted) - counted[static_cast<std::size_t>(spec::UnitState::NoWork)];
      CHECK(cycles[{tile.node, unit}] <= all);
      CHECK(cycles[{tile.node, unit}] + 1000 > all);
    }
  }
}

TEST_CASE("executions: inputs and pages are counted over launches", "[report]") {
  const compile::CompiledModel model = digits("cnn", "tiny", 60);
  REQUIRE(model.phases > 1);
  ToyChip chip(model);
  const ProgramMap map(model);
  std::map<int, std::set<uint64_t>> inputs;  // by layer
  ExecutionTracker tracker(map, [&](const Execution& e) { inputs[e.layer].insert(e.input); });
  chip.observe([&](const CommandEvent& event) { tracker.add(event); });
  REQUIRE(chip.run(2));
  REQUIRE(chip.run(1));
  for (const auto& [layer, seen] : inputs) {
    if (layer >= 0) CHECK(seen == std::set<uint64_t>{0, 1, 2});
  }
}

TEST_CASE("flows: the n-th post feeds the n-th take", "[report]") {
  std::vector<std::pair<std::size_t, std::size_t>> flows;
  SemaphoreFlows tracker([&](const Execution& from, const Execution& to, unsigned semaphore) {
    CHECK(semaphore == 3);
    flows.emplace_back(from.id, to.id);
  });
  const auto execution = [](std::size_t id, uint16_t waits, uint16_t posts, uint64_t end) {
    Execution e;
    e.id = id, e.where = {{1, 0}, spec::Unit::Load}, e.end = end;
    e.header.wait_mask = waits, e.header.post_mask = posts;
    return e;
  };
  CHECK_FALSE(tracker.add(execution(1, 0, 1 << 3, 10)));
  CHECK_FALSE(tracker.add(execution(2, 0, 1 << 3, 20)));
  CHECK(tracker.add(execution(3, 1 << 3, 0, 30)) == 3u);
  CHECK(tracker.add(execution(4, 1 << 3, 0, 40)) == 3u);
  CHECK(tracker.add(execution(5, 1 << 3, 0, 50)) == 3u);  // the post travels with data
  Execution remote = execution(6, 0, 0, 60);
  remote.where.node = {2, 1};
  remote.header.remote_en = true;
  remote.header.remote_sem = 3, remote.header.remote_x = 1, remote.header.remote_y = 0;
  tracker.add(remote);
  CHECK(flows == std::vector<std::pair<std::size_t, std::size_t>>{{1, 3}, {2, 4}, {6, 5}});
}

TEST_CASE("flows: of several semaphores the one posted last was waited for", "[report]") {
  SemaphoreFlows tracker;
  Execution early, late, taker;
  early.header.post_mask = 1 << 7, early.end = 10;
  late.header.post_mask = 1 << 2, late.end = 20;
  taker.header.wait_mask = 1 << 2 | 1 << 7;
  tracker.add(early);
  tracker.add(late);
  CHECK(tracker.add(taker) == 2u);
}

// --------------------------------------------------------------------------------------------
// layers

TEST_CASE("layers: bound by the largest state of the unit that is busy longest", "[report]") {
  const ProgramMap map(digits("mlp"));
  const auto bound = [&](spec::Unit unit, StateCounts counts, std::optional<unsigned> semaphore) {
    LayerStates layers(map);
    Execution e;
    e.layer = 1;
    e.where = {{1, 0}, unit};
    e.during = counts;
    layers.add(e, semaphore);
    Execution other = e;
    other.where.unit = unit == spec::Unit::Store ? spec::Unit::Load : spec::Unit::Store;
    other.during = states(1, 500);
    layers.add(other, std::nullopt);
    return layers.bound_by(1);
  };
  CHECK(bound(spec::Unit::Matrix, states(60, 40), 0u) == "compute: matrix busy 60 %");
  CHECK(bound(spec::Unit::Load, states(60, 40), 0u) == "transfer: load busy 60 %");
  CHECK(bound(spec::Unit::Matrix, states(40, 60), 0u) ==
        "matrix waits for load (semaphore 0) 60 %");
  StateCounts scratchpad = states(10);
  scratchpad[static_cast<std::size_t>(spec::UnitState::Scratchpad)] = 30;
  CHECK(bound(spec::Unit::Vector, scratchpad, std::nullopt) == "vector: Scratchpad 75 %");
  CHECK(LayerStates(map).bound_by(1).empty());
}

TEST_CASE("layers: measured and predicted stand side by side in table and JSON", "[report]") {
  ToyRun run(digits("mlp"));
  run.report.layers[1].predicted_cycles = 50;
  run.report.layers[1].cycles = 40;
  const std::string text = table(run.report);
  CHECK_THAT(text, Contains("predicted") && Contains("bound by") && Contains("+25.0%"));
  const Json j = Json::parse(report::json(run.report));
  CHECK(j["layers"].size() == run.model.layers.size());
  for (const Json& layer : j["layers"]) {
    for (const char* key : {"name", "operator", "cycles", "mac"}) CHECK(layer.contains(key));
    CHECK(layer["predicted_cycles"].is_number());
    CHECK(layer["states"].size() == spec::NumUnits);
    CHECK(layer["states"]["Matrix"].size() == spec::NumUnitStates);
    if (layer["cycles"] > 0) CHECK_FALSE(layer["bound_by"].get<std::string>().empty());
  }
  CHECK(j["layers"][1]["prediction_error"] == Approx(0.25));
}

TEST_CASE("counters: the report's are those of the run alone, and add up", "[report]") {
  const ToyRun run(digits("mlp"));
  const ChipCounters& counters = *run.report.counters;
  CHECK(counters.cycle == run.report.chip_cycles);
  for (const TileCounters& tile : counters.tiles) {
    for (const UnitCounters& unit : tile.units) {
      CHECK(sum(unit.states) + tile.clock_off == counters.cycle);
    }
  }
  uint64_t waited = 0, counted = 0;
  for (const WaitReport& wait : run.report.waits) waited += wait.cycles;
  for (const TileCounters& tile : counters.tiles) {
    for (const UnitCounters& unit : tile.units) {
      counted += unit.states[static_cast<std::size_t>(spec::UnitState::WaitSemaphore)];
    }
  }
  CHECK(waited == counted);
  CHECK(Json::parse(report::json(run.report))["waits"][0]["posted_by"] != "nobody");
  const Json j = Json::parse(report::json(run.report))["counters"];
  CHECK(j["tiles"].size() == 4);
  CHECK(j["links"].size() == counters.links.size());
  CHECK(j["dram"][0]["row_hits"] == counters.channels[0].row_hits);
}

TEST_CASE("counters: a difference survives the wrap of a register", "[report]") {
  ChipCounters before, after;
  before.tiles.resize(1), after.tiles.resize(1);
  before.tiles[0].units[0].states = states(0xfffffff0u);
  after.tiles[0].units[0].states = states(0x10);
  CHECK(difference(after, before).tiles[0].units[0].states == states(0x20));
}

// ------------------------------------------------------------------------------------------
// timeline

TEST_CASE("timeline: slices of a track follow one another, none is negative", "[report]") {
  ToyRun run(GENERATE(as<std::string>{}, "mlp", "cnn") == "mlp" ? digits("mlp")
                                                                : digits("cnn", "tiny", 60));
  const Json timeline = run.timeline();
  CHECK_THAT(timeline["otherData"]["time"].get<std::string>(), Contains("microseconds"));
  std::map<std::pair<int, int>, double> end;
  std::size_t commands = 0;
  for (const Json& event : timeline["traceEvents"]) {
    if (event["ph"] != "X") continue;
    const double begin = event["ts"], duration = event["dur"];
    double& last = end[{event["pid"], event["tid"]}];
    CHECK(duration >= 0);
    CHECK(begin >= last - 1e-6);
    last = begin + duration;
    if (event["cat"] != "command") continue;
    ++commands;
    CHECK(event["args"]["pc"].is_number());
    double cycles = 0;
    for (const auto& state : event["args"]["cycles"]) cycles += state.get<double>();
    CHECK(cycles <= duration * 1000 + 1e-6);
  }
  CHECK(commands > 100);
}

TEST_CASE("timeline: every arrow has both ends, inside slices, forwards", "[report]") {
  ToyRun run(digits("mlp"));
  std::map<std::pair<int, int>, std::vector<std::pair<double, double>>> slices;
  std::map<int, Json> begins, ends;
  const Json timeline = run.timeline();
  for (const Json& event : timeline["traceEvents"]) {
    const double ts = event.value("ts", 0.0);
    if (event["ph"] == "X")
      slices[{event["pid"], event["tid"]}].emplace_back(ts, ts + event["dur"].get<double>());
    if (event["ph"] == "s") CHECK(begins.emplace(event["id"], event).second);
    if (event["ph"] == "f") CHECK(ends.emplace(event["id"], event).second);
  }
  CHECK(begins.size() > 50);
  REQUIRE(begins.size() == ends.size());
  const auto inside = [&](const Json& event) {
    const double ts = event["ts"];
    const auto& track = slices[{event["pid"], event["tid"]}];
    return std::any_of(track.begin(), track.end(), [&](const auto& slice) {
      return slice.first <= ts + 1e-6 && ts < slice.second + 1e-6;
    });
  };
  for (const auto& [id, begin] : begins) {
    REQUIRE(ends.count(id) == 1);
    CHECK(begin["ts"] <= ends[id]["ts"]);
    CHECK(ends[id]["bp"] == "e");
    CHECK(inside(begin));
    CHECK(inside(ends[id]));
  }
}

TEST_CASE("timeline: tracks have names; requests, channels and links are there", "[report]") {
  ToyRun run(digits("mlp"));
  std::set<std::string> names, counters;
  std::size_t requests = 0;
  const Json timeline = run.timeline();
  for (const Json& event : timeline["traceEvents"]) {
    if (event["ph"] == "M" && event["args"].contains("name")) names.insert(event["args"]["name"]);
    if (event["ph"] == "C") counters.insert(event["name"]);
    if (event.value("cat", "") == "request") ++requests;
  }
  for (const char* name : {"control core", "tile (1, 0)", "tile (2, 1)", "matrix", "store", "DRAM"})
    CHECK(names.count(name) == 1);
  CHECK(requests == 2);
  CHECK(counters.count("channel 0: bytes a cycle") == 1);
  CHECK(counters.count("(0, 0) east: flits a cycle") == 1);
}

// ----------------------------------------------------------------------------------------------
// page

TEST_CASE("page: everything is in it, nothing from elsewhere", "[report]") {
  const ToyRun run(digits("cnn"));
  const std::string page = html(run.report);
  OutputFile file(kScratch + "page.html");  // to look at
  file.stream() << page;
  file.commit();
  for (const char* outside : {"<script", "href=", "src=", "@import", "url(http"}) {
    CHECK_THAT(page, !Contains(outside));
  }
  CHECK(count_of(page, "http") == count_of(page, "xmlns=\"http://www.w3.org/2000/svg\""));
  CHECK(count_of(page, "<svg ") == count_of(page, "</svg>"));
  CHECK(count_of(page, "role=\"img\"") == count_of(page, "<desc>"));
  CHECK_THAT(page, Contains("&lt;digits&gt;") && !Contains("<digits>"));
  for (const char* part : {"Roofline", "MAC per byte of DRAM traffic", "tile (2, 1)", "Layers",
                           "Network on chip", "row", "simulation speed", "bit-exact"}) {
    CHECK_THAT(page, Contains(part));
  }
  for (const LayerReport& layer : run.report.layers)
    CHECK_THAT(page, Contains(escape(short_name(layer.name))));
}

TEST_CASE("page: a run that says little makes a page without what is missing", "[report]") {
  RunReport report;
  report.model = "m.onnx";
  report.matches_model = false;
  const std::string page = html(report);
  CHECK_THAT(page, Contains("class=\"bad\"") && !Contains("Roofline") && !Contains("nan"));
  CHECK_THAT(page, !Contains("More tiles"));
}

TEST_CASE("scaling: few tiles, all tiles, then larger chips, each as the compiler predicts it",
          "[report]") {
  const onnx::Model model = onnx::load("tests/models/digits/mlp.onnx");
  const Batch batch =
      make_batch(model, {{"image", npy::load("tests/models/digits/mlp_images.npy")}});
  const std::vector<ScalePoint> points = scale(batch.graph, chip_config("small"), "ddr4-3200");
  std::vector<std::tuple<std::string, unsigned, unsigned>> sizes;
  for (const ScalePoint& point : points)
    sizes.emplace_back(point.config, point.tiles, point.channels);
  CHECK(sizes == std::vector<std::tuple<std::string, unsigned, unsigned>>{{"small", 1, 1},
                                                                          {"small", 2, 1},
                                                                          {"small", 4, 1},
                                                                          {"wide", 8, 1},
                                                                          {"medium", 16, 1},
                                                                          {"medium", 16, 3}});
  compile::CompileOptions options;
  options.use_tiles = 2;
  options.inputs = 32;
  CHECK(points[1].cycles == compile::compile(batch.graph, chip_config("small"), options).spacing);
  for (std::size_t i = 0; i < points.size(); ++i) {
    REQUIRE(efficiency(points, i));
    CHECK(*efficiency(points, i) == Approx(*speed_up(points, i) / points[i].tiles));
    CHECK_THAT(points[i].bound_by, Contains(" busy ") && Contains("DRAM"));
  }
  CHECK(*speed_up(points, 0) == 1.0);
  CHECK(*speed_up(points, 2) > 3);
}

TEST_CASE("scaling: a page and its JSON show it, also where there is no plan", "[report]") {
  RunReport report;
  report.scaling = {{"tiny", 2, 2, 1, 1, 0, "Conv <a>: no room"},
                    {"tiny", 2, 2, 2, 1, 1000, "compute: matrix busy 90 %; DRAM 5 %"},
                    {"wide", 5, 2, 8, 1, 500, "transfer: load busy 99 %; DRAM 88 %"},
                    {"medium", 5, 4, 16, 3, 400, "transfer: load busy 97 %; DRAM 70 %"}};
  CHECK_FALSE(efficiency(report.scaling, 0));
  CHECK(*efficiency(report.scaling, 2) == Approx(0.5));
  const std::string page = html(report);
  CHECK_THAT(page, Contains("More tiles") && Contains("twice the tiles, twice the speed"));
  CHECK_THAT(page, Contains("Conv &lt;a&gt;: no room") && Contains("transfer: load busy 99 %"));
  CHECK_THAT(page, Contains("3 DRAM channels: medium") && Contains(">2.50<") && !Contains("nan"));
  const Json j = Json::parse(json(report));
  REQUIRE(j["scaling"].size() == 4);
  CHECK(j["scaling"][0]["speed_up"].is_null());
  CHECK(j["scaling"][3]["efficiency"].get<double>() == Approx(2.5 * 2 / 16));
}

TEST_CASE("stream: a step's inputs end together, and the first step is no spacing", "[report]") {
  // One unit that works on two inputs at once, a command for each, in three iterations.
  compile::CompiledModel model;
  model.layers = {{"a", "Conv", 0, 0}};
  model.inputs_at_once = 2;
  model.tiles.emplace_back();
  model.tiles[0].x = 1;
  model.tiles[0].layer_of_command[0] = {0, 0, -1};
  model.tiles[0].input_of_command[0] = {0, 1, 0};
  LayerCycles cycles(model);
  const auto run = [&](uint32_t pc, uint64_t begin, uint64_t end) {
    cycles.add({{1, 0}, spec::Unit::Load, pc, begin, false, {}});
    cycles.add({{1, 0}, spec::Unit::Load, pc, end, true, {}});
  };
  run(0, 1000, 1100);
  CHECK_FALSE(cycles.stream(9).spacing);
  run(1, 1100, 1250);
  CHECK_FALSE(cycles.stream(9).spacing);
  run(0, 1300, 1400);
  run(1, 1400, 1550);
  run(0, 1600, 1700);
  run(1, 1700, 1870);
  const StreamCycles stream = cycles.stream(9);
  CHECK(stream.first_completed == 1250);
  CHECK(stream.spacing == Approx((1870 - 1250) / 4.0));
  CHECK(stream.latency == Approx((100 + 150 + 100 + 150 + 100 + 170) / 6.0));
}

TEST_CASE("page: the DRAM ceiling is what the timing gives", "[report]") {
  for (const char* name : {"ddr4-3200", "hbm2e"}) {
    CHECK(timing::dram_parameters(name).peak_bytes_per_ps() * 1000 == Approx(kDramBytesPerCycle));
  }
}

TEST_CASE("numbers: short and with their unit", "[report]") {
  CHECK(short_number(0) == "0");
  CHECK(short_number(0.01234) == "0.0123");
  CHECK(short_number(46.25) == "46.2");
  CHECK(short_number(2048) == "2048");
  CHECK(with_commas(1234567) == "1,234,567");
  CHECK(with_commas(12) == "12");
  CHECK(bytes_text(1500) == "1.5 KB");
  CHECK(short_name("'stem' (Conv)") == "stem");
  CHECK(short_name("output scores") == "output scores");
  CHECK(short_name("").empty());
}

// ---------------------------------------------------------------------------------------------
// files

TEST_CASE("output file: without a commit the old one stays, and nothing else", "[report]") {
  fs::create_directories(kScratch + "files");
  const std::string path = kScratch + "files/a.txt";
  std::ofstream(path) << "old";
  { OutputFile(path).stream() << "new"; }
  const auto read = [&] {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  CHECK(read() == "old");
  OutputFile file(path);
  file.stream() << "new";
  file.commit();
  CHECK(read() == "new");
  CHECK(std::distance(fs::directory_iterator(kScratch + "files"), {}) == 1);
  CHECK_THROWS_WITH(OutputFile("no/such/x.json"),
                    Contains("no/such/x.json: cannot be written: No such file"));
}

TEST_CASE("output file: where a disk is full the old one stays, and it is said why", "[report]") {
  const std::string folder = kScratch + "full/", path = folder + "a.txt";
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream(path) << "old";
  std::string why;
  {
    const FileSizeLimit limit(10000);
    for (const std::size_t bytes : {std::size_t{10001}, std::size_t{1000000}}) {
      OutputFile file(path);
      file.stream() << std::string(bytes, 'x');
      try {
        file.commit();
      } catch (const Error& error) {
        why += error.what();
      }
    }
    try {
      npy::save(folder + "b.npy", Tensor(Shape{10000}, std::vector<float>(10000)));
    } catch (const Error& error) {
      why += error.what();
    }
  }
  CHECK(why == path + ": cannot be written: File too large" + path +
                   ": cannot be written: File too large" + folder +
                   "b.npy: cannot be written: File too large");
  std::ifstream file(path);
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == "old");
  CHECK(std::distance(fs::directory_iterator(folder), {}) == 1);

  OutputFile full("/dev/full");
  full.stream() << "x";
  CHECK_THROWS_WITH(full.commit(), Contains("/dev/full: cannot be written: No space left"));
}

TEST_CASE("trace: a trace holds the commands that retired last, in their order", "[report]") {
  const ToyRun run(digits("mlp", "tiny"));
  const ProgramMap map(run.model);
  CommandTrace few(map, 3), all(map, 1000000);
  std::vector<Execution> executions;
  ExecutionTracker tracker(map, [&](const Execution& execution) {
    executions.push_back(execution);
    few.add(execution);
    all.add(execution);
  });
  ToyChip chip(run.model);
  chip.observe([&](const CommandEvent& event) { tracker.add(event); });
  REQUIRE(chip.run(2));
  REQUIRE(executions.size() > 3);

  const auto lines_of = [](const CommandTrace& trace) {
    std::istringstream text(trace.text());
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  };
  const auto lines = lines_of(all), last = lines_of(few);
  REQUIRE(lines.size() == executions.size() + 1);
  REQUIRE(last.size() == 5);
  CHECK(last[0] == lines[0]);
  CHECK(last[1] == fmt::format("... {} commands before", executions.size() - 3));
  CHECK(std::equal(last.begin() + 2, last.end(), lines.end() - 3));
  for (std::size_t i = 0; i < executions.size(); ++i) {
    const Execution& e = executions[i];
    CHECK_THAT(lines[i + 1],
               Contains(fmt::format("{:>10} {:>10}  ({}, {})", e.begin, e.end, e.where.node.x,
                                    e.where.node.y)) &&
                   Contains(lower(spec::to_string(e.where.unit))) &&
                   Contains(fmt::format("{:>5}  {}", e.pc, spec::to_string(e.header.opcode)),
                            Catch::CaseSensitive::No));
  }
}
