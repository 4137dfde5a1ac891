// SQL scalar expressions with PostgreSQL's meaning: text -> bound tree -> vectorized program.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/expr/node.hpp"

namespace weir::expr {

/// Parses one scalar expression (PostgreSQL's grammar by libpg_query) and binds it against `input`.
/// Errors carry the 1-based column of the text, a caret line and the nearest name.
result<node_ptr> bind(std::string_view sql, const schema& input);
/// As bind, with an implicit cast to `target` where PostgreSQL would assign one; else an error.
result<node_ptr> bind_as(std::string_view sql, const schema& input, const data_type& target);
/// The tree back as SQL text, fully parenthesised; for plans and messages.
std::string to_sql(const node&, const schema& input);
/// Columns of the input that the tree reads, ascending, each once.
std::vector<uint32_t> columns_of(const node&);
/// The tree with every column index i replaced by mapping[i].
node_ptr remap_columns(const node_ptr&, const std::vector<uint32_t>& mapping);
/// The same computation over the same columns, wherever in a text it was written.
bool same_tree(const node&, const node&);
/// The tree with constant parts computed and decided branches removed. A constant that fails stays
/// as it is, so that only a row that reaches it fails.
node_ptr fold(const node_ptr&);

struct row_error {
  uint32_t row = 0;  // physical row of the input batch
  error cause;
};

/// Compiled expressions over one input schema. Owns scratch memory: one per operator instance, one
/// thread at a time.
class program {
 public:
  /// Common subexpressions are evaluated once, constants folded (an error in folding is reported
  /// only if a row reaches it).
  static result<program> compile(std::vector<node_ptr> roots, schema_ptr input);
  program(program&&) noexcept;
  program& operator=(program&&) noexcept;
  ~program();

  /// One output column of in.physical_rows values per root; rows outside in.selection hold
  /// unspecified values and never raise errors. A bare column reference shares the input's column.
  /// With `errors`, rows that fail are reported there (each once, ascending) and the call succeeds;
  /// without, the first failing row fails the call.
  status evaluate(const batch& in, memory_pool& pool, std::vector<column_ptr>& out,
                  std::vector<row_error>* errors = nullptr);
  /// For a single boolean root: the selected rows of `in` where it is true, as a selection.
  /// `rows` is their number; an empty buffer with rows == in.physical_rows means "all".
  status filter(const batch& in, memory_pool& pool, buffer_ref& selection, uint32_t& rows,
                std::vector<row_error>* errors = nullptr);

 private:
  struct impl;
  explicit program(std::unique_ptr<impl>);
  std::unique_ptr<impl> impl_;
};

}  // namespace weir::expr
