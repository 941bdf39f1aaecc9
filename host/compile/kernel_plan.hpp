// In which k steps the matrix unit walks a convolution's window.
//
// A step feeds up to 32 bytes of a row (an output pixel's window) to the array: one run of 32
// bytes, two of 16 or four of 8 at a stride. The plan covers all taps and channels with few steps:
// whole kernel rows where taps are contiguous in memory, several kernel rows or taps a step where
// runs are short. Bytes that a step reads but no tap owns meet zero weights.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::compile {

/// Bytes of a window: tap (i, j), channel c at i*row_stride + j*column_stride + c.
struct KernelShape {
  int64_t kh = 1, kw = 1;
  int64_t channels = 1;       // of one block of output channels
  int64_t row_stride = 0;     // from kernel row to kernel row
  int64_t column_stride = 0;  // from tap to tap
};

/// The k nest of one Matmul command.
struct KernelSegment {
  spec::RowMode mode = spec::RowMode::Run32;
  int64_t run_stride = 0;
  int64_t len = 32, len_last = 32;
  int64_t count[3] = {1, 1, 1};  // k0 (innermost), k1, k2
  int64_t stride[3] = {0, 0, 0};
  int64_t offset = 0;      // of the first step, from the pixel's first byte
  int64_t first_step = 0;  // place of its first weight block among those of the plan

  int64_t steps() const { return count[0] * count[1] * count[2]; }
  int64_t run_bytes() const;
  /// Offset behind the last byte that may be read.
  int64_t end() const;
};

struct KernelPlan {
  std::vector<KernelSegment> segments;
  int64_t steps = 0;
  /// Of each lane of each step: (i*kw + j)*channels + c, or -1 for a zero weight.
  std::shared_ptr<const std::vector<int32_t>> lanes;

  int64_t end() const;
};

/// `rows`: rows that each step streams, to weigh steps against commands.
KernelPlan plan_kernel(const KernelShape& shape, int64_t rows);

/// Cuts segments into pieces of at most `max_steps`.
std::vector<KernelSegment> cut(const std::vector<KernelSegment>& segments, int64_t max_steps);

/// Makes segments of single steps, in their order; all steps of one are of the same class.
std::vector<KernelSegment> joined(const std::vector<KernelSegment>& steps,
                                  const std::function<unsigned(const KernelSegment&)>& class_of);

}  // namespace systole::compile
