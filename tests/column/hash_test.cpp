// The key hash is part of the snapshot format: golden values that must never change, and agreement
// of the vectorised kernels with the definition.
#include "runtime/column/hash.hpp"

#include <doctest/doctest.h>
#include <set>

#include "runtime/base/ids.hpp"
#include "tests/column/random_batch.hpp"

using namespace weir;
using namespace weir::test;

namespace {

uint64_t hash_of(const char* type, const char* text) {
  auto t = *parse_type(type);
  scalar v = scalar::of_null(t);
  if (std::string_view(text) != "NULL") {
    v = *parse_scalar(text, t);
  }
  memory_pool pool;
  auto s = std::make_shared<schema>();
  s->fields = {{"k", t}};
  auto b = make_batch(s, {constant_column(v, 1, pool)});
  const uint32_t keys[] = {0};
  return hash_keys(*b, keys, pool).as<uint64_t>()[0];
}

}  // namespace

TEST_CASE("golden hashes") {
  struct golden {
    const char *type, *text;
    uint64_t hash;
  };
  const golden table[] = {
#include "tests/column/golden_hashes.inc"
  };
  for (const auto& t : table) {
    CAPTURE(t.type);
    CAPTURE(t.text);
    CHECK(hash_of(t.type, t.text) == t.hash);
  }
}

TEST_CASE("golden hash of several columns, a list and a struct") {
  memory_pool pool;
  auto s = std::make_shared<schema>();
  s->fields = {{"a", type_id::int64},
               {"b", type_id::string},
               {"l", *parse_type("int[]")},
               {"p", *parse_type("struct(x int, y text)")}};
  batch_builder b(s, pool);
  b.column(0).append(7);
  b.column(1).append("EWR");
  b.column(2).child(0).append(1);
  b.column(2).child(0).append_null();
  b.column(2).append_list();
  b.column(3).child(0).append(2);
  b.column(3).child(1).append("z");
  b.column(3).append_struct();
  auto batch = b.finish();
  auto hash = [&](std::vector<uint32_t> keys) {
    return hash_keys(*batch, keys, pool).as<uint64_t>()[0];
  };
  CHECK(hash({}) == 0x9e3779b97f4a7c15u);
  CHECK(hash({0, 1}) == 0xce31a69b0f9e7936u);
  CHECK(hash({1, 0}) == 0x545bc9539b001801u);
  CHECK(hash({2}) == 0x6208dd5685a5bd6cu);
  CHECK(hash({3}) == 0x693d9183a18ad976u);
}

TEST_CASE("equal values of one type hash alike") {
  CHECK(hash_of("int", "5") == hash_of("bigint", "5"));
  CHECK(hash_of("float8", "0") == hash_of("float8", "-0"));
  CHECK(hash_of("interval", "1 mon") == hash_of("interval", "30 days"));
  CHECK(hash_of("interval", "1 day") == hash_of("interval", "24:00:00"));
  CHECK(hash_of("text", "a") != hash_of("text", std::string("aa").c_str()));
  const double other_nan = __builtin_bit_cast(double, uint64_t{0xfff8000000000001});
  CHECK(word_of_double(other_nan) == hash_nan_word);
  CHECK(word_of_bytes(std::string_view("a\0", 2)) != word_of_bytes("a"));
}

TEST_CASE("kernels agree with the definition") {
  memory_pool pool;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    generator g(seed);
    auto s = random_schema(g);
    auto b = random_batch(g, s, static_cast<uint32_t>(below(g, seed % 10 ? 100 : 3000)), pool);
    std::vector<uint32_t> keys;
    for (uint32_t i = 0; i < s->size(); ++i)
      if (below(g, 2)) keys.push_back(i);
    auto hashes = hash_keys(*b, keys, pool);
    bool same = true;
    for (uint32_t i = 0; i < b->rows; ++i) {
      uint64_t h = hash_seed;
      for (uint32_t k : keys) h = hash_step(h, word_of(scalar_at(*b->columns[k], b->row(i))));
      same = same && h == hashes.as<uint64_t>()[i];
    }
    CHECK(same);
  }
}

TEST_CASE("strings of every length: in place, at the end of wrapped memory, and no collisions") {
  memory_pool pool;
  std::set<uint64_t> seen;
  auto s = std::make_shared<schema>();
  s->fields = {{"k", type_id::string}};
  const uint32_t keys[] = {0};
  for (size_t n = 0; n <= 300; ++n) {
    const std::string text(n, 'x');
    CHECK(seen.insert(word_of_bytes(text)).second);
    column c(*constant_column(scalar::of_string(text), 3, pool));
    auto heap = std::make_shared<std::vector<std::byte>>(c.values.data(),
                                                         c.values.data() + c.values.size());
    c.values = buffer::wrap(*heap, heap);
    auto b = make_batch(s, {std::make_shared<column>(c)});
    auto h = hash_keys(*b, keys, pool);
    for (int i = 0; i < 3; ++i)
      CHECK(h.as<uint64_t>()[i] == hash_step(hash_seed, word_of_bytes(text)));
  }
}

TEST_CASE("sequential keys spread over all groups and over both ends of the hash") {
  memory_pool pool;
  column_builder v(type_id::int64, pool);
  for (int64_t i = 0; i < 128 * 1000; ++i) v.append(i);
  auto s = std::make_shared<schema>();
  s->fields = {{"k", type_id::int64}};
  auto b = make_batch(s, {v.finish()});
  const uint32_t keys[] = {0};
  auto h = hash_keys(*b, keys, pool);
  std::vector<int> high(128), low(128);
  for (uint32_t i = 0; i < b->rows; ++i) {
    ++high[group_of_hash(h.as<uint64_t>()[i], 128)];
    ++low[h.as<uint64_t>()[i] % 128];
  }
  for (int i = 0; i < 128; ++i) {
    CHECK(high[i] > 850);
    CHECK(high[i] < 1150);
    CHECK(low[i] > 850);
    CHECK(low[i] < 1150);
  }
}
