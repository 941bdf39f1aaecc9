#include "host/compile/context.hpp"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "host/command/error.hpp"

namespace systole::compile {

namespace {

constexpr int64_t kReadBehind = 64;  // bytes of other things that windows may touch

/// Rows that are spread between two barriers take so many bytes of a tile at most, a row so many at
/// least: tokens stay few enough for a counter.
constexpr int64_t kMostSpread = 16384;
constexpr int64_t kLeastOfRow = 256;

}  // namespace

Context::Context(GlobalMemory& memory, const std::vector<Place>& places, std::vector<Place> team,
                 unsigned in_flight, Budget budget)
    : schedule(places, std::move(team), budget.page_commands),
      memory_(memory),
      record_base_(budget.record_base),
      in_flight_(in_flight) {
  weight_price_ = budget.weight_price;
  rolls_ = budget.rolls;
  in_pages_ = budget.page_commands > 0;
  resident_begin_ = static_cast<uint32_t>(round_up(budget.program, 128));
  resident_end_ = static_cast<uint32_t>(round_up(resident_begin_ + budget.resident, 64));
  homes_begin_ = resident_end_;
  const auto homes_end = static_cast<uint32_t>(round_up(homes_begin_ + budget.homes, 64));
  // The last group of lanes of a pass may be shorter than the others, but must have room for all.
  const uint32_t end = spec::ScratchpadBytes - kVectorBytes;
  if (homes_end > end) throw Error(kNoRoom, "compiler");
  working_bytes_ = end - homes_end;
  resident_next_.assign(tiles(), resident_begin_);
  halves_.assign(tiles(), 0);
  pushes_.assign(tiles(), 0);
  taken_.assign(tiles(), pushes_);
  home_memory_.assign(tiles(), Scratchpad(homes_begin_, homes_end));
  scratchpads_.assign(tiles(), Scratchpad(homes_end, end));
}

void Context::begin(const std::vector<const Stored*>& inputs,
                    const std::function<void()>& prefetch) {
  int needed = -1;
  for (const Stored* input : inputs) needed = std::max(needed, input->epoch);
  ++operators_;
  if (needed >= arrivals_) {
    if (awaited_ < arrivals_) await();
    arrive();
  }
  if (prefetch) prefetch();
  if (needed >= awaited_) await();
  // For the operator of the input before this one.
  if (in_flight_ > 1 && awaited_ == arrivals_ && operators_ - 1 > arrived_behind_) arrive();
}

void Context::barrier() {
  if (awaited_ < arrivals_) await();
  arrive();
  await();
}

void Context::meet_team() {
  if (awaited_ < arrivals_) await();
  note_arrival();
  schedule.meet_team();
  ++awaited_;
  released_.clear();
}

void Context::arrive_at_team() {
  await_team();
  note_arrival();
  schedule.arrive_at_team();
}

void Context::await_team() {
  if (awaited_ < arrivals_) await();
}

void Context::end_stage() {
  await_team();
  schedule.settle_stores();
}

void Context::arrive() {
  schedule.arrive();
  note_arrival();
}

void Context::note_arrival() {
  ++arrivals_;
  spread_bytes_ = 0;
  arrived_behind_ = operators_ - 1;
  free_unused();
  // What nobody uses any more is free behind this barrier.
  for (auto& home : homes_) {
    if (home.use_count() == 1) released_.push_back(std::move(home));
  }
  homes_.erase(std::remove(homes_.begin(), homes_.end(), nullptr), homes_.end());
}

/// What a lone tile uses no more is free at once: its schedule knows who still reads it.
void Context::free_unused() {
  if (tiles() > 1) return;
  homes_.erase(std::remove_if(homes_.begin(), homes_.end(),
                              [](const auto& home) { return home.use_count() == 1; }),
               homes_.end());
}

void Context::await() {
  schedule.await();
  ++awaited_;
  released_.clear();
}

/// Tokens that nobody waited for are taken.
void Context::finish() {
  for (unsigned t = 0; t < tiles(); ++t) {
    for (unsigned from = 0; from < tiles(); ++from) {
      for (; from != t && taken_[t][from] < pushes_[from]; ++taken_[t][from])
        schedule.take(t, schedule.pushed(t, from));
    }
  }
  if (awaited_ < arrivals_) await();
  schedule.finish();
}

const Home::Piece* Home::of(unsigned tile) const {
  for (const Piece& piece : pieces) {
    if (piece.tile == tile) return &piece;
  }
  return nullptr;
}

int64_t Home::offset(const Piece& piece, int64_t row) const {
  if (!border) return (row - piece.r0) * piece.columns();
  const int64_t line = (row - piece.r0) / border.line + border.top;
  const int64_t pixel = (row - piece.r0) % border.line + border.left;
  return (line * border.padded_line() + pixel) * piece.columns();
}

int64_t Home::bytes(const Piece& piece) const {
  if (!border) return (piece.r1 - piece.r0) * piece.columns();
  const int64_t lines = border.top + (piece.r1 - piece.r0) / border.line + border.bottom;
  return lines * border.padded_line() * piece.columns();
}

/// The image's padding, as far as it lies around the piece. The vector unit writes it before the
/// results that follow: the load unit would stop for memory that is still in use, and with it the
/// loads behind.
void Context::fill_border(const Home& home, const Home::Piece& piece, DataType type) {
  const Border& border = home.border;
  const int64_t pixel = piece.columns();
  const int64_t pitch = border.padded_line() * pixel;
  const int64_t lines = border.top + (piece.r1 - piece.r0) / border.line + border.bottom;
  const auto set = [&](int64_t line, int64_t column, int64_t run, int64_t count) {
    if (run == 0 || count == 0) return;
    spec::VectorCommand c;
    c.a_type = c.d_type = vector_type(type);
    c.op = spec::Vop::Mul;
    set_codes(c, border.fill, {border.fill, border.fill});
    c.tail_dim = 0;
    const int64_t groups = divide_up(run, kLanes);
    c.lanes = kLanes;
    c.lanes_last = static_cast<uint8_t>(run - (groups - 1) * kLanes);
    c.count0 = static_cast<uint16_t>(groups);
    c.count1 = static_cast<uint16_t>(count);
    c.count2 = c.count3 = 1;
    c.wcount0 = c.wcount1 = 1;
    c.a_base = c.d_base = piece.address() + static_cast<uint32_t>(line * pitch + column * pixel);
    c.a_stride0 = c.d_stride0 = kLanes;
    c.a_stride1 = c.d_stride1 = static_cast<int32_t>(count > 1 ? pitch : 0);
    schedule.emit(piece.tile, spec::Unit::Vector, c);
  };
  // Lines of the image, neighbours' included; what lies before, between and behind them.
  const int64_t begin = std::max<int64_t>(border.top - piece.r0 / border.line, 0);
  const int64_t behind = std::max<int64_t>(border.bottom - (home.rows - piece.r1) / border.line, 0);
  const int64_t end = lines - behind;
  set(0, 0, begin * pitch + border.left * pixel, 1);
  set(begin, border.left + border.line, (border.left + border.right) * pixel, end - begin - 1);
  set(end - 1, border.left + border.line, border.right * pixel + behind * pitch, 1);
}

void Context::place(Stored& value, int64_t rows, int64_t columns, std::vector<Home::Piece> pieces) {
  if (value.buffer.space != Buffer::Space::Unplaced) return;
  value.epoch = epoch();
  free_unused();
  const auto home = std::make_shared<Home>();
  home->rows = rows;
  home->columns = columns;
  home->border = value.border;
  for (const Home::Piece& piece : pieces) {
    const int64_t line = value.border ? value.border.line : 1;
    if (piece.r0 % line != 0 || piece.r1 % line != 0) home->border = {};
  }
  bool fits = value.element_bytes() == 1;
  for (Home::Piece& piece : pieces) {
    if (piece.r0 == piece.r1 || piece.c0 == piece.c1) continue;
    // Behind a border, what the last steps of a window read.
    const int64_t bytes = home->bytes(piece) + (home->border ? kReadBehind : 0);
    Scratchpad& memory = home_memory_[piece.tile];
    fits = fits && round_up(bytes, 64) <= memory.largest();
    if (!fits) break;
    piece.block = memory.allocate_at_end(bytes, false, value.name);
    homes_used_ = std::max(homes_used_, piece.address() + piece.block.bytes() - homes_begin_);
    home->pieces.push_back(std::move(piece));
  }
  if (fits) {
    homes_.push_back(home);
    value.buffer = {Buffer::Space::Home, 0, home};
    for (const Home::Piece& piece : home->pieces) {
      if (home->border) fill_border(*home, piece, value.type);
    }
  } else {
    lacks_homes_ = lacks_homes_ || value.element_bytes() == 1;
    value.buffer = {Buffer::Space::Dram,
                    memory_.dram.allocate(value.elements() * value.element_bytes(), value.name),
                    nullptr};
  }
}

bool Context::can_spread(int64_t bytes) const {
  if (tiles() < 2 || tiles() > kMaxPushing || streams_) return false;
  if (spread_bytes_ + std::max(bytes, kLeastOfRow) > kMostSpread) return false;
  return std::all_of(home_memory_.begin(), home_memory_.end(), [&](const Scratchpad& memory) {
    return round_up(bytes, 64) <= memory.largest();
  });
}

void Context::spread(Stored& value, int64_t bytes, std::vector<Home::Piece> pieces) {
  const auto home = std::make_shared<Home>();
  home->rows = 1;
  home->columns = bytes;
  home->spread = true;
  for (Home::Piece& piece : pieces) {
    piece.block = home_memory_[piece.tile].allocate_at_end(bytes, false, value.name);
    piece.offset = static_cast<uint32_t>(piece.c0);
    homes_used_ = std::max(homes_used_, piece.block.address() + piece.block.bytes() - homes_begin_);
    home->pieces.push_back(std::move(piece));
  }
  spread_bytes_ += std::max(bytes, kLeastOfRow);
  homes_.push_back(home);
  value.epoch = epoch();
  value.buffer = {Buffer::Space::Home, 0, home};
}

void Context::push(unsigned tile, Home& home) {
  const Home::Piece& piece = home.pieces[tile];
  if (piece.columns() > 0) {
    for (unsigned distance = 1; distance < tiles(); ++distance) {
      const unsigned to = (tile + distance) % tiles();
      schedule.push(tile, to, piece.address(), home.pieces[to].block.address() + piece.offset,
                    static_cast<uint32_t>(piece.columns()));
    }
    ++pushes_[tile];
  }
  home.pushes.push_back(pushes_[tile]);
}

uint16_t Context::take(unsigned tile, const Home& home, unsigned from) {
  if (from == tile) return 0;
  std::size_t& taken = taken_[tile][from];
  if (taken >= home.pushes[from]) return 0;
  const uint16_t token = schedule.pushed(tile, from);
  for (++taken; taken < home.pushes[from]; ++taken) schedule.take(tile, token);
  return token;
}

void Context::pass_over(unsigned tile, const Home& home) {
  uint16_t tokens = 0;
  for (unsigned from = 0; from < tiles(); ++from)
    tokens = static_cast<uint16_t>(tokens | take(tile, home, from));
  const Block& block = home.pieces[tile].block;
  if (tokens != 0) schedule.take(tile, tokens, {block.address(), block.address() + block.bytes()});
}

bool Context::begin_streams() {
  const bool pushed = std::any_of(pushes_.begin(), pushes_.end(), [](auto n) { return n > 0; });
  streams_ = !pushed;
  return streams_;
}

Home Context::even_parts(const Stored& value) const {
  const int64_t bytes = value.elements();  // one byte each: others are never placed
  const Shape& s = value.shape;
  // Images by lines, as convolutions and pools take them.
  const bool image = s.size() == 4 && s[0] * s[2] >= tiles();
  const int64_t lines = image ? s[0] * s[2] : std::clamp<int64_t>(bytes / 64, 1, tiles());
  const int64_t parts = std::min<int64_t>(tiles(), lines);
  Home home;
  home.rows = bytes;
  home.columns = 1;
  for (int64_t t = 0; t < parts; ++t) {
    Home::Piece piece;
    piece.tile = static_cast<unsigned>(t);
    std::tie(piece.r0, piece.r1) = image ? share(lines, t, parts) : share(bytes, t, parts);
    if (image) {
      piece.r0 *= bytes / lines;
      piece.r1 *= bytes / lines;
    }
    piece.c1 = 1;
    home.pieces.push_back(std::move(piece));
  }
  return home;
}

void Context::place_evenly(Stored& value) {
  Home parts = even_parts(value);
  place(value, parts.rows, parts.columns, std::move(parts.pieces));
}

uint32_t Context::homes_used() const { return homes_used_; }

uint32_t Context::resident(unsigned tile, Address source, int64_t bytes) {
  const auto known = resident_.find({tile, source});
  if (known != resident_.end()) return known->second;
  const int64_t size = round_up(bytes, 64);
  uint32_t& next = resident_next_[tile];
  if (size > resident_end_ - next) return 0;
  spec::LoadCommand command;
  command.addr = source;
  command.local_addr = next;
  command.run = static_cast<uint32_t>(bytes);
  command.count0 = command.count1 = 1;
  schedule.emit_prologue(tile, command);
  resident_[{tile, source}] = next;
  next += static_cast<uint32_t>(size);
  return command.local_addr;
}

int64_t Context::resident_room() const {
  return int64_t{resident_end_} - *std::max_element(resident_next_.begin(), resident_next_.end());
}

uint32_t Context::resident_used() const {
  return *std::max_element(resident_next_.begin(), resident_next_.end()) - resident_begin_;
}

namespace {

/// Runs of equal length at regular distances.
struct Runs {
  int64_t global = 0, local = 0, run = 0;
  BlockLevel inner, outer;
};

/// Joins neighbours in a list that are alike and evenly spaced: they become a level.
template <typename Alike>
std::vector<Runs> joined(const std::vector<Runs>& list, BlockLevel Runs::*level, Alike alike) {
  std::vector<Runs> out;
  for (const Runs& next : list) {
    if (!out.empty() && alike(out.back(), next)) {
      BlockLevel& l = out.back().*level;
      const int64_t global = next.global - out.back().global;
      const int64_t local = next.local - out.back().local;
      if (l.count == 1) {
        l = {2, global, local};
        continue;
      }
      if (global == l.count * l.global_stride && local == l.count * l.local_stride) {
        ++l.count;
        continue;
      }
    }
    out.push_back(next);
  }
  return out;
}

/// Contiguous runs become one, then rows of runs, then rows of rows.
std::vector<Runs> joined(const std::vector<Runs>& list) {
  std::vector<Runs> whole;
  for (const Runs& next : list) {
    if (!whole.empty() && whole.back().global + whole.back().run == next.global &&
        whole.back().local + whole.back().run == next.local) {
      whole.back().run += next.run;
    } else {
      whole.push_back(next);
    }
  }
  const auto rows =
      joined(whole, &Runs::inner, [](const Runs& a, const Runs& b) { return a.run == b.run; });
  return joined(rows, &Runs::outer, [](const Runs& a, const Runs& b) {
    return a.run == b.run && a.inner.count == b.inner.count &&
           a.inner.global_stride == b.inner.global_stride &&
           a.inner.local_stride == b.inner.local_stride;
  });
}

}  // namespace

/// A block of a tensor that is spread over scratchpads: commands for every piece that it meets.
template <typename Command>
void Context::transfer_home(unsigned tile, spec::Unit unit, const Home& home, int64_t offset,
                            uint32_t local, int64_t run, const std::vector<BlockLevel>& levels) {
  std::vector<std::vector<Runs>> found(home.pieces.size());
  int64_t count = 1;
  for (const BlockLevel& level : levels) count *= level.count;
  for (int64_t n = 0; n < count; ++n) {
    int64_t from = offset, to = local, rest = n;
    for (const BlockLevel& level : levels) {
      from += rest % level.count * level.global_stride;
      to += rest % level.count * level.local_stride;
      rest /= level.count;
    }
    for (std::size_t i = 0; i < home.pieces.size(); ++i) {
      const Home::Piece& piece = home.pieces[i];
      const bool whole_rows = piece.columns() == home.columns && !home.border;
      // Rectangles of whole rows are one run of bytes.
      const int64_t pitch = whole_rows ? 1 : home.columns;
      const int64_t r0 = whole_rows ? piece.r0 * home.columns : piece.r0;
      const int64_t r1 = whole_rows ? piece.r1 * home.columns : piece.r1;
      const int64_t first = std::max(r0, from / pitch);
      const int64_t last = std::min(r1, divide_up(from + run, pitch));
      if (whole_rows) {
        if (first < last) {
          found[i].push_back(
              {piece.address() + first - r0, to + first - from, last - first, {}, {}});
        }
        continue;
      }
      for (int64_t r = first; r < last; ++r) {
        const int64_t begin = std::max(from, r * pitch + piece.c0);
        const int64_t end = std::min(from + run, r * pitch + piece.c1);
        if (begin >= end) continue;
        found[i].push_back({piece.address() + home.offset(piece, r) + begin - r * pitch - piece.c0,
                            to + begin - from,
                            end - begin,
                            {},
                            {}});
      }
    }
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Address base = scratchpad_base(schedule.place(home.pieces[i].tile));
    for (const Runs& runs : joined(std::move(found[i]))) {
      Command command;
      command.addr = base + static_cast<Address>(runs.global);
      command.local_addr = static_cast<uint32_t>(runs.local);
      command.run = static_cast<uint32_t>(runs.run);
      command.count0 = static_cast<uint32_t>(runs.inner.count);
      command.gstride0 = static_cast<int32_t>(runs.inner.global_stride);
      command.lstride0 = static_cast<int32_t>(runs.inner.local_stride);
      command.count1 = static_cast<uint32_t>(runs.outer.count);
      command.gstride1 = static_cast<int32_t>(runs.outer.global_stride);
      command.lstride1 = static_cast<int32_t>(runs.outer.local_stride);
      schedule.emit(tile, unit, command);
    }
  }
}

template <typename Command>
void Context::transfer(unsigned tile, spec::Unit unit, const Buffer& buffer, int64_t offset,
                       uint32_t local, int64_t run, std::vector<BlockLevel> levels) {
  levels.erase(std::remove_if(levels.begin(), levels.end(),
                              [](const BlockLevel& level) { return level.count == 1; }),
               levels.end());
  std::sort(levels.begin(), levels.end(), [](const BlockLevel& a, const BlockLevel& b) {
    return a.global_stride < b.global_stride;
  });
  std::vector<BlockLevel> loops;
  for (const BlockLevel& level : levels) {
    if (loops.empty() && level.global_stride == run && level.local_stride == run) {
      run *= level.count;
    } else if (!loops.empty() &&
               level.global_stride == loops.back().count * loops.back().global_stride &&
               level.local_stride == loops.back().count * loops.back().local_stride) {
      loops.back().count *= level.count;
    } else {
      loops.push_back(level);
    }
  }
  if (buffer.space == Buffer::Space::Home) {
    transfer_home<Command>(tile, unit, *buffer.home, offset, local, run, loops);
    return;
  }
  Command command;
  if (buffer.space != Buffer::Space::Dram) {
    command.header.sel0_en = true;
    command.header.sel0_word = 4;
    command.header.sel0_param = buffer.space == Buffer::Space::Input ? 0 : 1;
  }
  command.run = static_cast<uint32_t>(run);
  command.count0 = command.count1 = 1;
  if (loops.size() > 0) {
    command.count0 = static_cast<uint32_t>(loops[0].count);
    command.gstride0 = static_cast<int32_t>(loops[0].global_stride);
    command.lstride0 = static_cast<int32_t>(loops[0].local_stride);
  }
  if (loops.size() > 1) {
    command.count1 = static_cast<uint32_t>(loops[1].count);
    command.gstride1 = static_cast<int32_t>(loops[1].global_stride);
    command.lstride1 = static_cast<int32_t>(loops[1].local_stride);
  }
  const Address base = buffer.space == Buffer::Space::Dram ? 0 : record_base_;
  // Levels beyond the second: a command for each index.
  int64_t commands = 1;
  for (std::size_t i = 2; i < loops.size(); ++i) commands *= loops[i].count;
  for (int64_t n = 0; n < commands; ++n) {
    int64_t rest = n;
    int64_t global = static_cast<int64_t>(base + buffer.address) + offset;
    int64_t at = local;
    for (std::size_t i = 2; i < loops.size(); ++i) {
      global += rest % loops[i].count * loops[i].global_stride;
      at += rest % loops[i].count * loops[i].local_stride;
      rest /= loops[i].count;
    }
    command.addr = static_cast<uint64_t>(global);
    command.local_addr = static_cast<uint32_t>(at);
    schedule.emit(tile, unit, command);
  }
}

void Context::load(unsigned tile, const Buffer& buffer, int64_t offset, uint32_t local, int64_t run,
                   std::vector<BlockLevel> levels) {
  transfer<spec::LoadCommand>(tile, spec::Unit::Load, buffer, offset, local, run,
                              std::move(levels));
}

void Context::store(unsigned tile, const Buffer& buffer, int64_t offset, uint32_t local,
                    int64_t run, std::vector<BlockLevel> levels) {
  transfer<spec::StoreCommand>(tile, spec::Unit::Store, buffer, offset, local, run,
                               std::move(levels));
}

void Context::fill(unsigned tile, uint32_t pattern, uint32_t local, int64_t run, int64_t count,
                   int64_t stride) {
  if (run <= 0 || count <= 0) return;
  fill(tile, pattern, local, run, {count, 0, stride}, {});
}

void Context::fill(unsigned tile, uint32_t pattern, uint32_t local, int64_t run, BlockLevel inner,
                   BlockLevel outer) {
  spec::FillCommand command;
  command.value = pattern;
  command.local_addr = local;
  command.run = static_cast<uint32_t>(run);
  command.count0 = static_cast<uint32_t>(inner.count);
  command.lstride0 = static_cast<int32_t>(inner.local_stride);
  command.count1 = static_cast<uint32_t>(outer.count);
  command.lstride1 = static_cast<int32_t>(outer.local_stride);
  schedule.emit(tile, spec::Unit::Load, command);
}

std::pair<int64_t, int64_t> share(int64_t count, int64_t part, int64_t parts) {
  return {count * part / parts, count * (part + 1) / parts};
}

uint32_t byte_pattern(int32_t byte) { return static_cast<uint8_t>(byte) * 0x01010101u; }

spec::Vtype vector_type(DataType type) {
  switch (type) {
    case DataType::S8:
      return spec::Vtype::S8;
    case DataType::U8:
      return spec::Vtype::U8;
    case DataType::F32:
      return spec::Vtype::F32;
    case DataType::S32:
      return spec::Vtype::S32;
    default:
      throw Error("no such operand type", "vector pass", "at most 32 bits", to_string(type));
  }
}

void spread_zero_point(Context& context, unsigned tile, const Stored& zero, uint32_t to,
                       int64_t count) {
  const Block element = context.scratch(tile, 1);
  context.load(tile, zero.buffer, 0, element.address(), 1, {});
  spec::VectorCommand c;
  c.a_type = vector_type(zero.type);
  c.a_zp = static_cast<int16_t>(highest_of(zero.type));
  c.d_type = spec::Vtype::U8;
  c.op = spec::Vop::Mul;
  c.s = float_bits(-1.0f);
  set_codes(c, 0, {0, 255});
  c.lanes = c.lanes_last = 1;
  c.count0 = static_cast<uint16_t>(count);
  c.count1 = c.count2 = c.count3 = 1;
  c.a_base = element.address();
  c.d_base = to;
  c.d_stride0 = 1;
  c.wcount0 = c.wcount1 = 1;
  context.schedule.emit(tile, spec::Unit::Vector, c);
}

void set_codes(spec::VectorCommand& c, int32_t zero_point, graph::Clamp clamp) {
  c.zp = static_cast<int16_t>(zero_point);
  c.lo = static_cast<int16_t>(clamp.lo);
  c.hi = static_cast<int16_t>(clamp.hi);
}

void set_clip(spec::VectorCommand& c, graph::FloatClamp clamp) {
  if (clamp.is_full()) return;
  c.act = spec::Vact::Clip;
  c.t = float_bits(clamp.lo);
  c.c = float_bits(clamp.hi);
}

uint32_t float_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

}  // namespace systole::compile
