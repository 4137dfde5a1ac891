// What Nexmark's texts are drawn from: dictionaries of names, places, channels and their addresses,
// and long runs of letters to cut padding from. Fixed by the seed; built once per seed and shared
// by all readers of the process, so that their batches share dictionaries too. Immutable.
#pragma once

#include <memory>

#include "runtime/column/batch.hpp"

namespace weir::nexmark {

inline constexpr uint32_t hot_channels = 4;
inline constexpr uint32_t channel_count = 10'000;
/// Places in `letters` and `prose` at which a text may begin.
inline constexpr uint32_t text_places = 1u << 17;
/// Bytes that may be read from any of them.
inline constexpr uint32_t text_bytes_max = 1024;

struct words {
  column_ptr names;  // "First Last"
  column_ptr cities, states;
  column_ptr channels;  // the hot ones, then channel-0 to channel-9999
  column_ptr urls;      // one per channel
  buffer_ref letters;   // a to z
  buffer_ref prose;     // the same with a blank at every 13th place, on average
};

std::shared_ptr<const words> words_of(uint64_t seed, memory_pool&);

/// SplitMix64's finalizer (S. Vigna): numbers that are as good as random from a counter.
constexpr uint64_t mixed(uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

}  // namespace weir::nexmark
