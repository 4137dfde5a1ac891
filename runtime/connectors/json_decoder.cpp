// JSON lines by simdjson's on-demand parser: one object per line, columns by name, members that no
// column asks for are skipped. Of records that say what changed each gives rows with weights. A
// missing member or null is NULL; a value of another JSON type than the column takes is an error,
// never converted, but for what json_values says.
#include "runtime/connectors/json_nested.hpp"  // first: results that would throw do not compile

#include "runtime/column/nested.hpp"
#include "runtime/column/text.hpp"
#include "runtime/connectors/value_parser.hpp"

namespace weir {
namespace {

namespace od = simdjson::ondemand;

static_assert(simdjson::SIMDJSON_PADDING <= 64, "windows have 64 readable bytes past their end");

class json_decoder final : public record_decoder {
 public:
  json_decoder(const json_values& values, const source_spec& spec, json_records what)
      : values_(values), what_(what) {
    for (uint32_t i = 0; i < spec.physical_columns; ++i) fields_.push_back(spec.columns->fields[i]);
    filled_.resize(fields_.size());
  }
  bool skips_blank() const override { return true; }

  void decode(const text_window& window, std::span<const record_range> records, row_builder& rows,
              std::vector<bad_record>& bad) override {
    if (what_ != json_records::rows) return decode_changes(window, records, rows, bad);
    uint32_t first = rows.rows();
    rows.reserve(static_cast<uint32_t>(records.size()));
    for (uint32_t i = 0; i < records.size(); ++i) {
      cause_.clear();
      std::string_view text(window.data + records[i].begin, records[i].end - records[i].begin);
      bool ok = window.utf8 || simdjson::validate_utf8(text.data(), text.size());
      if (!ok) cause_ = "the line is not valid UTF-8";
      uint32_t row = first + i - static_cast<uint32_t>(bad.size());
      if (ok && decode_line(text, row, rows)) continue;
      bad.push_back({i, std::move(cause_)});
      rows.truncate(row);
    }
    if (bad.empty())
      rows.set_rows(first + static_cast<uint32_t>(records.size()));
    else
      rows.truncate(first);
  }

 private:
  /// Who gave a column of the row at hand its value.
  enum filler : uint8_t { nobody, by_key, by_value };

  /// Each record gives the row as it was before, the one as it is after, or both.
  void decode_changes(const text_window& window, std::span<const record_range> records,
                      row_builder& rows, std::vector<bad_record>& bad) {
    const uint32_t first = rows.rows();
    rows.reserve(2 * static_cast<uint32_t>(records.size()));
    uint32_t row = first;
    for (uint32_t i = 0; i < records.size(); ++i) {
      cause_.clear();
      std::string_view text(window.data + records[i].begin, records[i].end - records[i].begin);
      const uint32_t begin = row;
      bool ok = window.utf8 || simdjson::validate_utf8(text.data(), text.size());
      if (!ok) cause_ = "the line is not valid UTF-8";
      if (ok && (what_ == json_records::upserts ? decode_upsert(text, i, row, rows)
                                                : decode_change(text, i, row, rows)))
        continue;
      bad.push_back({i, std::move(cause_)});
      row = begin;
      rows.truncate(row);
    }
    if (bad.empty())
      rows.set_rows(row);
    else
      rows.truncate(first);
  }

  /// The object that a text is, which `doc` holds. The bytes behind the text are readable: the rest
  /// of the window, or its slack.
  static simdjson::error_code open(od::parser& parser, std::string_view text, od::document& doc,
                                   od::object& object) {
    auto e =
        parser.iterate(text.data(), text.size(), text.size() + simdjson::SIMDJSON_PADDING).get(doc);
    return e ? e : doc.get_object().get(object);
  }

  bool decode_change(std::string_view text, uint32_t record, uint32_t& row, row_builder& rows) {
    od::document doc;
    od::object object;
    if (auto e = open(parser_, text, doc, object)) return malformed(e);
    envelope found;
    if (!read_envelope(object, record, row, rows, found, true)) return false;
    if (!doc.current_location().error()) return fail("text follows the JSON object");
    if (found.op.empty()) return fail("no member \"op\": not a Debezium change");
    if (found.op == "t") return fail("a truncated table (op \"t\") cannot be taken back");
    const bool takes = found.op == "u" || found.op == "d";
    const bool adds = found.op == "u" || found.op == "c" || found.op == "r";
    if (!takes && !adds) return fail("op \"" + found.op + "\" is unknown; c, r, u and d are");
    if (takes != found.before)
      return fail(takes ? "op \"" + found.op +
                              "\" without the row before it; the database must log whole old rows "
                              "(PostgreSQL: REPLICA IDENTITY FULL)"
                        : "op \"" + found.op + "\" with a row before it");
    if (adds != found.after)
      return fail("op \"" + found.op + (adds ? "\" without" : "\" with") + " a row after it");
    return true;
  }

