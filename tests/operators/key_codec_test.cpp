// Encoded keys of any number of columns: what was encoded is decoded, equal keys are equal words,
// and a projection's words are those of the columns by themselves.
#include "runtime/operators/key_codec.hpp"

#include <numeric>
#include <random>

#include "harness.hpp"
#include "runtime/column/text.hpp"
#include "runtime/state/var_bytes.hpp"

using namespace weir;
using namespace weir::test;

namespace {

constexpr uint32_t rows_count = 40;

struct encoded {
  schema_ptr type;
  batch_ptr rows;
  key_codec codec;
  std::vector<uint64_t> words;

  size_t stride() const { return 1 + codec.words(); }
  const uint64_t* row(uint32_t i) const { return &words[i * stride()]; }
};

std::vector<uint32_t> all_rows() {
  std::vector<uint32_t> at(rows_count);
  std::iota(at.begin(), at.end(), 0);
  return at;
}

encoded encode(const schema_ptr& type, const batch_ptr& rows, const std::vector<uint32_t>& of) {
  encoded e{type, rows, {}, {}};
  row_layout layout;
  std::vector<data_type> types;
  std::vector<column_ptr> columns;
  for (auto c : of) {
    types.push_back(type->fields[c].type);
    columns.push_back(rows->columns[c]);
  }
  e.codec = *key_codec::make(std::move(types), layout);
  CHECK(e.codec.words() == layout.key_words);
  // What was there before must not show.
  e.words.assign(rows_count * e.stride(), 0x5555'5555'5555'5555u);
  e.codec.encode(columns, all_rows().data(), rows_count, e.words.data());
  return e;
}

/// Two values of each column and NULL, so that rows are equal here and there, and some rows again.
encoded random_rows(size_t columns_count, std::mt19937_64& g) {
  const std::vector<std::string> types{"bigint", "text", "boolean", "numeric(20, 2)", "double"};
  std::vector<std::pair<std::string, std::string>> fields;
  for (size_t c = 0; c < columns_count; ++c)
    fields.emplace_back("c" + std::to_string(c), types[g() % types.size()]);
  const auto type = columns(fields);
  std::vector<std::vector<std::string>> cells;
  for (uint32_t i = 0; i < rows_count; ++i) {
    std::vector<std::string> row;
    for (const auto& [name, t] : fields) {
      const bool high = g() % 2;
      row.push_back(g() % 4 == 0     ? "NULL"
                    : t == "text"    ? (high ? "a text of more than 12 bytes" : "b")
                    : t == "boolean" ? (high ? "true" : "false")
                    : t == "bigint"  ? (high ? "-7" : "0")
                                     : (high ? "1.25" : "0.5"));
    }
    if (i > 0 && g() % 3 == 0) row = cells[g() % i];
    if (i > 0 && columns_count > 0 && g() % 3 == 0) {
      row = cells[g() % i];
      row[g() % columns_count] = "NULL";
    }
    cells.push_back(std::move(row));
  }
  std::vector<uint32_t> all(columns_count);
  std::iota(all.begin(), all.end(), 0);
  return encode(type, rows(type, cells), all);
}

std::string text_of(const column& c, uint32_t row) {
  std::string out;
  append_text(out, c, row);
  return out;
}

bool same_row(const batch& b, uint32_t i, uint32_t k) {
  for (const auto& c : b.columns) {
    if (c->is_valid(i) != c->is_valid(k)) return false;
    if (c->is_valid(i) && text_of(*c, i) != text_of(*c, k)) return false;
  }
  return true;
}

/// As row tables compare keys: words, and texts by what they refer to.
bool same_words(const encoded& a, const uint64_t* x, const uint64_t* y) {
  std::vector<bool> text(a.stride());
  for (size_t k = 0; k < a.codec.size(); ++k)
    if (is_varlen(a.codec.type(k).id)) text[1 + a.codec.word_of(k)] = true;
  for (size_t w = 0; w < a.stride(); ++w) {
    if (text[w]) {
      var_ref p, q;
      std::memcpy(p.words, x + w, 16);
      std::memcpy(q.words, y + w, 16);
      if (p.view() != q.view()) return false;
      ++w;
    } else if (x[w] != y[w]) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("keys of any number of columns are encoded and decoded") {
  std::mt19937_64 g(7);
  for (size_t n : {0, 1, 2, 31, 32, 33, 95, 96, 97, 161, 300}) {
    CAPTURE(n);
    const auto e = random_rows(n, g);
    std::vector<const uint64_t*> at;
    for (uint32_t i = 0; i < rows_count; ++i) at.push_back(e.row(i));
    for (uint32_t k = 0; k < n; ++k) {
      const auto back = e.codec.decode(k, at.data(), rows_count, pool());
      const auto& given = *e.rows->columns[k];
      for (uint32_t i = 0; i < rows_count; ++i) {
        REQUIRE(back->is_valid(i) == given.is_valid(i));
        REQUIRE(e.codec.null_of(k).is_set(e.row(i)) == !given.is_valid(i));
        if (given.is_valid(i)) REQUIRE(text_of(*back, i) == text_of(given, i));
      }
    }
    for (uint32_t i = 0; i < rows_count; ++i)
      for (uint32_t k = 0; k < i; ++k)
        REQUIRE(same_words(e, e.row(i), e.row(k)) == same_row(*e.rows, i, k));
  }
}

TEST_CASE("all of a key is NULL, or nothing") {
  std::mt19937_64 g(8);
  for (size_t n : {1, 32, 33, 96, 97}) {
    CAPTURE(n);
    const auto e = random_rows(n, g);
    std::vector<uint64_t> key(e.stride(), 1);
    e.codec.set_nulls(key.data());
    for (size_t k = 0; k < n; ++k) CHECK(e.codec.null_of(k).is_set(key.data()));
    e.codec.null_of(n - 1).clear(key.data());
    CHECK_FALSE(e.codec.null_of(n - 1).is_set(key.data()));
    if (n > 1) CHECK(e.codec.null_of(n - 2).is_set(key.data()));
    e.codec.clear_nulls(key.data());
    for (size_t k = 0; k < n; ++k) CHECK_FALSE(e.codec.null_of(k).is_set(key.data()));
  }
}

TEST_CASE("a projection of encoded rows is the key of those columns") {
  std::mt19937_64 g(9);
  for (size_t n : {1, 5, 33, 97, 200}) {
    for (int round = 0; round < 8; ++round) {
      const auto e = random_rows(n, g);
      std::vector<uint32_t> some(n);
      std::iota(some.begin(), some.end(), 0);
      std::shuffle(some.begin(), some.end(), g);
      some.resize(1 + g() % n);
      CAPTURE(n);
      CAPTURE(some.size());
      const auto keys = encode(e.type, e.rows, some);
      const key_projection all(e.codec, some, keys.codec, {}, true);
      const key_projection none(e.codec, some, keys.codec, {}, false);
      std::vector<uint64_t> key(keys.stride(), 0x5555'5555'5555'5555u);
      for (uint32_t i = 0; i < rows_count; ++i) {
        REQUIRE(all(e.row(i), key.data()));
        REQUIRE(same_words(keys, key.data(), keys.row(i)));
        bool any_null = false;
        for (size_t k = 0; k < some.size(); ++k)
          any_null |= keys.codec.null_of(k).is_set(keys.row(i));
        REQUIRE(none(e.row(i), key.data()) == !any_null);
      }
    }
  }
}
