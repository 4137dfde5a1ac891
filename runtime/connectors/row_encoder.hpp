// Rows as text, as sinks write them (FACES.md names the forms). CSV quotes what would not read back
// the same; JSON writes one object per line. One sink's; not thread-safe.
#pragma once

#include <string>

#include "runtime/column/batch.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

class row_encoder {
 public:
  enum class kind : uint8_t { csv, json, table } format = kind::csv;
  char delimiter = ',';
  std::string null_text;

  row_encoder() = default;
  explicit row_encoder(schema_ptr type) : type_(std::move(type)) {}
  /// The options format, delimiter and null_text.
  static result<row_encoder> of(const sink_spec&);

  /// The CSV line of column names. `op`: with a first column of that name.
  void header(std::string& out, bool op) const;
  /// Row `row` (physical) and a line feed. `op`: '+' or '-' as first column, 0 = none.
  void row(std::string& out, const batch&, uint32_t row, char op) const;
  /// One cell as it stands in a table for people.
  void cell(std::string& out, const column&, uint32_t row) const;

 private:
  void csv_text(std::string& out, std::string_view text) const;
  void csv_cell(std::string& out, const column&, uint32_t row) const;
  schema_ptr type_;
};

}  // namespace weir
