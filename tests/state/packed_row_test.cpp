// Packed rows and their texts: what is packed comes back, takes the bytes that its values need, and
// is refused when it is damaged; numbers of texts are those of every subtask's snapshots.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/column/builder.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"
#include "runtime/state/packed_row.hpp"
#include "runtime/state/row_table.hpp"

using namespace weir;

namespace {

using row_value = std::tuple<uint32_t, int64_t, std::string, int64_t, std::string>;

row_layout row_columns() {
  row_layout l;
  l.add_key(type_id::int64);
  l.add_key(type_id::string);
  l.add_key(type_id::int64);
  l.add_key(type_id::string);
  return l;
}

std::vector<uint64_t> words_of(const row_value& v) {
  const auto& [mask, a, s, b, t] = v;
  std::vector<uint64_t> w(7);
  w[0] = uint64_t{mask} << 32;
  w[1] = static_cast<uint64_t>(a);
  auto r = var_ref::borrow(s);
  std::memcpy(&w[2], r.words, 16);
  w[4] = static_cast<uint64_t>(b);
  r = var_ref::borrow(t);
  std::memcpy(&w[5], r.words, 16);
  return w;
}

row_value value_of(const uint64_t* w) {
  auto text = [&](size_t at) {
    var_ref r;
    std::memcpy(r.words, w + at, 16);
    return std::string(r.view());
  };
  return {static_cast<uint32_t>(w[0] >> 32), static_cast<int64_t>(w[1]), text(2),
          static_cast<int64_t>(w[4]), text(5)};
}

struct packer_under_test {
  text_dictionary texts{"texts"};
  row_packer packer{row_columns(), {0, 1, 3, 4}};
  row_scratch scratch;

  explicit packer_under_test(uint32_t subtask = 0, uint32_t parallelism = 1) {
    texts.open(subtask, parallelism, 128);
  }
  /// Eight bytes behind it may be read.
  std::string pack(const row_value& v) {
    return std::string(packer.pack(words_of(v).data(), 0, texts));
  }
  row_value unpack(std::string bytes) {
    REQUIRE(packer.check(bytes, texts).ok());
    const size_t n = bytes.size();
    bytes.append(8, '\x7f');
    uint64_t w[7];
    packer.unpack({bytes.data(), n}, texts, scratch, w);
    return value_of(w);
  }
};

}  // namespace

TEST_CASE("rows come back as they were packed, in the bytes that their values need") {
  packer_under_test p;
  constexpr auto least = std::numeric_limits<int64_t>::min(),
                 most = std::numeric_limits<int64_t>::max();
  struct {
    row_value row;
    size_t bytes;
  } cases[] = {
      // Mask, nibbles, nothing for zeros, a byte per empty text.
      {{0, 0, "", 0, ""}, 1 + 1 + 0 + 1 + 0 + 1},
      {{3, 1, "a", 255, "bc"}, 1 + 1 + 1 + 2 + 1 + 3},
      {{0, -1, "", -256, ""}, 1 + 1 + 1 + 1 + 1 + 1},
      {{0, -257, "", 65536, ""}, 1 + 1 + 2 + 1 + 3 + 1},
      {{0, least, "", most, ""}, 1 + 1 + 8 + 1 + 8 + 1},
      {{0x80, 0, std::string("\0\xff", 2), 0, ""}, 2 + 1 + 3 + 1},
  };
  for (const auto& c : cases) {
    const auto bytes = p.pack(c.row);
    CHECK(bytes.size() == c.bytes);
    CHECK(p.unpack(bytes) == c.row);
  }
}

