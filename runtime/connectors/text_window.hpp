// What decoders look at: a run of a source's bytes with the places of its line ends (and, for CSV,
// of its delimiters), and records cut out of it. Rows that fail are named, never dropped silently.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/column/buffer.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/connectors/row_builder.hpp"

namespace weir {

/// A record's bytes within its window, without the line end.
struct record_range {
  uint32_t begin = 0, end = 0;
};

struct text_window {
  buffer_ref memory;
  const char* data = nullptr;  // 64 bytes past data + size may be read
  uint32_t size = 0;
  bool any_quote = false;                   // CSV: quotes occur
  bool utf8 = true;                         // all complete records are valid UTF-8
  std::vector<uint64_t> lines, delimiters;  // bit masks over data (csv_scan.hpp)
};

struct bad_record {
  uint32_t index = 0;  // in the span that was decoded
  std::string cause;   // "column dep_delay: 'abc' is not a valid int"
};

/// Turns records into rows. One per split, for a CSV's header decides places.
class record_decoder {
 public:
  virtual ~record_decoder() = default;
  /// The header record of the file, where the format has one; called before decode().
  virtual status set_header(std::string_view) { return {}; }
  /// Appends one row per record. With `bad` not empty afterwards nothing was appended: the caller
  /// decides, and decodes again without those records.
  virtual void decode(const text_window&, std::span<const record_range> records, row_builder& rows,
                      std::vector<bad_record>& bad) = 0;
  /// Whether a record of no bytes stands for nothing rather than a row.
  virtual bool skips_blank() const { return false; }
};

/// Records handed to one call of decode() at most: their field places stay in the first-level
/// cache.
inline constexpr uint32_t records_per_chunk = 512;

struct text_format {
  /// upsert: in files lines that have key and value, in topics json, or of a record without a value
  /// its key, also json.
  enum class kind : uint8_t { csv, json, raw, debezium, upsert } format = kind::csv;
  bool header = false;
  char delimiter = ',';
  std::string null_text;
};
result<text_format> text_format_of(const source_spec&);

/// What JSON's values may say beside their own types. NaN, Infinity and -Infinity, which JSON's
/// numbers lack, are always read from texts, as Weir writes them.
struct json_values {
  bool numerics_in_text = false;  // Debezium: decimal.handling.mode = string
  bool dates_in_days = false;     // Debezium: since 1970-01-01
  int64_t timestamp_unit_us = 0;  // of numbers since 1970-01-01 00:00:00; 0: they are refused
  static json_values of(const source_spec&);
};
/// Refuses columns that the format cannot fill.
result<std::unique_ptr<record_decoder>> make_decoder(const text_format&, const source_spec&);

std::unique_ptr<record_decoder> make_csv_decoder(const text_format&, const source_spec&);
/// Records are rows, Debezium's envelopes of a row before and after, or a key and its row from now
/// on.
enum class json_records : uint8_t { rows, envelopes, upserts };
std::unique_ptr<record_decoder> make_json_decoder(const json_values&, const source_spec&,
                                                  json_records);
std::unique_ptr<record_decoder> make_raw_decoder(const source_spec&);

}  // namespace weir
