// CSV after RFC 4180 with PostgreSQL's (COPY ... CSV) reading of what it leaves open: an unquoted
// null_text is NULL, a quoted one is a string; quotes may stand anywhere in a field.
#include <immintrin.h>
#include <simdjson.h>

#include "runtime/base/nearest.hpp"
#include "runtime/connectors/value_parser.hpp"
#include "runtime/expr/convert.hpp"

namespace weir {
namespace {

inline uint32_t popcount(uint64_t m) noexcept {
  return static_cast<uint32_t>(__builtin_popcountll(m));
}

// Walks a record's delimiters in the bit mask, forward only.
struct delimiter_cursor {
  const uint64_t* masks;
  uint32_t word;
  uint64_t left;      // delimiters of `word` from the record's begin on
  uint32_t seen = 0;  // delimiters of earlier words

  delimiter_cursor(const uint64_t* m, uint32_t begin) noexcept
      : masks(m), word(begin / 64), left(m[begin / 64] & (~0ull << (begin & 63))) {}
  // Place of the record's delimiter `k` (from 0), which exists; k never falls.
  uint32_t place(uint32_t k) noexcept {
    uint32_t here = popcount(left);
    while (seen + here <= k) {
      seen += here;
      left = masks[++word];
      here = popcount(left);
    }
    return word * 64 + static_cast<uint32_t>(_tzcnt_u64(_pdep_u64(1ull << (k - seen), left)));
  }
};

uint32_t count_between(const uint64_t* masks, uint32_t begin, uint32_t end) noexcept {
  if (begin == end) return 0;
  uint32_t first = begin / 64, last = (end - 1) / 64;
  uint64_t head = ~0ull << (begin & 63), tail = ~0ull >> (63 - ((end - 1) & 63));
  if (first == last) return popcount(masks[first] & head & tail);
  uint32_t n = popcount(masks[first] & head) + popcount(masks[last] & tail);
  for (uint32_t w = first + 1; w < last; ++w) n += popcount(masks[w]);
  return n;
}

struct csv_column {
  uint32_t place = 0;   // in the file
  uint32_t output = 0;  // in the schema
  parse_fields_fn parse = nullptr;
};

class csv_decoder final : public record_decoder {
 public:
  csv_decoder(const text_format& format, const source_spec& spec) : format_(format) {
    for (uint32_t i = 0; i < spec.physical_columns; ++i) {
      names_.push_back(spec.columns->fields[i].name);
      columns_.push_back({i, i, parser_of(spec.columns->fields[i].type)});
    }
    if (!format.header) place_columns(spec.table_columns.empty() ? names_ : spec.table_columns);
    begins_.resize(columns_.size() * records_per_chunk);
    ends_.resize(columns_.size() * records_per_chunk);
  }

  status set_header(std::string_view line) override {
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::vector<std::string> header;
    bool inside = false;
    size_t start = 0;
    for (size_t i = 0; i <= line.size(); ++i) {
      if (i < line.size() && line[i] == '"') inside = !inside;
      if (i < line.size() && (line[i] != format_.delimiter || inside)) continue;
      unquote(line.substr(start, i - start), header.emplace_back());
      start = i + 1;
    }
    name_without_blanks(header);
    for (const auto& name : names_) {
      auto n = std::count(header.begin(), header.end(), name);
      if (n == 1) continue;
      if (n > 1) return {errc::parse, "the header names column " + name + " more than once"};
      std::string all;
      for (const auto& h : header) all += (all.empty() ? "" : ", ") + h;
      return {errc::unknown_name, "the header has no column " + name + nearest_hint(name, header) +
                                      " (it has " + all + ")"};
    }
    place_columns(header);
    return {};
  }

  bool skips_blank() const override { return fields_ > 1; }

  void decode(const text_window& window, std::span<const record_range> records, row_builder& rows,
              std::vector<bad_record>& bad) override {
    weir_assert(records.size() <= records_per_chunk, "more records than a chunk holds");
    find_fields(window, records, bad);
    if (!bad.empty()) return;
    auto n = static_cast<uint32_t>(records.size());
    uint32_t first = rows.rows();
    rows.reserve(n);
    for (size_t c = 0; c < columns_.size(); ++c) {
      field_texts in{&window, &begins_[c * records_per_chunk], &ends_[c * records_per_chunk], n,
                     format_.null_text};
      columns_[c].parse(in, rows[columns_[c].output], first, names_[columns_[c].output], bad);
    }
    if (bad.empty())
      rows.set_rows(first + n);
    else
      rows.truncate(first);
  }

 private:
  // "a, b" names b where no field is called so exactly.
  void name_without_blanks(std::vector<std::string>& header) const {
    for (const auto& name : names_) {
      if (std::find(header.begin(), header.end(), name) != header.end()) continue;
      for (auto& h : header)
        if (expr::trimmed(h) == name) h = name;
    }
  }
  void place_columns(const std::vector<std::string>& file_columns) {
    fields_ = static_cast<uint32_t>(file_columns.size());
    for (auto& c : columns_)
      c.place = static_cast<uint32_t>(
          std::find(file_columns.begin(), file_columns.end(), names_[c.output]) -
          file_columns.begin());
    std::sort(columns_.begin(), columns_.end(),
              [](const csv_column& a, const csv_column& b) { return a.place < b.place; });
  }

