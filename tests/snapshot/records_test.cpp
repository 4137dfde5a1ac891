#include "runtime/snapshot/records.hpp"

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <random>
#include <string>

using namespace weir;

namespace {

std::span<const std::byte> bytes_of(std::string_view s) {
  return std::as_bytes(std::span(s));
}
std::string text_of(std::span<const std::byte> b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

using model = std::map<std::string, std::optional<std::string>>;

model read_all(const std::vector<buffer_ref>& chunks) {
  model m;
  for (const auto& c : chunks) {
    auto r = record_reader::open(c.bytes());
    REQUIRE(r.ok());
    auto s = r->visit([&](auto k, auto v) { m[text_of(k)] = text_of(v); },
                      [&](auto k) { m[text_of(k)] = std::nullopt; });
    REQUIRE(s.ok());
  }
  return m;
}

}  // namespace

TEST_CASE("records of fixed size come back, over many chunks") {
  memory_pool pool;
  std::vector<buffer_ref> chunks;
  {
    record_writer w(
        pool, record_layout::fixed(8, 4), [&](buffer_ref c) { chunks.push_back(std::move(c)); },
        64 << 10);
    model expected;
    for (uint64_t i = 0; i < 20'000; ++i) {
      uint64_t key = i * 7919;
      uint32_t value = static_cast<uint32_t>(i);
      auto k = std::as_bytes(std::span(&key, 1));
      if (i % 5 == 0) {
        w.erase(k);
        expected[text_of(k)] = std::nullopt;
      } else if (i % 2 == 0) {
        w.upsert(k, std::as_bytes(std::span(&value, 1)));
        expected[text_of(k)] = text_of(std::as_bytes(std::span(&value, 1)));
      } else {
        std::byte* p = w.upsert_fixed();
        std::memcpy(p, &key, 8);
        std::memcpy(p + 8, &value, 4);
        expected[text_of(k)] = text_of(std::as_bytes(std::span(&value, 1)));
      }
    }
    w.finish();
    CHECK(w.records() == 20'000);
    CHECK(chunks.size() >= 3);
    uint64_t bytes = 0;
    for (auto& c : chunks) {
      CHECK(c.size() <= (64 << 10) + 64);
      bytes += c.size();
    }
    CHECK(w.bytes() == bytes);
    CHECK(read_all(chunks) == expected);
  }
  chunks.clear();
  CHECK(pool.used() == 0);
}

TEST_CASE("bulk records equal single ones and are seen as one span") {
  memory_pool pool;
  std::vector<std::byte> records(10 * 16);
  for (size_t i = 0; i < records.size(); ++i) records[i] = static_cast<std::byte>(i);
  std::vector<buffer_ref> chunks;
  record_writer w(pool, record_layout::fixed(12, 4),
                  [&](buffer_ref c) { chunks.push_back(std::move(c)); });
  w.upsert_bulk(std::span(records).first(48));
  w.upsert_bulk(std::span(records).subspan(48));
  w.erase(std::span(records).first(12));
  w.finish();
  w.finish();  // nothing more
  REQUIRE(chunks.size() == 1);
  auto r = record_reader::open(chunks[0].bytes());
  REQUIRE(r.ok());
  CHECK(r->upserts() == 10);
  CHECK(r->deletes() == 1);
  CHECK(text_of(r->fixed_upserts()) == text_of(records));
  CHECK(r->fixed_deletes().size() == 12);

  chunks.clear();
  std::vector<std::byte> many(16 * 100'000, std::byte{1});
  w.upsert_bulk(many);
  w.finish();
  CHECK(chunks.size() == (16 * 100'000 + chunk_bytes_default - 1) / chunk_bytes_default);
  size_t n = 0;
  for (auto& c : chunks) n += record_reader::open(c.bytes())->upserts();
  CHECK(n == 100'000);
}

TEST_CASE("records of variable size, empty and larger than a chunk") {
  memory_pool pool;
  std::vector<buffer_ref> chunks;
  record_writer w(
      pool, record_layout::variable(), [&](buffer_ref c) { chunks.push_back(std::move(c)); },
      64 << 10);
  std::mt19937_64 random(5);
  model expected;
  for (int i = 0; i < 500; ++i) {
    std::string key = "key" + std::to_string(i) + std::string(random() % 40, 'k');
    if (i % 7 == 3) {
      w.erase(bytes_of(key));
      expected[key] = std::nullopt;
      continue;
    }
    std::string value(i == 250 ? 3'000'000 : random() % 2000, static_cast<char>('a' + i % 26));
    w.upsert(bytes_of(key), bytes_of(value));
    expected[key] = value;
  }
  w.erase(bytes_of(""));
  expected[""] = std::nullopt;
  w.finish();
  CHECK(read_all(chunks) == expected);
}

TEST_CASE("damaged chunks are refused and never read out of bounds") {
  memory_pool pool;
  for (bool fixed : {true, false}) {
    buffer_ref chunk;
    record_writer w(pool, fixed ? record_layout::fixed(4, 4) : record_layout::variable(),
                    [&](buffer_ref c) { chunk = std::move(c); });
    for (int i = 0; i < 20; ++i)
      w.upsert(std::as_bytes(std::span(&i, 1)), std::as_bytes(std::span(&i, 1)));
    int gone = 99;
    w.erase(std::as_bytes(std::span(&gone, 1)));
    w.finish();
    auto touch = [](std::span<const std::byte> b) {
      auto r = record_reader::open(b);
      if (!r) return r.err().code == errc::corrupt;
      unsigned sum = 0;
      auto add = [&](std::span<const std::byte> s) {
        for (auto x : s) sum += static_cast<unsigned>(x);
      };
      auto s = r->visit([&](auto k, auto v) { add(k), add(v); }, add);
      return s.ok() || s.err().code == errc::corrupt;
    };
    for (size_t n = 0; n < chunk.size(); ++n) {
      std::vector<std::byte> cut(chunk.data(), chunk.data() + n);  // exact, for the sanitizer
      auto r = record_reader::open(cut);
      bool refused = !r || !r->visit([](auto, auto) {}, [](auto) {});
      CHECK(refused);
    }
    std::mt19937_64 random(9);
    for (int i = 0; i < 5000; ++i) {
      std::vector<std::byte> bad(chunk.data(), chunk.data() + chunk.size());
      bad[random() % bad.size()] ^= static_cast<std::byte>(1u << random() % 8);
      CHECK(touch(bad));
    }
  }
}
