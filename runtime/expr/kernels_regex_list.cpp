// regexp_match and regexp_matches: the groups of matches as arrays.
#include <re2/re2.h>

#include "runtime/expr/functions.hpp"
#include "runtime/expr/nested.hpp"
#include "runtime/expr/pattern.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

/// A pattern that stays compiled while rows have the same one, as constants do.
class pattern_of_rows {
 public:
  /// `global`: whether the flag g is one of the function's.
  pattern_of_rows(text function, bool global) : function_(function), takes_global_(global) {}
  /// nullptr: `wrong()` says why.
  const re2::RE2* operator()(text pattern, text flags) {
    if (ready_ && pattern == pattern_ && flags == flags_) return regex_.get();
    ready_ = true;
    pattern_ = pattern;
    flags_ = flags;
    wrong_.clear();
    global_ = false;
    regex_ = compile_regex(pattern, flags, global_, wrong_);
    if (global_ && !takes_global_) {
      wrong_ = std::string(function_) + "() does not support the \"global\" option";
      regex_.reset();
    }
    return regex_.get();
  }
  const std::string& wrong() const { return wrong_; }
  bool global() const { return global_; }

 private:
  text function_;
  bool takes_global_, ready_ = false, global_ = false;
  std::string pattern_, flags_, wrong_;
  std::unique_ptr<re2::RE2> regex_;
};

/// Closes the list of a match's groups, or of the whole match where the pattern has none.
void append_groups(column_builder& out, const std::vector<re2::StringPiece>& found) {
  for (size_t g = found.size() > 1 ? 1 : 0; g < found.size(); ++g) {
    if (found[g].data())
      out.child(0).append(text(found[g].data(), found[g].size()));
    else
      out.child(0).append_null();
  }
  out.append_list();
}

/// f(text, pattern, whether all matches are wanted, builder) where no argument is NULL.
template <class F>
void with_pattern(run& r, const instruction& in, pattern_of_rows pattern, F f) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    text args[3];
    for (size_t i = 0; i < in.args.size(); ++i) {
      const auto v = at_row(r, in.args[i], row);
      if (!v.valid) return out.append_null();
      args[i] = v.c->view(v.i);
    }
    const auto* regex = pattern(args[1], args[2]);
    if (regex) return f(args[0], *regex, pattern.global(), out);
    r.fail(in, row, {errc::invalid_argument, pattern.wrong()});
    out.append_null();
  });
}
bool next_match(text s, const re2::RE2& regex, size_t at, std::vector<re2::StringPiece>& found) {
  return at <= s.size() && regex.Match({s.data(), s.size()}, at, s.size(), re2::RE2::UNANCHORED,
                                       found.data(), static_cast<int>(found.size()));
}
std::vector<re2::StringPiece> groups_of(const re2::RE2& regex) {
  return std::vector<re2::StringPiece>(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
}

void match(run& r, const instruction& in) {
  with_pattern(r, in, pattern_of_rows("regexp_match", false),
               [](text s, const re2::RE2& regex, bool, column_builder& out) {
                 auto found = groups_of(regex);
                 if (!next_match(s, regex, 0, found)) return out.append_null();
                 append_groups(out, found);
               });
}
/// A list of rows, each with the array of a match.
void matches(run& r, const instruction& in) {
  with_pattern(r, in, pattern_of_rows("regexp_matches", true),
               [](text s, const re2::RE2& regex, bool all, column_builder& out) {
                 auto found = groups_of(regex);
                 for (size_t at = 0; next_match(s, regex, at, found);) {
                   append_groups(out.child(0).child(0), found);
                   out.child(0).append_struct();
                   if (!all) break;
                   at = behind_match(s, static_cast<size_t>(found[0].data() - s.data()),
                                     found[0].size());
                 }
                 out.append_list();
               });
}

}  // namespace

void register_regex_lists(catalog& c) {
  constexpr auto s = type_id::string, list = type_id::list;
  constexpr uint32_t by_rows = flag_any | flag_non_strict;
  c.add("regexp_match", {s, s}, list, match, by_rows);
  c.add("regexp_match", {s, s, s}, list, match, by_rows);
  c.add("regexp_matches", {s, s}, list, matches, by_rows);
  c.add("regexp_matches", {s, s, s}, list, matches, by_rows);
}

}  // namespace weir::expr
