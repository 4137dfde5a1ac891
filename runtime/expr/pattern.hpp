// Patterns of LIKE and of PostgreSQL's regular expressions (translated to RE2). Immutable once
// made.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"

namespace re2 {
class RE2;
}

namespace weir::expr {

/// A LIKE pattern with "\" as escape character, split at "%" into pieces that must occur in order.
class like_pattern {
 public:
  like_pattern() = default;
  like_pattern(std::string_view pattern, bool fold_case);
  bool valid() const { return valid_; }
  bool matches(std::string_view s) const;

 private:
  struct piece {
    std::string text;              // case folded when needed
    std::vector<size_t> anything;  // offsets in text where "_" stands for one character
  };
  bool match_at(const piece&, std::string_view s, size_t at, size_t& end) const;
  bool find(const piece&, std::string_view s, size_t from, size_t& end) const;
  std::vector<piece> pieces_;
  bool fold_case_ = false;
  bool valid_ = true;
};

/// A pattern of ~ and regexp_*: PostgreSQL's advanced syntax as far as RE2 has it. nullptr with a
/// message otherwise (back references, look-around). Flag g sets `global`.
std::unique_ptr<re2::RE2> compile_regex(std::string_view pattern, std::string_view flags,
                                        bool& global, std::string& error);
/// Where the match behind one of `found` bytes at `at` is looked for: behind it, and one character
/// further when it is empty. Beyond the text's end: nowhere.
size_t behind_match(std::string_view text, size_t at, size_t found);
/// SIMILAR TO's pattern as a regular expression; `escape` is one character or none. Two escaped
/// double quotes make what stands between them the first group, as substring(... SIMILAR ...)
/// wants.
result<std::string> similar_to_regex(std::string_view pattern, std::string_view escape);

}  // namespace weir::expr
