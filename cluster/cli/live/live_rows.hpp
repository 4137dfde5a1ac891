// The rows of a SELECT on their way from its sink's task to the terminal: those of a result that
// changes or has an order consolidated, in that of ORDER BY, else of their columns; those of an
// append-only one as they came.
// Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/connectors/row_encoder.hpp"

namespace weir::cli {

using cells = std::vector<std::string>;

class live_rows {
 public:
  explicit live_rows(const sink_spec&);

  /// Whether it is a table: consolidated and in order.
  bool is_table() const { return is_table_; }
  cells names() const;
  /// By column: whether its cells are numbers.
  const std::vector<bool>& numbers() const { return numbers_; }

  // The sink's side.
  /// A sink begins: nothing of an earlier one counts. `wake` follows when full() ends.
  void begin(std::function<void()> wake);
  void add(const batch&);
  /// More rows wait to be shown than a terminal shows in a moment.
  bool full() const;
  size_t bytes() const;
  /// What orders the rows, as text: rows of a snapshot are those of the same order.
  std::string order_text() const;
  /// The consolidated rows, for a snapshot, and back; `order` is whatever orders them.
  void visit(
      const std::function<void(const std::string& order, const cells&, int64_t count)>&) const;
  void restore(std::string order, cells, int64_t count);
  /// The sink is gone: nobody is to be woken.
  void end();

  // The terminal's side.
  struct shown {
    std::vector<cells> rows;
    uint64_t total = 0;    // rows that stand, those that are not in `rows` included
    uint64_t version = 0;  // another one when anything has changed
  };
  /// The first rows of a table.
  shown first(size_t rows_max) const;
  /// What has come of other rows since the last call.
  std::vector<cells> take();

 private:
  struct entry {
    cells row;
    int64_t count = 0;  // below 0: taken back before it came
  };
  void change(std::string order, cells, int64_t weight);

  schema_ptr columns_;  // those that show
  const bool is_table_;
  std::vector<order_term> order_;
  std::vector<bool> numbers_;
  row_encoder encoder_;

  mutable std::mutex m_;
  std::map<std::string, entry> rows_;  // by what orders them
  std::vector<cells> appended_;
  std::function<void()> wake_;
  size_t bytes_ = 0;
  uint64_t total_ = 0, version_ = 0;
};

}  // namespace weir::cli
