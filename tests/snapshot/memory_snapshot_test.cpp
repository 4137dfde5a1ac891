#include "runtime/snapshot/memory_snapshot.hpp"

#include <doctest/doctest.h>

#include "runtime/snapshot/checksum.hpp"

using namespace weir;

namespace {
buffer_ref text(memory_pool& pool, std::string_view s) {
  return buffer::copy(pool, std::as_bytes(std::span(s)));
}
std::string visit_all(const chunk_list_reader& r, std::string_view state, key_group_range range) {
  std::string out;
  auto s = r.keyed(state, range, [&](uint32_t group, chunk_kind, std::span<const std::byte> b) {
    out += std::to_string(group) + ":" +
           std::string(reinterpret_cast<const char*>(b.data()), b.size()) + " ";
    return status();
  });
  REQUIRE(s.ok());
  return out;
}
}  // namespace

TEST_CASE("chunks are given per group, oldest first, from the last full epoch on") {
  memory_pool pool;
  std::vector<state_chunk> all;
  auto add = [&](uint64_t e, auto&& fill) {
    chunk_list_writer w(pool, epoch(e), "op", 0);
    fill(w);
    for (auto& c : w.take()) all.push_back(std::move(c));
  };
  add(1, [&](auto& w) {
    w.put("s", 1, chunk_kind::delta, text(pool, "a"));
    w.put("s", 2, chunk_kind::full, text(pool, "old"));
    w.put("pos", no_key_group, chunk_kind::blob, text(pool, "p1"));
  });
  add(2, [&](auto& w) {
    w.put("s", 2, chunk_kind::full, text(pool, "new1"));
    w.put("s", 2, chunk_kind::full, text(pool, "new2"));
    w.put("s", 1, chunk_kind::delta, text(pool, "b"));
    w.put("pos", no_key_group, chunk_kind::blob, text(pool, "p2"));
    w.begin_operator("op", 3);
    w.put("pos", no_key_group, chunk_kind::blob, text(pool, "q"));
    w.begin_operator("other", 0);
    w.put("s", 1, chunk_kind::delta, text(pool, "x"));
  });
  chunk_list_reader r(all, "op");
  CHECK(visit_all(r, "s", {0, 128}) == "1:a 1:b 2:new1 2:new2 ");
  CHECK(visit_all(r, "s", {2, 128}) == "2:new1 2:new2 ");
  CHECK(visit_all(r, "absent", {0, 128}) == "");
  CHECK(r.states() == std::vector<std::string>{"pos", "s"});
  auto blobs = r.blobs("pos");
  REQUIRE(blobs.size() == 2);
  CHECK(blobs[0].first == 0);
  CHECK(blobs[0].second.size() == 2);
  CHECK(*blobs[0].second.as<char>() == 'p');
  CHECK(blobs[1].first == 3);
}

TEST_CASE("a chunk's checksum covers its bytes and its address") {
  memory_pool pool;
  state_chunk c{"agg", "groups", 5, 0, chunk_kind::delta, text(pool, "hello"), epoch(7)};
  CHECK(check_chunk(c).ok());  // carries none
  c.crc = chunk_crc(c);
  CHECK(check_chunk(c).ok());
  auto moved = c;
  moved.key_group = 6;
  CHECK(check_chunk(moved).err().message ==
        "a chunk is damaged (checksum does not match): operator 'agg', state 'groups', "
        "key group 6, epoch 7");
  c.bytes = text(pool, "hellp");
  CHECK(check_chunk(c).err().code == errc::corrupt);
}
