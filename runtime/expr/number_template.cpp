#include "runtime/expr/number_template.hpp"

#include <array>

#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;
using mark = number_mark;

struct keyword {
  text upper, lower;
  mark what;
};
constexpr auto keywords = std::to_array<keyword>({
    {"EEEE", "eeee", mark::exponent}, {"FM", "fm", mark::fill},    {"MI", "mi", mark::minus},
    {"PL", "pl", mark::plus},         {"PR", "pr", mark::bracket}, {"RN", "rn", mark::roman},
    {"SG", "sg", mark::sign},         {"SP", "sp", mark::nothing}, {"TH", "th", mark::ordinal},
    {"S", "s", mark::anchored},       {"9", "9", mark::digit},     {"0", "0", mark::zero},
    {".", ".", mark::point},          {"D", "d", mark::point},     {",", ",", mark::comma},
    {"G", "g", mark::group},          {"L", "l", mark::currency},  {"V", "v", mark::multiply},
    {"B", "b", mark::blank},          {"C", "c", mark::nothing},
});

/// A quoted text or one character. Outside of quotes a backslash takes the meaning of a quote only.
std::string take_literal(text& s) {
  std::string out;
  const bool quoted = s[0] == '"';
  if (quoted) s.remove_prefix(1);
  do {
    if (quoted && !s.empty() && s[0] == '"') break;
    if (s.size() > 1 && s[0] == '\\' && (quoted || s[1] == '"')) s.remove_prefix(1);
    if (s.empty()) break;
    const auto n = char_bytes(s, 0);
    out += s.substr(0, n);
    s.remove_prefix(n);
  } while (quoted);
  if (quoted && !s.empty()) s.remove_prefix(1);
  return out;
}

}  // namespace

std::optional<number_pattern> next_number_pattern(text& s) {
  if (s.empty()) return {};
  number_pattern out;
  for (const auto& k : keywords) {
    const bool upper = s.starts_with(k.upper);
    if (!upper && !s.starts_with(k.lower)) continue;
    out.what = k.what;
    out.lower = !upper;
    s.remove_prefix(k.upper.size());
    return out;
  }
  out.literal = take_literal(s);
  return out;
}

}  // namespace weir::expr
