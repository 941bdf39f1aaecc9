#include "host/compile/map.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "host/command/error.hpp"

namespace systole::compile {
namespace {

constexpr int64_t kMaxBoxBytes = 48 * 1024;  // also keeps counts within 16 bits

/// One axis of the walk. Strides in elements: of the buffers, then inside a box.
struct WalkAxis {
  int64_t extent = 1;
  int64_t box = 1;                  // elements of a box along it
  std::array<int64_t, 4> stride{};  // kOut, kFirst, kSecond, kChannel
};
enum { kOut, kFirst, kSecond, kChannel };

struct LocalAxis {
  int64_t extent = 1;
  std::array<int64_t, 4> stride{};
};

/// Addresses of what a box's passes work on.
struct Bases {
  std::array<uint32_t, 3> operand{};
  std::array<uint32_t, 6> temporary{};
};

bool is_temporary(Slot slot) { return slot >= Slot::T0; }
std::size_t temporary_index(Slot slot) {
  return static_cast<std::size_t>(slot) - static_cast<std::size_t>(Slot::T0);
}
/// Temporaries lie in the output's order.
int side_of(Slot slot) {
  return slot == Slot::First ? kFirst : slot == Slot::Second ? kSecond : kOut;
}
uint32_t address_of(const Bases& bases, Slot slot) {
  return is_temporary(slot) ? bases.temporary[temporary_index(slot)]
                            : bases.operand[static_cast<std::size_t>(side_of(slot))];
}
/// Whether all that a pass touches lies in the output's order, so that it needs no walk.
bool is_flat_pass(const MapPass& pass) {
  const bool own = side_of(pass.a) == kOut && side_of(pass.b) == kOut;
  return own && pass.s.empty() && pass.t.empty() && pass.c.empty();
}

class MapEmitter {
 public:
  MapEmitter(Context& context, const MapOperator& op) : context_(context), op_(op) {}
  void emit();

 private:
  const Stored* operand(int which) const {
    return which == kOut ? op_.output : which == kFirst ? op_.first : op_.second;
  }
  void find_axes();
  void choose_boxes();
  std::vector<WalkAxis> split(int by, int64_t wanted) const;
  int64_t box_bytes(const std::vector<WalkAxis>& axes) const;
  int64_t cost(const std::vector<WalkAxis>& axes) const;
  void emit_box(unsigned tile, const std::vector<int64_t>& start);
  void pack(int which, const std::vector<int64_t>& extent, std::vector<LocalAxis>& local) const;
  std::vector<BlockLevel> levels(int which, const std::vector<LocalAxis>& local) const;
  void emit_passes(unsigned tile, const std::vector<LocalAxis>& local, const Bases& bases,
                   int64_t channel_start);
  void emit_flat_pass(unsigned tile, const MapPass& pass, const Bases& bases, int64_t elements);
  spec::VectorCommand typed(const MapPass& pass) const;
  spec::Vtype type_of(Slot slot) const;
  int64_t bytes_of(Slot slot) const;
  int64_t temporaries() const;
  Block allocate_temporaries(unsigned tile, int64_t elements, Bases& bases);
  bool per_channel() const { return op_.channel_axis >= 0; }
  bool is_flat() const;
  std::vector<const Stored*> with_singles(std::vector<const Stored*> inputs) const;
  void hold_singles(unsigned tile);
  void set_singles(spec::VectorCommand& c, const MapPass& pass) const;
  void emit_flat();
  void emit_flat_piece(const Home::Piece& piece, int64_t columns);

