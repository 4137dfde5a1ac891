// GENERATED columns of a source: computed from its physical columns. Owned by a reader.
#pragma once

#include <functional>

#include "runtime/connectors/source.hpp"
#include "runtime/expr/expr.hpp"

namespace weir {

class generated_columns {
 public:
  static result<generated_columns> open(const source_spec&);
  /// The batch of `spec.columns`. Rows whose expressions fail are reported and left out.
  result<batch_ptr> finish(std::vector<column_ptr> physical, uint32_t rows, memory_pool&,
                           std::vector<expr::row_error>& errors);
  /// The same for sources whose rows have no bytes: rows that fail end the job or are counted as
  /// skipped. `position` names a row.
  result<batch_ptr> finish_or_skip(std::vector<column_ptr> physical, uint32_t rows,
                                   const operator_context&, error_policy,
                                   const std::function<std::string(uint32_t row)>& position);
  bool any() const { return program_.has_value(); }

 private:
  schema_ptr physical_, columns_;
  std::optional<expr::program> program_;
};

}  // namespace weir
