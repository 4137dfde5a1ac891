// Assertions for Weir's own bugs; always on, also in release builds. Bad input is an error
// (result.hpp), never an assertion.
#pragma once

namespace weir {

[[noreturn]] void assert_failed(const char* condition, const char* why, const char* file,
                                int line) noexcept;

}  // namespace weir

#define weir_assert(condition, why)                                 \
  do {                                                              \
    if (!(condition)) [[unlikely]]                                  \
      ::weir::assert_failed(#condition, (why), __FILE__, __LINE__); \
  } while (false)