  /// {"key": {...}, "value": {...}}: the key's row from now on; its value null: there is none. The
  /// key's members stand for those of the value that have the same names.
  bool decode_upsert(std::string_view text, uint32_t record, uint32_t& row, row_builder& rows) {
    od::document doc;
    od::object object;
    auto e = open(parser_, text, doc, object);
    if (e) return malformed(e);
    // Which of them comes first is not said.
    std::optional<std::string_view> key, value;
    bool has_value = false;
    for (auto member : object) {
      std::string_view name;
      if ((e = member.unescaped_key().get(name))) return malformed(e);
      const bool is_key = name == "key";
      if (!is_key && name != "value") continue;
      if (is_key ? key.has_value() : has_value)
        return fail("member \"" + std::string(name) + "\" occurs more than once");
      has_value |= !is_key;
      od::value v;
      if ((e = member.value().get(v))) return malformed(e);
      od::json_type type;
      if ((e = v.type().get(type))) return malformed(e);
      if (!is_key && type == od::json_type::null) {
        bool null = false;
        if (v.is_null().get(null) || !null) return malformed(simdjson::N_ATOM_ERROR);
        continue;
      }
      if (type != od::json_type::object)
        return fail("member \"" + std::string(name) + "\" is " + std::string(json_type_name(type)) +
                    ", not an object");
      if ((e = raw_json(v, type, is_key ? key.emplace() : value.emplace()))) return malformed(e);
    }
    if (!doc.current_location().error()) return fail("text follows the JSON object");
    if (!key || !has_value)
      return fail(std::string("no member \"") + (key ? "value" : "key") + "\": not an upsert");
    std::fill(filled_.begin(), filled_.end(), nobody);
    if (!read_part(*key, by_key, row, rows)) return false;
    for (size_t c = 0; c < fields_.size(); ++c)
      if (!fields_[c].nullable && filled_[c] == nobody)
        return fail("the key has no member \"" + fields_[c].name + "\" of the PRIMARY KEY");
    if (value && !read_part(*value, by_value, row, rows)) return false;
    if (!fill_up(row, rows)) return false;
    rows.changes().resize(row);
    rows.changes().push_back({record, value ? 1 : -1});
    ++row;
    return true;
  }
  bool read_part(std::string_view text, filler by, uint32_t row, row_builder& rows) {
    od::document doc;
    od::object object;
    if (auto e = open(part_parser_, text, doc, object)) return malformed(e);
    return read_object(object, by, row, rows);
  }

  struct envelope {
    std::string op;
    bool before = false, after = false;
  };
  bool read_envelope(od::object& object, uint32_t record, uint32_t& row, row_builder& rows,
                     envelope& found, bool outermost) {
    for (auto member : object) {
      std::string_view key;
      simdjson::error_code e;
      if ((e = member.unescaped_key().get(key))) return malformed(e);
      const bool before = key == "before", after = key == "after", op = key == "op";
      if (!before && !after && !op && !(outermost && key == "payload")) continue;
      od::value value;
      if ((e = member.value().get(value))) return malformed(e);
      od::json_type type;
      if ((e = value.type().get(type))) return malformed(e);
      if (op) {
        std::string_view text;
        if ((e = value.get_string().get(text))) return malformed(e);
        found.op = text;
        continue;
      }
      if (type == od::json_type::null) continue;
      od::object inner;
      if ((e = value.get_object().get(inner))) return malformed(e);
      if (!before && !after) {
        if (!read_envelope(inner, record, row, rows, found, false)) return false;
        continue;
      }
      if (before ? found.before : found.after)
        return fail("member \"" + std::string(key) + "\" occurs more than once");
      (before ? found.before : found.after) = true;
      if (!read_members(inner, row, rows)) return false;
      rows.changes().resize(row);
      rows.changes().push_back({record, before ? -1 : 1});
      ++row;
    }
    return true;
  }

