#include "runtime/connectors/kafka/metadata_columns.hpp"

#include <simdjson.h>

#include "runtime/column/json_text.hpp"

namespace weir {
namespace {

void append_header(std::string& out, const char* value, size_t size) {
  if (!value) {
    out += "null";
  } else if (simdjson::validate_utf8(value, size)) {
    append_json_string(out, {value, size});
  } else {
    out += "{\"base64\":\"";
    append_base64(out, {value, size});
    out += "\"}";
  }
}

}  // namespace

bool headers_to_json(const rd_kafka_message_t& m, std::string& out) {
  out.clear();
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
  std::vector<std::pair<std::string_view, std::vector<std::pair<const char*, size_t>>>> all;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); ++i) {
    auto it = std::find_if(all.begin(), all.end(), [&](const auto& h) { return h.first == name; });
    if (it == all.end()) it = all.insert(it, {name, {}});
    it->second.emplace_back(static_cast<const char*>(value), size);
  }
  out.push_back('{');
  for (const auto& [key, values] : all) {
    if (out.size() > 1) out += ',';
    if (simdjson::validate_utf8(key.data(), key.size()))
      append_json_string(out, key);
    else
      append_json_string(out, "?");
    out += values.size() > 1 ? ":[" : ":";
    for (size_t i = 0; i < values.size(); ++i) {
      if (i) out += ',';
      append_header(out, values[i].first, values[i].second);
    }
    if (values.size() > 1) out += ']';
  }
  out += '}';
  return true;
}

metadata_columns::metadata_columns(const source_spec& spec, memory_pool& pool) : value_spec_(spec) {
  const auto c = kafka_columns_of(spec.options);
  const std::pair<const std::optional<std::string>*, part> named[] = {
      {&c.key, part::key},         {&c.partition, part::partition},
      {&c.offset, part::offset},   {&c.timestamp, part::timestamp},
      {&c.headers, part::headers}, {&c.topic, part::topic}};
  auto part_of = [&](const std::string& name) -> std::optional<part> {
    for (const auto& [column, what] : named)
      if (*column == name) return what;
    return std::nullopt;
  };
  auto values = std::make_shared<schema>();
  for (uint32_t i = 0; i < spec.physical_columns; ++i) {
    const auto& f = spec.columns->fields[i];
    if (auto what = part_of(f.name)) {
      metas_.push_back({*what, i, column_filler(f.type, pool)});
    } else {
      value_places_.push_back(i);
      values->fields.push_back(f);
    }
  }
  value_spec_.columns = values;
  value_spec_.physical_columns = static_cast<uint32_t>(values->size());
  value_spec_.generated.clear();
  std::erase_if(value_spec_.table_columns,
                [&](const std::string& name) { return part_of(name).has_value(); });
}

std::string metadata_columns::problem(const rd_kafka_message_t& m) const {
  for (const auto& c : metas_)
    if (c.what == part::key && c.out.type().id == type_id::string && m.key &&
        !simdjson::validate_utf8(static_cast<const char*>(m.key), m.key_len))
      return "the record's key is not valid UTF-8; declare its column as bytea";
  return {};
}

void metadata_columns::reserve(uint32_t rows) {
  if (rows <= capacity_) return;
  capacity_ = std::max(rows, std::min(capacity_ * 2, capacity_ + batch_rows_target));
  for (auto& c : metas_) c.out.reserve(capacity_);
}

void metadata_columns::append(uint32_t row, const rd_kafka_message_t& m, const std::string& topic) {
  for (auto& c : metas_) {
    switch (c.what) {
      case part::key:
        c.out.append(row, m.key ? std::string_view(static_cast<const char*>(m.key), m.key_len)
                                : std::string_view());
        if (!m.key) c.out.set_null(row);
        break;
      case part::partition:
        c.out.fixed<int32_t>()[row] = m.partition;
        break;
      case part::offset:
        c.out.fixed<int64_t>()[row] = m.offset;
        break;
      case part::timestamp: {
        rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        int64_t ms = rd_kafka_message_timestamp(&m, &type);
        constexpr int64_t ms_max = INT64_MAX / 1000;
        const bool known = type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && ms >= 0 && ms <= ms_max;
        c.out.fixed<int64_t>()[row] = known ? ms * 1000 : 0;
        if (!known) c.out.set_null(row);
        break;
      }
      case part::headers:
        if (headers_to_json(m, headers_)) {
          c.out.append(row, headers_);
        } else {
          c.out.append(row, {});
          c.out.set_null(row);
        }
        break;
      case part::topic:
        c.out.append(row, topic);
        break;
    }
  }
}

std::vector<column_ptr> metadata_columns::finish(std::vector<column_ptr> values, uint32_t rows) {
  std::vector<column_ptr> out(values.size() + metas_.size());
  for (size_t i = 0; i < values.size(); ++i) out[value_places_[i]] = std::move(values[i]);
  for (auto& c : metas_) out[c.place] = c.out.finish(rows);
  capacity_ = 0;
  return out;
}

size_t metadata_columns::bytes() const {
  size_t n = 0;
  for (const auto& c : metas_) n += c.out.value_bytes();
  return n;
}

}  // namespace weir
