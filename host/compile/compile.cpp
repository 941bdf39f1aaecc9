// The compiler: canonical graph in, programs out. Here is the search for the best plan; how
// operators become commands begins in operators.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "host/command/error.hpp"
#include "host/compile/attempt.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/compile/cycle_model.hpp"
#include "host/compile/limits.hpp"
#include "host/compile/stages.hpp"

namespace systole::compile {
namespace {

using graph::Graph;

constexpr unsigned kPageCommands = 240;
constexpr unsigned kMaxInFlight = 8;
constexpr unsigned kMaxStages = 4;  // a team meets in two rounds

const std::vector<double> kPrices = {0.0, 0.01, 0.04, 0.2};
/// Those that served one input in flight best are tried with more.
constexpr std::size_t kGoodPrices = 2;

/// By estimate.
void sort(std::vector<Candidate>& plans) {
  std::stable_sort(plans.begin(), plans.end(),
                   [](const auto& a, const auto& b) { return a.spacing < b.spacing; });
}

/// What the cycle model may cost a search, in cycles of tiles (75 ns each).
constexpr uint64_t kSearchWork = 8'000'000;
/// Plans of one division that it runs, of those whose estimates are lowest.
constexpr std::size_t kRunPlans = 3;

/// The plan with the least cycles from input to input. As far as work allows, the cycle model
/// decides; plans come to it in the order of their estimates.
CompiledModel best_in_stream(std::vector<Candidate> all, const std::string& dram) {
  sort(all);
  CompiledModel* best = nullptr;
  uint64_t work = 0;
  for (Candidate& one : all) {
    if (work > kSearchWork) break;
    work += predict_stream(one.model, dram, best == nullptr ? kNoBound : best->spacing);
    if (best == nullptr || one.model.spacing < best->spacing) best = &one.model;
  }
  return std::move(*best);
}

/// The plan that has a single input done first.
CompiledModel best_for_one(std::vector<Candidate> all, const std::string& dram) {
  uint64_t work = 0;
  for (const Candidate& one : all) work += one.spacing * one.model.tiles.size();
  if (work > kSearchWork) all.resize(1);
  CompiledModel* best = nullptr;
  for (Candidate& one : all) {
    predict_latency(one.model, dram);
    if (best == nullptr || one.model.latency < best->latency) best = &one.model;
  }
  predict_stream(*best, dram);
  return std::move(*best);
}

/// Ways to spread a stream of inputs over the tiles.
std::vector<Division> divisions(const CompileOptions& options, unsigned tiles) {
  if (options.division) return {*options.division};
  if (options.inputs <= 1 || options.page_commands > 0) return {{1, 1, 1}};
  std::vector<Division> all;
  for (unsigned groups = tiles; groups > 0; --groups) {
    if (tiles % groups != 0 || groups > options.inputs) continue;
    for (const unsigned in_flight : {1u, 2u, 4u}) {
      if (groups * in_flight <= options.inputs) all.push_back({groups, in_flight, 1});
    }
    const unsigned stages = tiles / groups;
    if (stages > 1 && stages <= kMaxStages && 4 * tiles <= options.inputs)
      all.push_back({groups, 1, stages});
  }
  return all;
}

void check(const CompileOptions& options, const ChipConfig& config, unsigned tiles) {
  if (tiles > config.tiles()) {
    throw Error("not so many compute tiles", "configuration " + config.name,
                "at most " + std::to_string(config.tiles()), std::to_string(tiles));
  }
  if (options.use_channels > config.channels()) {
    throw Error("not so many DRAM channels", "configuration " + config.name,
                "at most " + std::to_string(config.channels()),
                std::to_string(options.use_channels));
  }
  if (!options.division) return;
  const auto [groups, in_flight, stages] = *options.division;
  if (groups == 0 || tiles % groups != 0) {
    throw Error("tiles can't be divided into groups", "groups",
                "a divisor of " + std::to_string(tiles), std::to_string(groups));
  }
  if (in_flight == 0 || in_flight > kMaxInFlight) {
    throw Error("so many inputs can't be in flight", "inputs in flight",
                "1 to " + std::to_string(kMaxInFlight), std::to_string(in_flight));
  }
  if (stages > 1 && (groups * stages != tiles || stages > kMaxStages || in_flight > 1)) {
    throw Error(
        "tiles can't be divided into stages", "stages",
        fmt::format("one for each tile of a group, 2 to {}, one input in flight", kMaxStages),
        std::to_string(stages));
  }
}

/// Estimates for the nodes.
std::vector<uint64_t> cycles_of(const CompiledModel& model, const Graph& graph) {
  std::vector<uint64_t> cycles;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    cycles.push_back(model.layers[i].predicted_cycles);
  return cycles;
}

class Search {
 public:
  Search(const Graph& graph, const ChipConfig& config, const CompileOptions& options)
      : job_{graph, config, options},
        tiles_(options.use_tiles == 0 ? config.tiles() : options.use_tiles) {}

  CompiledModel run();

