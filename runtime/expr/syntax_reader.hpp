// Reads libpg_query's JSON: expressions into syntax trees, for parse_expression() and for whoever
// reads whole statements (jobs/sql), so that an expression means the same everywhere. One per text;
// one thread.
#pragma once

#include <simdjson.h>

#include <array>

#include "runtime/expr/syntax.hpp"

namespace weir::expr {

using json_node = simdjson::dom::element;
using json_list = simdjson::simdjson_result<json_node>;  // may be absent: then empty

/// Aggregates that are read as to_json(array_agg(...)).
inline constexpr std::array<std::string_view, 2> json_aggregates{"json_agg", "jsonb_agg"};

/// The text at a key, or "".
std::string_view text_at(json_node, std::string_view key);
bool has_key(json_node, std::string_view key);

class syntax_reader {
 public:
  /// `sql` is what locations of trees and errors count in. Location 0 of the JSON is byte `shift`
  /// of it (negative: what was parsed had something in front).
  explicit syntax_reader(std::string_view sql, ptrdiff_t shift = 0) : sql_(sql), shift_(shift) {}
  virtual ~syntax_reader() = default;

  result<syntax> read(json_node expression) { return read(expression, 0); }
  std::string_view sql() const noexcept { return sql_; }
  /// Byte offset of a node's body in sql(); 0 when it has none.
  uint32_t location_of(json_node body) const;
  /// The integer whose text begins at or behind a byte of sql().
  std::string integer_at(uint32_t location) const;

 protected:
  /// A type that statements before this one made; by default there are none.
  virtual const data_type* type_named(std::string_view) const { return nullptr; }
  /// The SELECT of a subquery, in a form that syntax::query holds; by default refused. `whole`:
  /// what is asked of it, too. `gather`: one that gives the array of the values of its one column,
  /// NULL where there is none.
  virtual result<std::shared_ptr<const void>> read_query(json_node select, json_node whole,
                                                         uint32_t location, bool gather);
  result<syntax> read(json_node, int depth);
  /// A list of SortBy.
  result<std::vector<sort_item>> sort_items(json_list list, int depth = 0);
  /// The body of a WindowDef.
  result<window_syntax> window(json_node body, int depth = 0);

 private:
  error refuse(std::string_view what, uint32_t location) const;
  result<syntax> column(json_node, syntax);
  result<syntax> constant(json_node, syntax);
  status read_args(json_list list, syntax&, int depth);
  result<syntax> special(json_node, syntax, int depth);
  result<syntax> a_expr(json_node, syntax, int depth);
  result<syntax> operation(json_node, syntax, int depth, std::optional<syntax> left);
  result<syntax> any_all(json_node, syntax, bool any, int depth);
  result<syntax> indirection(json_node body, int depth);
  result<syntax> type_cast(json_node, syntax, int depth);
  result<syntax> function(json_node, syntax, int depth);
  status within_group(bool written, syntax&);
  result<syntax> case_expr(json_node, syntax, int depth);
  result<syntax> subquery(json_node, syntax, int depth);

  std::string_view sql_;
  ptrdiff_t shift_;
};

/// A text as libpg_query parses it. Errors of its grammar: error_at() in `sql`, in which the parsed
/// text begins at `shift` (as in syntax_reader).
class parsed_text {
 public:
  static result<std::unique_ptr<parsed_text>> parse(const std::string& text, std::string_view sql,
                                                    ptrdiff_t shift = 0);
  /// The statements: {"stmt": ..., "stmt_location": ..., "stmt_len": ...}.
  simdjson::dom::array statements() const { return statements_; }

 private:
  parsed_text() = default;
  simdjson::dom::parser parser_;
  simdjson::dom::array statements_;
};

}  // namespace weir::expr
