#include "host/compile/move.hpp"

#include <algorithm>
#include <cstring>

#include "host/command/error.hpp"

namespace systole::compile {
namespace {

constexpr int64_t kMaxBlockBytes = 48 * 1024;
constexpr int64_t kBytesWorthATile = 256;
constexpr int64_t kMaxStep = 8;  // between output indices of a piece

/// The indices of `map` at first, first + step, ... as progressions.
void add_pieces(const graph::IndexMap& map, int64_t first, int64_t step,
                std::vector<MovePiece>& pieces) {
  const auto size = static_cast<int64_t>(map.size());
  for (int64_t i = first; i < size;) {
    const auto index = [&](int64_t k) { return map[static_cast<std::size_t>(i + k * step)]; };
    MovePiece piece{index(0) < 0 ? MovePiece::kFill : 0, 1, i, step, index(0), 0};
    if (i + step < size) piece.from_step = index(1) - index(0);
    while (i + piece.count * step < size) {
      const int64_t next = index(piece.count);
      if ((next < 0) != (index(0) < 0) || next != piece.from + piece.count * piece.from_step) break;
      ++piece.count;
    }
    if (piece.count == 1) piece.from_step = 0;
    pieces.push_back(piece);
    i += piece.count * step;
  }
}

/// The part of a piece with output indices in [lo, hi), counted from lo.
std::optional<MovePiece> part_of(const MovePiece& piece, int64_t lo, int64_t hi) {
  const int64_t first = std::max<int64_t>(divide_up(lo - piece.at, piece.step), 0);
  const int64_t last = std::min(divide_up(hi - piece.at, piece.step), piece.count);
  if (hi <= piece.at || first >= last) return std::nullopt;
  MovePiece part = piece;
  part.count = last - first;
  part.at = piece.at + first * piece.step - lo;
  part.from = piece.from + first * piece.from_step;
  return part;
}

/// A run of bytes and the loops around it: levels that continue the run join it, levels that
/// continue each other become one; the longest first.
void merge(int64_t& run, std::vector<BlockLevel>& levels) {
  const auto merge_one = [&] {
    for (auto i = levels.begin(); i != levels.end(); ++i) {
      if (i->count == 1 || (i->global_stride == run && i->local_stride == run)) {
        run *= i->count;
        levels.erase(i);
        return true;
      }
      for (auto j = levels.begin(); j != levels.end(); ++j) {
        if (i == j || j->global_stride != i->count * i->global_stride ||
            j->local_stride != i->count * i->local_stride) {
          continue;
        }
        i->count *= j->count;
        levels.erase(j);
        return true;
      }
    }
    return false;
  };
  while (merge_one()) {
  }
  std::sort(levels.begin(), levels.end(),
            [](const BlockLevel& a, const BlockLevel& b) { return a.count > b.count; });
}

/// Calls body(global, local) with the offsets of every index of the levels behind the second.
template <typename Body>
void for_outer_levels(const std::vector<BlockLevel>& levels, Body body) {
  int64_t commands = 1;
  for (std::size_t i = 2; i < levels.size(); ++i) commands *= levels[i].count;
  for (int64_t n = 0; n < commands; ++n) {
    int64_t global = 0, local = 0, rest = n;
    for (std::size_t i = 2; i < levels.size(); ++i) {
      global += rest % levels[i].count * levels[i].global_stride;
      local += rest % levels[i].count * levels[i].local_stride;
      rest /= levels[i].count;
    }
    body(global, local);
  }
}

class MoveEmitter {
 public:
  MoveEmitter(Context& context, const MoveOperator& op)
      : context_(context), op_(op), bytes_(op.output->element_bytes()) {
    strides_.resize(op.axes.size(), 1);
    for (std::size_t d = op.axes.size(); d-- > 1;) {
      strides_[d - 1] = strides_[d] * op.axes[d].extent;
    }
  }
  void emit();

 private:
  int64_t units(std::size_t depth) const;
  std::size_t choose_depth() const;
  void emit_units(unsigned tile, int64_t first, int64_t last, uint32_t base);
  void emit_range(unsigned tile, std::size_t axis, int64_t first, int64_t last, uint32_t local);
  void emit_box(unsigned tile, std::size_t axis, uint32_t local);
  void emit_piece(unsigned tile, uint32_t local);
  void emit_fill(unsigned tile, uint32_t local);

