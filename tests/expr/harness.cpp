#include "tests/expr/harness.hpp"

#include <map>

#include "runtime/column/builder.hpp"
#include "runtime/column/text.hpp"

namespace weir::expr::test {

memory_pool& pool() {
  static memory_pool p;
  return p;
}

namespace {

column_ptr plain_column(const data_type& type, const std::vector<std::string>& cells) {
  column_builder b(type, pool());
  for (const auto& text : cells) {
    if (text == "NULL") {
      b.append_null();
      continue;
    }
    auto v = parse_scalar(text, type);
    weir_assert(v.ok(), text.c_str());
    b.append_scalar(*v);
  }
  return b.finish();
}

column_ptr dictionary_column(const data_type& type, const std::vector<std::string>& cells) {
  std::map<std::string, uint32_t> codes;
  std::vector<std::string> entries;
  std::vector<uint32_t> indices;
  for (const auto& text : cells) {
    std::string value = text == "NULL" ? "" : text;
    auto [it, added] = codes.emplace(value, static_cast<uint32_t>(entries.size()));
    if (added) entries.push_back(value);
    indices.push_back(it->second);
  }
  auto plain = plain_column(type, cells);
  auto c = std::make_shared<column>();
  c->type = type;
  c->length = plain->length;
  c->validity = plain->validity;
  c->dictionary = plain_column(type, entries);
  c->values = buffer::copy(pool(), std::as_bytes(std::span<const uint32_t>(indices)));
  return c;
}

}  // namespace

batch_ptr make_batch(const table& t, bool dictionary) {
  auto b = std::make_shared<batch>();
  b->type = t.type;
  b->rows = b->physical_rows = static_cast<uint32_t>(t.rows.size());
  for (size_t i = 0; i < t.type->size(); ++i) {
    std::vector<std::string> cells;
    for (const auto& r : t.rows) cells.push_back(r[i]);
    const auto& type = t.type->fields[i].type;
    b->columns.push_back(dictionary && type.id == type_id::string ? dictionary_column(type, cells)
                                                                  : plain_column(type, cells));
  }
  return b;
}

batch_ptr select_rows(const batch_ptr& b, const std::vector<uint32_t>& rows) {
  auto r = std::make_shared<batch>(*b);
  r->rows = static_cast<uint32_t>(rows.size());
  r->selection = buffer::copy(pool(), std::as_bytes(std::span<const uint32_t>(rows)));
  return r;
}

std::string cell(const column& c, uint32_t row) {
  if (!c.is_valid(row)) return "NULL";
  std::string s;
  append_text(s, c, row);
  return s;
}

std::vector<std::string> evaluate(const std::string& sql, const batch_ptr& b) {
  auto n = expr::bind(sql, *b->type);
  if (!n) return {"ERROR: " + n.err().message};
  auto p = program::compile({*n}, b->type);
  if (!p) return {"ERROR: " + p.err().message};
  std::vector<column_ptr> out;
  auto ok = p->evaluate(*b, pool(), out);
  if (!ok) return {"ERROR: " + ok.err().message};
  weir_assert(out[0]->type == (*n)->type, "the column has the expression's type");
  weir_assert(out[0]->length == b->physical_rows, "one value per physical row");
  std::vector<std::string> r;
  for (uint32_t i = 0; i < b->rows; ++i) r.push_back(cell(*out[0], b->row(i)));
  return r;
}

std::string value_of(const std::string& sql) {
  table t;
  t.rows = {{}};
  return evaluate(sql, make_batch(t))[0];
}

std::string bind_error(const std::string& sql, const schema& s) {
  auto n = expr::bind(sql, s);
  if (n) return "bound as " + to_sql(**n, s);
  return n.err().message.substr(0, n.err().message.find('\n'));
}

}  // namespace weir::expr::test