  bool fail(std::string cause) {
    cause_ = std::move(cause);
    return false;
  }
  bool malformed(simdjson::error_code e) {
    return fail(std::string("not a valid JSON object: ") + simdjson::error_message(e));
  }

  bool decode_line(std::string_view text, uint32_t row, row_builder& rows) {
    od::document doc;
    od::object object;
    if (auto e = open(parser_, text, doc, object)) return malformed(e);
    if (!read_members(object, row, rows)) return false;
    if (!doc.current_location().error()) return fail("text follows the JSON object");
    return true;
  }

  /// One row of an object's members.
  bool read_members(od::object& object, uint32_t row, row_builder& rows) {
    std::fill(filled_.begin(), filled_.end(), nobody);
    return read_object(object, by_value, row, rows) && fill_up(row, rows);
  }

  /// Columns that have no value are NULL.
  bool fill_up(uint32_t row, row_builder& rows) {
    for (size_t c = 0; c < fields_.size(); ++c) {
      if (filled_[c] != nobody) continue;
      if (!fields_[c].nullable)
        return fail("the record has no member \"" + fields_[c].name + "\" of the PRIMARY KEY");
      set_null(rows[c], row);
    }
    return true;
  }

  bool read_object(od::object& object, filler by, uint32_t row, row_builder& rows) {
    simdjson::error_code e;
    size_t expected = 0;  // members mostly come in the columns' order
    for (auto member : object) {
      std::string_view key;
      if ((e = member.unescaped_key().get(key))) return malformed(e);
      size_t column = find(key, expected);
      if (column == fields_.size()) continue;
      expected = column + 1;
      if (filled_[column] == by)
        return fail("member \"" + fields_[column].name + "\" occurs more than once");
      if (filled_[column] != nobody) continue;
      od::value value;
      if ((e = member.value().get(value))) return malformed(e);
      filled_[column] = by;
      if (!set(column, row, value, rows[column])) return false;
    }
    return true;
  }

  size_t find(std::string_view key, size_t expected) const {
    if (expected < fields_.size() && fields_[expected].name == key) return expected;
    for (size_t i = 0; i < fields_.size(); ++i)
      if (fields_[i].name == key) return i;
    return fields_.size();
  }

  static void set_null(column_filler& out, uint32_t row) {
    if (size_t width = fixed_width(out.type().id))
      std::memset(out.fixed<char>() + row * width, 0, width);
    else
      out.append(row, {});
    out.set_null(row);
  }

  bool mismatch(size_t column, od::json_type got) {
    return fail("column " + fields_[column].name + ": " + json_type_name(got) + " where " +
                to_string(fields_[column].type) + " is expected");
  }
  bool no_value(size_t column, std::string_view text) {
    return fail(not_a_value(fields_[column].name, text, fields_[column].type));
  }

  // A number's text, without what follows it.
  static std::string_view number_text(od::value& value) {
    std::string_view s = value.raw_json_token();
    size_t n = s.find_first_not_of("+-.0123456789eE");
    return s.substr(0, n);
  }

  bool set(size_t column, uint32_t row, od::value& value, column_filler& out) {
    od::json_type type;
    if (auto e = value.type().get(type)) return malformed(e);
    auto id = fields_[column].type.id;
    if (id == type_id::json && type != od::json_type::null) return set_json(value, row, out);
    if (is_nested(id) && type != od::json_type::null) return set_nested(column, row, value, out);
    switch (type) {
      case od::json_type::null: {
        bool null = false;
        if (value.is_null().get(null) || !null) return malformed(simdjson::N_ATOM_ERROR);
        set_null(out, row);
        return true;
      }
      case od::json_type::boolean: {
        if (id != type_id::boolean) return mismatch(column, type);
        bool v;
        if (auto e = value.get_bool().get(v)) return malformed(e);
        out.fixed<uint8_t>()[row] = v;
        return true;
      }
      case od::json_type::number:
        return set_number(column, row, value, out);
      case od::json_type::string:
        return set_text(column, row, value, out);
      default:
        return mismatch(column, type);
    }
  }

