// What checkpoints are made of: cereal archives, and fields that are stored as their bytes.
//
// A class that a checkpoint holds has a member `serialize(archive)`, which names its state once for
// both directions. Checkpoints go back into the same build only, so plain structures are stored as
// they lie in memory.
#pragma once

#include <cereal/archives/binary.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>
#include <optional>
#include <type_traits>

namespace systole {

/// A structure or number as its bytes.
template <class Archive, class T, std::enable_if_t<std::is_trivially_copyable_v<T>, int> = 0>
void plain(Archive& archive, T& value) {
  archive(cereal::binary_data(&value, sizeof value));
}

/// A vector or deque of such.
template <class Archive, class T, std::enable_if_t<!std::is_trivially_copyable_v<T>, int> = 0>
void plain(Archive& archive, T& sequence) {
  auto size = static_cast<uint64_t>(sequence.size());
  archive(size);
  if constexpr (Archive::is_loading::value) sequence.resize(static_cast<std::size_t>(size));
  for (auto& element : sequence) plain(archive, element);
}

template <class Archive, class First, class... Rest>
void plain_all(Archive& archive, First& first, Rest&... rest) {
  plain(archive, first);
  if constexpr (sizeof...(rest) > 0) plain_all(archive, rest...);
}

}  // namespace systole
