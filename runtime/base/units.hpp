// Durations and sizes as people write and read them: `100ms`, `1s`, `5m`, `64KiB`, `2GiB`. Used by
// the command line, job files and progress output. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace weir {

/// Microseconds. A number, with a fraction if need be, and a unit: us, ms, s, m (min), h, d. Only 0
/// may stand alone. `what` names the option in messages.
result<int64_t> parse_duration_us(std::string_view text, std::string_view what = "duration");

/// Bytes. A number, alone or with a unit: B, KiB, MiB, GiB, TiB (powers of 1024) or KB, MB, GB, TB
/// (powers of 1000), in any case.
result<uint64_t> parse_size(std::string_view text, std::string_view what = "size");

/// "0s", "250us", "1.5ms", "12.3s", "5m 12s", "3h 07m", "2d 04h"
std::string format_duration_us(int64_t us);
/// "0 B", "512 B", "1.5 KiB", "64 MiB", "1.21 GiB"
std::string format_size(uint64_t bytes);
/// "950", "12.3 k", "4.56 M", "1.2 G": counts and rates for people
std::string format_count(double n);
/// "1,234,567"
std::string format_grouped(uint64_t n);

}  // namespace weir
