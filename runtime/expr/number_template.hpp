// The patterns of a template of to_char and to_number, one after the other, as PostgreSQL takes
// them: each in upper or in lower case, the longest first; what is none stands for itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::expr {

enum class number_mark : uint8_t {
  literal,
  digit,     // 9
  zero,      // 0
  point,     // . and D
  comma,     // ,
  group,     // G
  currency,  // L
  minus,     // MI
  plus,      // PL
  sign,      // SG
  anchored,  // S
  bracket,   // PR
  ordinal,   // TH
  fill,      // FM
  multiply,  // V
  roman,     // RN
  exponent,  // EEEE
  blank,     // B
  nothing,   // C, SP
};

struct number_pattern {
  number_mark what = number_mark::literal;
  bool lower = false;   // its letters are
  std::string literal;  // a character, or what is in quotes
};

/// The next pattern, which it takes from the template; nothing at its end.
std::optional<number_pattern> next_number_pattern(std::string_view& rest);

}  // namespace weir::expr