  Context& context_;
  const MoveOperator& op_;
  int64_t bytes_;                  // of an element
  std::vector<int64_t> strides_;   // of the output, in elements
  std::size_t depth_ = 0;          // units are what lies behind this axis
  std::vector<int64_t> lo_, hi_;   // the box being emitted
  std::vector<MovePiece> chosen_;  // one of each axis before the present one
};

/// Indices of axes up to `depth`, together.
int64_t MoveEmitter::units(std::size_t depth) const {
  return op_.output->elements() / strides_[depth];
}

/// Units that fit in a block and are enough for all tiles.
std::size_t MoveEmitter::choose_depth() const {
  const int64_t all = op_.output->elements() * bytes_;
  const int64_t wanted = std::clamp<int64_t>(all / kBytesWorthATile, 1, context_.tiles());
  const int64_t budget = std::min(kMaxBlockBytes, context_.working_bytes() / 4);
  std::size_t depth = 0;
  while (depth + 1 < strides_.size() &&
         (units(depth) < wanted || strides_[depth] * bytes_ > budget)) {
    ++depth;
  }
  return depth;
}

void MoveEmitter::emit() {
  depth_ = choose_depth();
  const int64_t unit_bytes = strides_[depth_] * bytes_;
  const int64_t count = units(depth_);
  const int64_t tiles = std::min<int64_t>(context_.tiles(), count);
  std::vector<const Stored*> inputs;
  bool from_host = false;
  for (const MoveSource& source : op_.sources) {
    inputs.push_back(source.stored);
    from_host |= source.stored->buffer.space == Buffer::Space::Input;
  }
  context_.begin(inputs);
  std::vector<Home::Piece> parts;
  for (int64_t t = 0; t < tiles; ++t) {
    const auto [first, last] = share(count, t, tiles);
    parts.push_back({static_cast<unsigned>(t), first * unit_bytes, last * unit_bytes, 0, 1, {}});
  }
  context_.place(*op_.output, count * unit_bytes, 1, std::move(parts));
  const Buffer& buffer = op_.output->buffer;
  const int64_t budget = std::min(kMaxBlockBytes, context_.working_bytes() / 4);
  const int64_t most = std::max<int64_t>(budget / unit_bytes, 1);
  for (int64_t t = 0; t < tiles; ++t) {
    const auto tile = static_cast<unsigned>(t);
    const auto [begin, end] = share(count, t, tiles);
    // Loads of a record may run before the barrier behind the record before it: not into a home,
    // which other tiles may still read.
    if (buffer.space == Buffer::Space::Home && !from_host) {
      emit_units(tile, begin, end, buffer.home->of(tile)->address());
      continue;
    }
    for (int64_t first = begin; first < end; first += most) {
      const int64_t last = std::min(first + most, end);
      const Block block = context_.scratch(tile, (last - first) * unit_bytes);
      emit_units(tile, first, last, block.address());
      context_.store(tile, buffer, first * unit_bytes, block.address(), (last - first) * unit_bytes,
                     {});
    }
  }
  if (buffer.space == Buffer::Space::Home) buffer.home->direct = !from_host;
  op_.output->epoch = context_.epoch();
}

/// Units [first, last), which lie in memory one behind the other.
void MoveEmitter::emit_units(unsigned tile, int64_t first, int64_t last, uint32_t base) {
  lo_.assign(op_.axes.size(), 0);
  hi_.clear();
  for (const MoveAxis& axis : op_.axes) hi_.push_back(axis.extent);
  emit_range(tile, 0, first, last, base);
}

/// The same behind fixed indices of the axes before `axis`: a box of whole indices of this axis,
/// and what is left of one before and behind it.
void MoveEmitter::emit_range(unsigned tile, std::size_t axis, int64_t first, int64_t last,
                             uint32_t local) {
  if (first >= last) return;
  const int64_t inner = strides_[axis] / strides_[depth_];  // units of one index
  const int64_t unit_bytes = strides_[depth_] * bytes_;
  const auto at = [&](int64_t unit) {
    return local + static_cast<uint32_t>((unit - first) * unit_bytes);
  };
  const auto partial = [&](int64_t begin, int64_t end) {
    lo_[axis] = begin / inner;
    hi_[axis] = lo_[axis] + 1;
    emit_range(tile, axis + 1, begin - lo_[axis] * inner, end - lo_[axis] * inner, at(begin));
  };
  const int64_t whole_first = divide_up(first, inner);
  const int64_t whole_last = last / inner;
  if (whole_first > whole_last) return partial(first, last);
  if (first < whole_first * inner) partial(first, whole_first * inner);
  if (whole_first < whole_last) {
    lo_[axis] = whole_first;
    hi_[axis] = whole_last;
    for (std::size_t d = axis + 1; d < op_.axes.size(); ++d) {
      lo_[d] = 0;
      hi_[d] = op_.axes[d].extent;
    }
    emit_box(tile, 0, at(whole_first * inner));
  }
  if (whole_last * inner < last) partial(whole_last * inner, last);
}

/// All pieces of the box, axis by axis; what one axis fills is not looked at further.
void MoveEmitter::emit_box(unsigned tile, std::size_t axis, uint32_t local) {
  if (axis == op_.axes.size()) return emit_piece(tile, local);
  for (const MovePiece& piece : op_.axes[axis].pieces) {
    const auto part = part_of(piece, lo_[axis], hi_[axis]);
    if (!part) continue;
    chosen_.push_back(*part);
    if (part->source == MovePiece::kFill) {
      emit_fill(tile, local);
    } else {
      emit_box(tile, axis + 1, local);
    }
    chosen_.pop_back();
  }
}

void MoveEmitter::emit_piece(unsigned tile, uint32_t local) {
  const MoveSource& source = op_.sources[static_cast<std::size_t>(chosen_[op_.join].source)];
  int64_t global = 0, to = local, run = bytes_;
  std::vector<BlockLevel> levels;
  for (std::size_t d = 0; d < chosen_.size(); ++d) {
    const MovePiece& piece = chosen_[d];
    const int64_t from_bytes = source.strides[d] * bytes_, to_bytes = strides_[d] * bytes_;
    global += piece.from * from_bytes;
    to += piece.at * to_bytes;
    levels.push_back({piece.count, piece.from_step * from_bytes, piece.step * to_bytes});
  }
  merge(run, levels);
  const std::vector<BlockLevel> inner(
      levels.begin(), levels.begin() + std::min<std::ptrdiff_t>(2, levels.end() - levels.begin()));
  for_outer_levels(levels, [&](int64_t from, int64_t at) {
    context_.load(tile, source.stored->buffer, global + from, static_cast<uint32_t>(to + at), run,
                  inner);
  });
}

/// What lies behind the last chosen piece, all of it; an element of 8 bytes is two of 4.
void MoveEmitter::emit_fill(unsigned tile, uint32_t local) {
  const int64_t word = std::min<int64_t>(bytes_, 4);
  for (int64_t part = 0; part < bytes_ / word; ++part) {
    uint32_t pattern = 0;
    std::memcpy(&pattern, op_.fill.bytes().data() + part * word, static_cast<std::size_t>(word));
    if (word == 1) pattern *= 0x01010101u;
    int64_t to = local + part * word, run = word;
    std::vector<BlockLevel> levels;
    for (std::size_t d = 0; d < op_.axes.size(); ++d) {
      const bool is_chosen = d < chosen_.size();
      const int64_t step = strides_[d] * bytes_ * (is_chosen ? chosen_[d].step : 1);
      if (is_chosen) to += chosen_[d].at * strides_[d] * bytes_;
      levels.push_back({is_chosen ? chosen_[d].count : hi_[d] - lo_[d], step, step});
    }
    merge(run, levels);
    levels.resize(std::max<std::size_t>(levels.size(), 2));
    for_outer_levels(levels, [&](int64_t, int64_t at) {
      context_.fill(tile, pattern, static_cast<uint32_t>(to + at), run, levels[0], levels[1]);
    });
  }
}

}  // namespace

std::vector<MovePiece> pieces_of(const graph::IndexMap& map) {
  std::vector<MovePiece> best;
  const int64_t most = std::min<int64_t>(kMaxStep, static_cast<int64_t>(map.size()));
  for (int64_t step = 1; step <= most; ++step) {
    std::vector<MovePiece> pieces;
    for (int64_t first = 0; first < step; ++first) add_pieces(map, first, step, pieces);
    if (best.empty() || pieces.size() < best.size()) best = std::move(pieces);
  }
  return best;
}

void emit_move(Context& context, const MoveOperator& op) { MoveEmitter(context, op).emit(); }

void emit_copy(Context& context, const Stored& from, Stored& to) {
  const auto common = common_axes({&to.view, &from.view});
  if (!common) throw Error("layouts without common axes", context.node_name);
  std::vector<CommonAxis> axes = *common;
  std::sort(axes.begin(), axes.end(),
            [](const CommonAxis& a, const CommonAxis& b) { return a.strides[0] > b.strides[0]; });
  if (axes.empty()) axes.push_back({1, {1, 1}});
  MoveOperator op;
  op.output = &to;
  op.sources = {{&from, {}}};
  for (const CommonAxis& axis : axes) {
    op.axes.push_back({axis.extent, {{0, axis.extent, 0, 1, 0, 1}}});
    op.sources[0].strides.push_back(axis.strides[1]);
  }
  emit_move(context, op);
}

}  // namespace systole::compile
