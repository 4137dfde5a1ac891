#include <algorithm>
#include <random>

#include "harness.hpp"
#include "runtime/operators/exchange.hpp"

using namespace weir;
using namespace weir::test;

namespace {

instance flat_map(const std::string& function, const schema_ptr& in, const std::string& delimiter,
                  std::vector<uint32_t> kept, const std::string& type = "text") {
  auto out = std::make_shared<schema>();
  for (uint32_t k : kept) out->fields.push_back(in->fields[k]);
  out->fields.push_back({"element", *parse_type(type), true});
  flat_map_spec s{function, bind("t", *in), delimiter, kept};
  return {operator_node{"op", function, s, out, false, 0}, {in}};
}

/// The definition of words, byte by byte.
lines naive_words(const std::string& text) {
  lines out;
  std::string word;
  for (char c : text + " ") {
    const auto lower = static_cast<unsigned char>(c | 0x20);
    if (static_cast<unsigned char>(c) >= 0x80) {
      word += c;
    } else if (lower >= 'a' && lower <= 'z') {
      word += static_cast<char>(lower);
    } else if (!word.empty()) {
      out.push_back(word);
      word.clear();
    }
  }
  return out;
}

}  // namespace

TEST_CASE("filter keeps rows that are true, and their weights") {
  auto in = columns({{"v", "int"}});
  instance f({"op", "filter", filter_spec{bind("v > 1", *in)}, in, false, 0}, {in});
  f.push(rows(in, {{"1"}, {"2"}, {"NULL"}, {"3"}}, {1, 1, 1, -1}));
  CHECK(f.out.all() == lines{"2", "-1: 3"});
  f.out.clear();
  f.push(rows(in, {{"0"}}));
  CHECK(f.out.batches.empty());
}

TEST_CASE("project computes columns") {
  auto in = columns({{"v", "int"}, {"t", "text"}});
  auto out = columns({{"t", "text"}, {"w", "int"}});
  instance p({"op", "project", project_spec{{bind("t", *in), bind("v + 1", *in)}}, out, false, 0},
             {in});
  p.push(rows(in, {{"1", "a"}, {"NULL", "b"}}, {1, -1}));
  CHECK(p.out.all() == lines{"a,2", "-1: b,NULL"});
}

TEST_CASE("union renames") {
  auto a = columns({{"x", "int"}}), b = columns({{"y", "int"}});
  instance u({"op", "union", union_spec{}, a, false, 0}, {a, b});
  REQUIRE(u.op->process_batch(1, rows(b, {{"7"}}), u.out).ok());
  CHECK(u.out.batches[0]->type == a);
  CHECK(u.out.all() == lines{"7"});
  CHECK(!make_operator({"op", "union", union_spec{}, a, false, 0}, {a, columns({{"z", "text"}})})
             .ok());
}

TEST_CASE("distinct emits when a row enters and when it leaves") {
  auto in = columns({{"a", "int"}, {"b", "text"}});
  instance d({"op", "distinct", distinct_spec{}, in, false, 0}, {in});
  d.push(rows(in, {{"1", "x"}, {"1", "x"}, {"1", "NULL"}, {"1", "NULL"}}));
  CHECK(d.out.all() == lines{"1,x", "1,NULL"});
  d.out.clear();
  chunk_list_writer w(pool(), epoch(1), "op");
  d.snapshot(w);
  instance r({"op", "distinct", distinct_spec{}, in, false, 0}, {in});
  r.restore(w.take());
  for (auto* x : {&d, &r}) {
    x->push(rows(in, {{"1", "x"}, {"2", "y"}}, {-1, 2}));
    CHECK(x->out.all() == lines{"2,y"});
    x->out.clear();
    x->push(rows(in, {{"1", "x"}, {"1", "x"}}, {-1, 1}));
    CHECK(x->out.all() == lines{"-1: 1,x", "1,x"});
  }
}