  Context& context_;
  const MapOperator& op_;
  std::vector<WalkAxis> axes_;  // by the output's stride, largest first
  Address channel_lanes_ = 0;   // vectors of 16 different channels, for lanes along the channels
  Address channel_copies_ = 0;  // 16 times the same channel
  int64_t channel_arrays_ = 0;  // how many arrays, each of `channel_count_` (rounded up)
  int64_t channel_count_ = 0;
  Block singles_;  // of the present tile, a vector each
};

void MapEmitter::find_axes() {
  const Shape& shape = op_.output->shape;
  std::vector<View> views = {op_.output->view, op_.first->view.broadcast(op_.first->shape, shape)};
  views.push_back(op_.second ? op_.second->view.broadcast(op_.second->shape, shape) : views[1]);
  Shape channels(shape.size(), 1);
  if (per_channel()) {
    const auto axis = static_cast<std::size_t>(op_.channel_axis);
    channels[axis] = channel_count_ = shape[axis];
  }
  views.push_back(View::row_major(channels).broadcast(channels, shape));
  const auto common = common_axes({&views[0], &views[1], &views[2], &views[3]});
  if (!common) throw Error("layouts without common axes", context_.node_name);
  for (const CommonAxis& axis : *common) {
    WalkAxis walk;
    walk.extent = walk.box = axis.extent;
    std::copy(axis.strides.begin(), axis.strides.end(), walk.stride.begin());
    axes_.push_back(walk);
  }
  if (axes_.empty()) {
    WalkAxis single;
    single.stride = {1, 1, 1, 0};
    axes_.push_back(single);
  }
  std::sort(axes_.begin(), axes_.end(),
            [](const WalkAxis& a, const WalkAxis& b) { return a.stride[kOut] > b.stride[kOut]; });
}

int64_t MapEmitter::box_bytes(const std::vector<WalkAxis>& axes) const {
  int64_t bytes = 256;
  int64_t elements = 1;
  for (const WalkAxis& axis : axes) elements *= axis.box;
  bytes += elements * (op_.output->element_bytes() + 4 * temporaries()) + 64 * temporaries();
  for (int which = kFirst; which <= (op_.second ? kSecond : kFirst); ++which) {
    int64_t loaded = 1;
    for (const WalkAxis& axis : axes) loaded *= axis.stride[which] == 0 ? 1 : axis.box;
    bytes += loaded * operand(which)->element_bytes();
  }
  for (const WalkAxis& axis : axes) {
    if (axis.stride[kChannel] != 0) bytes += 64 * channel_arrays_ * axis.box;
  }
  return bytes;
}

/// Shrinks boxes axis by axis, the one with the largest stride in operand `by` first, until they
/// fit and there are `wanted` of them.
std::vector<WalkAxis> MapEmitter::split(int by, int64_t wanted) const {
  std::vector<WalkAxis> axes = axes_;
  std::vector<std::size_t> order(axes.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return axes[a].stride[by] > axes[b].stride[by];
  });
  const int64_t budget = std::min(kMaxBoxBytes, context_.working_bytes() / 4);
  int64_t boxes = 1;  // along the axes before this one
  for (const std::size_t i : order) {
    WalkAxis& axis = axes[i];
    const bool fine_lanes = axis.stride[kOut] == 1;
    const auto pieces = [&] { return divide_up(axis.extent, axis.box); };
    while (axis.box > 1 && (box_bytes(axes) > budget || boxes * pieces() < wanted)) {
      const int64_t before = axis.box;
      const int64_t by_size = pieces() * divide_up(box_bytes(axes), budget);
      axis.box =
          std::max<int64_t>(1, divide_up(axis.extent, std::max(by_size, divide_up(wanted, boxes))));
      // Whole vectors, except where a box has less than one.
      if (fine_lanes && axis.box > kLanes) axis.box = round_up(axis.box, kLanes);
      if (fine_lanes && axis.box <= kLanes && per_channel()) axis.box = std::min(kLanes, before);
      if (axis.box >= before) {
        axis.box = before;
        break;
      }
    }
    boxes *= pieces();
  }
  return axes;
}

/// Runs of global memory that a box touches, times boxes: what the choice of boxes changes.
int64_t MapEmitter::cost(const std::vector<WalkAxis>& axes) const {
  int64_t total = 0;
  int64_t boxes = 1;
  for (const WalkAxis& axis : axes) boxes *= divide_up(axis.extent, axis.box);
  for (int which = kOut; which <= kSecond; ++which) {
    if (operand(which) == nullptr) continue;
    std::vector<WalkAxis> sorted = axes;
    std::sort(sorted.begin(), sorted.end(), [&](const WalkAxis& a, const WalkAxis& b) {
      return a.stride[which] < b.stride[which];
    });
    int64_t run = 1, elements = 1;
    bool open = true;
    for (const WalkAxis& axis : sorted) {
      if (axis.stride[which] == 0) continue;
      elements *= axis.box;
      if (open && axis.stride[which] == run) {
        run *= axis.box;
        open = axis.box == axis.extent;
      } else {
        open = false;
      }
    }
    const int64_t bytes = run * operand(which)->element_bytes();
    total += boxes * (elements / run) * (2 + bytes / 32) + 40 * boxes;
  }
  return total;
}

void MapEmitter::choose_boxes() {
  const int64_t elements = op_.output->elements();
  const int64_t tiles = context_.tiles();
  int64_t wanted = std::clamp<int64_t>(elements / 128, 1, tiles);
  if (elements / tiles > 16384) wanted = 2 * tiles;
  const std::vector<WalkAxis> by_output = split(kOut, wanted);
  const std::vector<WalkAxis> by_input = split(kFirst, wanted);
  axes_ = cost(by_input) < cost(by_output) ? by_input : by_output;
  if (box_bytes(axes_) > context_.working_bytes()) {
    throw Error(kNoRoom, context_.node_name);
  }
}

/// Local strides of operand `which`: the box packed in the order of its global strides.
void MapEmitter::pack(int which, const std::vector<int64_t>& extent,
                      std::vector<LocalAxis>& local) const {
  std::vector<std::size_t> order(axes_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return axes_[a].stride[which] < axes_[b].stride[which];
  });
  int64_t stride = 1;
  for (const std::size_t i : order) {
    if (axes_[i].stride[which] == 0) continue;
    local[i].stride[which] = stride;
    stride *= extent[i];
  }
}

