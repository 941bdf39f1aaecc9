// When a DRAM channel answers: banks, rows, refresh and the data bus, in picoseconds. No data.
//
// Two parts. DramRules knows which command may go to which bank when; it throws on a command that
// comes too early. DramChannel is the controller: it takes column accesses of one burst each and
// serves them in order, opening rows ahead: the row commands of an access start when it arrives,
// whatever is still waiting for the data bus before it. Rows stay open until another row of the
// bank is wanted or a refresh closes them. Conflicts on the command bus are not modelled.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "host/command/archive.hpp"

namespace systole::timing {

using Picoseconds = int64_t;

/// One channel. Rules are in clocks of the command bus, named as in the JEDEC standards; _s holds
/// between bank groups, _l within one.
struct DramParameters {
  std::string name;
  Picoseconds clock = 0;
  unsigned bank_groups = 0;
  unsigned banks_per_group = 0;
  unsigned burst_bytes = 0;  // of one column access
  unsigned page_bytes = 0;   // of one open row
  unsigned burst = 0;        // clocks that one access holds the data bus
  unsigned cl = 0, cwl = 0, rcd = 0, rp = 0, ras = 0, rc = 0;
  unsigned ccd_s = 0, ccd_l = 0, rrd_s = 0, rrd_l = 0, faw = 0;
  unsigned wr = 0, rtp = 0, wtr_s = 0, wtr_l = 0;
  unsigned rtw = 0;  // read command to write command
  unsigned refi = 0, rfc = 0;
  unsigned controller = 0;  // from arrival to the first command
  // Refreshes take as much time, but in small parts all along: for who does not know their phase.
  bool spread_refresh = false;

  unsigned banks() const { return bank_groups * banks_per_group; }
  /// Bytes per second, as a fraction of a byte per picosecond.
  double peak_bytes_per_ps() const { return burst_bytes / static_cast<double>(burst * clock); }
};

/// "ddr4-3200" (64-bit channel of x8 devices, 25.6 GB/s) or "hbm2e" (one pseudo-channel, 25.6
/// GB/s). Throws Error naming the known ones.
const DramParameters& dram_parameters(const std::string& name);

enum class DramCommand { Activate, Precharge, Read, Write, Refresh };

class DramRules {
 public:
  explicit DramRules(const DramParameters& parameters);

  /// Earliest time of a command, at or after `from`, by the rules alone. The bank's row must be
  /// open for Read and Write, closed for Activate; Refresh concerns all banks, which must be
  /// closed.
  Picoseconds earliest(DramCommand command, unsigned bank, Picoseconds from) const;

  /// Throws std::logic_error naming the rule's command when `time` is before earliest(), off the
  /// clock grid, or the bank is not in the right state.
  void issue(DramCommand command, unsigned bank, Picoseconds time, uint64_t row = 0);

  bool open(unsigned bank) const { return banks_[bank].open; }
  uint64_t row(unsigned bank) const { return banks_[bank].row; }

  template <class Archive>
  void serialize(Archive& archive) {
    plain_all(archive, banks_, groups_, channel_, last_read_, activates_, oldest_activate_,
              refresh_end_);
  }

 private:
  static constexpr Picoseconds kNever = std::numeric_limits<Picoseconds>::min() / 4;

  struct Bank {
    bool open = false;
    uint64_t row = 0;
    Picoseconds activate = kNever;
    Picoseconds precharge = kNever;
    Picoseconds read = kNever;
    Picoseconds write = kNever;
  };
  struct Group {
    Picoseconds activate = kNever;
    Picoseconds column = kNever;
    Picoseconds write = kNever;
  };

  Picoseconds clocks(unsigned count) const { return count * parameters_.clock; }
  Picoseconds write_end(Picoseconds write) const {
    return write + clocks(parameters_.cwl + parameters_.burst);
  }
  Picoseconds earliest_activate(unsigned bank) const;
  Picoseconds earliest_column(DramCommand command, unsigned bank) const;
  Picoseconds earliest_refresh() const;

  DramParameters parameters_;
  std::vector<Bank> banks_;
  std::vector<Group> groups_;
  Group channel_;  // the last of any group
  Picoseconds last_read_ = kNever;
  std::array<Picoseconds, 4> activates_{kNever, kNever, kNever, kNever};  // the last four, a ring
  unsigned oldest_activate_ = 0;
  Picoseconds refresh_end_ = kNever;
};

struct DramCounters {
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t row_hits = 0;
  uint64_t row_misses = 0;     // the bank was closed
  uint64_t row_conflicts = 0;  // another row was open
  uint64_t refreshes = 0;
  Picoseconds bus_busy = 0;
};

class DramChannel {
 public:
  explicit DramChannel(const DramParameters& parameters);

  const DramParameters& parameters() const { return parameters_; }
  const DramCounters& counters() const { return counters_; }

  /// Serves the burst that holds the byte `address` of this channel. Arrivals must not decrease.
  /// Returns when the last of its data has passed the data bus.
  Picoseconds access(uint64_t address, bool write, Picoseconds arrival);

  struct Place {
    unsigned bank;
    uint64_t row;
  };
  /// Neighbouring bursts alternate between two bank groups, so that a stream runs at t_ccd_s; row
  /// bits are added into the bank number, so that power-of-two strides spread.
  Place place(uint64_t address) const;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(rules_);
    plain_all(archive, counters_, next_refresh_, last_column_);
  }

 private:
  Picoseconds to_grid(Picoseconds time) const;
  void refresh_until(Picoseconds time);
  void refresh(Picoseconds due);
  void spread_refresh_until(Picoseconds time);

  DramParameters parameters_;
  DramRules rules_;
  DramCounters counters_;
  Picoseconds next_refresh_;
  Picoseconds last_column_ = 0;
};

}  // namespace systole::timing
