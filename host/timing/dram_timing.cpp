#include "host/timing/dram_timing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "host/command/error.hpp"

namespace systole::timing {
namespace {

/// DDR4-3200AA, eight x8 devices of 8 Gb: 8 KiB pages, 64-byte bursts.
DramParameters ddr4_3200() {
  DramParameters p;
  p.name = "ddr4-3200";
  p.clock = 625;
  p.bank_groups = 4;
  p.banks_per_group = 4;
  p.burst_bytes = 64;
  p.page_bytes = 8192;
  p.burst = 4;
  p.cl = 22, p.cwl = 16, p.rcd = 22, p.rp = 22, p.ras = 52, p.rc = 74;
  p.ccd_s = 4, p.ccd_l = 8, p.rrd_s = 4, p.rrd_l = 8, p.faw = 34;
  p.wr = 24, p.rtp = 12, p.wtr_s = 4, p.wtr_l = 12, p.rtw = 12;
  p.refi = 12480, p.rfc = 560;
  p.controller = 16;
  return p;
}

/// HBM2E at 3.2 Gb/s, one 64-bit pseudo-channel: 1 KiB pages, 32-byte bursts.
DramParameters hbm2e() {
  DramParameters p;
  p.name = "hbm2e";
  p.clock = 625;
  p.bank_groups = 4;
  p.banks_per_group = 4;
  p.burst_bytes = 32;
  p.page_bytes = 1024;
  p.burst = 2;
  p.cl = 23, p.cwl = 12, p.rcd = 23, p.rp = 23, p.ras = 53, p.rc = 76;
  p.ccd_s = 2, p.ccd_l = 4, p.rrd_s = 4, p.rrd_l = 6, p.faw = 26;
  p.wr = 26, p.rtp = 8, p.wtr_s = 6, p.wtr_l = 12, p.rtw = 15;
  p.refi = 6240, p.rfc = 416;
  p.controller = 16;
  return p;
}

const char* name_of(DramCommand command) {
  switch (command) {
    case DramCommand::Activate:
      return "Activate";
    case DramCommand::Precharge:
      return "Precharge";
    case DramCommand::Read:
      return "Read";
    case DramCommand::Write:
      return "Write";
    case DramCommand::Refresh:
      return "Refresh";
  }
  return "";
}

}  // namespace

const DramParameters& dram_parameters(const std::string& name) {
  static const std::array<DramParameters, 2> known{ddr4_3200(), hbm2e()};
  for (const DramParameters& parameters : known) {
    if (parameters.name == name) return parameters;
  }
  throw Error("unknown DRAM", "--dram", "ddr4-3200 or hbm2e", name);
}

// ------------------------------------------------------------------------------------------ rules

DramRules::DramRules(const DramParameters& parameters)
    : parameters_(parameters), banks_(parameters.banks()), groups_(parameters.bank_groups) {}

Picoseconds DramRules::earliest_activate(unsigned bank) const {
  const DramParameters& p = parameters_;
  const Bank& b = banks_[bank];
  return std::max({b.precharge + clocks(p.rp), b.activate + clocks(p.rc),
                   groups_[bank / p.banks_per_group].activate + clocks(p.rrd_l),
                   channel_.activate + clocks(p.rrd_s),
                   activates_[oldest_activate_] + clocks(p.faw), refresh_end_});
}

Picoseconds DramRules::earliest_column(DramCommand command, unsigned bank) const {
  const DramParameters& p = parameters_;
  const Group& group = groups_[bank / p.banks_per_group];
  const Picoseconds time =
      std::max({banks_[bank].activate + clocks(p.rcd), group.column + clocks(p.ccd_l),
                channel_.column + clocks(p.ccd_s)});
  if (command == DramCommand::Write) return std::max(time, last_read_ + clocks(p.rtw));
  return std::max({time, write_end(group.write) + clocks(p.wtr_l),
                   write_end(channel_.write) + clocks(p.wtr_s)});
}

Picoseconds DramRules::earliest_refresh() const {
  Picoseconds time = refresh_end_;
  for (const Bank& bank : banks_) {
    time = std::max(
        {time, bank.precharge + clocks(parameters_.rp), bank.activate + clocks(parameters_.rc)});
  }
  return time;
}

Picoseconds DramRules::earliest(DramCommand command, unsigned bank, Picoseconds from) const {
  const DramParameters& p = parameters_;
  const Bank& b = banks_[bank];
  switch (command) {
    case DramCommand::Activate:
      return std::max(from, earliest_activate(bank));
    case DramCommand::Precharge:
      return std::max({from, b.activate + clocks(p.ras), b.read + clocks(p.rtp),
                       write_end(b.write) + clocks(p.wr)});
    case DramCommand::Read:
    case DramCommand::Write:
      return std::max(from, earliest_column(command, bank));
    case DramCommand::Refresh:
      return std::max(from, earliest_refresh());
  }
  return from;
}

void DramRules::issue(DramCommand command, unsigned bank, Picoseconds time, uint64_t row) {
  Bank& b = banks_[bank];
  Group& group = groups_[bank / parameters_.banks_per_group];
  const bool wants_open = command == DramCommand::Precharge || command == DramCommand::Read ||
                          command == DramCommand::Write;
  const bool any_open =
      std::any_of(banks_.begin(), banks_.end(), [](const Bank& x) { return x.open; });
  const bool state_right = command == DramCommand::Refresh ? !any_open : b.open == wants_open;
  if (!state_right || time % parameters_.clock != 0 || time < earliest(command, bank, time)) {
    throw std::logic_error(fmt::format("DRAM: illegal {} of bank {} at {} ps, earliest {} ps",
                                       name_of(command), bank, time,
                                       earliest(command, bank, kNever)));
  }
  switch (command) {
    case DramCommand::Activate:
      b.open = true;
      b.row = row;
      b.activate = group.activate = channel_.activate = time;
      activates_[oldest_activate_] = time;
      oldest_activate_ = (oldest_activate_ + 1) % activates_.size();
      break;
    case DramCommand::Precharge:
      b.open = false;
      b.precharge = time;
      break;
    case DramCommand::Read:
      b.read = group.column = channel_.column = last_read_ = time;
      break;
    case DramCommand::Write:
      b.write = group.column = channel_.column = group.write = channel_.write = time;
      break;
    case DramCommand::Refresh:
      refresh_end_ = time + clocks(parameters_.rfc);
      break;
  }
}

// ---------------------------------------------------------------------------------------- channel

DramChannel::DramChannel(const DramParameters& parameters)
    : parameters_(parameters),
      rules_(parameters),
      next_refresh_(parameters.spread_refresh ? 0 : parameters.refi * parameters.clock) {}

Picoseconds DramChannel::to_grid(Picoseconds time) const {
  return (time + parameters_.clock - 1) / parameters_.clock * parameters_.clock;
}

DramChannel::Place DramChannel::place(uint64_t address) const {
  const DramParameters& p = parameters_;
  const uint64_t burst = address / p.burst_bytes;
  const uint64_t page = burst / 2 / (p.page_bytes / p.burst_bytes);  // of a pair of banks
  const unsigned pairs = p.banks() / 2;
  const uint64_t row = page / pairs;
  const auto pair = static_cast<unsigned>((page + row) % pairs);
  // Of a pair, the banks are in groups 2g and 2g + 1.
  const unsigned group = 2 * (pair % (p.bank_groups / 2)) + static_cast<unsigned>(burst % 2);
  return {group * p.banks_per_group + pair / (p.bank_groups / 2), row};
}

/// Closes all rows and refreshes, no sooner than `due`.
void DramChannel::refresh(Picoseconds due) {
  for (unsigned bank = 0; bank < parameters_.banks(); ++bank) {
    if (!rules_.open(bank)) continue;
    rules_.issue(DramCommand::Precharge, bank, rules_.earliest(DramCommand::Precharge, bank, due));
  }
  rules_.issue(DramCommand::Refresh, 0, rules_.earliest(DramCommand::Refresh, 0, due));
  ++counters_.refreshes;
}

/// Does the refreshes that are due by `time`. Of a long idle stretch the first one matters, which
/// closes the rows, and the last one, which may still be under way.
void DramChannel::refresh_until(Picoseconds time) {
  if (time < next_refresh_) return;
  if (parameters_.spread_refresh) return spread_refresh_until(time);
  const Picoseconds interval = parameters_.refi * parameters_.clock;
  const Picoseconds more = (time - next_refresh_) / interval;
  refresh(next_refresh_);
  if (more > 0) {
    counters_.refreshes += static_cast<uint64_t>(more - 1);
    next_refresh_ += more * interval;
    refresh(next_refresh_);
  }
  next_refresh_ += interval;
}

/// A part of a refresh, and of the time that closing and opening a row around it takes, holds up
/// what is in its way; rows stay open.
void DramChannel::spread_refresh_until(Picoseconds time) {
  constexpr Picoseconds kParts = 16;
  const DramParameters& p = parameters_;
  const Picoseconds interval = p.refi * p.clock / kParts;
  next_refresh_ += (time - next_refresh_) / interval * interval;
  const Picoseconds end = to_grid(next_refresh_ + (p.rfc + p.rp + p.rcd) * p.clock / kParts);
  last_column_ = std::max(last_column_, end);
  next_refresh_ += interval;
}

Picoseconds DramChannel::access(uint64_t address, bool write, Picoseconds arrival) {
  const DramParameters& p = parameters_;
  const Picoseconds start = to_grid(arrival) + p.controller * p.clock;
  refresh_until(std::max(start, last_column_));
  const Place at = place(address);
  const bool open = rules_.open(at.bank);
  if (open && rules_.row(at.bank) == at.row) {
    ++counters_.row_hits;
  } else {
    ++(open ? counters_.row_conflicts : counters_.row_misses);
    if (open) {
      rules_.issue(DramCommand::Precharge, at.bank,
                   rules_.earliest(DramCommand::Precharge, at.bank, start));
    }
    rules_.issue(DramCommand::Activate, at.bank,
                 rules_.earliest(DramCommand::Activate, at.bank, start), at.row);
  }
  const DramCommand command = write ? DramCommand::Write : DramCommand::Read;
  const Picoseconds column = rules_.earliest(command, at.bank, std::max(start, last_column_));
  rules_.issue(command, at.bank, column);
  last_column_ = column;
  ++(write ? counters_.writes : counters_.reads);
  counters_.bus_busy += p.burst * p.clock;
  return column + ((write ? p.cwl : p.cl) + p.burst) * p.clock;
}

}  // namespace systole::timing
