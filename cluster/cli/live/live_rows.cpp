#include "cluster/cli/live/live_rows.hpp"

#include <algorithm>

#include "runtime/connectors/sort_key.hpp"

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

}  // namespace

live_rows::live_rows(const sink_spec& s)
    : is_table_(s.with_changes || !s.order.empty()), order_(s.order) {
  auto visible = std::make_shared<schema>(*s.columns);
  visible->fields.resize(s.columns->size() - s.hidden_columns);
  columns_ = std::move(visible);
  encoder_ = row_encoder(columns_);
  encoder_.format = row_encoder::kind::table;
  for (uint32_t i = 0; i < columns_->size(); ++i) {
    numbers_.push_back(is_number(columns_->fields[i].type.id));
    order_.push_back({i});  // what ORDER BY leaves equal
  }
}

cells live_rows::names() const {
  cells out;
  for (const auto& f : columns_->fields) out.push_back(f.name);
  return out;
}

std::string live_rows::order_text() const {
  std::string out;
  for (const auto& t : order_)
    out += std::to_string(t.column) + (t.descending ? "d" : "a") + (t.nulls_first ? "f" : "l");
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
    for (size_t c = 0; c < columns_->size(); ++c)
      encoder_.cell(texts[i].emplace_back(), *b.columns[c], b.row(i));
  std::lock_guard lock(m_);
  ++version_;
  for (uint32_t i = 0; i < b.rows; ++i) {
    const auto r = b.row(i);
    const auto weight = b.weight(r);
    if (is_table_) {
      std::string order;
      append_sort_key(order, b, r, order_);
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
