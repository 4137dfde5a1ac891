// GENERATED columns of a source: computed from its physical columns. Owned by a reader.
#pragma once

#include "runtime/connectors/source.hpp"
#include "runtime/expr/expr.hpp"

namespace weir {

class generated_columns {
 public:
  static result<generated_columns> open(const source_spec&);
  /// The batch of `spec.columns`. Rows whose expressions fail are reported and left out.
  result<batch_ptr> finish(std::vector<column_ptr> physical, uint32_t rows, memory_pool&,
                           std::vector<expr::row_error>& errors);
  bool any() const { return program_.has_value(); }

 private:
  schema_ptr physical_, columns_;
  std::optional<expr::program> program_;
};

}  // namespace weir
