// A table that is looked up, in memory, and who reads it: whole at first; then again, or, where
// newer rows of a PRIMARY KEY replace older ones (topics), what was added since. A loader is used
// by one thread at a time, that of an io_executor; tables are constant once they are made.
#pragma once

#include "runtime/connectors/growing_source.hpp"
#include "runtime/connectors/newest_rows.hpp"
#include "runtime/connectors/source.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

struct loaded_table {
  static constexpr uint32_t none = UINT32_MAX;
  batch_ptr rows;                  // without selection; the last one is NULL in every column
  uint32_t count = 0;              // of rows that are there
  std::optional<row_table> index;  // key -> the first row, and
  std::vector<uint32_t> next;      // by row: the next of its key
  uint32_t first(const uint64_t* key, uint32_t hash) const {
    const uint32_t id = index->find(key, hash);
    return id == row_table::none ? none : static_cast<uint32_t>(*value(id));
  }
  uint64_t* value(uint32_t id) const { return const_cast<row_table&>(*index).value(id); }
};
using table_ptr = std::shared_ptr<const loaded_table>;

/// Whether a key has a NULL that equals nothing.
bool matches_nothing(const uint64_t* key, const class key_codec&,
                     const std::vector<bool>& null_safe);

class lookup_loader {
 public:
  lookup_loader(const lookup_spec&, const operator_context&);
  ~lookup_loader();
  /// Goes on with a reading, or begins one; null: what is to come is not there yet, call again. The
  /// same table as before when nothing was added.
  result<table_ptr> read();
  /// Lets go of everything. Does not wait.
  void close();

 private:
  status begin();
  status open_anew();
  result<bool> read_rows();
  status keep(const batch_ptr&);
  batch_ptr null_row() const;
  result<table_ptr> finish();
  void add_keys(loaded_table&, const class key_codec&, const std::vector<column_ptr>& keys) const;

  lookup_spec spec_;
  operator_context context_;
  std::unique_ptr<class lookup_io> io_;
  std::optional<expr::program> compute_, filter_;
  std::unique_ptr<split_enumerator> enumerator_;
  growing_enumerator* growing_ = nullptr;  // enumerator_, of a table with versions
  std::unique_ptr<source_reader> reader_;
  std::vector<source_split> splits_;  // that the reading under way reads, or the last one read
  bool reading_ = false;
  std::vector<batch_ptr> parts_;       // rows to look up, of a table without versions
  std::optional<newest_rows> newest_;  // the table's columns, of one with versions
  table_ptr table_;
};

}  // namespace weir