std::vector<BlockLevel> MapEmitter::levels(int which, const std::vector<LocalAxis>& local) const {
  const int64_t bytes = operand(which)->element_bytes();
  std::vector<BlockLevel> out;
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    if (axes_[i].stride[which] == 0) continue;
    out.push_back(
        {local[i].extent, axes_[i].stride[which] * bytes, local[i].stride[which] * bytes});
  }
  return out;
}

void MapEmitter::emit_box(unsigned tile, const std::vector<int64_t>& start) {
  std::vector<int64_t> extent;
  std::vector<LocalAxis> local(axes_.size());
  int64_t elements = 1;
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    extent.push_back(std::min(axes_[i].box, axes_[i].extent - start[i]));
    local[i].extent = extent[i];
    elements *= extent[i];
  }
  std::array<int64_t, 4> offset{};
  for (int which = kOut; which <= kChannel; ++which) {
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      offset[which] += start[i] * axes_[i].stride[which];
    }
    if (which != kChannel && operand(which) != nullptr) pack(which, extent, local);
  }
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    local[i].stride[kChannel] = axes_[i].stride[kChannel];
  }

  std::array<Block, 3> blocks;
  Bases bases;
  std::array<uint32_t, 3>& base = bases.operand;
  for (int which = kOut; which <= kSecond; ++which) {
    if (operand(which) == nullptr) continue;
    const int64_t bytes = operand(which)->element_bytes();
    int64_t size = bytes;
    for (const LocalAxis& axis : local) {
      size += (axis.extent - 1) * axis.stride[which] * bytes;
    }
    blocks[which] = context_.scratch(tile, size);
    base[which] = blocks[which].address();
    if (which != kOut) {
      context_.load(tile, operand(which)->buffer, offset[which] * bytes, base[which], bytes,
                    levels(which, local));
    }
  }
  const Block temporary = allocate_temporaries(tile, elements, bases);
  emit_passes(tile, local, bases, offset[kChannel]);
  const int64_t bytes = op_.output->element_bytes();
  context_.store(tile, op_.output->buffer, offset[kOut] * bytes, base[kOut], bytes,
                 levels(kOut, local));
}

