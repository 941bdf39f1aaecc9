// NATIVE_GEMM is the function's name: native_gemm_gcc or native_gemm_clang.
#include "bench/native_gemm.hpp"

namespace systole::bench {

void NATIVE_GEMM(int m, int n, int k, const int8_t* a, const int8_t* bt, int32_t* c) {
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      int32_t s = 0;
      for (int p = 0; p < k; ++p) s += a[i * k + p] * bt[j * k + p];
      c[i * n + j] = s;
    }
  }
}

}  // namespace systole::bench
