#include "cluster/cli/live/live_rows.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace weir::cli {
namespace {

// A few screens: what a terminal shows within a moment, and little enough that Ctrl-C is heard.
constexpr size_t appended_rows_max = 4096;

bool is_number(type_id t) {
  return t == type_id::int32 || t == type_id::int64 || t == type_id::float64 ||
         t == type_id::decimal;
}

size_t bytes_of(const cells& row) {
  size_t n = 128;  // of the map's node and the strings
  for (const auto& c : row) n += 32 + c.size();
  return n;
}

/// A number's text so that bytes compare as numbers do: eight bytes of the double that is nearest,
/// and the text for what is equal by that.
void add_number(std::string& out, const std::string& text) {
  const double v = std::strtod(text.c_str(), nullptr);
  auto bits = std::bit_cast<uint64_t>(v);
  bits = (bits >> 63) ? ~bits : bits | uint64_t{1} << 63;
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift & 0xFF);
}

}  // namespace

live_rows::live_rows(schema_ptr columns, bool changes)
    : columns_(std::move(columns)), changes_(changes), encoder_(columns_) {
  encoder_.format = row_encoder::kind::table;
  for (const auto& f : columns_->fields) numbers_.push_back(is_number(f.type.id));
}

cells live_rows::names() const {
  cells out;
  for (const auto& f : columns_->fields) out.push_back(f.name);
  return out;
}

void live_rows::begin(std::function<void()> wake) {
  std::lock_guard lock(m_);
  rows_.clear();
  appended_.clear();
  bytes_ = 0;
  total_ = 0;
  ++version_;
  wake_ = std::move(wake);
}

/// Columns from left to right, NULL behind the values.
std::string live_rows::order_of(const batch& b, uint32_t row, const cells& texts) const {
  std::string out;
  for (size_t c = 0; c < texts.size(); ++c) {
    const bool valid = b.columns[c]->is_valid(row);
    out += valid ? '\0' : '\1';
    if (!valid) continue;
    if (numbers_[c]) add_number(out, texts[c]);
    out += texts[c];
    out += '\0';
  }
  return out;
}

void live_rows::change(std::string order, cells row, int64_t weight) {
  auto [it, fresh] = rows_.try_emplace(std::move(order));
  auto& e = it->second;
  if (fresh) {
    e.row = std::move(row);
    bytes_ += bytes_of(e.row) + it->first.size();
  }
  const auto before = std::max<int64_t>(e.count, 0);
  e.count += weight;
  total_ += static_cast<uint64_t>(std::max<int64_t>(e.count, 0) - before);
  if (e.count == 0) {
    bytes_ -= bytes_of(e.row) + it->first.size();
    rows_.erase(it);
  }
}

void live_rows::add(const batch& b) {
  std::vector<cells> texts(b.rows);
  for (uint32_t i = 0; i < b.rows; ++i)
    for (const auto& c : b.columns) encoder_.cell(texts[i].emplace_back(), *c, b.row(i));
  std::lock_guard lock(m_);
  ++version_;
  for (uint32_t i = 0; i < b.rows; ++i) {
    const auto r = b.row(i);
    const auto weight = b.weight(r);
    if (changes_) {
      auto order = order_of(b, r, texts[i]);
      change(std::move(order), std::move(texts[i]), weight);
    } else {
      total_ += static_cast<uint64_t>(std::max(weight, 0));
      for (auto n = weight; n > 0; --n) appended_.push_back(texts[i]);
    }
  }
}

bool live_rows::full() const {
  std::lock_guard lock(m_);
  return appended_.size() > appended_rows_max;
}

size_t live_rows::bytes() const {
  std::lock_guard lock(m_);
  return bytes_;
}

void live_rows::visit(
    const std::function<void(const std::string&, const cells&, int64_t)>& f) const {
  std::lock_guard lock(m_);
  for (const auto& [order, e] : rows_) f(order, e.row, e.count);
}

void live_rows::restore(std::string order, cells row, int64_t count) {
  std::lock_guard lock(m_);
  ++version_;
  change(std::move(order), std::move(row), count);
}

void live_rows::end() {
  std::lock_guard lock(m_);
  wake_ = nullptr;
}

live_rows::shown live_rows::first(size_t rows_max) const {
  std::lock_guard lock(m_);
  shown s;
  s.total = total_;
  s.version = version_;
  for (const auto& [order, e] : rows_)
    for (int64_t n = 0; n < e.count; ++n) {
      if (s.rows.size() >= rows_max) return s;
      s.rows.push_back(e.row);
    }
  return s;
}

std::vector<cells> live_rows::take() {
  std::vector<cells> out;
  std::function<void()> wake;
  {
    std::lock_guard lock(m_);
    out.swap(appended_);
    if (out.size() > appended_rows_max) wake = wake_;
  }
  if (wake) wake();
  return out;
}

}  // namespace weir::cli
