// Joins with a table that is read whole: every kind, keys with NULL, conditions, batches larger
// than one, the table read again.
#include <doctest/doctest.h>

#include "runtime/column/builder.hpp"
#include "runtime/expr/expr.hpp"
#include "support.hpp"

using namespace weir;
using namespace weir::test;

namespace {

struct output final : collector {
  std::vector<batch_ptr> batches;
  void emit(batch_ptr b, uint16_t) override { batches.push_back(std::move(b)); }
};
using lines = std::vector<std::string>;

/// orders (id bigint, item text) look up items (name text, price bigint) of a file.
struct fixture {
  temporary_folder dir;
  environment env;
  output out;
  timestamp_us timer = watermark_end;
  schema_ptr orders = schema_of({{"id", type_id::int64}, {"item", type_id::string}});
  schema_ptr items = schema_of({{"name", type_id::string}, {"price", type_id::int64}});
  std::unique_ptr<stream_operator> op;

  lookup_spec spec(join_kind kind = join_kind::inner) {
    lookup_spec s;
    s.kind = kind;
    s.table = file_source(dir / "items.csv", items);
    s.table.options["null_text"] = "NULL";
    for (uint32_t c = 0; c < 2; ++c) {
      auto n = std::make_shared<expr::node>();
      n->kind = expr::node_kind::column;
      n->type = items->fields[c].type;
      n->column = c;
      s.columns.push_back(n);
    }
    s.rows = items;
    s.keys = {1};
    s.table_keys = {0};
    s.output = kind == join_kind::semi || kind == join_kind::anti ? std::vector<uint32_t>{0}
                                                                  : std::vector<uint32_t>{0, 3};
    return s;
  }
  void start(const lookup_spec& s) {
    auto type = std::make_shared<schema>();
    for (auto c : s.output)
      type->fields.push_back(c < 2 ? orders->fields[c] : items->fields[c - 2]);
    auto made = make_lookup(s, orders, type);
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.err().text()));
    op = std::move(*made);
    auto c = env.context();
    c.set_processing_timer = [this](timestamp_us t) { timer = std::min(timer, t); };
    REQUIRE(op->open(c).ok());
  }
  void advance(timestamp_us by) {
    const auto until = env.time.now() + by;
    while (timer <= until) {
      env.time.set(std::max(env.time.now(), timer));
      timer = watermark_end;
      REQUIRE(op->on_processing_time(env.time.now(), out).ok());
    }
    env.time.set(until);
  }
  lines push(const std::vector<std::pair<int64_t, const char*>>& rows) {
    column_builder id(type_id::int64, env.pool), item(type_id::string, env.pool);
    for (const auto& [i, name] : rows) {
      id.append(i);
      name ? item.append(std::string_view(name)) : item.append_null();
    }
    CHECK_FALSE(op->blocked());
    REQUIRE(op->process_batch(0, make_batch(orders, {id.finish(), item.finish()}), out).ok());
    for (;;) {
      auto more = op->drain(out);
      REQUIRE_MESSAGE(more.ok(), (more.ok() ? "" : more.err().text()));
      if (!*more) break;
    }
    lines text;
    for (const auto& b : out.batches)
      for (uint32_t i = 0; i < b->rows; ++i) text.push_back(format_row(*b, i));
    out.batches.clear();
    return text;
  }
};

const char* const table = "cup,3\ncan,5\ncup,4\nNULL,9\n";
const std::vector<std::pair<int64_t, const char*>> some = {
    {1, "can"}, {2, "cup"}, {3, "pot"}, {4, nullptr}};

}  // namespace

TEST_CASE_FIXTURE(fixture, "rows are joined to the table's, in its order") {
  write_file(dir / "items.csv", table);
  start(spec());
  CHECK(push(some) == lines{"1,5", "2,3", "2,4"});
  CHECK(push({}) == lines{});
  start(spec(join_kind::left));
  CHECK(push(some) == lines{"1,5", "2,3", "2,4", "3,NULL", "4,NULL"});
  start(spec(join_kind::semi));
  CHECK(push(some) == lines{"1", "2"});
  start(spec(join_kind::anti));
  CHECK(push(some) == lines{"3", "4"});
}

