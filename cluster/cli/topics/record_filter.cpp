#include "cluster/cli/topics/record_filter.hpp"

#include <simdjson.h>

#include "cluster/streams/record_json.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/memory.hpp"
#include "runtime/expr/binder.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::cli {
namespace {

schema_ptr record_schema() {
  auto s = std::make_shared<schema>();
  s->fields = {{"key", type_id::string},
               {"value", type_id::string},
               {"offset", type_id::int64, false},
               {"partition", type_id::int32, false},
               {"timestamp", type_id::timestamp, false}};
  return s;
}

/// The record's columns, and behind them the fields of its value.
class record_scope final : public expr::scope {
 public:
  explicit record_scope(const schema& s) : columns_(s), plain_(s) {}
  result<expr::bound> column(const expr::syntax& s, const expr::binder& b) override {
    if (!s.qualifier.empty() || columns_.find(s.name)) return plain_.column(s, b);
    std::string quoted;
    for (char c : s.name) quoted += c == '\'' ? std::string("''") : std::string(1, c);
    const std::string sql = "value::json ->> '" + quoted + "'";
    WEIR_ASSIGN(const auto tree, expr::parse_expression(sql));
    expr::binder inner(sql, plain_);
    return inner.bind(tree);
  }

 private:
  const schema& columns_;
  expr::schema_scope plain_;
};

std::optional<std::string> copied(const std::optional<byte_view>& b) {
  if (!b) return std::nullopt;
  return std::string(streams::text_of(*b));
}

/// What is no text is NULL to expressions.
void append_text(column_builder& c, const std::optional<std::string>& s) {
  if (s && simdjson::validate_utf8(s->data(), s->size()))
    c.append(std::string_view(*s));
  else
    c.append_null();
}

}  // namespace

held_record::held_record(int32_t p, const record& r)
    : partition(p),
      offset(r.offset),
      timestamp_ms(r.timestamp_ms),
      key(copied(r.key)),
      value(copied(r.value)) {
  for (const auto& h : r.headers) headers.emplace_back(std::string(h.key), copied(h.value));
}

struct record_filter::state {
  state(schema_ptr s, expr::program p) : type(std::move(s)), condition(std::move(p)) {}
  memory_pool pool;
  schema_ptr type;
  expr::program condition;
  uint64_t failed = 0;
  std::string first_failure;
};

record_filter::record_filter(std::unique_ptr<state> s) : s_(std::move(s)) {}
record_filter::record_filter(record_filter&&) noexcept = default;
record_filter::~record_filter() = default;

result<record_filter> record_filter::make(const std::string& sql) {
  auto type = record_schema();
  WEIR_ASSIGN(const auto tree, expr::parse_expression(sql));
  record_scope names(*type);
  expr::binder b(sql, names);
  WEIR_ASSIGN(auto bound, b.bind(tree));
  WEIR_ASSIGN(bound, b.coerce(std::move(bound), type_id::boolean, expr::cast_context::implicit));
  WEIR_ASSIGN(auto program, expr::program::compile({b.settle(std::move(bound)).n}, type));
  return record_filter(std::make_unique<state>(type, std::move(program)));
}

result<std::vector<uint32_t>> record_filter::matching(const std::vector<held_record>& records) {
  std::vector<uint32_t> out;
  if (records.empty()) return out;
  batch_builder rows(s_->type, s_->pool);
  for (const auto& r : records) {
    append_text(rows.column(0), r.key);
    append_text(rows.column(1), r.value);
    rows.column(2).append(r.offset);
    rows.column(3).append(r.partition);
    rows.column(4).append(r.timestamp_ms * 1000);
  }
  auto all = rows.finish();
  buffer_ref selection;
  uint32_t selected = 0;
  std::vector<expr::row_error> errors;
  WEIR_TRY(s_->condition.filter(*all, s_->pool, selection, selected, &errors));
  if (!errors.empty() && s_->failed == 0)
    s_->first_failure = "partition " + std::to_string(records[errors[0].row].partition) +
                        ", offset " + std::to_string(records[errors[0].row].offset) + ": " +
                        errors[0].cause.message;
  s_->failed += errors.size();
  size_t next_error = 0;
  for (uint32_t i = 0; i < selected; ++i) {
    const uint32_t row = selection ? selection.as<uint32_t>()[i] : i;
    while (next_error < errors.size() && errors[next_error].row < row) ++next_error;
    if (next_error < errors.size() && errors[next_error].row == row) continue;
    out.push_back(row);
  }
  return out;
}

uint64_t record_filter::failed() const noexcept {
  return s_->failed;
}
const std::string& record_filter::first_failure() const noexcept {
  return s_->first_failure;
}

}  // namespace weir::cli
