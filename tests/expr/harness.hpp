// Shared by the tests: small batches from text, expressions over them, results as text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::expr::test {

struct table {
  std::shared_ptr<schema> type = std::make_shared<schema>();
  std::vector<std::vector<std::string>> rows;  // text of each cell; "NULL" is null
};

memory_pool& pool();
/// A batch of the table's rows. Text columns become dictionary columns when asked for.
batch_ptr make_batch(const table&, bool dictionary = false);
/// The same rows with a selection.
batch_ptr select_rows(const batch_ptr&, const std::vector<uint32_t>& rows);
/// Text of one value, "NULL" when null.
std::string cell(const column&, uint32_t row);

/// Binds, compiles and evaluates over the batch; a text per selected row, or {"ERROR: message"}.
std::vector<std::string> evaluate(const std::string& sql, const batch_ptr&);
/// One value of an expression without columns.
std::string value_of(const std::string& sql);
/// The first line of the error of bind().
std::string bind_error(const std::string& sql, const schema& s);

}  // namespace weir::expr::test