TEST_CASE_FIXTURE(fixture, "NULL equals NULL where the key says so") {
  write_file(dir / "items.csv", table);
  auto s = spec();
  s.null_safe = {true};
  start(s);
  CHECK(push(some) == lines{"1,5", "2,3", "2,4", "4,9"});
}

TEST_CASE_FIXTURE(fixture, "what is asked beyond keys, of the table's rows and of pairs") {
  write_file(dir / "items.csv", table);
  for (auto kind : {join_kind::inner, join_kind::left, join_kind::semi, join_kind::anti}) {
    auto s = spec(kind);
    s.filter = *expr::bind("price < 5", *items);
    s.condition_columns = {0, 3};
    s.condition = *expr::bind("price > id + 1",
                              *schema_of({{"id", type_id::int64}, {"price", type_id::int64}}));
    start(s);
    const auto got = push(some);
    if (kind == join_kind::inner) CHECK(got == lines{"2,4"});
    if (kind == join_kind::left) CHECK(got == lines{"1,NULL", "2,4", "3,NULL", "4,NULL"});
    if (kind == join_kind::semi) CHECK(got == lines{"2"});
    if (kind == join_kind::anti) CHECK(got == lines{"1", "3", "4"});
  }
}

TEST_CASE_FIXTURE(fixture, "without keys all pairs, in batches of bounded size") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "x," + std::to_string(i) + "\n";
  write_file(dir / "items.csv", text);
  auto s = spec(join_kind::left);
  s.keys.clear();
  s.table_keys.clear();
  start(s);
  column_builder id(type_id::int64, env.pool), item(type_id::string, env.pool);
  for (int64_t i = 0; i < 3; ++i) {
    id.append(i);
    item.append_null();
  }
  REQUIRE(op->process_batch(0, make_batch(orders, {id.finish(), item.finish()}), out).ok());
  size_t rows = 0;
  for (bool more = true; more;) {
    more = *op->drain(out);
    for (const auto& b : out.batches) {
      CHECK(b->rows <= batch_rows_target + 3);
      rows += b->rows;
    }
    out.batches.clear();
  }
  CHECK(rows == 60'000);
}

TEST_CASE_FIXTURE(fixture, "a table without rows") {
  write_file(dir / "items.csv", "");
  start(spec(join_kind::left));
  CHECK(push({{1, "cup"}}) == lines{"1,NULL"});
}

TEST_CASE_FIXTURE(fixture, "the table is read again when it is older than its cache") {
  write_file(dir / "items.csv", "cup,3\n");
  auto s = spec(join_kind::left);
  s.cache_us = 60'000'000;
  start(s);
  CHECK(push({{1, "cup"}}) == lines{"1,3"});
  write_file(dir / "items.csv", "cup,4\ncan,1\n");
  advance(59'000'000);
  CHECK(push({{1, "cup"}, {2, "can"}}) == lines{"1,3", "2,NULL"});
  advance(2'000'000);
  CHECK(push({{1, "cup"}, {2, "can"}}) == lines{"1,4", "2,1"});
  write_file(dir / "items.csv", "pot,4\n");
  advance(61'000'000);
  CHECK(push({{1, "cup"}}) == lines{"1,NULL"});
}

TEST_CASE_FIXTURE(fixture, "a table that cannot be read is an error that names it") {
  start(spec());
  CHECK_FALSE(op->blocked());
  auto failed = op->on_processing_time(20'000, out);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.err().message.find("items.csv") != std::string::npos);

  write_file(dir / "items.csv", "cup,three\n");
  start(spec());
  failed =
      op->process_batch(0,
                        make_batch(orders, {column_builder(type_id::int64, env.pool).finish(),
                                            column_builder(type_id::string, env.pool).finish()}),
                        out);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.err().message.find("the table that is looked up") != std::string::npos);
}
