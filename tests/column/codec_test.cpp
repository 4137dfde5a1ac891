// The wire codec: round trips over random schemas and batches, zero copies, damage refused.
#include "runtime/column/codec.hpp"

#include <doctest/doctest.h>

#include "tests/column/mutations.hpp"

using namespace weir;
using namespace weir::test;

namespace {

schema_ptr int_schema(size_t columns) {
  auto s = std::make_shared<schema>();
  for (size_t i = 0; i < columns; ++i)
    s->fields.push_back({"c" + std::to_string(i), type_id::int64});
  return s;
}

batch_ptr int_batch(uint32_t rows, memory_pool& pool) {
  column_builder a(type_id::int64, pool);
  for (uint32_t i = 0; i < rows; ++i) a.append(int64_t{i});
  return make_batch(int_schema(1), {a.finish()});
}

}  // namespace

TEST_CASE("round trip of random batches, flat and in segments") {
  memory_pool pool;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    generator g(seed);
    auto s = random_schema(g);
    auto b = random_batch(g, s, static_cast<uint32_t>(below(g, seed % 20 ? 150 : 3000)), pool);
    const auto rows = rows_of(*b);
    auto m = encode_batch(b, pool, {.checksum = seed % 2 == 0});
    REQUIRE(m.ok());
    std::weak_ptr<const void> alive = m->owner;
    b.reset();  // the message keeps what it needs
    auto flat = std::make_shared<std::vector<std::byte>>(m->flat());
    CHECK(flat->size() == m->bytes);
    auto d = decode_batch(*flat, flat, s, pool);
    REQUIRE_MESSAGE(d.ok(), (d.ok() ? "" : d.err().message));
    CHECK(rows_of(**d) == rows);
    const auto pieces = std::span(m->pieces).subspan(1);
    auto in_place = decode_segments(pieces, m->owner, s, pool);
    REQUIRE(in_place.ok());
    m = error();
    CHECK(rows_of(**in_place) == rows);
    in_place = error();
    CHECK(alive.expired());
    // Bytes at an odd address are taken too.
    std::vector<std::byte> odd(flat->size() + 1);
    std::memcpy(odd.data() + 1, flat->data(), flat->size());
    auto copied = decode_batch(std::span(odd).subspan(1), nullptr, s, pool);
    odd.clear();
    odd.shrink_to_fit();
    REQUIRE(copied.ok());
    CHECK(rows_of(**copied) == rows);
  }
  CHECK(pool.used() == 0);
}

TEST_CASE("large buffers are not copied") {
  memory_pool pool;
  auto b = int_batch(8192, pool);
  auto m = *encode_batch(b, pool);
  const auto* values = b->columns[0]->values.data();
  bool found = false;
  for (auto p : m.pieces) found = found || (p.data() == values && p.size() == 65536);
  CHECK(found);
  auto d = *decode_segments(std::span(m.pieces).subspan(1), m.owner, b->type, pool);
  CHECK(d->columns[0]->values.data() == values);
  CHECK(m.bytes < 65536 + 512);

  // A slice sends its own rows only, and strings at a word boundary are referenced as well.
  column_builder text(type_id::string, pool);
  for (int i = 0; i < 10000; ++i) text.append("number " + std::to_string(i));
  auto s = std::make_shared<schema>();
  s->fields = {{"t", type_id::string}};
  auto part = slice(make_batch(s, {text.finish()}), 5001, 200, pool);
  auto small = *encode_batch(part, pool);
  CHECK(small.bytes < 200 * 20);
  auto flat = small.flat();
  CHECK(rows_of(**decode_batch(flat, nullptr, s, pool)) == rows_of(*part));
}

TEST_CASE("sparse selections are left out") {
  memory_pool pool;
  auto b = int_batch(8192, pool);
  auto sel = buffer::allocate(pool, 40);
  for (uint32_t i = 0; i < 10; ++i) sel.mutable_as<uint32_t>()[i] = i * 800;
  auto few = with_selection(*b, sel, 10);
  auto m = *encode_batch(few, pool);
  CHECK(m.bytes < 400);
  auto flat = m.flat();
  CHECK(format_rows(**decode_batch(flat, nullptr, b->type, pool)) == format_rows(*few));
}

TEST_CASE("decoded memory is charged until it is dropped") {
  memory_pool pool, receiver;
  auto b = int_batch(8192, pool);
  auto flat = encode_batch(b, pool)->flat();
  auto d = *decode_batch(flat, nullptr, b->type, receiver);
  CHECK(receiver.used(memory_kind::batch) == 65536);
  d.reset();
  CHECK(receiver.used() == 0);
}

TEST_CASE("messages for another schema or of another version are refused") {
  memory_pool pool;
  auto b = int_batch(3, pool);
  auto flat = encode_batch(b, pool, {.checksum = false})->flat();
  auto other = int_schema(2);
  auto d = decode_batch(flat, nullptr, other, pool);
  REQUIRE(!d.ok());
  CHECK(d.err().code == errc::type_mismatch);
  // Names do not matter: projections rename columns without touching batches.
  auto renamed = std::make_shared<schema>(*b->type);
  renamed->fields[0].name = "x";
  CHECK(decode_batch(flat, nullptr, renamed, pool).ok());
  // The root struct follows the segment table (16 bytes) and its pointer (8); the version is first.
  flat[24] = std::byte{9};
  auto v = decode_batch(flat, nullptr, b->type, pool);
  REQUIRE(!v.ok());
  CHECK(v.err().code == errc::version_mismatch);
}

