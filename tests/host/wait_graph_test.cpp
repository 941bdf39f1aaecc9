// Who waits for whom in a chip that stands still: from what a chip says to what a reader is told.
#include "host/report/wait_graph.hpp"

#include <catch2/catch.hpp>

#include "tests/chip/chip_bench.hpp"

using namespace systole;
using namespace systole::test;
using Catch::Matchers::Contains;
using report::CommandLog;
using spec::Unit;

namespace {

const golden::Node kTile{1, 1};

compile::CompiledModel product(bool hang = false) {
  return product_model(std::vector<int8_t>(kDepth * kCols, 1), hang);
}

ChipActivity::Unit waiting_at(const compile::CompiledModel& model, Unit unit, uint32_t pc) {
  ChipActivity::Unit result;
  result.ended = false;
  result.next_valid = true;
  result.next_pc = pc;
  result.next = compile::commands_of(model.tiles[0], unit)[pc];
  return result;
}

/// The tile of the product when the post of its product was lost: all units wait.
ChipActivity lost_post(const compile::CompiledModel& model) {
  ChipActivity activity;
  activity.tiles.resize(1);
  ChipActivity::Tile& tile = activity.tiles[0];
  tile.node = kTile;
  tile.units = {waiting_at(model, Unit::Load, 1), waiting_at(model, Unit::Matrix, 1),
                waiting_at(model, Unit::Vector, 0), waiting_at(model, Unit::Store, 0)};
  activity.core.join = 1;
  return activity;
}

void retire(CommandLog& log, Unit unit, uint32_t pc, uint64_t cycle) {
  log.add({kTile, unit, pc, cycle - 10, false, {}});
  log.add({kTile, unit, pc, cycle, true, {}});
}

/// What had retired by then: weights, x, the Nop that frees them, the product.
CommandLog log_of_one_product() {
  CommandLog log;
  retire(log, Unit::Matrix, 0, 90);
  retire(log, Unit::Load, 0, 100);
  retire(log, Unit::Load, 1, 200);
  retire(log, Unit::Matrix, 1, 300);
  return log;
}

}  // namespace

TEST_CASE("wait graph: a lost post is told by what retired, with its last command and cycle",
          "[wait_graph]") {
  const auto model = product();
  const auto graph =
      report::wait_graph(report::ProgramMap(model), lost_post(model), log_of_one_product());
  REQUIRE(graph.evidence.size() == 1);
  for (const char* part :
       {"semaphore 1 of tile (1, 1)", "posted 1 times and taken 0 times",
        "should be 1, but it is 0", "a post was lost", "Matrix command 1 (Matmul) in cycle 300"}) {
    CHECK_THAT(graph.evidence[0], Contains(part));
  }
}

TEST_CASE("wait graph: nothing is said of semaphores that add up", "[wait_graph]") {
  const auto model = product();
  ChipActivity activity = lost_post(model);
  activity.tiles[0].semaphores[1] = 1;
  activity.tiles[0].units[2].next_valid = false;  // who takes it still fetches its command
  CHECK(report::wait_graph(report::ProgramMap(model), activity, log_of_one_product())
            .evidence.empty());
  activity.tiles[0].semaphores[1] = 2;
  const auto graph = report::wait_graph(report::ProgramMap(model), activity, log_of_one_product());
  REQUIRE(graph.evidence.size() == 1);
  CHECK_THAT(graph.evidence[0], Contains("should be 1, but it is 2: a post came twice"));
}

TEST_CASE("wait graph: a unit that does not take semaphores that are there waits for these",
          "[wait_graph]") {
  const auto model = product();
  ChipActivity activity = lost_post(model);
  activity.tiles[0].semaphores[1] = 1;
  const auto graph = report::wait_graph(report::ProgramMap(model), activity, log_of_one_product());
  REQUIRE(graph.evidence.size() == 1);
  CHECK_THAT(graph.evidence[0],
             Contains("tile (1, 1) Vector does not take what command 0 (Vector) waits for, though "
                      "semaphore 1 is 1"));
  CHECK_THAT(to_string(graph), Contains("owed by the semaphores of tile (1, 1)"));
  CHECK(graph.since == 300);
}

TEST_CASE("wait graph: posts that reach another semaphore than the commands name are told so",
          "[wait_graph]") {
  const auto model = product();
  ChipActivity activity = lost_post(model);
  activity.tiles[0].semaphores[14] = 1;  // and not 1
  const std::string text =
      to_string(report::wait_graph(report::ProgramMap(model), activity, log_of_one_product()));
  CHECK_THAT(text, Contains("semaphore 14 of tile (1, 1)") &&
                       Contains("posts reach another semaphore than the commands name"));
}

