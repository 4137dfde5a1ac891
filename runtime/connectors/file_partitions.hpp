// Files in folders as Hive lays them out (COLUMN=VALUE/COLUMN=VALUE/...): which columns of a table
// the option partition_by takes from the folders' names, for sinks that write them and sources that
// read them back. Pure functions, and a value that a reader or an enumerator owns.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/column/scalar.hpp"
#include "runtime/connectors/source.hpp"
#include "runtime/expr/expr.hpp"

namespace weir {

/// The columns that the option partition_by of a file table names, in its order; none without it.
result<std::vector<uint32_t>> partition_columns(const schema&, const option_map&);
/// "COLUMN=VALUE" with the characters escaped that Hive escapes; no value is NULL.
std::string partition_name(std::string_view column, std::optional<std::string_view> value);

/// A source table whose files may lie in such folders.
class partitioned_source {
 public:
  static result<partitioned_source> open(const source_spec&);
  bool any() const { return !columns_.empty(); }
  /// The table without those columns: what the files hold.
  const source_spec& in_files() const { return in_files_; }
  /// Which files the table has: `path` is a pattern, or a folder with the partitions' below it.
  std::string pattern(const std::string& path) const;
  /// The values that a file's path has for the columns that the job uses, in their order. An error
  /// names the file when its path lacks one of the table's or a text is no value of its type.
  result<std::vector<scalar>> values_of(const std::string& path) const;
  /// All physical columns of the job's table: the files', of which there are `rows`, with the
  /// values of values_of() between them.
  std::vector<column_ptr> with_values(std::vector<column_ptr> of_file,
                                      const std::vector<scalar>& values, uint32_t rows,
                                      memory_pool&) const;
  /// Where values_of() stand among the job's columns, ascending.
  const std::vector<uint32_t>& places() const { return places_; }

 private:
  source_spec in_files_;
  std::vector<std::string> columns_;  // as partition_by names them
  std::vector<uint32_t> places_;
  std::vector<field> fields_;  // at those places
};

/// Which files hold rows that the job wants, by source_spec::split_filter. Owned by an enumerator.
class partition_filter {
 public:
  static result<std::unique_ptr<partition_filter>> open(const source_spec&,
                                                        const partitioned_source&);
  /// Whether rows of a file with these values may pass; values whose condition fails may.
  result<bool> passes(const std::vector<scalar>& values);

 private:
  memory_pool memory_;  // outlives the program
  schema_ptr columns_;
  std::vector<uint32_t> places_;
  std::optional<expr::program> program_;
};

}  // namespace weir
