#include "runtime/connectors/file_partitions.hpp"

#include <algorithm>
#include <cstdio>

#include "runtime/base/nearest.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/text.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/connectors/value_parser.hpp"

namespace weir {
namespace {

constexpr std::string_view null_partition = "__HIVE_DEFAULT_PARTITION__";

bool escaped_in_partitions(unsigned char c) {
  return c < 0x20 || c == 0x7f ||
         std::string_view("\"#%'*/:=?\\{[]^").find(static_cast<char>(c)) != std::string_view::npos;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The inverse of partition_name()'s escapes; a % that begins none stands for itself.
std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

/// The value text of the folder in `path` (its file's name left out) that is named after `column`;
/// of several, the innermost.
std::optional<std::string> folder_value(std::string_view path, std::string_view column) {
  for (auto end = path.rfind('/'); end != std::string_view::npos && end > 0;) {
    const auto begin = path.rfind('/', end - 1);
    const auto first = begin == std::string_view::npos ? 0 : begin + 1;
    const auto folder = path.substr(first, end - first);
    if (const auto equals = folder.find('=');
        equals != std::string_view::npos && unescaped(folder.substr(0, equals)) == column)
      return std::string(folder.substr(equals + 1));
    end = begin;
  }
  return {};
}

}  // namespace

std::string partition_name(std::string_view column, std::optional<std::string_view> value) {
  std::string out;
  auto put = [&out](std::string_view text) {
    // A text that says what NULL is called is escaped, so that it reads back as itself.
    const bool not_null = text == null_partition;
    for (size_t i = 0; i < text.size(); ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      if (!escaped_in_partitions(c) && !(not_null && i == 0)) {
        out.push_back(static_cast<char>(c));
        continue;
      }
      char code[4];
      std::snprintf(code, sizeof code, "%%%02X", c);
      out += code;
    }
  };
  put(column);
  out.push_back('=');
  if (value)
    put(*value);
  else
    out += null_partition;
  return out;
}

result<std::vector<uint32_t>> partition_columns(const schema& columns, const option_map& options) {
  std::vector<uint32_t> found;
  const auto wrong = [](std::string what) {
    return error{errc::invalid_argument, "option partition_by " + std::move(what)};
  };
  auto text = option_text(options, "partition_by", "");
  if (text.empty()) {
    if (option_present(options, "partitions_open"))
      return error{errc::invalid_argument, "option partitions_open needs partition_by"};
    return found;
  }
  if (is_change_format(options))
    return wrong("cannot split changes: format " + option_text(options, "format", ""));
  std::vector<std::string> known;
  for (const auto& f : columns.fields) known.push_back(f.name);
  for (size_t from = 0; from <= text.size();) {
    const auto end = std::min(text.find(',', from), text.size());
    auto name = std::string_view(text).substr(from, end - from);
    from = end + 1;
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    auto at = std::find(known.begin(), known.end(), name);
    if (at == known.end())
      return wrong("names \"" + std::string(name) + "\", which is no column of the table" +
                   nearest_hint(name, known));
    auto column = static_cast<uint32_t>(at - known.begin());
    if (std::find(found.begin(), found.end(), column) != found.end())
      return wrong("names \"" + std::string(name) + "\" twice");
    found.push_back(column);
  }
  if (found.size() == known.size())
    return wrong("names all columns: nothing is left for the files");
  return found;
}

result<partitioned_source> partitioned_source::open(const source_spec& spec) {
  partitioned_source out;
  out.in_files_ = spec;
  // The job may use some of the table's columns only.
  schema all;
  for (const auto& name : spec.table_columns) all.fields.push_back({name, type_id::string});
  if (all.fields.empty())
    all.fields.assign(spec.columns->fields.begin(),
                      spec.columns->fields.begin() + spec.physical_columns);
  WEIR_ASSIGN(auto named, partition_columns(all, spec.options));
  if (named.empty()) return out;
  auto taken = [&out](const std::string& name) {
    return std::find(out.columns_.begin(), out.columns_.end(), name) != out.columns_.end();
  };
  for (auto c : named) out.columns_.push_back(all.fields[c].name);
  out.in_files_.table_columns.clear();
  for (const auto& f : all.fields)
    if (!taken(f.name)) out.in_files_.table_columns.push_back(f.name);
  auto kept = std::make_shared<schema>();
  for (uint32_t i = 0; i < spec.physical_columns; ++i) {
    const auto& f = spec.columns->fields[i];
    if (!taken(f.name)) {
      kept->fields.push_back(f);
      continue;
    }
    out.places_.push_back(i);
    out.fields_.push_back(f);
  }
  out.in_files_.physical_columns = static_cast<uint32_t>(kept->size());
  out.in_files_.columns = std::move(kept);
  out.in_files_.generated.clear();
  return out;
}

std::string partitioned_source::pattern(const std::string& path) const {
  const bool in_partition = std::all_of(
      columns_.begin(), columns_.end(),
      [&path](const std::string& column) { return folder_value(path, column).has_value(); });
  if (!any() || in_partition || path.find_first_of("*?[") != std::string::npos) return path;
  std::string out = path;
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  for (const auto& column : columns_) out += '/' + partition_name(column, "") + '*';
  // What other programs leave beside their files begins with an underscore (_SUCCESS).
  return out + "/[!_]*";
}

result<std::vector<scalar>> partitioned_source::values_of(const std::string& path) const {
  std::vector<scalar> out;
  for (const auto& column : columns_)
    if (!folder_value(path, column))
      return error{errc::invalid_argument, "option partition_by names \"" + column + "\", but " +
                                               path + " lies in no folder " + column + "=..."};
  for (const auto& f : fields_) {
    const auto text = *folder_value(path, f.name);
    if (text == null_partition) {
      out.push_back(scalar::of_null(f.type));
      continue;
    }
    auto value = parse_scalar(unescaped(text), f.type);
    if (!value)
      if (auto cast = value_by_cast(unescaped(text), f.type)) value = std::move(*cast);
    if (!value) return error{errc::parse, path + ": column " + f.name + ": " + value.err().message};
    out.push_back(std::move(*value));
  }
  return out;
}

std::vector<column_ptr> partitioned_source::with_values(std::vector<column_ptr> of_file,
                                                        const std::vector<scalar>& values,
                                                        uint32_t rows, memory_pool& memory) const {
  std::vector<column_ptr> out;
  size_t file = 0;
  for (uint32_t c = 0, next = 0; c < of_file.size() + places_.size(); ++c) {
    if (next < places_.size() && places_[next] == c)
      out.push_back(constant_column(values[next++], rows, memory));
    else
      out.push_back(std::move(of_file[file++]));
  }
  return out;
}

result<std::unique_ptr<partition_filter>> partition_filter::open(const source_spec& spec,
                                                                 const partitioned_source& table) {
  auto out = std::make_unique<partition_filter>();
  if (!spec.split_filter) return out;
  const auto& places = table.places();
  for (auto c : expr::columns_of(*spec.split_filter))
    if (std::find(places.begin(), places.end(), c) == places.end())
      return error{errc::invalid_argument,
                   "the condition on files reads a column that the files hold"};
  out->columns_ = spec.columns;
  out->places_ = places;
  WEIR_ASSIGN(out->program_, expr::program::compile({spec.split_filter}, spec.columns));
  return out;
}

result<bool> partition_filter::passes(const std::vector<scalar>& values) {
  if (!program_) return true;
  std::vector<column_ptr> row;
  for (uint32_t c = 0, next = 0; c < columns_->size(); ++c) {
    const bool known = next < places_.size() && places_[next] == c;
    row.push_back(constant_column(
        known ? values[next++] : scalar::of_null(columns_->fields[c].type), 1, memory_));
  }
  buffer_ref selection;
  uint32_t rows = 0;
  std::vector<expr::row_error> errors;
  WEIR_TRY(
      program_->filter(*make_batch(columns_, std::move(row)), memory_, selection, rows, &errors));
  return rows > 0 || !errors.empty();
}

}  // namespace weir
