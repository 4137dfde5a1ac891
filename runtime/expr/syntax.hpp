// Syntax tree of one scalar expression: what libpg_query's JSON says, in a form that the binder can
// walk without JSON. Locations are byte offsets in the user's text. Plain values, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/column/types.hpp"

namespace weir::expr {

enum class syntax_kind : uint8_t {
  column,    // name = last part; qualifier in `qualifier`
  integer,   // text = digits, possibly with a sign
  number,    // text, as written
  text,      // text = the string's value
  boolean,   // text = "true" or "false"
  null,      //
  op,        // name = operator, one or two args
  function,  // name, args
  special,   // name = "and", "case", "is null", "in", "array", "row", "subscript" ...; args
  cast,      // args[0] to type `name` with `modifiers`
  subquery,  // name = "EXISTS", "IN", "ANY", "ALL" or "" (a scalar); see `query`
};

struct window_syntax;
struct sort_item;

struct syntax {
  syntax_kind kind = syntax_kind::null;
  uint32_t location = 0;
  std::string name;
  std::string qualifier;
  std::string text;
  std::vector<syntax> args;
  std::shared_ptr<const data_type>
      made_type;                   // of a cast: what CREATE TYPE called `name` (or name[])
  std::vector<int32_t> modifiers;  // of a cast's type: precision, scale, interval fields
  bool negated = false;            // NOT IN, NOT BETWEEN, IS NOT ...
  bool simple_case = false;        // CASE x WHEN ...: args[0] is x

  // What only some calls may have; a scalar function has none of it (see scope.hpp).
  bool star = false;                       // count(*)
  bool distinct = false;                   // count(DISTINCT x)
  std::vector<syntax> filter;              // FILTER (WHERE filter[0]); one or none
  std::optional<uint32_t> order_location;  // ORDER BY among the arguments
  std::shared_ptr<const std::vector<sort_item>> order;
  std::optional<uint32_t> over_location;  // OVER (...)
  std::shared_ptr<const window_syntax> over;
  /// A subquery as whoever reads statements keeps it (syntax_reader::read_query).
  std::shared_ptr<const void> query;

  bool is_plain_call() const {
    return !star && !distinct && filter.empty() && !order_location && !over_location;
  }
};

/// An item of ORDER BY.
struct sort_item {
  syntax value;
  bool descending = false;
  bool nulls_first = false;  // as written, or PostgreSQL's default: NULLs are the largest
};

/// OVER (...), OVER name, or a definition of WINDOW.
struct window_syntax {
  enum class unit : uint8_t { range, rows, groups };
  enum class bound : uint8_t {
    unbounded_preceding,
    preceding,
    current_row,
    following,
    unbounded_following
  };
  uint32_t location = 0;
  std::string name;    // OVER name; of a definition its own name
  std::string copied;  // OVER (name ...)
  std::vector<syntax> partition;
  std::vector<sort_item> order;
  bool framed = false;  // a frame is written
  unit frame = unit::range;
  bound start = bound::unbounded_preceding, end = bound::current_row;
  std::vector<syntax> start_offset, end_offset;  // one or none
  enum class exclusion : uint8_t { none, current_row, group, ties };
  exclusion without = exclusion::none;
};

/// Aggregates with WITHIN GROUP (ORDER BY x). As a call its arguments are x, which is its `order`,
/// too, and then those that are written in its parentheses.
constexpr bool is_ordered_set(std::string_view function) noexcept {
  return function == "percentile_cont" || function == "percentile_disc" || function == "mode";
}

/// Parses one expression. Thread-safe.
result<syntax> parse_expression(std::string_view sql);

/// Where the text of a tree begins: an operator's own location is its sign's.
uint32_t begin_of(const syntax&);

/// An error that points at byte `location` of `sql`: "WHAT at column C", the line and a caret.
error error_at(errc code, std::string_view what, std::string_view sql, uint32_t location);
/// The other way round: byte offset in `sql` of an error that error_at() made, and its WHAT;
/// nothing when it names no position.
std::optional<std::pair<size_t, std::string>> position_of(const error&, std::string_view sql);

/// Levels an expression may nest. Each costs stack in the parser, binder and compiler; generated
/// SQL stays far below.
inline constexpr int nesting_max = 400;
/// Operators in a row (a || b || c), which are read and bound in loops. What is made of them may
/// not nest deeper than programs take; || of texts becomes a tree of few levels.
inline constexpr size_t operators_max = 2000;

}  // namespace weir::expr
