// Partitions of a file sink: which columns name them, and how.
#include <algorithm>
#include <cstdio>

#include "runtime/base/nearest.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/connectors/part_files.hpp"
#include "runtime/connectors/sinks.hpp"

namespace weir {
namespace {

constexpr std::string_view null_partition = "__HIVE_DEFAULT_PARTITION__";

bool escaped_in_partitions(unsigned char c) {
  return c < 0x20 || c == 0x7f ||
         std::string_view("\"#%'*/:=?\\{[]^").find(static_cast<char>(c)) != std::string_view::npos;
}

}  // namespace

std::string partition_name(std::string_view column, std::optional<std::string_view> value) {
  std::string out;
  auto put = [&out](std::string_view text) {
    for (unsigned char c : text) {
      if (!escaped_in_partitions(c)) {
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

}  // namespace weir
