#include "runtime/connectors/row_encoder.hpp"

#include "runtime/column/json_text.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/column/text.hpp"
#include "runtime/connectors/options.hpp"

namespace weir {
namespace {

// The text of a fixed-width value; `buffer` has fixed_chars_max bytes.
std::string_view fixed_text(const column& c, uint32_t r, char* buffer) {
  char* end = buffer;
  switch (c.type.id) {
    case type_id::boolean:
      end = format_bool(buffer, c.data<uint8_t>()[r] != 0);
      break;
    case type_id::int32:
      end = format_int32(buffer, c.data<int32_t>()[r]);
      break;
    case type_id::int64:
      end = format_int64(buffer, c.data<int64_t>()[r]);
      break;
    case type_id::float64:
      end = format_float64(buffer, c.data<double>()[r]);
      break;
    case type_id::decimal:
      end = format_decimal(buffer, c.data<int128>()[r], c.type.scale);
      break;
    case type_id::date:
      end = format_date(buffer, c.data<int32_t>()[r]);
      break;
    case type_id::timestamp:
      end = format_timestamp(buffer, c.data<int64_t>()[r]);
      break;
    case type_id::interval:
      end = format_interval(buffer, c.data<interval_value>()[r]);
      break;
    default:
      break;
  }
  return {buffer, static_cast<size_t>(end - buffer)};
}

// A dictionary of fixed-width values is legal too: the value's place in it.
const column& resolve(const column& c, uint32_t& r) {
  if (!c.dictionary || is_varlen(c.type.id)) return c;
  r = c.data<uint32_t>()[r];
  return *c.dictionary;
}

}  // namespace

result<row_encoder> row_encoder::of(const sink_spec& spec) {
  row_encoder e(spec.columns);
  auto name = option_text(spec.options, "format", "csv");
  e.format = name == "json" || name == "debezium_json" || name == "upsert_json" ? kind::json
             : name == "table"                                                  ? kind::table
                                                                                : kind::csv;
  WEIR_ASSIGN(e.delimiter, option_delimiter(spec.options, ','));
  e.null_text = option_text(spec.options, "null_text", "");
  if (e.format == kind::json)
    for (auto option : {"header", "delimiter", "null_text"})
      if (option_present(spec.options, option))
        return {errc::invalid_argument, "option " + std::string(option) +
                                            " belongs to format csv, but the format is " + name};
  return e;
}

void row_encoder::csv_text(std::string& out, std::string_view s) const {
  bool plain = s != null_text;
  for (size_t i = 0; plain && i < s.size(); ++i)
    plain = s[i] != '"' && s[i] != '\n' && s[i] != '\r' && s[i] != delimiter;
  if (plain) {
    out.append(s);
    return;
  }
  out.push_back('"');
  for (char c : s) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

void row_encoder::csv_cell(std::string& out, const column& c, uint32_t r) const {
  if (!c.is_valid(r)) {
    out.append(null_text);
  } else if (c.type.id == type_id::string || c.type.id == type_id::json) {
    csv_text(out, c.view(r));
  } else if (fixed_width(c.type.id)) {
    char buffer[fixed_chars_max];
    csv_text(out, fixed_text(resolve(c, r), r, buffer));
  } else {
    std::string s;
    append_text(s, c, r);
    csv_text(out, s);
  }
}

void row_encoder::cell(std::string& out, const column& c, uint32_t r) const {
  if (c.is_valid(r)) append_text(out, c, r);
}

void row_encoder::header(std::string& out, bool op) const {
  if (op) out.append("op");
  for (size_t i = 0; i < type_->size(); ++i) {
    if (i || op) out.push_back(delimiter);
    csv_text(out, type_->fields[i].name);
  }
  out.push_back('\n');
}

void row_encoder::row(std::string& out, const batch& b, uint32_t r, char op) const {
  if (format == kind::json) {
    out.push_back('{');
    if (op) {
      out.append("\"op\":\"").push_back(op);
      out.push_back('"');
    }
    for (size_t i = 0; i < b.columns.size(); ++i) {
      if (i || op) out.push_back(',');
      append_json_string(out, type_->fields[i].name);
      out.push_back(':');
      append_json(out, *b.columns[i], r);
    }
    out.append("}\n");
    return;
  }
  if (op) out.push_back(op);
  for (size_t i = 0; i < b.columns.size(); ++i) {
    if (i || op) out.push_back(delimiter);
    csv_cell(out, *b.columns[i], r);
  }
  out.push_back('\n');
}

}  // namespace weir
