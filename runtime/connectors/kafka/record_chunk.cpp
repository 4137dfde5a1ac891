#include "runtime/connectors/kafka/record_chunk.hpp"

#include <simdjson.h>

#include "runtime/connectors/csv_scan.hpp"

namespace weir {
namespace {

// Behind which a chunk takes no more records: it stays in the second-level cache. One record of any
// size fits.
constexpr size_t chunk_bytes_target = 256 * 1024;
constexpr size_t slack = 64;  // readable behind the window's end

}  // namespace

void record_chunk::clear() {
  used_ = 0;
  records_.clear();
  messages_.clear();
}

bool record_chunk::full() const {
  return messages_.size() >= records_per_chunk || used_ >= chunk_bytes_target;
}

std::optional<std::string> record_chunk::add(const rd_kafka_message_t* m) {
  using kind = text_format::kind;
  std::string_view value(static_cast<const char*>(m->payload), m->payload ? m->len : 0);
  if (!m->payload) {
    if (format_.format == kind::debezium) return "";
    if (format_.format == kind::csv) return "the record has no value";
    if (format_.format == kind::json) value = "{}";  // no member is there: all columns are NULL
    if (format_.format == kind::upsert) {
      if (!m->key) return "the record has neither key nor value";
      value = {static_cast<const char*>(m->key), m->key_len};
    }
  }
  if (format_.format == kind::csv && value.ends_with('\n')) value.remove_suffix(1);
  if (used_ + value.size() + 2 + slack > text_.size())
    text_.resize(std::max({used_ + value.size() + 2 + slack, text_.size() * 2, size_t{4096}}));
  auto begin = static_cast<uint32_t>(used_);
  if (!value.empty()) std::memcpy(text_.data() + used_, value.data(), value.size());
  used_ += value.size();
  // The decoder of lines takes one off, but this one is the value's own.
  if (raw_text_ && value.ends_with('\r')) text_[used_++] = '\r';
  records_.push_back({begin, static_cast<uint32_t>(used_)});
  text_[used_++] = '\n';
  messages_.push_back(m);
  return std::nullopt;
}

void record_chunk::scan() {
  if (format_.format != text_format::kind::csv) return;
  size_t words = (used_ + 63) / 64 + 1;
  window_.lines.resize(words);
  window_.delimiters.resize(words);
  auto scanned = scan_csv(window_.data, used_, format_.delimiter, false, window_.lines.data(),
                          window_.delimiters.data());
  window_.any_quote = scanned.any_quote;
}

void record_chunk::finish(std::vector<bad_record>& bad) {
  window_.data = text_.data();
  window_.size = static_cast<uint32_t>(used_);
  std::memset(text_.data() + used_, 0, slack);
  window_.utf8 = simdjson::validate_utf8(window_.data, used_);
  scan();
  if (format_.format != text_format::kind::csv || !window_.any_quote) return;
  // An open quote would reach into the next record, whose delimiters the masks then miss.
  for (uint32_t i = 0; i < records_.size(); ++i) {
    const auto& r = records_[i];
    if (count_bytes(window_.data + r.begin, r.end - r.begin, '"') % 2) bad.emplace_back().index = i;
  }
  for (auto& b : bad) b.cause.assign("a quote is never closed");
}

void record_chunk::take_out(const std::vector<bad_record>& bad) {
  const auto messages = std::exchange(messages_, {});
  const auto records = std::exchange(records_, {});
  size_t next = 0, kept = 0;
  const bool again = format_.format == text_format::kind::csv && window_.any_quote;
  used_ = again ? 0 : used_;
  for (uint32_t i = 0; i < messages.size(); ++i) {
    if (next < bad.size() && bad[next].index == i) {
      while (next < bad.size() && bad[next].index == i) ++next;
      continue;
    }
    ++kept;
    if (again) {
      (void)add(messages[i]);  // it was added before, so it can be
      continue;
    }
    messages_.push_back(messages[i]);
    records_.push_back(records[i]);
  }
  weir_assert(messages_.size() == kept, "a record that was there is there again");
  if (!again) return;
  window_.size = static_cast<uint32_t>(used_);
  if (used_ == 0) return;
  std::memset(text_.data() + used_, 0, slack);
  scan();
}

}  // namespace weir
