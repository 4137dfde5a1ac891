// libpg_query's JSON of a statement -> ast.hpp. Whatever PostgreSQL's grammar has and Weir has not
// is refused here by its name and place: every node is read against the list of keys that it may
// have, so that nothing is ignored. One per statement; one thread.
#pragma once

#include <initializer_list>
#include <map>
#include <string>

#include "jobs/sql/ast.hpp"
#include "runtime/expr/syntax_reader.hpp"

namespace weir::sql {

/// What CREATE TYPE statements so far made, by name.
using made_types = std::map<std::string, data_type, std::less<>>;

class reader final : public expr::syntax_reader {
 public:
  using json = expr::json_node;
  using json_list = expr::json_list;

  /// `start`: the statement's first byte in `sql`, for errors about clauses without a place;
  /// `shift` as in syntax_reader.
  reader(std::string_view sql, ptrdiff_t shift, uint32_t start, const made_types& types)
      : syntax_reader(sql, shift), start_(start), types_(types) {}

  /// Of {"stmt": ...}'s value.
  result<statement> read_statement(json);

 private:
  result<std::shared_ptr<const void>> read_query(json select, json whole, uint32_t location,
                                                 bool gather) override;

  // reader_query.cpp
  /// `only_asked`: inside EXISTS, where a select list may be empty.
  result<query_ptr> select(json body, int depth, bool only_asked = false);
  /// Reports clauses that nobody reads.
  status only_clauses(json) const;
  status set_operations(json, query&, int depth);
  status select_clauses(json body, query&, int depth, bool only_asked);
  /// An item of GROUP BY: the groupings that it stands for, as numbers of query::group_by.
  result<std::vector<std::vector<uint32_t>>> groupings(json item, query&, int depth);
  status limits(json body, query&);
  status with_clause(json body, query&, int depth);
  result<from_item> from(json node, int depth);
  result<from_item> join(json body, int depth);
  result<from_item> function_item(json body);
  status alias(json body, from_item&);
  result<target> read_target(json node);
  result<std::vector<syntax>> expressions(json_list list);

  // reader.cpp
  status no_on_commit(std::string_view what) const;
  result<create_table> create(json body);
  result<create_table> create_as(json body);
  result<create_view> view(json body);
  result<insert> read_insert(json body);
  result<set_statement> set(json body);
  result<explain_statement> explain(json body);
  result<column_clause> column(json body, create_table&);
  status constraint(json body, create_table&, column_clause*);
  result<std::vector<option>> options(json_list list);
  result<name> relation(json body);
  /// `length`: where varchar(n) is allowed, its n.
  result<data_type> type(json body, bool& zoned, int32_t* length = nullptr);
  result<create_type> composite(json body);
  const data_type* type_named(std::string_view) const override;

  /// Errors when the node has a key that is neither in `known` nor always harmless.
  status only(json body, std::initializer_list<std::string_view> known) const;
  error refuse(std::string_view what, uint32_t location, std::string_view hint = "") const;
  /// The smallest location in a subtree; the statement's when it has none.
  uint32_t place_of(json) const;
  /// Where these words stand one behind the other, from a byte on, outside of texts and comments;
  /// for clauses whose place is not in the tree. `otherwise` when they do not.
  uint32_t words_at(uint32_t from, std::initializer_list<std::string_view> words,
                    uint32_t otherwise) const;
  /// The largest location in a subtree.
  uint32_t last_of(json) const;

  uint32_t start_;
  const made_types& types_;
};

/// The texts of a list of {"String": {"sval": ...}}.
std::vector<std::string> names_of(expr::json_list list);
/// A name as errors show it: "name".
std::string in_quotes(std::string_view name);

}  // namespace weir::sql
