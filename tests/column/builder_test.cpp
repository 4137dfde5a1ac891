// Builders, scalar access, printing and bitmaps.
#include "runtime/column/builder.hpp"

#include <doctest/doctest.h>
#include <cmath>
#include <random>

#include "runtime/column/bitmap.hpp"
#include "runtime/column/text.hpp"

using namespace weir;

namespace {

schema_ptr schema_of(std::initializer_list<std::pair<const char*, const char*>> fields) {
  auto s = std::make_shared<schema>();
  for (auto [name, type] : fields) s->fields.push_back({name, *parse_type(type), true});
  return s;
}

}  // namespace

TEST_CASE("column_builder: values, nulls and growth") {
  memory_pool pool;
  {
    column_builder b(type_id::int64, pool);
    for (int64_t i = 0; i < 1000; ++i) i % 7 == 3 ? b.append_null() : b.append(i);
    b.append(5);  // an int literal
    auto c = b.finish();
    CHECK(c->length == 1001);
    for (uint32_t i = 0; i < 1000; ++i) {
      CHECK(c->is_valid(i) == (i % 7 != 3));
      if (c->is_valid(i)) CHECK(c->data<int64_t>()[i] == i);
    }
    CHECK(c->data<int64_t>()[1000] == 5);
    CHECK(b.length() == 0);
    b.append(int64_t{1});
    CHECK(!b.finish()->validity);
  }
  CHECK(pool.used() == 0);
}

TEST_CASE("column_builder: strings") {
  memory_pool pool;
  column_builder b(type_id::string, pool);
  std::vector<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    expected.push_back(std::string(static_cast<size_t>(i % 40), static_cast<char>('a' + i % 26)));
    b.append(expected.back());
  }
  b.append_null();
  char* p = b.begin_string(int64_chars_max);
  b.end_string(format_int64(p, -42));
  auto c = b.finish();
  for (uint32_t i = 0; i < 300; ++i) CHECK(c->view(i) == expected[i]);
  CHECK(!c->is_valid(300));
  CHECK(c->view(300).empty());
  CHECK(c->view(301) == "-42");
  CHECK(b.finish()->length == 0);
}

TEST_CASE("column_builder: runs with validity bits") {
  memory_pool pool;
  column_builder b(type_id::int32, pool);
  const int32_t v[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const uint8_t bits[] = {0b10101010, 0b01};
  b.append_repeat(int32_t{7}, 3);
  b.append_n(v, 10, bits);
  b.append_nulls(2);
  auto c = b.finish();
  std::string s;
  for (uint32_t i = 0; i < c->length; ++i) s += to_text(scalar_at(*c, i)) + " ";
  CHECK(s == "7 7 7 NULL 2 NULL 4 NULL 6 NULL 8 9 NULL NULL NULL ");
}

TEST_CASE("lists and structs") {
  memory_pool pool;
  auto s = schema_of({{"l", "int[]"}, {"p", "struct(x double precision, y text[])"}});
  batch_builder b(s, pool);
  auto& l = b.column(0);
  auto& p = b.column(1);
  l.child(0).append(1);
  l.child(0).append_null();
  l.append_list();
  p.child(0).append(1.5);
  p.child(1).child(0).append("a\"b");
  p.child(1).append_list();
  p.append_struct();
  l.append_list();
  p.append_null();
  l.append_null();
  p.child(0).append_null();
  p.child(1).append_list();
  p.append_struct();
  auto batch = b.finish();
  CHECK(format_rows(*batch) ==
        "{1,NULL},(1.5,\"{\"\"a\\\\\"\"b\"\"}\")\n"
        "{},NULL\n"
        "NULL,(,{})\n");
  // Scalars and rows copy them.
  batch_builder copy(s, pool);
  for (uint32_t i = 0; i < 3; ++i) {
    copy.append_row({scalar_at(*batch->columns[0], i), scalar_at(*batch->columns[1], i)});
    copy.append_row(*batch, i);
  }
  auto twice = copy.finish();
  for (uint32_t i = 0; i < 3; ++i) {
    CHECK(format_row(*twice, 2 * i) == format_row(*batch, i));
    CHECK(format_row(*twice, 2 * i + 1) == format_row(*batch, i));
    CHECK(identical(scalar_at(*twice->columns[1], 2 * i), scalar_at(*batch->columns[1], i)));
  }
}

TEST_CASE("batch_builder: weights and printing") {
  memory_pool pool;
  auto s = schema_of({{"name", "text"}, {"n", "bigint"}});
  auto b = batch_from_text(s, {{"ab", "1"}, {"NULL", "20"}, {"c", "NULL"}}, pool);
  REQUIRE(b.ok());
  CHECK(!(*b)->weights);
  CHECK(format_rows(**b) == "ab,1\nNULL,20\nc,NULL\n");
  CHECK(format_table(**b) == "name  n\nab    1\nNULL  20\nc     NULL\n");
  batch_builder bb(s, pool);
  bb.append_row(**b, 0);
  bb.append_row({scalar::of_string("x"), scalar::of_int(type_id::int64, 3)}, -1);
  bb.append_row(**b, 2);
  CHECK(format_rows(*bb.finish()) == "ab,1\n-1: x,3\nc,NULL\n");
  CHECK(batch_from_text(s, {{"a", "x"}}, pool).err().message ==
        "row 1, column n: \"x\" is not a valid bigint");
  const uint32_t sel[] = {0, 2};
  auto picked = with_selection(**b, buffer::copy(pool, std::as_bytes(std::span(sel))), 2);
  CHECK(format_rows(*picked) == "ab,1\nc,NULL\n");
}

TEST_CASE("bitmap against a vector of bool") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    const size_t n = random() % 300;
    std::vector<uint8_t> a(bitmap::bytes_of(n) + 1), b(bitmap::bytes_of(n) + 1);
    for (auto& x : a) x = static_cast<uint8_t>(random() | (round % 3 ? 0 : random()));
    for (auto& x : b) x = static_cast<uint8_t>(random());
    size_t set = 0;
    for (size_t i = 0; i < n; ++i) set += bitmap::get(a.data(), i);
    CHECK(bitmap::count(a.data(), n) == set);
    CHECK(bitmap::all(a.data(), n) == (set == n));
    size_t seen = 0;
    bitmap::for_each_set(a.data(), n, [&](size_t i) { seen += bitmap::get(a.data(), i); });
    CHECK(seen == set);
    seen = 0;
    bitmap::for_each_clear(a.data(), n, [&](size_t i) { seen += !bitmap::get(a.data(), i); });
    CHECK(seen == n - set);
    const size_t from = n ? random() % n : 0, to = n ? random() % n : 0;
    const size_t m = n ? random() % (n - std::max(from, to) + 1) : 0;
    auto c = b;
    bitmap::copy(c.data(), to, a.data(), from, m);
    for (size_t i = 0; i < n; ++i)
      REQUIRE(bitmap::get(c.data(), i) == (i >= to && i < to + m
                                               ? bitmap::get(a.data(), from + i - to)
                                               : bitmap::get(b.data(), i)));
    c = b;
    bitmap::set_range(c.data(), to, m, round % 2);
    for (size_t i = 0; i < n; ++i)
      REQUIRE(bitmap::get(c.data(), i) ==
              (i >= to && i < to + m ? round % 2 != 0 : bitmap::get(b.data(), i)));
    bitmap::set_range(c.data(), 0, n, true);
    CHECK(bitmap::all(c.data(), n));
  }
}