TEST_CASE("wait graph: of a chip that runs, semaphores that are too high are told",
          "[wait_graph]") {
  const auto model = product();
  ChipActivity activity = lost_post(model);
  const auto surplus = [&] {
    return report::surplus_posts(report::ProgramMap(model), activity, log_of_one_product());
  };
  CHECK(surplus().empty());  // too low: the post may be under way
  activity.tiles[0].semaphores[1] = 1;
  CHECK(surplus().empty());
  activity.tiles[0].semaphores[1] = 2;
  REQUIRE(surplus().size() == 1);
  CHECK_THAT(surplus()[0], Contains("semaphore 1 of tile (1, 1)") &&
                               Contains("should be 1, but it is 2: a post came twice"));
}

TEST_CASE("wait graph: the firmware owes nothing while the host's own access has no answer",
          "[wait_graph]") {
  const auto model = product();
  ChipActivity activity;
  activity.host_port = "read 0x8";
  const std::string text = to_string(report::wait_graph(report::ProgramMap(model), activity, {}));
  CHECK_THAT(text, Contains("the host's own access has no answer") && !Contains("firmware"));
}

TEST_CASE("command log: what retires without a begin takes nobody's", "[wait_graph]") {
  CommandLog log;
  log.add({kTile, Unit::Load, 3, 10, false, {}});
  log.add({kTile, Unit::Load, 4, 20, false, {}});
  log.add({kTile, Unit::Load, 2, 30, true, {}});  // a Nop
  REQUIRE(log.under_way(kTile, Unit::Load).size() == 2);
  log.add({kTile, Unit::Load, 3, 40, true, {}});
  CHECK(log.count(kTile, Unit::Load, 3).begin == 10);
  CHECK(log.begin_of_next(kTile, Unit::Load) == 20);
}

TEST_CASE("wait graph: debtors are the commands that would post, and the circle is found",
          "[wait_graph]") {
  const auto model = product();
  const auto graph =
      report::wait_graph(report::ProgramMap(model), lost_post(model), log_of_one_product());
  const std::string text = to_string(graph);
  for (const char* part :
       {"tile (1, 1) Vector   waits for semaphore 1 for command 0 (Vector), owed by tile (1, 1) "
        "Matrix: command 1 (Matmul)",
        "tile (1, 1) Store    waits for semaphore 2 for command 0 (Store), owed by tile (1, 1) "
        "Vector: command 0 (Vector)",
        "host                 waits for a completion, owed by firmware",
        "firmware             waits for the end of 1 tile (JOIN), owed by the tiles that run"}) {
    CHECK_THAT(text, Contains(part));
  }
  REQUIRE(graph.cycle.size() > 2);
  CHECK(graph.cycle.front() == graph.cycle.back());
}

TEST_CASE("wait graph: a semaphore that no command posts is owed by nobody", "[wait_graph]") {
  const auto model = product(true);
  const auto graph = report::wait_graph(report::ProgramMap(model), lost_post(model), {});
  CHECK_THAT(to_string(graph), Contains("waits for semaphore 9 for command 0 (Vector), owed by "
                                        "nobody: no command that is still to run posts it"));
}

TEST_CASE("wait graph: a read that neither network nor memory holds was lost", "[wait_graph]") {
  const auto model = product();
  ChipActivity activity = lost_post(model);
  ChipActivity::Unit& load = activity.tiles[0].units[0];
  load.next_valid = false;
  load.under_way = 1, load.next_pc = 0;  // while the next one is fetched, the one issued last
  load.reads = {spec::DramBase + 0x40};
  activity.memories = {{"host memory", 0, 0}, {"DRAM 0", 0, 0}};
  const auto text = [&] {
    return to_string(report::wait_graph(report::ProgramMap(model), activity, {}));
  };
  CHECK_THAT(text(),
             Contains("waits for the data of 1 read of command 0 (Load), the first of 0x") &&
                 Contains("owed by DRAM 0") && Contains("was lost on the way"));
  activity.memories[1].read_beats = 4;
  CHECK_THAT(text(), Contains("DRAM 0 still has 4 read beats"));
  activity.memories[1].read_beats = 0;
  activity.held = {
      {{1, 0}, LinkCounters::Network::Request, LinkCounters::Port::South, kTile, {0, 1}}};
  CHECK_THAT(text(), Contains("router (1, 0) of the request network holds a packet from (1, 1) to "
                              "(0, 1) at its South input"));
  CHECK_THAT(text(), !Contains("was lost"));
}

