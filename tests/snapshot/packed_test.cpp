#include "runtime/snapshot/packed.hpp"

#include <limits>

#include "runtime/snapshot/chunk_index.hpp"
#include "tests/snapshot/store_test_tools.hpp"

// Chunks in columns: what is written comes back, in how many bytes, and what is damaged is refused.
using namespace weir;
using namespace weir::test;

namespace {

struct row {
  std::vector<uint64_t> words;
  std::vector<std::string> texts;
  bool operator==(const row&) const = default;
};

packed_layout wide() {
  packed_layout l;
  l.key = {packed_kind::word, packed_kind::text, packed_kind::word};
  l.value = {packed_kind::word, packed_kind::text, packed_kind::text};
  return l;
}

buffer_ref write(const packed_layout& l, const std::vector<row>& rows) {
  packed_writer w(l);
  w.set_memory(test_pool());
  for (const auto& r : rows) {
    uint64_t* out = w.upsert(false);
    size_t word = 0, text = 0;
    for (size_t c = 0; c < l.columns(); ++c)
      out[c] = l.kind(c) == packed_kind::text ? w.text(r.texts[text++]) : r.words[word++];
  }
  return w.take();
}

result<std::vector<row>> read(std::span<const std::byte> chunk) {
  WEIR_ASSIGN(auto r, packed_reader::open(chunk));
  std::vector<row> out;
  packed_reader::block b;
  for (;;) {
    WEIR_ASSIGN(const bool more, r.next(b));
    if (!more) return out;
    const char* text = b.text;
    for (uint32_t i = 0; i < b.rows; ++i) {
      row& to = out.emplace_back();
      for (size_t c = 0; c < b.columns; ++c) {
        const uint64_t v = b.column(c)[i];
        if (r.layout().kind(c) == packed_kind::text) {
          to.texts.emplace_back(text, v);
          text += v;
        } else {
          to.words.push_back(v);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("columns of every width, sign and spread come back") {
  std::mt19937_64 g(3);
  const packed_layout l = wide();
  for (int spread = 0; spread <= 64; ++spread)
    for (uint64_t base : {uint64_t{0}, uint64_t{1} << 40, ~uint64_t{0}, uint64_t{1} << 63,
                          static_cast<uint64_t>(std::numeric_limits<int64_t>::max())}) {
      std::vector<row> rows;
      for (size_t n = 1 + g() % 600; n > 0; --n) {
        auto value = [&] { return base + (spread == 0 ? 0 : g() >> (64 - spread)); };
        rows.push_back({{g() % 4, value(), value()},
                        {std::string(g() % 20, 'k'), std::string(g() % 90, 'v'), ""}});
      }
      auto back = read(write(l, rows).bytes());
      REQUIRE(back.ok());
      CHECK(*back == rows);
    }
}

TEST_CASE("counters and ids take the bytes that they need, not eight") {
  packed_layout l;
  l.key.push_back(packed_kind::word);
  l.value = {packed_kind::word, packed_kind::word};
  std::vector<row> rows;
  for (uint64_t i = 0; i < 10'000; ++i)
    rows.push_back({{0, 1'000'000 + i * 7, i % 100, uint64_t(-1) - i % 200}, {}});
  const auto chunk = write(l, rows);
  CHECK(*read(chunk.bytes()) == rows);
  CHECK(chunk.size() < rows.size() * 5);
}

TEST_CASE("a chunk that is cut, or changed anywhere, is refused or read within its bounds") {
  std::vector<row> rows;
  for (uint64_t i = 0; i < 40; ++i)
    rows.push_back({{0, i * i, i << 50}, {std::to_string(i), std::string(i, 'x'), "end"}});
  const auto whole = write(wide(), rows);
  for (size_t n = 0; n < whole.size(); ++n) {
    std::vector<std::byte> cut(whole.data(), whole.data() + n);
    auto back = read(cut);
    REQUIRE(!back.ok());
    CHECK(back.err().code == errc::corrupt);
  }
  for (size_t i = 0; i < whole.size(); ++i)
    for (auto flip : {std::byte{1}, std::byte{0x80}}) {
      std::vector<std::byte> damaged(whole.data(), whole.data() + whole.size());
      damaged[i] ^= flip;
      auto back = read(damaged);
      if (back) CHECK(back->size() == rows.size());
    }
}

TEST_CASE("what only appends is not folded, what replaces is") {
  auto chunk = [](uint64_t e, chunk_counts c) {
    chunk_entry entry;
    entry.id = entry.written = e;
    entry.bytes = 100'000;
    entry.count(c);
    return entry;
  };
  chunk_chain appended, replaced;
  for (uint64_t e = 1; e <= 100; ++e) {
    appended.push_back(chunk(e, {1000, 0, 1000}));
    replaced.push_back(chunk(e, {1000, 0, e == 1 ? 1000u : 0u}));
    CHECK(!estimate_fold(appended, e, 0.5, 4096).worth);
    CHECK(estimate_fold(replaced, e, 0.5, 4096).worth == (e > 1));
  }
}
