#include "runtime/connectors/kafka/record_encoder.hpp"

#include "runtime/connectors/kafka/kafka.hpp"
#include "runtime/connectors/options.hpp"

namespace weir {

result<record_encoder> record_encoder::of(const sink_spec& spec, const kafka_sink_settings& s) {
  auto with_format = spec;
  with_format.options.try_emplace("format", "json");
  const auto format = option_text(with_format.options, "format", "");
  WEIR_TRY(check_kafka_table(s.topic, *spec.columns, with_format.options, true));
  record_encoder e;
  e.topic_ = s.topic;
  WEIR_ASSIGN(e.changes_, change_encoder::of(with_format));
  e.upserts_ = format == "upsert_json";
  if (e.changes_) return e;
  e.raw_ = format == "raw";
  const auto c = kafka_columns_of(spec.options);
  auto values = std::make_shared<schema>();
  for (uint32_t i = 0; i < spec.columns->size(); ++i) {
    const auto& f = spec.columns->fields[i];
    bool in_value = true;
    auto take = [&](const std::optional<std::string>& name, std::optional<uint32_t>& place) {
      if (name != f.name) return;
      place = i;
      in_value = false;
    };
    take(c.partition, e.partition_);
    take(c.timestamp, e.timestamp_);
    take(c.headers, e.headers_);
    take(c.key, e.key_);
    if (c.key == f.name && s.key_in_value) in_value = true;
    if (!in_value) continue;
    e.value_columns_.push_back(i);
    values->fields.push_back(f);
  }
  if (values->fields.empty())
    return {errc::invalid_argument,
            "all columns of the table are parts of the record beside its value; one must be left"};
  if (e.raw_) {
    auto id = values->fields[0].type.id;
    if (id != type_id::string && id != type_id::bytes && id != type_id::json)
      return {errc::type_mismatch, "format raw writes text, bytea or json, but column \"" +
                                       values->fields[0].name + "\" is " +
                                       to_string(values->fields[0].type)};
    return e;
  }
  with_format.columns = values;
  WEIR_ASSIGN(e.values_, row_encoder::of(with_format));
  return e;
}

status record_encoder::add_row(std::string& out, const batch& b, const batch& values,
                               uint32_t row) {
  record_view r;
  if (raw_) {
    const auto& c = *values.columns[0];
    if (c.is_valid(row)) r.value = c.view(row);
  } else {
    value_text_.clear();
    values_.row(value_text_, values, row, 0);
    value_text_.pop_back();  // the line's end
    r.value = value_text_;
  }
  if (key_ && b.columns[*key_]->is_valid(row)) r.key = b.columns[*key_]->view(row);
  if (partition_ && b.columns[*partition_]->is_valid(row)) {
    const auto& c = *b.columns[*partition_];
    r.partition = c.dictionary ? c.dictionary->data<int32_t>()[c.data<uint32_t>()[row]]
                               : c.data<int32_t>()[row];
    if (r.partition < 0)
      return {errc::invalid_argument,
              "topic " + topic_ + ": there is no partition " + std::to_string(r.partition)};
  }
  if (timestamp_ && b.columns[*timestamp_]->is_valid(row)) {
    const auto& c = *b.columns[*timestamp_];
    int64_t us = c.dictionary ? c.dictionary->data<int64_t>()[c.data<uint32_t>()[row]]
                              : c.data<int64_t>()[row];
    // Before 1970 Kafka has no time, and 0 stands for none.
    r.timestamp_ms = us >= 1000 ? us / 1000 : 0;
  }
  if (headers_ && b.columns[*headers_]->is_valid(row)) {
    if (auto ok = headers_from_json(b.columns[*headers_]->view(row), header_bytes_); !ok)
      return ok.err().at("topic " + topic_);
    r.headers = header_bytes_;
  }
  append_record(out, r);
  return {};
}

result<uint64_t> record_encoder::encode_changes(std::string& out, const batch& b) {
  uint64_t records = 0;
  changes_->for_each(b, [&](const std::string& key, const std::optional<std::string>& before,
                            const std::optional<std::string>& after) {
    ++records;
    record_view r;
    if (!key.empty()) r.key = key;
    if (upserts_) {
      if (after) r.value = *after;
    } else {
      value_text_.clear();
      change_encoder::envelope(value_text_, before, after);
      r.value = value_text_;
    }
    append_record(out, r);
  });
  return records;
}

result<uint64_t> record_encoder::encode(std::string& out, const batch& b) {
  if (changes_) return encode_changes(out, b);
  batch values;
  values.rows = b.rows;
  values.physical_rows = b.physical_rows;
  for (auto c : value_columns_) values.columns.push_back(b.columns[c]);
  uint64_t records = 0;
  for (uint32_t i = 0; i < b.rows; ++i) {
    const uint32_t row = b.row(i);
    const int32_t weight = b.weight(row);
    if (weight < 0)
      return error(errc::unsupported,
                   "topic " + topic_ +
                       " can only be appended to, but a row was taken back (change "
                       "weight " +
                       std::to_string(weight) + "); use the format upsert_json or debezium_json");
    for (int32_t n = 0; n < weight; ++n) WEIR_TRY(add_row(out, b, values, row));
    records += static_cast<uint64_t>(weight);
  }
  return records;
}

}  // namespace weir