TEST_CASE("wait graph: with all tiles at rest, what the io node owes is told apart",
          "[wait_graph]") {
  const auto model = product();
  ChipActivity activity;
  activity.tiles.resize(1);
  activity.tiles[0].node = kTile;
  const auto text = [&](bool arrived = false) {
    return to_string(
        report::wait_graph(report::ProgramMap(model), activity, {}, {arrived, {}, true}));
  };
  CHECK_THAT(text(), Contains("it owes the completion, and has forgotten it"));
  CHECK_THAT(text(true), Contains("its interrupt, owed by io node") && Contains("HOST_IRQ"));
  activity.core.join = 2;
  CHECK_THAT(text(), Contains("JOIN still counts 2: a tile event was lost"));
  activity.core.join = 0, activity.core.pending = 2;
  CHECK_THAT(text(), Contains("has not served its interrupts join (0x2)"));
  activity.core.firmware_state = 2;
  CHECK_THAT(text(), Contains("the firmware has met a trap"));
}

TEST_CASE("wait graph: a reader of another tile's memory is owed by that tile", "[wait_graph]") {
  const auto model = product();
  ChipActivity activity = lost_post(model);
  ChipActivity::Unit& load = activity.tiles[0].units[0];
  load.next_valid = false, load.under_way = 1, load.next_pc = 0;
  load.reads = {tile_base(1, 0) + 0x40};
  CHECK_THAT(to_string(report::wait_graph(report::ProgramMap(model), activity, {})),
             Contains("owed by tile (1, 0)"));
}

TEST_CASE(
    "wait graph: an interrupt that the firmware sleeps for was lost, when what raises it is over",
    "[wait_graph]") {
  const auto model = product();
  ChipActivity activity;
  activity.tiles.resize(1);
  activity.tiles[0].node = kTile;
  activity.core.enabled = SYSTOLE_IO_CORE_IRQ_JOIN_MASK | SYSTOLE_IO_CORE_IRQ_DOORBELL_MASK;
  const auto graph = report::wait_graph(report::ProgramMap(model), activity, {});
  CHECK_THAT(to_string(graph), Contains("sleeps for the interrupt join") &&
                                   Contains("lost in the io node") &&
                                   !Contains("has forgotten it"));
}

TEST_CASE("wait graph: who waits for a command under way is in no circle with the next one's waits",
          "[wait_graph]") {
  const auto model = product();
  ChipActivity activity = lost_post(model);
  const auto graph = [&] {
    return report::wait_graph(report::ProgramMap(model), activity, log_of_one_product());
  };
  REQUIRE_FALSE(graph().cycle.empty());
  ChipActivity::Unit& load = activity.tiles[0].units[static_cast<std::size_t>(Unit::Load)];
  load = waiting_at(model, Unit::Load, 3);
  load.under_way = 2;  // the load, and the loop
  load.reads = {spec::DramBase + 0x40};
  const std::string text = to_string(graph());
  CHECK_THAT(text, Contains("Load     waits for the data of 1 read of command 1 (Load)"));
  CHECK_THAT(text,
             Contains("Load     waits for semaphore 5 for command 3 (Nop), owed by tile (1, 1) "
                      "Store: command 0 (Store)"));
  CHECK_THAT(text,
             Contains("Matrix   waits for semaphore 0 for command 1 (Matmul), owed by tile (1, "
                      "1) Load: command 1 (Load)"));
  CHECK(graph().cycle.empty());
}

TEST_CASE("wait graph: a unit that is busy behind its program's end keeps its tile from ending",
          "[wait_graph]") {
  const auto model = product();
  ChipActivity activity;
  activity.tiles.resize(1);
  activity.tiles[0].node = kTile;
  activity.tiles[0].units[static_cast<std::size_t>(Unit::Store)].writes = 1;
  activity.core.join = 1;
  const auto graph = report::wait_graph(report::ProgramMap(model), activity, {});
  CHECK_THAT(to_string(graph), Contains("Store is busy behind the end of its program") &&
                                   !Contains("a tile event was lost"));
  REQUIRE(graph.suspect);
  CHECK(graph.suspect->unit == Unit::Store);
}

TEST_CASE("wait graph: of a chip that still runs nothing is said to be lost", "[wait_graph]") {
  const auto model = product();
  report::WaitFacts facts;
  facts.stands = false;
  const auto graph =
      report::wait_graph(report::ProgramMap(model), lost_post(model), log_of_one_product(), facts);
  CHECK(graph.evidence.empty());
  CHECK(graph.cycle.empty());
  CHECK_FALSE(graph.waits.empty());
}

TEST_CASE("wait graph: the cycle of the last post of a semaphore that does not add up is known",
          "[wait_graph]") {
  const auto model = product();
  const auto graph =
      report::wait_graph(report::ProgramMap(model), lost_post(model), log_of_one_product());
  CHECK(graph.since == 300);
  REQUIRE(graph.suspect);
  CHECK(graph.suspect->unit == Unit::Matrix);
}
