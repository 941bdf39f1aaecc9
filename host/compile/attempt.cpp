#include "host/compile/attempt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "host/compile/fit.hpp"
#include "host/compile/part_compiler.hpp"

namespace systole::compile {
namespace {

/// Of DRAM, that are used.
unsigned channels_of(const Job& job) {
  const unsigned wanted = job.options.use_channels;
  return wanted == 0 ? job.config.channels() : wanted;
}

/// The compute tiles in as many groups.
std::vector<std::vector<Place>> grouped(const ChipConfig& config, unsigned tiles, unsigned groups) {
  std::vector<std::vector<Place>> out(groups);
  unsigned count = 0;
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 1; x < config.num_cols && count < tiles; ++x, ++count)
      out[count * groups / tiles].push_back({x, y});
  }
  return out;
}

/// With given budgets, by stage; group by group.
class Attempt {
 public:
  Attempt(Job& job, const Choice& choice, const std::vector<Budget>& budgets)
      : job_(job),
        choice_(choice),
        division_(choice.division),
        budgets_(budgets),
        memory_(channels_of(job)),
        groups_(grouped(job.config, choice.tiles, choice.division.groups)) {}

  bool is_complete() const { return added_ == division_.groups; }
  /// Emits the next group, unless it fails.
  void add_group() {
    Handed handed;
    int layers = 0;
    for (unsigned stage = 0; stage < division_.stages && !failed_; ++stage) {
      Part part = make_part(groups_[added_], added_, stage);
      part.begin = choice_.cuts[stage];
      part.end = choice_.cuts[stage + 1];
      part.first_layer = layers;
      add(handed, std::move(part), stage);
      if (!failed_) layers += parts_.back().num_layers();
    }
    ++added_;
  }

  /// The stage that does not fit in its memory, and why.
  const std::optional<std::pair<unsigned, Error>>& failed() const { return failed_; }

  Needs needs(unsigned stage) const {
    Needs most;
    for (std::size_t i = stage; i < parts_.size(); i += division_.stages) {
      const Needs needs = parts_[i].needs();
      most.program = std::max(most.program, needs.program);
      most.resident = std::max(most.resident, needs.resident);
      most.homes = std::max(most.homes, needs.homes);
      most.more_homes = most.more_homes || needs.more_homes;
      most.records = std::max(most.records, needs.records);
      most.record_steps = std::max(most.record_steps, needs.record_steps);
    }
    return most;
  }

  Candidate result() {
    Candidate out;
    CompiledModel& model = out.model;
    model.config = job_.config;
    model.record_base = budgets_.front().record_base;
    model.division = division_;
    model.inputs_at_once = inputs_at_once();
    model.lag = division_.stages / 2;
    for (PartCompiler& part : parts_) {
      out.spacing = std::max(out.spacing, part.spacing() / division_.groups);
      out.streams = out.streams || part.streams();
      part.add_to(model);
    }
    model.segments = std::move(memory_.segments);
    return out;
  }

 private:
  bool staged() const { return division_.stages > 1; }
  unsigned inputs_of_group() const { return staged() ? 2 : division_.in_flight; }
  unsigned inputs_at_once() const { return division_.groups * inputs_of_group(); }

  Part make_part(const std::vector<Place>& tiles, unsigned group, unsigned stage) const {
    Part part;
    part.team = tiles;
    part.places = staged() ? std::vector<Place>{tiles[stage]} : tiles;
    part.at_once = inputs_at_once();
    part.staged = staged();
    part.is_last = stage + 1 == division_.stages;
    part.lead = division_.stages / 2 * inputs_at_once();
    // Every stage is half an iteration behind the one before it.
    const int count = static_cast<int>(inputs_of_group());
    for (int input = 0; input < count; ++input) {
      const int at = input - static_cast<int>(stage);
      const int round = at >= 0 ? at / count : -((count - 1 - at) / count);
      part.inputs.push_back(round * static_cast<int>(inputs_at_once()) +
                            static_cast<int>(group) * count + at - round * count);
    }
    return part;
  }

  void add(Handed& handed, Part part, unsigned stage) {
    try {
      parts_.emplace_back(job_.graph, job_.memo, memory_, handed, std::move(part), budgets_[stage]);
      parts_.back().run();
    } catch (const Error& error) {
      if (error.problem() != kNoRoom) throw;
      failed_ = {stage, error};
    }
  }

  Job& job_;
  const Choice& choice_;
  const Division division_;
  const std::vector<Budget>& budgets_;
  GlobalMemory memory_;
  std::vector<std::vector<Place>> groups_;
  unsigned added_ = 0;  // of them
  std::deque<PartCompiler> parts_;
  std::optional<std::pair<unsigned, Error>> failed_;
};

/// Where pages are no way out, which stages have none of.
Error too_long(uint32_t program, const Division& division) {
  return {kNoRoom, division.stages > 1 ? "the program of a stage" : "the program",
          fmt::format("at most {} bytes of commands", Fit::kMaxProgram), std::to_string(program)};
}

}  // namespace

std::optional<Candidate> attempt(Job& job, const Choice& choice, Failure& failure) {
  const Division& division = choice.division;
  const bool records_in_dram = job.options.records_in_dram;
  Budget start;
  start.weight_price = choice.price;
  start.rolls = choice.rolls;
  start.page_commands = choice.page_commands;
  if (records_in_dram) start.record_base = spec::DramBase;
  // Half of a network that needs so much room for weights rarely leaves any for itself.
  std::vector<Fit> fits(division.stages, Fit(start, division.stages > 2));
  for (;;) {
    std::vector<Budget> budgets;
    for (const Fit& fit : fits) budgets.push_back(fit.budget());
    Attempt attempt(job, choice, budgets);
    bool met = true;
    while (met && !attempt.is_complete()) {
      attempt.add_group();
      if (attempt.failed()) {
        failure = attempt.failed()->second;
        if (!fits[attempt.failed()->first].shrink()) return std::nullopt;
        met = false;
        break;
      }
      // Groups need the same, so the first one tells; but records lie behind what all of them have.
      if (records_in_dram && !attempt.is_complete()) continue;
      for (unsigned stage = 0; stage < division.stages; ++stage) {
        Fit& fit = fits[stage];
        const bool ok = fit.meets(attempt.needs(stage), records_in_dram);
        if (fit.too_long()) {
          if (!failure) failure = too_long(attempt.needs(stage).program, division);
          return std::nullopt;
        }
        if (!ok && fit.tired() && !fit.shrink()) return std::nullopt;
        met = met && ok;
      }
    }
    if (!met) continue;
    Candidate result = attempt.result();
    result.price = choice.price;
    return result;
  }
}

}  // namespace systole::compile