TEST_CASE("tumble aligns to the epoch, before it too") {
  auto in = columns({{"ts", "timestamp"}});
  auto out =
      columns({{"ts", "timestamp"}, {"window_start", "timestamp"}, {"window_end", "timestamp"}});
  instance t(
      {"op", "window", window_spec{0, {window_kind::tumble, 3'600'000'000, 0}}, out, false, 0},
      {in});
  t.push(rows(in, {{"2013-01-01 10:00:00"},
                   {"2013-01-01 10:59:59.999999"},
                   {"1969-12-31 23:30:00"},
                   {"NULL"}}));
  CHECK(t.out.all() == lines{"2013-01-01 10:00:00,2013-01-01 10:00:00,2013-01-01 11:00:00",
                             "2013-01-01 10:59:59.999999,2013-01-01 10:00:00,2013-01-01 11:00:00",
                             "1969-12-31 23:30:00,1969-12-31 23:00:00,1970-01-01 00:00:00",
                             "NULL,NULL,NULL"});
}

TEST_CASE("flat map: split, lines, unnest") {
  auto in = columns({{"k", "int"}, {"t", "text"}});
  auto s = flat_map("split", in, "::", {0});
  s.push(rows(in, {{"1", "a::b::"}, {"2", ""}, {"3", "NULL"}, {"4", "c"}}, {1, 1, 1, -1}));
  CHECK(s.out.all() == lines{"1,a", "1,b", "1,", "-1: 4,c"});
  auto l = flat_map("lines", in, "", {});
  l.push(rows(in, {{"1", "a\r\nb\n\nc"}, {"2", "d\n"}}));
  CHECK(l.out.all() == lines{"a", "b", "", "c", "d"});
  auto u = flat_map("unnest", in, "", {0});
  u.push(rows(in, {{"1", R"(["x", 2, null, {"a":1}])"}, {"2", "[]"}}));
  CHECK(u.out.net().size() == 4);
  CHECK(u.out.batches[0]->columns[1]->view(0) == "x");
  CHECK(u.out.batches[0]->columns[1]->view(3) == R"({"a":1})");
  auto bad = u.try_push(rows(in, {{"1", "{}"}}));
  REQUIRE(!bad.ok());
  CHECK(bad.err().message == "unnest: the JSON value is no array");
}

TEST_CASE("words equal their definition at every length and alignment") {
  auto in = columns({{"k", "int"}, {"t", "text"}});
  auto w = flat_map("words", in, "", {0});
  std::mt19937_64 g(5);
  const std::string alphabet = "abzAZ @[`{\x80\xc3\xa9 .,0";
  for (size_t length = 0; length < 200; ++length) {
    std::string text;
    for (size_t i = 0; i < length; ++i) text += alphabet[g() % alphabet.size()];
    column_builder k(type_id::int32, pool()), t(type_id::string, pool());
    lines expected;
    for (int32_t row = 0; row < 3; ++row) {
      k.append(row);
      const auto part = text.substr(std::min<size_t>(length, static_cast<size_t>(row)));
      t.append(part);
      for (auto& x : naive_words(part)) expected.push_back(std::to_string(row) + x);
    }
    w.out.clear();
    w.push(make_batch(in, {k.finish(), t.finish()}));
    lines got;
    for (auto& b : w.out.batches)
      for (uint32_t i = 0; i < b->rows; ++i)
        got.push_back(std::to_string(b->columns[0]->data<int32_t>()[i]) +
                      std::string(b->columns[1]->view(i)));
    REQUIRE(got == expected);
  }
}

TEST_CASE("the exchange sends each row where its key belongs, in order, in full batches") {
  auto in = columns({{"k", "bigint"}, {"t", "text"}, {"v", "int"}});
  std::mt19937_64 g(3);
  for (uint32_t targets : {1u, 2u, 5u}) {
    exchange_partitioner x(exchange_kind::hash, {0}, in, targets, 0, 128, pool());
    std::vector<output> got(targets);
    auto out = [&](uint32_t t, batch_ptr b) { got[t].emit(std::move(b), 0); };
    output sent;
    for (int i = 0; i < 30; ++i) {
      std::vector<std::vector<std::string>> cells;
      std::vector<int32_t> weights;
      for (int r = 0; r < 1000; ++r) {
        cells.push_back({std::to_string(g() % 100), g() % 4 ? std::string(g() % 20, 'x') : "NULL",
                         std::to_string(r)});
        weights.push_back(i % 2 && g() % 2 ? -1 : 1);
      }
      auto b = rows(in, cells, i % 2 ? weights : std::vector<int32_t>{});
      sent.emit(b, 0);
      REQUIRE(x.add(b, out).ok());
    }
    CHECK(x.holds_rows() == (targets > 1));
    REQUIRE(x.flush(out).ok());
    CHECK(!x.holds_rows());
    lines all, expected = sent.all();
    const uint32_t keys[] = {0};
    for (uint32_t t = 0; t < targets; ++t) {
      for (size_t i = 0; i < got[t].batches.size(); ++i) {
        const auto& b = got[t].batches[i];
        if (targets > 1 && i + 1 < got[t].batches.size()) CHECK(b->rows == batch_rows_target);
        auto h = hash_keys(*b, keys, pool());
        for (uint32_t r = 0; r < b->rows; ++r)
          CHECK(subtask_of_group(128, targets, group_of_hash(h.as<uint64_t>()[r], 128)) == t);
      }
      for (auto& l : got[t].all()) all.push_back(l);
    }
    std::sort(all.begin(), all.end());
    std::sort(expected.begin(), expected.end());
    CHECK(all == expected);
  }
}

TEST_CASE("the exchange keeps a dictionary that many batches share, and spells out the others") {
  auto in = columns({{"k", "bigint"}, {"t", "text"}});
  auto dictionary = [&](int of, int entries) {
    column_builder b(type_id::string, pool());
    for (int i = 0; i < entries; ++i)
      b.append(std::to_string(of) + " has the text " + std::to_string(i));
    return b.finish();
  };
  const std::vector<column_ptr> dictionaries{dictionary(0, 10), dictionary(1, 3),
                                             dictionary(2, 100)};
  std::mt19937_64 g(11);
  int64_t next = 0;
  // `of`: -1 = no dictionary.
  auto batch_of = [&](int of, uint32_t n) {
    column_builder k(type_id::int64, pool()), t(type_id::string, pool()),
        places(type_id::int32, pool());
    for (uint32_t i = 0; i < n; ++i) {
      k.append(next++);
      if (g() % 9 == 0) {
        t.append_null();
        places.append_null();
      } else if (of < 0) {
        t.append("plain " + std::to_string(g() % 50));
      } else {
        places.append(static_cast<int32_t>(g() % dictionaries[static_cast<size_t>(of)]->length));
      }
    }
    if (of < 0) return make_batch(in, {k.finish(), t.finish()});
    auto c = std::make_shared<column>(*places.finish());
    c->type = type_id::string;
    c->dictionary = dictionaries[static_cast<size_t>(of)];
    return make_batch(in, {k.finish(), column_ptr(c)});
  };
  for (auto kind : {exchange_kind::hash, exchange_kind::rebalance})
    for (int run = 0; run < 30; ++run) {
      exchange_partitioner x(
          kind, kind == exchange_kind::hash ? std::vector<uint32_t>{0} : std::vector<uint32_t>{},
          in, 3, 0, 128, pool());
      output sent, got;
      auto out = [&](uint32_t, batch_ptr b) { got.emit(std::move(b), 0); };
      int of = -1;
      for (int i = 0; i < 40; ++i) {
        if (g() % (run % 2 == 0 ? 3 : 12) == 0) of = static_cast<int>(g() % 4) - 1;
        const auto b = batch_of(of, 1 + static_cast<uint32_t>(g() % 900));
        sent.emit(b, 0);
        REQUIRE(x.add(b, out).ok());
        if (g() % 8 == 0) REQUIRE(x.flush(out).ok());
      }
      REQUIRE(x.flush(out).ok());
      CHECK(got.net() == sent.net());
    }
  // One dictionary all the time: from the second batch on it is handed on.
  exchange_partitioner x(exchange_kind::hash, {0}, in, 2, 0, 128, pool());
  output got;
  auto out = [&](uint32_t, batch_ptr b) { got.emit(std::move(b), 0); };
  for (int i = 0; i < 3; ++i) {
    REQUIRE(x.add(batch_of(2, 500), out).ok());
    REQUIRE(x.flush(out).ok());
  }
  REQUIRE(got.batches.size() == 6);
  for (size_t i = 0; i < 6; ++i)
    CHECK((got.batches[i]->columns[1]->dictionary == dictionaries[2]) == (i >= 2));
}

TEST_CASE("broadcast, forward and rebalance") {
  auto in = columns({{"k", "int"}});
  auto b = rows(in, {{"1"}, {"2"}});
  std::vector<uint32_t> to;
  auto out = [&](uint32_t t, batch_ptr) { to.push_back(t); };
  exchange_partitioner all(exchange_kind::broadcast, {}, in, 3, 0, 128, pool());
  REQUIRE(all.add(b, out).ok());
  CHECK(to == std::vector<uint32_t>{0, 1, 2});
  to.clear();
  exchange_partitioner one(exchange_kind::forward, {}, in, 3, 2, 128, pool());
  REQUIRE(one.add(b, out).ok());
  CHECK(to == std::vector<uint32_t>{2});
  to.clear();
  exchange_partitioner turns(exchange_kind::rebalance, {}, in, 2, 0, 128, pool());
  for (int i = 0; i < 2; ++i) {
    REQUIRE(turns.add(b, out).ok());
    REQUIRE(turns.add(b, out).ok());
    REQUIRE(turns.flush(out).ok());
  }
  CHECK(to == std::vector<uint32_t>{0, 1});
}
