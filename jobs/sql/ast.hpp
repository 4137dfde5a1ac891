// Statements of a script as the reader found them: names not resolved, expressions as syntax trees.
// Locations are byte offsets in the script's text. Plain values.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/column/types.hpp"
#include "runtime/expr/syntax.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::sql {

using expr::syntax;

struct name {
  std::string text;
  uint32_t location = 0;
};

struct query;
using query_ptr = std::shared_ptr<const query>;

/// What FROM lists.
struct from_item {
  enum class kind : uint8_t { table, subquery, function, join };
  kind what = kind::table;
  name table;                        // table
  query_ptr inner;                   // subquery
  bool lateral = false;              // it may read what stands before it
  syntax call;                       // function
  bool ordinality = false;           // function: WITH ORDINALITY
  bool whole = false;                // function: composite elements stay one column
  bool unlisted = false;             // function: * is without its column
  bool all_named = false;            // subquery: it has as many columns as AS names
  std::string alias;                 // or empty
  std::vector<std::string> columns;  // AS alias (columns)
  uint32_t location = 0;

  // join
  std::vector<from_item> sides;  // two
  join_kind how = join_kind::inner;
  std::optional<syntax> on;
  std::vector<name> using_columns;
  std::string using_alias;  // of those columns, or empty
  bool natural = false;
};

/// One item of a select list.
struct target {
  syntax value;
  bool star = false;  // * or value.qualifier.*
  std::string alias;  // or empty
  uint32_t location = 0;
};

struct named_query {
  name called;
  std::vector<std::string> columns;
  query_ptr body;
};

/// SELECT, VALUES or a set operation over two of them.
struct query {
  enum class kind : uint8_t { select, values, set_operation };
  kind what = kind::select;
  uint32_t location = 0;
  std::string shape;  // of a subquery in an expression, with what is asked of it: equal ones
                      // compute the same
  std::vector<named_query> with;

  // select
  bool distinct = false;
  std::vector<syntax> distinct_on;
  std::vector<target> targets;
  std::vector<from_item> from;
  std::optional<syntax> where, having;
  std::vector<syntax> group_by;
  /// GROUPING SETS, ROLLUP, CUBE: items of group_by, one list for each grouping. Empty: all of
  /// them.
  std::vector<std::vector<uint32_t>> grouping_sets;
  bool whole = false;  // GROUP BY (): one group of all rows, and no other
  std::vector<expr::window_syntax> windows;

  std::vector<std::vector<syntax>> rows;  // values

  // set_operation; `all` keeps duplicates
  enum class set_kind : uint8_t { unite, intersect, except };
  set_kind set = set_kind::unite;
  bool all = false;
  query_ptr left, right;

  // all of them
  std::vector<expr::sort_item> order_by;
  std::optional<syntax> limit, offset;
  uint32_t limit_location = 0;
  bool with_ties = false;
};

struct column_clause {
  name called;
  data_type type;
  bool zoned = false;  // timestamp with time zone
  std::optional<syntax> generated;
  std::optional<syntax> default_value;
};
/// What rows of a table must be.
struct constraint_clause {
  enum class kind : uint8_t { not_null, length, check };
  kind what = kind::check;
  std::string column;  // not_null and length, and the one that a check stands behind; or empty
  std::string called;  // CONSTRAINT name; or empty
  std::optional<syntax> condition;  // check
  int32_t length = 0;               // characters at most
  uint32_t location = 0;
};
/// An option of WITH (...), its value as text.
struct option {
  name called;
  std::string value;
  uint32_t value_location = 0;
};

struct set_statement {
  name called;
  std::string value;
  uint32_t value_location = 0;
};
struct create_table {
  name called;
  std::vector<column_clause> columns;
  std::vector<name> primary_key;
  std::vector<constraint_clause> constraints;
  bool if_not_exists = false;
  std::vector<option> options;
  query_ptr as;  // CREATE TABLE ... AS
  std::vector<std::string> as_columns;
};
/// CREATE TYPE ... AS: later statements read it as a type's name.
struct create_type {
  name called;
  data_type type;
};
struct create_view {
  name called;
  std::vector<std::string> columns;
  query_ptr body;
};
struct insert {
  name into;
  std::vector<name> columns;
  query_ptr body;
};
struct select_statement {
  query_ptr body;
};
struct statement;
/// EXPLAIN: the plan of a statement instead of what it does.
struct explain_statement {
  enum class format : uint8_t { text, json, dot };
  format as = format::text;
  std::shared_ptr<const statement> body;
};

struct statement {
  uint32_t location = 0;
  std::variant<set_statement, create_table, create_view, insert, select_statement,
               explain_statement, create_type>
      what;
};

}  // namespace weir::sql