/// One loop of a vector pass; strides in elements.
struct PassLoop {
  int64_t count = 1;
  std::array<int64_t, 4> stride{};
  bool tail = false;  // the loop over groups of lanes
};

void set_loop(spec::VectorCommand& c, int dim, const PassLoop& loop, int64_t a_bytes,
              int64_t b_bytes, int64_t d_bytes, int a, int b) {
  const auto count = static_cast<uint16_t>(loop.count);
  const auto as = static_cast<int32_t>(loop.stride[static_cast<std::size_t>(a)] * a_bytes);
  const auto bs =
      b < 0 ? 0 : static_cast<int32_t>(loop.stride[static_cast<std::size_t>(b)] * b_bytes);
  const auto ds = static_cast<int32_t>(loop.stride[kOut] * d_bytes);
  switch (dim) {
    case 0:
      c.count0 = count, c.a_stride0 = as, c.b_stride0 = bs, c.d_stride0 = ds;
      break;
    case 1:
      c.count1 = count, c.a_stride1 = as, c.b_stride1 = bs, c.d_stride1 = ds;
      break;
    case 2:
      c.count2 = count, c.a_stride2 = as, c.b_stride2 = bs, c.d_stride2 = ds;
      break;
    default:
      c.count3 = count, c.a_stride3 = as, c.b_stride3 = bs, c.d_stride3 = ds;
  }
}

spec::Vtype MapEmitter::type_of(Slot slot) const {
  if (slot == Slot::None) return spec::Vtype::None;
  if (slot == Slot::T0) return op_.temporary;
  if (is_temporary(slot)) return spec::Vtype::F32;
  return vector_type(operand(side_of(slot))->type);
}

int64_t MapEmitter::bytes_of(Slot slot) const {
  if (slot == Slot::None) return 0;
  return is_temporary(slot) ? 4 : operand(side_of(slot))->element_bytes();
}

int64_t MapEmitter::temporaries() const {
  std::size_t count = 0;
  for (const MapPass& pass : op_.passes) {
    if (is_temporary(pass.to)) count = std::max(count, temporary_index(pass.to) + 1);
  }
  return static_cast<int64_t>(count);
}

/// Each begins, and ends, on a boundary of 64 bytes: so it can be read as vectors.
Block MapEmitter::allocate_temporaries(unsigned tile, int64_t elements, Bases& bases) {
  const int64_t count = temporaries();
  const int64_t size = round_up(4 * elements, 64);
  if (count == 0) return {};
  Block block = context_.scratch(tile, count * size);
  for (int64_t i = 0; i < count; ++i) {
    bases.temporary[static_cast<std::size_t>(i)] =
        block.address() + static_cast<uint32_t>(i * size);
  }
  return block;
}

spec::VectorCommand MapEmitter::typed(const MapPass& pass) const {
  spec::VectorCommand c = pass.command;
  c.a_type = type_of(pass.a);
  c.b_type = type_of(pass.b);
  c.d_type = type_of(pass.to);
  c.reduce = spec::Vreduce::None;
  c.wcount0 = c.wcount1 = 1;
  return c;
}

std::vector<const Stored*> MapEmitter::with_singles(std::vector<const Stored*> inputs) const {
  for (const MapSingle& single : op_.singles) inputs.push_back(single.value);
  return inputs;
}

/// Loads the singles and copies each to 16 lanes.
void MapEmitter::hold_singles(unsigned tile) {
  if (op_.singles.empty()) return;
  const auto count = static_cast<int64_t>(op_.singles.size());
  singles_ = context_.scratch_at_end(tile, 64 * count);
  const Block elements = context_.scratch(tile, 4 * count);
  for (std::size_t i = 0; i < op_.singles.size(); ++i) {
    const MapSingle& single = op_.singles[i];
    const uint32_t at = elements.address() + static_cast<uint32_t>(4 * i);
    context_.load(tile, single.value->buffer, 0, at, single.value->element_bytes(), {});
    spec::VectorCommand c;
    c.a_type = vector_type(single.value->type);
    c.d_type = spec::Vtype::F32;
    c.op = spec::Vop::Mul;
    c.s = float_bits(single.factor);
    c.act = single.act;
    c.lanes = c.lanes_last = 1;
    c.count0 = static_cast<uint16_t>(kLanes);
    c.count1 = c.count2 = c.count3 = 1;
    c.a_base = at;
    c.d_base = singles_.address() + static_cast<uint32_t>(64 * i);
    c.d_stride0 = 4;
    c.wcount0 = c.wcount1 = 1;
    context_.schedule.emit(tile, spec::Unit::Vector, c);
  }
}