 private:
  Choice choice(Division division, std::vector<std::size_t> cuts, unsigned page_commands) const {
    return {tiles_, division, std::move(cuts), page_commands};
  }
  std::vector<std::size_t> whole() const { return {0, job_.graph.nodes.size()}; }
  std::vector<Candidate> plans(Choice choice, const std::vector<double>& prices, Failure& failure);
  std::vector<Candidate> plans_of(Division division);
  const std::vector<uint64_t>& cycles_of_nodes();
  void add_cuts(Choice choice, std::vector<Candidate>& all);
  [[noreturn]] void refuse() const;

  Job job_;
  unsigned tiles_;
  Failure failure_;                                      // of the last attempt that failed
  std::optional<std::vector<uint64_t>> cycles_;          // of the nodes, where stages are cut
  std::map<unsigned, std::vector<double>> good_prices_;  // by groups, of one input in flight
};

/// Plans that differ in what weights may cost: divisions of the work by rows keep all weights in
/// every tile, divisions by channels a part of them. The best first; none when nothing fits.
std::vector<Candidate> Search::plans(Choice choice, const std::vector<double>& prices,
                                     Failure& failure) {
  std::vector<Candidate> all;
  std::set<std::string> digests;
  const auto add = [&](std::optional<Candidate> one) {
    if (one && digests.insert(one->model.digest()).second) all.push_back(std::move(*one));
  };
  for (const double price : prices) {
    choice.price = price;
    choice.rolls = false;
    auto one = attempt(job_, choice, failure);
    choice.rolls = one && one->streams && choice.page_commands == 0;
    add(std::move(one));
    if (choice.rolls) add(attempt(job_, choice, failure));
    if (tiles_ == choice.division.groups * choice.division.stages) break;
  }
  sort(all);
  return all;
}

/// What each node takes a single tile; empty when that has no room for them.
const std::vector<uint64_t>& Search::cycles_of_nodes() {
  if (cycles_) return *cycles_;
  Failure failure;
  const auto alone = attempt(job_, {1, {1, 1, 1}, whole()}, failure);
  cycles_ = alone ? cycles_of(alone->model, job_.graph) : std::vector<uint64_t>{};
  return *cycles_;
}

constexpr int kMoreCuts = 3;

/// A stage has memory that the network on one tile has not: its nodes take less time. So the plan
/// tells where to cut again.
void Search::add_cuts(Choice choice, std::vector<Candidate>& all) {
  Failure failure;
  for (int round = 0; round < kMoreCuts && !all.empty(); ++round) {
    auto again =
        cut_stages(job_.graph, cycles_of(all.back().model, job_.graph), choice.division.stages);
    if (again == choice.cuts) break;
    choice.cuts = std::move(again);
    choice.page_commands = 0;
    auto more = plans(choice, kPrices, failure);
    if (more.empty()) break;
    std::move(more.begin(), more.end(), std::back_inserter(all));
  }
  sort(all);
}

/// Those of a division, the best first.
std::vector<Candidate> Search::plans_of(Division division) {
  std::vector<std::size_t> stages = whole();
  if (division.stages > 1) {
    const std::vector<uint64_t>& cycles = cycles_of_nodes();
    if (!cycles.empty()) stages = cut_stages(job_.graph, cycles, division.stages);
    if (stages.size() != division.stages + 1) {
      failure_ = Error(fmt::format("can't be cut into {} stages", division.stages), "the network");
      return {};
    }
  }
  std::vector<double>& good = good_prices_[division.groups];
  const Choice start = choice(division, std::move(stages), job_.options.page_commands);
  const bool known = division.in_flight > 1 && !good.empty();
  auto some = plans(start, known ? good : kPrices, failure_);
  if (good.empty()) {
    for (std::size_t i = 0; i < std::min(some.size(), kGoodPrices); ++i)
      good.push_back(some[i].price);
  }
  if (division.stages > 1) add_cuts(start, some);
  return some;
}

/// No plan is left: names the operator, and what it needs.
void Search::refuse() const {
  const Error failure = failure_.value_or(Error(kNoRoom, "the network"));
  if (failure.problem() != kNoRoom) throw failure;
  throw Error("unsupported, since it " + kNoRoom, failure.where(), failure.expected(),
              failure.got());
}

CompiledModel Search::run() {
  const CompileOptions& options = job_.options;
  check(options, job_.config, tiles_);
  check_size(job_.graph);
  std::vector<Candidate> all;
  for (const Division division : divisions(options, tiles_)) {
    std::vector<Candidate> some = plans_of(division);
    if (some.size() > kRunPlans) some.resize(kRunPlans);
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  // Pages only where nothing else fits.
  const Division last = options.division.value_or(Division{});
  if (all.empty() && options.page_commands == 0 && last.stages == 1)
    all = plans(choice(last, whole(), kPageCommands), kPrices, failure_);
  if (all.empty()) refuse();
  if (options.inputs > 1) return best_in_stream(std::move(all), options.dram);
  return best_for_one(std::move(all), options.dram);
}

}  // namespace

CompiledModel compile(const Graph& graph, const ChipConfig& config, const CompileOptions& options) {
  return Search(graph, config, options).run();
}

}  // namespace systole::compile