  void find_fields(const text_window& window, std::span<const record_range> records,
                   std::vector<bad_record>& bad) {
    const uint64_t* masks = window.delimiters.data();
    const size_t columns = columns_.size();
    for (uint32_t i = 0; i < records.size(); ++i) {
      auto [begin, end] = records[i];
      uint32_t delimiters = count_between(masks, begin, end);
      if (delimiters + 1 != fields_) [[unlikely]] {
        bad.push_back({i, "expected " + std::to_string(fields_) + " fields, found " +
                              std::to_string(delimiters + 1)});
        continue;
      }
      if (end > begin && window.data[end - 1] == '\r') --end;
      delimiter_cursor at(masks, begin);
      for (size_t c = 0; c < columns; ++c) {
        uint32_t place = columns_[c].place;
        begins_[c * records_per_chunk + i] = place ? at.place(place - 1) + 1 : begin;
        ends_[c * records_per_chunk + i] = place + 1 < fields_ ? at.place(place) : end;
      }
    }
  }

  text_format format_;
  std::vector<std::string> names_;   // by output
  std::vector<csv_column> columns_;  // by place
  uint32_t fields_ = 0;              // of each record
  std::vector<uint32_t> begins_, ends_;
};

// One line is one value.
class raw_decoder final : public record_decoder {
 public:
  explicit raw_decoder(const source_spec& spec) : columns_(spec.physical_columns) {
    if (columns_) field_ = spec.columns->fields[0];
    text_ = columns_ && field_.type.id == type_id::string;
  }

  void decode(const text_window& window, std::span<const record_range> records, row_builder& rows,
              std::vector<bad_record>& bad) override {
    if (text_ && !window.utf8) check_utf8(window, records, bad);
    if (!bad.empty()) return;
    auto n = static_cast<uint32_t>(records.size());
    uint32_t first = rows.rows();
    rows.reserve(n);
    if (columns_ == 0) return rows.set_rows(first + n);  // count(*) needs no column
    auto& out = rows[0];
    for (uint32_t i = 0; i < n; ++i) {
      std::string_view s(window.data + records[i].begin, records[i].end - records[i].begin);
      // Binary lines keep every byte.
      if (text_ && s.ends_with('\r')) s.remove_suffix(1);
      out.append_padded(first + i, s);
    }
    rows.set_rows(first + n);
  }

 private:
  void check_utf8(const text_window& window, std::span<const record_range> records,
                  std::vector<bad_record>& bad) {
    for (uint32_t i = 0; i < records.size(); ++i) {
      std::string_view s(window.data + records[i].begin, records[i].end - records[i].begin);
      if (!simdjson::validate_utf8(s.data(), s.size()))
        bad.push_back({i, not_a_value(field_.name, s, field_.type)});
    }
  }
  uint32_t columns_;
  field field_;
  bool text_ = false;
};

}  // namespace

std::unique_ptr<record_decoder> make_csv_decoder(const text_format& f, const source_spec& spec) {
  return std::make_unique<csv_decoder>(f, spec);
}

std::unique_ptr<record_decoder> make_raw_decoder(const source_spec& spec) {
  return std::make_unique<raw_decoder>(spec);
}

result<text_format> text_format_of(const source_spec& spec) {
  text_format f;
  auto name = option_text(spec.options, "format", "csv");
  f.format = name == "json"            ? text_format::kind::json
             : name == "raw"           ? text_format::kind::raw
             : name == "debezium_json" ? text_format::kind::debezium
             : name == "upsert_json"   ? text_format::kind::upsert
                                       : text_format::kind::csv;
  WEIR_ASSIGN(f.header, option_bool(spec.options, "header", false));
  WEIR_ASSIGN(f.delimiter, option_delimiter(spec.options, ','));
  f.null_text = option_text(spec.options, "null_text", "");
  if (f.format != text_format::kind::csv) f.header = false;
  return f;
}

json_values json_values::of(const source_spec& spec) {
  json_values v;
  v.numerics_in_text = v.dates_in_days = option_text(spec.options, "format", "") == "debezium_json";
  const auto unit = option_text(spec.options, "timestamp_unit", "");
  v.timestamp_unit_us = unit == "milliseconds" ? 1000 : unit == "microseconds" ? 1 : 0;
  return v;
}

namespace {

json_records records_of(const text_format& format, const source_spec& spec) {
  const bool lines = spec.connector == "file" || spec.connector == "stdin";
  if (format.format == text_format::kind::debezium) return json_records::envelopes;
  return format.format == text_format::kind::upsert && lines ? json_records::upserts
                                                             : json_records::rows;
}

}  // namespace

result<std::unique_ptr<record_decoder>> make_decoder(const text_format& format,
                                                     const source_spec& spec) {
  if (!spec.columns || spec.physical_columns > spec.columns->size())
    return {errc::invalid_argument, "the source names more columns than its schema has"};
  for (uint32_t i = 0; i < spec.physical_columns; ++i) {
    const auto& f = spec.columns->fields[i];
    if (!parser_of(f.type))
      return {errc::unsupported, "column " + f.name + ": a source cannot read " +
                                     to_string(f.type) + " yet; declare it as json or text"};
    if (!spec.table_columns.empty() &&
        std::find(spec.table_columns.begin(), spec.table_columns.end(), f.name) ==
            spec.table_columns.end())
      return {errc::invalid_argument, "column " + f.name + " is not among the table's columns"};
  }
  if (format.format == text_format::kind::csv) return make_csv_decoder(format, spec);
  if (format.format != text_format::kind::raw)
    return make_json_decoder(json_values::of(spec), spec, records_of(format, spec));
  size_t declared = spec.table_columns.empty() ? spec.physical_columns : spec.table_columns.size();
  auto id = spec.physical_columns ? spec.columns->fields[0].type.id : type_id::string;
  if (declared != 1 || (id != type_id::string && id != type_id::bytes))
    return {errc::invalid_argument, "format raw needs a table of one column of type text or bytea"};
  return make_raw_decoder(spec);
}

}  // namespace weir
