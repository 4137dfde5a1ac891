#include "runtime/connectors/change_encoder.hpp"

#include "runtime/connectors/options.hpp"

namespace weir {
namespace {

std::string object_of(const row_encoder& e, const batch& b, uint32_t row) {
  std::string text;
  e.row(text, b, row, 0);
  text.pop_back();  // the line's end
  return text;
}

batch key_columns(const batch& b, const std::vector<uint32_t>& keys) {
  batch out;
  for (auto k : keys) out.columns.push_back(b.columns[k]);
  return out;
}

}  // namespace

result<std::optional<change_encoder>> change_encoder::of(const sink_spec& spec) {
  const auto format = option_text(spec.options, "format", "csv");
  std::optional<change_encoder> out;
  if (format != "debezium_json" && format != "upsert_json") return out;
  out.emplace();
  out->upserts_ = format == "upsert_json";
  if (out->upserts_ && spec.keys.empty())
    return {errc::invalid_argument, "format upsert_json needs a table with a PRIMARY KEY"};
  out->keys_ = spec.keys;
  out->rows_ = row_encoder(spec.columns);
  auto key_type = std::make_shared<schema>();
  for (auto k : spec.keys) key_type->fields.push_back(spec.columns->fields[k]);
  out->key_rows_ = row_encoder(key_type);
  out->rows_.format = out->key_rows_.format = row_encoder::kind::json;
  return out;
}

void change_encoder::note(const batch& b, uint32_t row, int32_t weight) {
  auto key = object_of(key_rows_, key_columns(b, keys_), row);
  const auto [at, is_new] = places_.try_emplace(std::move(key), changes_.size());
  if (is_new) changes_.emplace_back(at->first, change{});
  auto& c = changes_[at->second].second;
  auto text = object_of(rows_, b, row);
  if (weight > 0) {
    c.after = std::move(text);
  } else if (c.after == text) {
    c.after.reset();
  } else if (!c.before) {
    c.before = std::move(text);
  }
}

void change_encoder::envelope(std::string& out, const std::optional<std::string>& before,
                              const std::optional<std::string>& after) {
  const char op = before && after ? 'u' : after ? 'c' : 'd';
  out += "{\"before\":" + before.value_or("null") + ",\"after\":" + after.value_or("null") +
         ",\"op\":\"" + op + "\"}";
}

void change_encoder::for_each(const batch& b, const visitor& visit) {
  for (uint32_t i = 0; i < b.rows; ++i) {
    const uint32_t r = b.row(i);
    const int32_t weight = b.weight(r);
    if (!keys_.empty()) {
      if (weight != 0) note(b, r, weight);
      continue;
    }
    change c;
    (weight > 0 ? c.after : c.before) = object_of(rows_, b, r);
    for (int32_t n = std::abs(weight); n > 0; --n) visit({}, c.before, c.after);
  }
  for (const auto& [key, c] : changes_)
    if (c.before != c.after) visit(key, c.before, c.after);
  changes_.clear();
  places_.clear();
}

uint64_t change_encoder::encode(std::string& out, const batch& b) {
  uint64_t lines = 0;
  for_each(b, [&](const std::string& key, const std::optional<std::string>& before,
                  const std::optional<std::string>& after) {
    ++lines;
    if (upserts_)
      out += "{\"key\":" + key + ",\"value\":" + after.value_or("null") + "}";
    else
      envelope(out, before, after);
    out += '\n';
  });
  return lines;
}

}  // namespace weir