void MapEmitter::set_singles(spec::VectorCommand& c, const MapPass& pass) const {
  const auto set = [&](int single, bool& flag, uint32_t& word) {
    if (single == kNoSingle) return;
    flag = true;
    word = singles_.address() + static_cast<uint32_t>(64 * single);
  };
  set(pass.s_single, c.s_vector, c.s);
  set(pass.t_single, c.t_vector, c.t);
  set(pass.c_single, c.c_vector, c.c);
}

/// A pass over a whole box in the order in which it lies.
void MapEmitter::emit_flat_pass(unsigned tile, const MapPass& pass, const Bases& bases,
                                int64_t elements) {
  spec::VectorCommand c = typed(pass);
  PassLoop loop;
  loop.count = divide_up(elements, kLanes);
  loop.stride = {kLanes, kLanes, kLanes, 0};
  const bool by_element = pass.s_elements != Slot::None;
  const int dim = by_element ? 3 : 0;
  for (int i = 0; i < 4; ++i) {
    set_loop(c, i, i == dim ? loop : PassLoop{}, bytes_of(pass.a), bytes_of(pass.b),
             bytes_of(pass.to), kOut, pass.b == Slot::None ? -1 : kOut);
  }
  c.tail_dim = static_cast<uint8_t>(dim);
  c.lanes = static_cast<uint8_t>(std::min(kLanes, elements));
  c.lanes_last = static_cast<uint8_t>(elements - (loop.count - 1) * kLanes);
  c.a_base = address_of(bases, pass.a);
  if (pass.b != Slot::None) c.b_base = address_of(bases, pass.b);
  c.d_base = address_of(bases, pass.to);
  if (by_element) {
    c.s_vector = true;
    c.s = address_of(bases, pass.s_elements);
  }
  set_singles(c, pass);
  context_.schedule.emit(tile, spec::Unit::Vector, c);
}