  bool set_nested(size_t column, uint32_t row, od::value& value, column_filler& out) {
    scalar v;
    std::string why;
    const auto& f = fields_[column];
    if (!read_json_value(value, f.type, values_, v, why)) {
      // ".b: a number where ..." continues the column's name.
      const bool deeper = !why.empty() && (why[0] == '.' || why[0] == '[');
      return fail("column " + f.name + (deeper ? "" : ": ") + why);
    }
    nested_.clear();
    append_stored(nested_, v);
    out.append(row, nested_);
    return true;
  }

  bool set_json(od::value& value, uint32_t row, column_filler& out) {
    std::string_view s;
    od::json_type type;
    if (auto e = value.type().get(type)) return malformed(e);
    if (auto e = raw_json(value, type, s)) return malformed(e);
    if (!parse_scalar(s, data_type(type_id::json)))
      return fail("not a valid JSON object: a member's value is malformed");
    out.append(row, s);
    return true;
  }

  bool set_number(size_t column, uint32_t row, od::value& value, column_filler& out) {
    auto text = number_text(value);
    switch (out.type().id) {
      case type_id::int32:
      case type_id::int64: {
        int64_t v;
        if (value.get_int64().get(v)) return no_value(column, text);
        if (out.type().id == type_id::int64) {
          out.fixed<int64_t>()[row] = v;
        } else {
          if (v != static_cast<int32_t>(v)) return no_value(column, text);
          out.fixed<int32_t>()[row] = static_cast<int32_t>(v);
        }
        return true;
      }
      case type_id::float64: {
        double v;
        if (value.get_double().get(v)) return no_value(column, text);
        out.fixed<double>()[row] = v;
        return true;
      }
      case type_id::decimal: {
        auto v = parse_decimal(text, out.type().scale);
        double checked;  // simdjson checks the grammar of a number
        if (!v || value.get_double().get(checked)) return no_value(column, text);
        out.fixed<int128>()[row] = *v;
        return true;
      }
      case type_id::date:
      case type_id::timestamp:
        return set_time(column, row, value, out, text);
      default:
        return mismatch(column, od::json_type::number);
    }
  }

  bool set_time(size_t column, uint32_t row, od::value& value, column_filler& out,
                std::string_view text) {
    const auto id = out.type().id;
    int64_t v = 0;
    switch (time_of_number(value, id, values_, v)) {
      case time_number::fine:
        break;
      case time_number::refused:
        mismatch(column, od::json_type::number);
        cause_ += refused_number_hint(id);
        return false;
      case time_number::out_of_range:
        return no_value(column, text);
    }
    if (id == type_id::date)
      out.fixed<int32_t>()[row] = static_cast<int32_t>(v);
    else
      out.fixed<int64_t>()[row] = v;
    return true;
  }

  bool set_text(size_t column, uint32_t row, od::value& value, column_filler& out) {
    std::string_view s;
    if (auto e = value.get_string().get(s)) return malformed(e);
    auto fixed = [&](auto parsed) {
      if (!parsed) return no_value(column, s);
      out.fixed<typename decltype(parsed)::value_type>()[row] = *parsed;
      return true;
    };
    switch (out.type().id) {
      case type_id::string:
        out.append(row, s);
        return true;
      case type_id::bytes: {
        std::string bytes;
        if (!parse_bytes(s, bytes)) return no_value(column, s);
        out.append(row, bytes);
        return true;
      }
      case type_id::date:
        return fixed(parse_date(s));
      case type_id::timestamp:
        return fixed(parse_timestamp(s));
      case type_id::interval:
        return fixed(parse_interval(s));
      case type_id::float64: {
        const auto special = special_double(s);
        if (!special) return mismatch(column, od::json_type::string);
        return fixed(special);
      }
      case type_id::decimal:
        if (!values_.numerics_in_text) return mismatch(column, od::json_type::string);
        return fixed(parse_decimal(s, out.type().scale));
      default:
        return mismatch(column, od::json_type::string);
    }
  }

  json_values values_;
  json_records what_;
  std::vector<field> fields_;
  std::vector<filler> filled_;
  std::string cause_;
  std::string nested_;  // stored form of a list or struct
  od::parser parser_, part_parser_;
};

}  // namespace

std::unique_ptr<record_decoder> make_json_decoder(const json_values& values,
                                                  const source_spec& spec, json_records what) {
  return std::make_unique<json_decoder>(values, spec, what);
}

}  // namespace weir
