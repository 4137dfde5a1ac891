// Syntax tree of one scalar expression: what libpg_query's JSON says, in a form that the binder can
// walk without JSON. Locations are byte offsets in the user's text. Plain values, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"

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
  special,   // name = "and", "case", "is null", "in" ...; args
  cast,      // args[0] to type `name` with `modifiers`
};

struct syntax {
  syntax_kind kind = syntax_kind::null;
  uint32_t location = 0;
  std::string name;
  std::string qualifier;
  std::string text;
  std::vector<syntax> args;
  std::vector<int32_t> modifiers;  // of a cast's type: precision, scale, interval fields
  bool negated = false;            // NOT IN, NOT BETWEEN, IS NOT ...
  bool simple_case = false;        // CASE x WHEN ...: args[0] is x
};

/// Parses one expression. Thread-safe.
result<syntax> parse_expression(std::string_view sql);

/// An error that points at byte `location` of `sql`: "WHAT at column C", the line and a caret.
error error_at(errc code, std::string_view what, std::string_view sql, uint32_t location);

/// Levels an expression may nest. Each costs stack in the parser, binder and compiler; generated
/// SQL stays far below.
inline constexpr int nesting_max = 400;

}  // namespace weir::expr