void MapEmitter::emit_passes(unsigned tile, const std::vector<LocalAxis>& local, const Bases& bases,
                             int64_t channel_start) {
  const int last = op_.second ? kSecond : kFirst;
  int64_t elements = 1;
  for (const LocalAxis& axis : local) elements *= axis.extent;
  // Axes are in the output's order: merge what is contiguous on all sides.
  std::vector<LocalAxis> axes;
  for (const LocalAxis& axis : local) {
    if (axis.extent == 1) continue;
    bool merges = !axes.empty();
    for (int which = kOut; merges && which <= kChannel; ++which) {
      if (which == kSecond && last == kFirst) continue;
      merges = axes.back().stride[which] == axis.extent * axis.stride[which];
    }
    if (merges) {
      const int64_t extent = axes.back().extent * axis.extent;
      axes.back() = axis;
      axes.back().extent = extent;
    } else {
      axes.push_back(axis);
    }
  }
  int64_t lanes = 1, lanes_last = 1;
  bool channel_lanes = false;
  std::vector<PassLoop> loops;
  if (!axes.empty()) {
    const LocalAxis inner = axes.back();
    bool contiguous = inner.stride[kOut] == 1 && inner.stride[kChannel] <= 1;
    for (int which = kFirst; which <= last; ++which) {
      contiguous = contiguous && inner.stride[which] == 1;
    }
    if (contiguous) {
      axes.pop_back();
      lanes = std::min(kLanes, inner.extent);
      PassLoop loop;
      loop.count = divide_up(inner.extent, kLanes);
      loop.tail = true;
      for (int which = kOut; which <= kChannel; ++which) {
        loop.stride[which] = kLanes * inner.stride[which];
      }
      lanes_last = inner.extent - (loop.count - 1) * kLanes;
      channel_lanes = inner.stride[kChannel] == 1;
      loops.push_back(loop);
    }
  }
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    loops.push_back({axis->extent, axis->stride, false});
  }
  while (loops.size() < 4) loops.push_back({});
  // The channels' loop is the outermost of the pass: its vectors follow that count. With a single
  // group of channels, a loop of one takes its place.
  if (channel_arrays_ > 0) {
    std::size_t channel_loop = loops.size();
    for (std::size_t i = 0; i < loops.size(); ++i) {
      if (loops[i].stride[kChannel] == 0 || loops[i].count == 1) continue;
      if (channel_loop < loops.size()) {
        throw Error("channels lie along two axes", context_.node_name);
      }
      channel_loop = i;
    }
    if (channel_loop == loops.size()) loops.push_back({});
    std::swap(loops[channel_loop], loops[3]);
  } else if (!op_.singles.empty()) {
    // Vectors follow the count of the fourth loop, so that must be one.
    loops.insert(loops.begin() + 3, PassLoop{});
  }

  // Per-channel vectors of this box.
  Block vectors;
  int64_t array_bytes = 0;
  if (channel_arrays_ > 0) {
    const int64_t groups = loops[3].count;
    array_bytes = 64 * groups;
    vectors = context_.scratch(tile, array_bytes * channel_arrays_);
    const Buffer from{Buffer::Space::Dram, channel_lanes ? channel_lanes_ : channel_copies_,
                      nullptr};
    const int64_t each = channel_lanes ? 4 : 64;  // bytes of a channel
    context_.load(tile, from, channel_start * each, vectors.address(), array_bytes,
                  {{channel_arrays_, round_up(channel_count_, kLanes) * each + 64, array_bytes}});
  }

  int64_t commands = 1;
  for (std::size_t i = 4; i < loops.size(); ++i) commands *= loops[i].count;
  int64_t array = 0;
  for (const MapPass& pass : op_.passes) {
    if (is_flat_pass(pass)) {
      emit_flat_pass(tile, pass, bases, elements);
      continue;
    }
    spec::VectorCommand c = typed(pass);
    c.lanes = static_cast<uint8_t>(lanes);
    c.lanes_last = static_cast<uint8_t>(lanes_last);
    for (int dim = 0; dim < 4; ++dim) {
      set_loop(c, dim, loops[static_cast<std::size_t>(dim)], bytes_of(pass.a), bytes_of(pass.b),
               bytes_of(pass.to), side_of(pass.a), pass.b == Slot::None ? -1 : side_of(pass.b));
      if (loops[static_cast<std::size_t>(dim)].tail) c.tail_dim = static_cast<uint8_t>(dim);
    }
    const auto vector = [&](const std::vector<float>& values, bool& flag, uint32_t& word) {
      if (values.empty()) return;
      flag = true;
      word = vectors.address() + static_cast<uint32_t>(array++ * array_bytes);
    };
    vector(pass.s, c.s_vector, c.s);
    vector(pass.t, c.t_vector, c.t);
    vector(pass.c, c.c_vector, c.c);
    set_singles(c, pass);
    for (int64_t n = 0; n < commands; ++n) {
      std::array<int64_t, 3> at{};
      int64_t rest = n;
      for (std::size_t i = 4; i < loops.size(); ++i) {
        for (int which = kOut; which <= last; ++which) {
          at[which] += rest % loops[i].count * loops[i].stride[which];
        }
        rest /= loops[i].count;
      }
      const auto address = [&](Slot slot) {
        const int64_t offset = at[static_cast<std::size_t>(side_of(slot))] * bytes_of(slot);
        return address_of(bases, slot) + static_cast<uint32_t>(offset);
      };
      c.a_base = address(pass.a);
      if (pass.b != Slot::None) c.b_base = address(pass.b);
      c.d_base = address(pass.to);
      context_.schedule.emit(tile, spec::Unit::Vector, c);
    }
  }
}

