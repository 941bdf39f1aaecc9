#include "host/report/waves.hpp"

#include <gtkwave/fstapi.h>

#include <array>
#include <fstream>
#include <memory>
#include <utility>

#include "host/command/error.hpp"

namespace systole::report {
namespace {

constexpr uint64_t kPicosecondsPerCycle = 1000;

struct Close {
  void operator()(void* reader) const { fstReaderClose(reader); }
};
using Reader = std::unique_ptr<void, Close>;

uint64_t big_endian(const uint8_t* at) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | at[i];
  return value;
}

/// Throws unless the file is a row of whole blocks, a header first, then values, names and their
/// shapes: the reader of a file that was cut off may never come back. A block is its kind, one
/// byte, and its length without that byte (GTKWave, "An explanation of the FST format").
void require_whole(const std::string& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const auto size = in ? static_cast<uint64_t>(in.tellg()) : 0;
  const auto refuse = [&] { throw Error("no readable waves", file, "an FST file"); };
  bool values = false, shapes = false, names = false;
  for (uint64_t at = 0; at < size;) {
    std::array<uint8_t, 9> head{};
    in.seekg(static_cast<std::streamoff>(at));
    in.read(reinterpret_cast<char*>(head.data()), head.size());
    const uint64_t length = big_endian(&head[1]);
    if (!in || length < 8 || length > size - at - 1 || (at == 0) != (head[0] == FST_BL_HDR))
      refuse();
    values |= head[0] == FST_BL_VCDATA || head[0] == FST_BL_VCDATA_DYN_ALIAS ||
              head[0] == FST_BL_VCDATA_DYN_ALIAS2;
    shapes |= head[0] == FST_BL_GEOM;
    names |= head[0] == FST_BL_HIER || head[0] == FST_BL_HIER_LZ4 || head[0] == FST_BL_HIER_LZ4DUO;
    at += 1 + length;
  }
  if (!values || !shapes || !names) refuse();
}

Reader open(const std::string& file) {
  require_whole(file);
  Reader reader(fstReaderOpen(file.c_str()));
  if (!reader) throw Error("no readable waves", file, "an FST file");
  return reader;
}

/// Gathers value changes into whole cycles.
struct Gathering {
  std::unordered_map<uint32_t, std::vector<std::size_t>> places;  // in `values`, by handle
  WaveValues values;
  uint64_t time = 0;
  uint64_t next = 0;  // the cycle that is to be told next
  const std::function<void(uint64_t, const WaveValues&)>* see = nullptr;

  /// Tells the cycles whose low phase lies before `now`.
  void tell_until(uint64_t now) {
    for (; next * kPicosecondsPerCycle < now; ++next) (*see)(next, values);
  }
};

void changed(void* data, uint64_t time, fstHandle handle, const unsigned char* value) {
  auto& gathering = *static_cast<Gathering*>(data);
  gathering.tell_until(time);
  for (const std::size_t place : gathering.places[handle])
    gathering.values[place] = reinterpret_cast<const char*>(value);
}

void changed_variable(void* data, uint64_t time, fstHandle handle, const unsigned char* value,
                      uint32_t) {
  changed(data, time, handle, value);
}

}  // namespace

uint64_t number(const std::string& bits) {
  uint64_t value = 0;
  for (const char bit : bits) value = value << 1 | (bit == '1' ? 1u : 0u);
  return value;
}

Waves::Waves(std::string file) : file_(std::move(file)) {
  const Reader reader = open(file_);
  from_ = fstReaderGetStartTime(reader.get()) / kPicosecondsPerCycle;
  to_ = fstReaderGetEndTime(reader.get()) / kPicosecondsPerCycle;
  std::vector<std::size_t> ends;  // of the scopes' names in `scope`
  std::string scope;
  while (const fstHier* entry = fstReaderIterateHier(reader.get())) {
    if (entry->htyp == FST_HT_SCOPE) {
      ends.push_back(scope.size());
      scope += std::string(entry->u.scope.name) + ".";
    } else if (entry->htyp == FST_HT_UPSCOPE) {
      scope.resize(ends.back());
      ends.pop_back();
    } else if (entry->htyp == FST_HT_VAR) {
      const std::string name = entry->u.var.name;
      handles_.emplace(scope + name.substr(0, name.find(' ')), entry->u.var.handle);
    }
  }
}

void Waves::read(const std::vector<std::string>& names,
                 const std::function<void(uint64_t, const WaveValues&)>& see) const {
  const Reader reader = open(file_);
  Gathering gathering;
  gathering.values.assign(names.size(), "0");
  gathering.next = from_;
  gathering.see = &see;
  fstReaderClrFacProcessMaskAll(reader.get());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = handles_.find(names[i]);
    if (found == handles_.end()) continue;
    gathering.places[found->second].push_back(i);
    fstReaderSetFacProcessMask(reader.get(), found->second);
  }
  fstReaderIterBlocks2(reader.get(), changed, changed_variable, &gathering, nullptr);
  gathering.tell_until((to_ + 1) * kPicosecondsPerCycle);
}

}  // namespace systole::report
