// The native GEMM that the simulated chip is measured against: three plain loops, compiled twice.
#pragma once

#include <cstdint>

namespace systole::bench {

/// c[i][j] = sum over p of a[i][p] * bt[j][p]; a is m x k, bt n x k, c m x n, row-major.
using NativeGemm = void (*)(int m, int n, int k, const int8_t* a, const int8_t* bt, int32_t* c);

void native_gemm_gcc(int m, int n, int k, const int8_t* a, const int8_t* bt, int32_t* c);
void native_gemm_clang(int m, int n, int k, const int8_t* a, const int8_t* bt, int32_t* c);

}  // namespace systole::bench