/// Whether all operands lie in the same order.
bool MapEmitter::is_flat() const {
  const auto alike = [&](const Stored* operand) {
    return operand == nullptr ||
           (operand->shape == op_.output->shape && operand->view == op_.output->view);
  };
  return !per_channel() && alike(op_.first) && alike(op_.second);
}

/// The tile's part, if the operand stays there with the same bounds.
const Home::Piece* same_piece(const Stored* operand, const Home::Piece& piece) {
  if (operand == nullptr || operand->buffer.space != Buffer::Space::Home) return nullptr;
  const Home::Piece* own = operand->buffer.home->of(piece.tile);
  const bool same = own != nullptr && own->r0 == piece.r0 && own->r1 == piece.r1 &&
                    own->c0 == piece.c0 && own->c1 == piece.c1;
  return same ? own : nullptr;
}

void MapEmitter::emit_flat() {
  // Parts as an operand has them, else even ones.
  Home bounds;
  const auto like = [&](const Home& home) {
    bounds.rows = home.rows;
    bounds.columns = home.columns;
    for (const Home::Piece& p : home.pieces) {
      bounds.pieces.push_back({p.tile, p.r0, p.r1, p.c0, p.c1, {}});
    }
  };
  if (op_.first->buffer.home != nullptr) {
    like(*op_.first->buffer.home);
  } else if (op_.second != nullptr && op_.second->buffer.home != nullptr) {
    like(*op_.second->buffer.home);
  } else {
    bounds = context_.even_parts(*op_.output);
  }
  std::vector<const Stored*> inputs;
  for (const Stored* operand : {op_.first, static_cast<const Stored*>(op_.second)}) {
    if (operand == nullptr) continue;
    bool in_place = operand->buffer.space == Buffer::Space::Home && operand->buffer.home->direct;
    for (const Home::Piece& piece : bounds.pieces) {
      in_place = in_place && same_piece(operand, piece) != nullptr;
    }
    if (!in_place) inputs.push_back(operand);
  }
  context_.begin(with_singles(inputs));
  std::vector<Home::Piece> pieces;
  for (const Home::Piece& p : bounds.pieces) {
    pieces.push_back({p.tile, p.r0, p.r1, p.c0, p.c1, {}});
  }
  context_.place(*op_.output, bounds.rows, bounds.columns, std::move(pieces));
  for (const Home::Piece& piece : bounds.pieces) {
    hold_singles(piece.tile);
    emit_flat_piece(piece, bounds.columns);
  }
  if (op_.output->buffer.home != nullptr) op_.output->buffer.home->direct = true;
  op_.output->epoch = context_.epoch();
}

void MapEmitter::emit_flat_piece(const Home::Piece& piece, int64_t columns) {
  // Whole rows are one run.
  const bool whole = piece.columns() == columns;
  const int64_t width = whole ? 1 : piece.columns();
  const int64_t pitch = whole ? 1 : columns;
  const int64_t r0 = whole ? piece.r0 * columns : piece.r0;
  const int64_t r1 = whole ? piece.r1 * columns : piece.r1;
  const int64_t c0 = whole ? 0 : piece.c0;
  int64_t bytes_each = 4 * temporaries();
  for (int which = kOut; which <= kSecond; ++which) {
    if (operand(which) != nullptr && same_piece(operand(which), piece) == nullptr) {
      bytes_each += operand(which)->element_bytes();
    }
  }
  const int64_t budget = std::min(kMaxBoxBytes, context_.working_bytes() / 4);
  // Small parts in one go; large ones in pieces that overlap with their transfers.
  int64_t rows = r1 - r0;
  if (bytes_each > 0) rows = std::min(rows, std::max<int64_t>(budget / bytes_each / width, 1));
  rows = std::min(rows, std::max<int64_t>(kMaxCount * kLanes / width, 1));
  if (whole && rows < r1 - r0) rows = std::max(rows / kLanes * kLanes, std::min(rows, kLanes));
  for (int64_t r = r0; r < r1; r += rows) {
    const int64_t count = std::min(rows, r1 - r);
    std::array<Block, 3> blocks;
    Bases bases;
    std::array<uint32_t, 3>& base = bases.operand;
    for (int which = kOut; which <= kSecond; ++which) {
      if (operand(which) == nullptr) continue;
      const int64_t bytes = operand(which)->element_bytes();
      if (const Home::Piece* own = same_piece(operand(which), piece)) {
        base[which] = own->address() + static_cast<uint32_t>((r - r0) * width);
        continue;
      }
      blocks[which] = context_.scratch(piece.tile, count * width * bytes);
      base[which] = blocks[which].address();
      if (which == kOut) continue;
      context_.load(piece.tile, operand(which)->buffer, (r * pitch + c0) * bytes, base[which],
                    width * bytes, {{count, pitch * bytes, width * bytes}});
    }
    const Block temporary = allocate_temporaries(piece.tile, count * width, bases);
    LocalAxis axis;
    axis.extent = count * width;
    axis.stride = {1, 1, 1, 0};
    emit_passes(piece.tile, {axis}, bases, 0);
    if (blocks[kOut]) {
      const int64_t bytes = op_.output->element_bytes();
      context_.store(piece.tile, op_.output->buffer, (r * pitch + c0) * bytes, base[kOut],
                     width * bytes, {{count, pitch * bytes, width * bytes}});
    }
  }
}