TEST_CASE("characters take the bits that tell them apart") {
  packer_under_test p;
  auto bytes_of = [&](std::string s) {
    // Texts above this size are not shared.
    s.resize(2048, s.back());
    const row_value v{0, 0, s, 0, ""};
    const auto bytes = p.pack(v);
    CHECK(p.unpack(bytes) == v);
    return bytes.size() - 4;  // without mask, nibbles, the other text, and the tell-tale byte
  };
  CHECK(bytes_of("0123456789") == 2 + 1024);
  CHECK(bytes_of("abcxyz") == 2 + 1280);
  CHECK(bytes_of("abcXYZ") == 2 + 1536);
  CHECK(bytes_of("a b-C9") == 2 + 1792);
  CHECK(bytes_of("na\xc3\xafve") == 2 + 2048 - 1);
  for (size_t n = 0; n < 70; ++n) {
    const row_value v{0, 0, std::string(n, 'x') + "y", 7, std::string(n / 2, 'z') + "A"};
    CHECK(p.unpack(p.pack(v)) == v);
  }
}

TEST_CASE("texts of a dictionary are known by their indices in it") {
  packer_under_test p;
  memory_pool pool;
  auto plain = [&](const std::vector<std::string>& texts) {
    column_builder b(type_id::string, pool);
    for (const auto& t : texts) b.append(std::string_view(t));
    return b.finish();
  };
  auto of = [&](const column_ptr& dictionary, const std::vector<uint32_t>& indices) {
    auto c = std::make_shared<column>();
    c->type = type_id::string;
    c->length = static_cast<uint32_t>(indices.size());
    c->values = buffer::copy(pool, std::as_bytes(std::span(indices)));
    c->dictionary = dictionary;
    return column_ptr(c);
  };
  auto begin = [&](const column_ptr& texts) {
    const std::vector<column_ptr> columns{nullptr, texts, nullptr, plain({""})};
    p.packer.begin_batch(columns);
  };
  auto pack = [&](const column_ptr& texts, uint32_t at, bool null = false) {
    std::vector<uint64_t> w(7);
    const auto r = var_ref::borrow(null ? std::string_view() : texts->view(at));
    std::memcpy(&w[2], r.words, 16);
    const std::string bytes(p.packer.pack(w.data(), at, p.texts));
    return std::pair(std::get<2>(p.unpack(bytes)), bytes.size());
  };
  const std::vector<std::string> words{"the first of two texts", "short", "channel-17"};
  const std::vector<std::string> others{"channel-17", "another one of them", "the second of them"};
  // More of them than are held, in turns.
  std::vector<column_ptr> dictionaries;
  for (int i = 0; i < 3; ++i) {
    dictionaries.push_back(plain(words));
    dictionaries.push_back(plain(others));
  }
  for (int round = 0; round < 3; ++round)
    for (size_t d = 0; d < dictionaries.size(); ++d) {
      const auto c = of(dictionaries[d], {2, 0, 1, 1, 0, 2});
      begin(c);
      for (uint32_t at = 0; at < 6; ++at) CHECK(pack(c, at).first == c->view(at));
      CHECK(pack(c, 0, true).first == "");
      // Mask, nibbles, a byte for each of both texts: those of the first subtask take one.
      const bool kept_whole = c->view(1).size() < 6;
      if (!kept_whole) CHECK(pack(c, 1).second == 4);
    }
  // Another batch without a dictionary, and one whose texts are too many.
  const auto bare = plain(words);
  begin(bare);
  for (uint32_t at = 0; at < 3; ++at) CHECK(pack(bare, at).first == words[at]);
  std::vector<std::string> many(70'000, "channel-17");
  many[65'000] = "the first of two texts";
  const auto large = of(plain(many), {65'000, 3});
  begin(large);
  CHECK(pack(large, 0) == std::pair(words[0], size_t{4}));
  CHECK(pack(large, 1).first == "channel-17");
}

TEST_CASE("texts of the first few subtasks take short numbers") {
  struct {
    uint32_t subtask;
    size_t bytes;
  } cases[] = {{0, 4}, {3, 4}, {4, 5}, {127, 5}};
  for (const auto& c : cases) {
    packer_under_test p(c.subtask, 128);
    (void)p.pack({0, 0, "the text before it", 0, ""});
    const row_value v{0, 0, "a text that many rows have", 0, ""};
    const auto bytes = p.pack(v);
    CHECK(bytes.size() == c.bytes);
    CHECK(p.unpack(bytes) == v);
  }
}

TEST_CASE("texts that come again take a number; a column of others is left alone") {
  packer_under_test p;
  const row_value v{0, 0, "a text that many rows have", 0, ""};
  const auto first = p.pack(v), second = p.pack(v);
  CHECK(first.size() == 4);
  CHECK(second == first);
  CHECK(p.unpack(second) == v);
  for (int i = 0; i < 5000; ++i)
    (void)p.pack({0, 0, "a text that many rows have", 0, "only here: " + std::to_string(i)});
  // 1024 were tried in the second column.
  CHECK(p.texts.find("only here: 1023") != text_dictionary::none);
  CHECK(p.texts.find("only here: 1025") == text_dictionary::none);
  CHECK(p.texts.find("a text that many rows have") != text_dictionary::none);
  CHECK(p.pack(v).size() == 4);
}

TEST_CASE("a dictionary takes so many texts and no more") {
  text_dictionary d("texts");
  d.open(1, 2, 128);
  for (uint32_t i = 0; i < text_dictionary::texts_max; ++i)
    CHECK(d.add("text " + std::to_string(i)) == i * 128 + 1);
  CHECK(d.add("one more") == text_dictionary::none);
  text_dictionary e("texts");
  e.open(0, 1, 128);
  CHECK(e.add(std::string(text_dictionary::bytes_max, 'x')) == 0);
  CHECK(e.add("y") == text_dictionary::none);
}

TEST_CASE("numbers of texts mean the same at every parallelism") {
  memory_pool pool;
  std::vector<state_chunk> chunks;
  std::vector<std::pair<uint32_t, std::string>> numbers;
  auto check = [&](const text_dictionary& d, const auto& all) {
    for (const auto& [n, s] : all) {
      REQUIRE(d.has(n));
      CHECK(d.text(n) == s);
      CHECK(d.find(s) != text_dictionary::none);
    }
  };
  uint64_t number = 0;
  for (uint32_t parallelism : {2u, 3u, 1u, 4u}) {
    std::vector<state_chunk> now;
    const auto before = numbers;
    ++number;
    for (uint32_t subtask = 0; subtask < parallelism; ++subtask) {
      text_dictionary d("texts");
      d.open(subtask, parallelism, 128);
      REQUIRE(d.restore(chunk_list_reader(chunks, "op")).ok());
      check(d, before);
      for (const std::string s : {"common", "of"}) {
        const auto text = s + (s == "of" ? std::to_string(number * 10 + subtask) : "");
        if (d.find(text) == text_dictionary::none) numbers.emplace_back(d.add(text), text);
      }
      chunk_list_writer w(pool, epoch(number), "op", subtask);
      d.snapshot(w);
      // Nothing new: nothing is written, unless the epoch is given up.
      d.snapshot(w);
      CHECK(w.chunks().size() == 1);
      d.on_epoch_aborted();
      d.snapshot(w);
      CHECK(w.chunks().size() == 2);
      for (auto& c : w.take()) now.push_back(std::move(c));
    }
    chunks = std::move(now);
  }
  // Both first subtasks brought the common one; later ones knew it.
  CHECK(numbers.size() == 2 + 10);
}

TEST_CASE("damaged rows and lists of texts are refused") {
  packer_under_test p;
  const auto good = p.pack({1, -300, "shared text", 70000, "narrow text here"});
  REQUIRE(p.packer.check(good, p.texts).ok());
  for (size_t n = 0; n < good.size(); ++n)
    CHECK(p.packer.check(std::string_view(good).substr(0, n), p.texts).err().code == errc::corrupt);
  CHECK_FALSE(p.packer.check(good + "x", p.texts).ok());
  text_dictionary empty("texts");
  empty.open(0, 1, 128);
  CHECK(p.packer.check(good, empty).err().message ==
        "a packed row of the snapshot has parts that do not fit");
  std::mt19937_64 g(7);
  for (int i = 0; i < 20000; ++i) {
    auto bad = good;
    for (auto k = 1 + g() % 4; k > 0; --k) bad[g() % bad.size()] = static_cast<char>(g());
    if (p.packer.check(bad, p.texts).ok()) (void)p.unpack(bad);
  }
  memory_pool pool;
  chunk_list_writer w(pool, epoch(1), "op");
  p.texts.snapshot(w);
  auto chunks = w.take();
  const auto bytes = chunks[0].bytes;
  for (size_t n = 0; n < bytes.size(); ++n) {
    chunks[0].bytes = buffer::copy(pool, bytes.bytes().first(n));
    text_dictionary d("texts");
    d.open(0, 1, 128);
    const auto done = d.restore(chunk_list_reader(chunks, "op"));
    if (n == 4) continue;  // a list of nothing
    CHECK(done.err().message == "state \"texts\" of subtask 0 is no list of texts");
  }
}

TEST_CASE("numbered rows of packed bytes: barriers, erasures, and groups that come together") {
  memory_pool pool;
  row_layout layout;
  layout.make_numbered();
  layout.add_packed();
  std::mt19937_64 g(3);
  // Two writers, each of half the groups; what they have by group.
  std::vector<state_chunk> chunks;
  std::multimap<uint32_t, std::string> expected;
  for (uint32_t writer = 0; writer < 2; ++writer) {
    row_table t(layout, &pool);
    std::vector<uint32_t> ids;
    for (uint64_t e = 1; e <= 4; ++e) {
      for (int i = 0; i < 3000; ++i) {
        if (!ids.empty() && g() % 3 == 0) {
          const size_t k = g() % ids.size();
          t.erase(ids[k]);
          ids[k] = ids.back();
          ids.pop_back();
          continue;
        }
        const auto id = t.append(writer * 64 + static_cast<uint32_t>(g() % 64));
        t.touch(id);
        std::string bytes(1 + g() % 60, static_cast<char>(g()));
        if (g() % 500 == 0) bytes.resize(70'000, 'y');
        t.set_packed(t.row(id), bytes);
        ids.push_back(id);
      }
      t.end_batch();
      CHECK(t.size() == ids.size());
      chunk_list_writer w(pool, epoch(e), "op", writer);
      t.snapshot_begin(w);
      if (e == 3) {
        t.on_epoch_aborted(epoch(e));
        continue;
      }
      while (!t.snapshot_continue(w, "rows", 10'000)) {
      }
      t.on_epoch_complete(epoch(e));
      for (auto& c : w.take()) chunks.push_back(std::move(c));
    }
    for (auto id : ids)
      expected.emplace(row_table::group(t.row(id)), std::string(t.packed(t.row(id))));
  }
  std::stable_sort(chunks.begin(), chunks.end(),
                   [](const auto& a, const auto& b) { return a.written < b.written; });
  for (uint32_t parallelism : {1u, 3u}) {
    std::multimap<uint32_t, std::string> found;
    for (uint32_t i = 0; i < parallelism; ++i) {
      row_table t(layout, &pool);
      REQUIRE(
          t.restore(chunk_list_reader(chunks, "op"), "rows", range_of_subtask(128, parallelism, i))
              .ok());
      t.for_each([&](uint32_t id) {
        found.emplace(row_table::group(t.row(id)), std::string(t.packed(t.row(id))));
      });
      // Numbers of new rows are no older one's.
      const auto id = t.append(5);
      for (uint32_t k = 0; k < id; ++k) CHECK(t.row(k)[1] < t.row(id)[1]);
    }
    auto sorted = [](const auto& m) {
      std::vector<std::pair<uint32_t, std::string>> v(m.begin(), m.end());
      std::sort(v.begin(), v.end());
      return v;
    };
    CHECK(sorted(found) == sorted(expected));
  }
}
