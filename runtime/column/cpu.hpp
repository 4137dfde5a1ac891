// Run-time choice of kernels. The baseline is x86-64-v3 (AVX2, BMI2, FMA).
#pragma once

// GCC 12 warns about the undefined registers in its own header when it inlines them.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <cstdlib>

namespace weir {

#define WEIR_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi2")))

/// Whether this CPU runs WEIR_AVX512 functions. WEIR_NO_AVX512=1 in the environment turns them off,
/// to test and measure the baseline.
inline bool has_avx512() noexcept {
  static const bool yes = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vbmi2") && !std::getenv("WEIR_NO_AVX512");
  return yes;
}

}  // namespace weir