void MapEmitter::emit() {
  if (is_flat()) return emit_flat();
  std::vector<float> lanes, copies;
  for (const MapPass& pass : op_.passes) {
    for (const auto* values : {&pass.s, &pass.t, &pass.c}) {
      if (values->empty()) continue;
      ++channel_arrays_;
      const auto count =
          static_cast<std::size_t>(round_up(static_cast<int64_t>(values->size()), kLanes));
      // An array is followed by 64 bytes, so that the last group may be read past its end.
      for (std::size_t i = 0; i < count + 16; ++i) {
        lanes.push_back(i < values->size() ? (*values)[i] : 0.0f);
      }
      for (std::size_t i = 0; i < count * 16 + 16; ++i) {
        copies.push_back(i / 16 < values->size() ? (*values)[i / 16] : 0.0f);
      }
    }
  }
  find_axes();
  if (channel_arrays_ > 0) {
    const auto bytes = [](const std::vector<float>& values) {
      std::vector<uint8_t> out(values.size() * 4);
      std::memcpy(out.data(), values.data(), out.size());
      return out;
    };
    channel_lanes_ = context_.constant(bytes(lanes));
    channel_copies_ = context_.constant(bytes(copies));
  }
  choose_boxes();

  std::vector<const Stored*> inputs = {op_.first};
  if (op_.second) inputs.push_back(op_.second);
  context_.begin(with_singles(inputs));
  context_.place_evenly(*op_.output);
  int64_t boxes = 1;
  for (const WalkAxis& axis : axes_) boxes *= divide_up(axis.extent, axis.box);
  for (unsigned tile = 0; tile < context_.tiles(); ++tile) {
    const auto [first, last] = share(boxes, tile, context_.tiles());
    if (first < last) hold_singles(tile);
    for (int64_t n = first; n < last; ++n) {
      std::vector<int64_t> start(axes_.size());
      int64_t rest = n;
      for (std::size_t i = axes_.size(); i-- > 0;) {
        const int64_t count = divide_up(axes_[i].extent, axes_[i].box);
        start[i] = rest % count * axes_[i].box;
        rest /= count;
      }
      emit_box(tile, start);
    }
  }
  op_.output->epoch = context_.epoch();
}

}  // namespace

void emit_map(Context& context, const MapOperator& op) { MapEmitter(context, op).emit(); }

MapPass copy_pass(DataType type) {
  MapPass pass;
  if (type == DataType::F32 || type == DataType::S32) {
    pass.command.op = spec::Vop::Move;
    return pass;
  }
  pass.command.op = spec::Vop::Mul;
  pass.command.s = float_bits(1.0f);
  if (type == DataType::S8) pass.command.lo = -128, pass.command.hi = 127;
  if (type == DataType::U8) pass.command.lo = 0, pass.command.hi = 255;
  return pass;
}

}  // namespace systole::compile
