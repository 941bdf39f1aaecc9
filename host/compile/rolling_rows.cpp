#include "host/compile/rolling_rows.hpp"

#include <algorithm>

#include "host/compile/context.hpp"

namespace systole::compile {

RollingRows::Part RollingRows::part(int64_t chunk, int64_t slot) const {
  const auto [begin, end] = share(rows_, chunk, plan_.chunks);
  const auto [first, last] = share(held(), slot, plan_.slots);
  Part part;
  part.slot = slot;
  part.enters = chunk * round() + slot;
  part.leaves = part.enters + sweep_;
  part.place = first;
  part.row = begin + first;
  // Some chunks have a row less than others.
  part.rows = std::min(last, end - begin) - first;
  return part;
}

std::optional<RollingRows::Part> RollingRows::part_at(int64_t slot, int64_t step) const {
  const int64_t since = step - slot + 1;
  if (since < 0 || since / round() >= plan_.chunks) return std::nullopt;
  return part(since / round(), slot);
}

std::vector<RollingRows::Part> RollingRows::used(int64_t step) const {
  std::vector<Part> parts;
  for (int64_t slot = 0; slot < plan_.slots; ++slot) {
    const auto part = part_at(slot, step);
    if (part && part->enters <= step) parts.push_back(*part);
  }
  return parts;
}

std::vector<RollingRows::Part> RollingRows::coming(int64_t step) const {
  std::vector<Part> parts;
  for (int64_t slot = 0; slot < plan_.slots; ++slot) {
    const auto part = part_at(slot, step);
    if (part && (part->enters == step + 1 || (step == 0 && part->enters == 0)))
      parts.push_back(*part);
  }
  return parts;
}

}  // namespace systole::compile
