#include <algorithm>

#include "runtime/column/builder.hpp"
#include "runtime/column/text.hpp"

namespace weir {

batch_builder::batch_builder(schema_ptr type, memory_pool& pool)
    : type_(std::move(type)), pool_(&pool) {
  columns_.reserve(type_->size());
  for (const auto& f : type_->fields) columns_.emplace_back(f.type, pool);
}

size_t batch_builder::bytes() const noexcept {
  size_t n = 0;
  for (const auto& c : columns_) n += c.bytes();
  return n;
}

void batch_builder::reserve(size_t rows) {
  for (auto& c : columns_) c.reserve(rows);
}

void batch_builder::append_row(const std::vector<scalar>& values, int32_t weight) {
  weir_assert(values.size() == columns_.size(), "a row of another number of values");
  for (size_t i = 0; i < values.size(); ++i) columns_[i].append_scalar(values[i]);
  if (columns_.empty()) ++no_column_rows_;
  if (weight != 1 || !weights_.empty()) set_weight(weight);
}

void batch_builder::append_row(const batch& from, uint32_t row) {
  weir_assert(from.columns.size() == columns_.size(), "a row of another number of values");
  for (size_t i = 0; i < columns_.size(); ++i) columns_[i].append_from(*from.columns[i], row);
  if (columns_.empty()) ++no_column_rows_;
  const int32_t weight = from.weight(row);
  if (weight != 1 || !weights_.empty()) set_weight(weight);
}

void batch_builder::set_weight(int32_t weight) {
  if (weights_.empty() && weight == 1) return;
  weir_assert(rows() != 0, "a weight without a row");
  weights_.resize(rows(), 1);
  weights_.back() = weight;
}

batch_ptr batch_builder::finish() {
  const uint32_t n = rows();
  std::vector<column_ptr> columns;
  columns.reserve(columns_.size());
  for (auto& c : columns_) columns.push_back(c.finish());
  buffer_ref weights;
  if (!weights_.empty()) {
    weights_.resize(n, 1);
    weights = buffer::copy(*pool_, std::as_bytes(std::span(weights_)));
    weights_.clear();
  }
  no_column_rows_ = 0;
  return make_batch(type_, std::move(columns), std::move(weights), n);
}

batch_ptr make_batch(schema_ptr type, std::vector<column_ptr> columns, buffer_ref weights,
                     uint32_t rows) {
  weir_assert(type && columns.size() == type->size(), "columns do not match the schema");
  auto b = std::make_shared<batch>();
  b->rows = b->physical_rows = columns.empty() ? rows : columns[0]->length;
  for (size_t i = 0; i < columns.size(); ++i) {
    weir_assert(columns[i]->length == b->rows, "columns of different lengths");
    weir_assert(columns[i]->type == type->fields[i].type, "a column's type is not the schema's");
  }
  weir_assert(!weights || weights.size() >= size_t{b->rows} * sizeof(int32_t),
              "fewer weights than rows");
  b->type = std::move(type);
  b->columns = std::move(columns);
  b->weights = std::move(weights);
  return b;
}

batch_ptr with_selection(const batch& b, buffer_ref selection, uint32_t rows) {
  auto r = std::make_shared<batch>(b);
  weir_assert(!selection || selection.size() >= size_t{rows} * sizeof(uint32_t),
              "a selection shorter than its rows");
  r->rows = selection ? rows : b.physical_rows;
  r->selection = std::move(selection);
  return r;
}

batch_ptr with_columns(const batch& b, schema_ptr type, std::vector<column_ptr> columns) {
  weir_assert(type && columns.size() == type->size(), "columns do not match the schema");
  for (const auto& c : columns)
    weir_assert(c->length == b.physical_rows, "a projected column of another length");
  auto r = std::make_shared<batch>();
  r->type = std::move(type);
  r->rows = b.rows;
  r->physical_rows = b.physical_rows;
  r->columns = std::move(columns);
  r->selection = b.selection;
  r->weights = b.weights;
  return r;
}

scalar scalar_at(const column& c, uint32_t row) {
  scalar v{c.type};
  if (!c.is_valid(row)) return v;
  if (c.dictionary) return scalar_at(*c.dictionary, c.data<uint32_t>()[row]);
  v.null = false;
  switch (c.type.id) {
    case type_id::boolean:
      v.i = c.data<uint8_t>()[row];
      break;
    case type_id::int32:
    case type_id::date:
      v.i = c.data<int32_t>()[row];
      break;
    case type_id::int64:
    case type_id::timestamp:
      v.i = c.data<int64_t>()[row];
      break;
    case type_id::float64:
      v.d = c.data<double>()[row];
      break;
    case type_id::decimal:
      std::memcpy(&v.dec, c.data<std::byte>() + size_t{row} * sizeof v.dec, sizeof v.dec);
      break;
    case type_id::interval:
      v.interval = c.data<interval_value>()[row];
      break;
    case type_id::string:
    case type_id::bytes:
    case type_id::json:
      v.s = c.view(row);
      break;
    case type_id::list: {
      const auto* o = c.offsets.as<uint32_t>();
      for (uint32_t i = o[row]; i < o[row + 1]; ++i)
        v.items.push_back(scalar_at(*c.children[0], i));
      break;
    }
    case type_id::struct_:
      for (const auto& child : c.children) v.items.push_back(scalar_at(*child, row));
  }
  return v;
}

bool identical(const scalar& a, const scalar& b) {
  if (!(a.type == b.type) || a.null != b.null) return false;
  if (a.null) return true;
  if (a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i)
    if (!identical(a.items[i], b.items[i])) return false;
  const bool same_double = a.d == b.d || (a.d != a.d && b.d != b.d);
  return a.i == b.i && same_double && a.dec == b.dec && a.interval == b.interval && a.s == b.s;
}

column_ptr constant_column(const scalar& v, uint32_t length, memory_pool& pool) {
  column_builder b(v.type, pool);
  b.reserve(length, v.s.size() * length);
  for (uint32_t i = 0; i < length; ++i) b.append_scalar(v);
  return b.finish();
}

result<batch_ptr> batch_from_text(schema_ptr type,
                                  const std::vector<std::vector<std::string>>& rows,
                                  memory_pool& pool) {
  batch_builder b(type, pool);
  std::vector<scalar> values;
  for (size_t r = 0; r < rows.size(); ++r) {
    if (rows[r].size() != type->size())
      return error(errc::invalid_argument, "row " + std::to_string(r + 1) + " has " +
                                               std::to_string(rows[r].size()) + " values for " +
                                               std::to_string(type->size()) + " columns");
    values.clear();
    for (size_t i = 0; i < type->size(); ++i) {
      if (rows[r][i] == "NULL") {
        values.push_back(scalar::of_null(type->fields[i].type));
        continue;
      }
      auto v = parse_scalar(rows[r][i], type->fields[i].type);
      if (!v)
        return v.err().at("row " + std::to_string(r + 1) + ", column " + type->fields[i].name);
      values.push_back(std::move(v).value());
    }
    b.append_row(values);
  }
  return b.finish();
}

namespace {

std::string cell(const column& c, uint32_t row) {
  if (!c.is_valid(row)) return "NULL";
  std::string s;
  append_text(s, c, row);
  return s;
}

}  // namespace

std::string format_row(const batch& b, uint32_t i) {
  const uint32_t r = b.row(i);
  std::string s;
  if (b.weight(r) != 1) s = std::to_string(b.weight(r)) + ": ";
  for (size_t c = 0; c < b.columns.size(); ++c) {
    if (c != 0) s += ',';
    s += cell(*b.columns[c], r);
  }
  return s;
}

std::string format_rows(const batch& b) {
  std::string s;
  for (uint32_t i = 0; i < b.rows; ++i) s += format_row(b, i) + '\n';
  return s;
}

std::string format_table(const batch& b, uint32_t rows_max) {
  const uint32_t n = std::min(b.rows, rows_max);
  std::vector<std::vector<std::string>> cells;
  std::vector<size_t> width;
  for (size_t c = 0; c < b.columns.size(); ++c) {
    cells.push_back({b.type->fields[c].name});
    for (uint32_t i = 0; i < n; ++i) cells[c].push_back(cell(*b.columns[c], b.row(i)));
    width.push_back(0);
    for (const auto& s : cells[c]) width[c] = std::max(width[c], s.size());
  }
  std::string out;
  for (uint32_t i = 0; i <= n; ++i) {
    for (size_t c = 0; c < cells.size(); ++c) {
      out += cells[c][i];
      if (c + 1 < cells.size()) out.append(width[c] - cells[c][i].size() + 2, ' ');
    }
    out += '\n';
  }
  if (n < b.rows) out += "... " + std::to_string(b.rows - n) + " more rows\n";
  return out;
}

}  // namespace weir