TEST_CASE("every truncation and every flipped bit of a small message is refused") {
  memory_pool pool;
  for (uint64_t seed : {1, 2, 3, 4}) {
    generator g(seed);
    auto s = random_schema(g, 4);
    auto b = random_batch(g, s, 20, pool);
    const auto flat = encode_batch(b, pool)->flat();
    for (size_t n = 0; n < flat.size(); ++n)
      REQUIRE(!decode_batch(std::span(flat).first(n), nullptr, s, pool).ok());
    auto longer = flat;
    longer.resize(flat.size() + 8);
    CHECK(!decode_batch(longer, nullptr, s, pool).ok());
    auto m = flat;
    for (size_t bit = 0; bit < m.size() * 8; ++bit) {
      m[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
      REQUIRE_MESSAGE(!decode_batch(m, nullptr, s, pool).ok(), "bit " << bit);
      m[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    }
  }
}

TEST_CASE("behind the checksum: damaged messages are refused or are valid batches") {
  memory_pool pool;
  size_t accepted = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    generator g(seed);
    auto s = random_schema(g, 4);
    auto b = random_batch(g, s, static_cast<uint32_t>(below(g, 60)), pool);
    const auto flat = encode_batch(b, pool, {.checksum = false})->flat();
    CHECK(decode_and_read(flat, s));
    for (int i = 0; i < 100; ++i) {
      auto m = mutate(g, flat);
      disarm_checksum(m);
      decode_and_read(m, s) ? ++accepted : ++refused;
    }
  }
  // Both happen: values may change freely, structure may not.
  CHECK(accepted > 100);
  CHECK(refused > 1000);
}

TEST_CASE("what is wrong is named") {
  memory_pool pool;
  auto s = std::make_shared<schema>();
  s->fields = {{"name", type_id::string}};
  column_builder text(type_id::string, pool);
  for (int i = 0; i < 300; ++i) text.append("0123456789");
  auto good = make_batch(s, {text.finish()});
  // The encoder takes batches as they are, so it makes the damaged message.
  auto c = std::make_shared<column>(*good->columns[0]);
  c->offsets = buffer::copy(pool, c->offsets.bytes());
  c->offsets.mutable_as<uint32_t>()[7] = 1'000'000;
  auto flat = encode_batch(make_batch(s, {c}), pool)->flat();
  CHECK(decode_batch(flat, nullptr, s, pool).err().message ==
        "column name: damaged batch: offsets that do not ascend");

  auto d = std::make_shared<column>();
  d->type = type_id::string;
  d->length = 400;
  d->dictionary = good->columns[0];
  d->values = buffer::allocate_zero(pool, 1600);
  d->values.mutable_as<uint32_t>()[399] = 300;
  flat = encode_batch(make_batch(s, {d}), pool)->flat();
  CHECK(decode_batch(flat, nullptr, s, pool).err().message ==
        "column name: damaged batch: a dictionary index out of range");

  auto sel = buffer::allocate(pool, 800);
  for (uint32_t i = 0; i < 200; ++i) sel.mutable_as<uint32_t>()[i] = i == 9 ? 8 : i;
  flat = encode_batch(with_selection(*good, sel, 200), pool)->flat();
  CHECK(decode_batch(flat, nullptr, s, pool).err().message ==
        "damaged batch: a selection that does not ascend within the rows");
}

TEST_CASE("a message that reads one place twice is refused") {
  // Two columns whose pointers name the same data: small on the wire, large when decoded.
  memory_pool pool;
  auto s = int_schema(2);
  column_builder a(type_id::int64, pool);
  for (int i = 0; i < 8192; ++i) a.append(int64_t{i});
  auto c = a.finish();
  auto m = *encode_batch(make_batch(s, {c, c}), pool, {.checksum = false});
  REQUIRE(m.pieces.size() == 5);  // table, root, two columns, checksum
  CHECK(decode_segments(std::span(m.pieces).subspan(1), m.owner, s, pool).ok());
  // A far pointer has its segment in the upper half: the second column's becomes the first's.
  std::vector<uint64_t> root(m.pieces[1].size() / 8);
  std::memcpy(root.data(), m.pieces[1].data(), m.pieces[1].size());
  int changed = 0;
  for (auto& w : root)
    if ((w & 3) == 2 && w >> 32 == 2) {
      w = (w & 0xffffffff) | uint64_t{1} << 32;
      ++changed;
    }
  CHECK(changed == 1);
  const std::span<const std::byte> segments[] = {std::as_bytes(std::span(root)), m.pieces[2],
                                                 m.pieces[4]};
  CHECK(!decode_segments(segments, m.owner, s, pool).ok());
}
