// The wire codec: round trips over random schemas and batches, zero copies, damage refused.
#include "runtime/column/codec.hpp"

#include <capnp/message.h>
#include <doctest/doctest.h>

#include <limits>

#include "schema/batch.capnp.h"
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
    auto narrow = encode_batch(*copied, pool, {.narrow = true});
    REQUIRE(narrow.ok());
    CHECK(narrow->bytes <= flat->size() + 256);
    auto narrow_bytes = narrow->flat();
    auto wide = decode_batch(buffer::copy(pool, narrow_bytes), s, pool);
    REQUIRE_MESSAGE(wide.ok(), (wide.ok() ? "" : wide.err().message));
    CHECK(rows_of(**wide) == rows);
  }
  CHECK(pool.used() == 0);
}

TEST_CASE("integers of a small range go in fewer bytes") {
  memory_pool pool;
  constexpr uint32_t n = 1'000;
  struct wanted {
    int64_t low, high;
    size_t bytes;  // of a value of 8
  };
  constexpr auto least = std::numeric_limits<int64_t>::min();
  constexpr auto most = std::numeric_limits<int64_t>::max();
  for (const auto& w : {wanted{7, 7, 0}, wanted{-3, 252, 1}, wanted{-3, 253, 2},
                        wanted{1LL << 40, (1LL << 40) + 65'535, 2}, wanted{0, 65'536, 4},
                        wanted{least, least + 0xffff'ffffLL, 4}, wanted{most - 1, most, 1},
                        wanted{0, 1LL << 32, 8}, wanted{least, most, 8}}) {
    CAPTURE(w.high);
    column_builder a(type_id::int64, pool);
    for (uint32_t i = 0; i < n; ++i) a.append(i % 3 == 0 ? w.low : w.high);
    auto b = make_batch(int_schema(1), {a.finish()});
    auto m = *encode_batch(b, pool, {.narrow = true});
    CHECK(m.bytes >= w.bytes * n);
    CHECK(m.bytes <= w.bytes * n + 256);
    auto d = decode_batch(buffer::copy(pool, m.flat()), b->type, pool);
    REQUIRE(d.ok());
    CHECK(rows_of(**d) == rows_of(*b));
  }
  // More values than a narrowed column may have go as they are.
  column_builder many(type_id::int64, pool);
  for (uint32_t i = 0; i <= wire_narrow_max; ++i) many.append(int64_t{5});
  auto b = make_batch(int_schema(1), {many.finish()});
  CHECK(encode_batch(b, pool, {.narrow = true})->bytes > 8 * wire_narrow_max);
}

TEST_CASE("decimals, times and nulls go in fewer bytes and come back") {
  memory_pool pool;
  auto s = std::make_shared<schema>();
  s->fields = {{"d", data_type{type_id::decimal, 2}}, {"t", type_id::timestamp}};
  constexpr uint32_t n = 5'000;
  column_builder d(s->fields[0].type, pool), t(type_id::timestamp, pool);
  for (uint32_t i = 0; i < n; ++i) {
    if (i % 5 == 0)
      d.append_null();
    else
      d.append(int128{i} * 13 - 20'000);
    t.append(int64_t{1'700'000'000'000'000} + i);
  }
  auto b = make_batch(s, {d.finish(), t.finish()});
  auto m = *encode_batch(b, pool, {.checksum = false, .narrow = true});
  CHECK(m.bytes <= n * (4 + 2) + n / 8 + 256);  // a zero may lie under a null: up to 65,000 apart
  auto back = decode_batch(buffer::copy(pool, m.flat()), s, pool);
  REQUIRE(back.ok());
  CHECK(rows_of(**back) == rows_of(*b));
  // One value beyond 64 bits: all go as they are.
  column_builder large(s->fields[0].type, pool);
  for (uint32_t i = 0; i < n; ++i) large.append(i == 4'321 ? int128{1} << 100 : int128{i});
  auto l = make_batch(s, {large.finish(), b->columns[1]});
  auto wide = *encode_batch(l, pool, {.checksum = false, .narrow = true});
  CHECK(wide.bytes >= n * 16);
  CHECK(rows_of(**decode_batch(buffer::copy(pool, wide.flat()), s, pool)) == rows_of(*l));
}

TEST_CASE("narrowed columns that no encoder writes are refused") {
  memory_pool pool;
  // One column of `type`: the rows, or what is wrong.
  auto decode = [&](data_type type, uint32_t length, uint8_t narrow, int64_t base,
                    std::vector<uint8_t> values) {
    auto s = std::make_shared<schema>();
    s->fields = {{"c", type}};
    capnp::MallocMessageBuilder builder;
    auto root = builder.initRoot<wire::Batch>();
    root.setFormatVersion(2);
    root.setRows(length);
    root.setPhysicalRows(length);
    root.setSchemaFingerprint(schema_fingerprint(*s));
    auto c = root.initColumns(1)[0];
    c.setLength(length);
    c.setNarrow(narrow);
    c.setBase(base);
    c.setValues(capnp::Data::Reader(values.data(), values.size()));
    std::vector<std::span<const std::byte>> segments;
    for (const auto& g : builder.getSegmentsForOutput())
      segments.push_back(std::as_bytes(std::span(g.begin(), g.size())));
    const uint64_t unchecked = 0;
    segments.push_back(std::as_bytes(std::span(&unchecked, 1)));
    auto b = decode_segments(segments, nullptr, s, pool);
    if (!b) return b.err().message;
    std::string text;
    for (const auto& line : rows_of(**b)) text += line + ";";
    return text;
  };
  const data_type whole = type_id::int64, decimal{type_id::decimal, 0};
  CHECK(decode(whole, 3, 2, -5, {0, 0, 1, 0, 255, 255}) == "-5;-4;65530;");
  CHECK(decode(whole, 3, 255, 9, {}) == "9;9;9;");
  CHECK(decode(decimal, 1, 8, -1, {1, 0, 0, 0, 0, 0, 0, 0}) == "0;");
  CHECK(decode(decimal, 2, 1, 7, {0, 255}) == "7;262;");
  const std::string width = "damaged batch: values of an impossible width";
  for (uint8_t w : {3, 5, 6, 7, 8, 9, 16, 254}) CHECK(decode(whole, 1, w, 0, {1}) == width);
  for (uint8_t w : {3, 5, 6, 7, 9, 16, 254}) CHECK(decode(decimal, 1, w, 0, {1}) == width);
  const std::string other = "damaged batch: narrowed values of another length than the column";
  CHECK(decode(whole, 3, 255, 9, {1}) == other);
  CHECK(decode(whole, 3, 2, 0, {1, 2, 3, 4, 5}) == other);
  CHECK(decode(whole, 3, 2, 0, {1, 2, 3, 4, 5, 6, 7}) == other);
  CHECK(decode(decimal, 1, 8, 0, {}) == other);
  for (auto type :
       {type_id::boolean, type_id::int32, type_id::float64, type_id::date, type_id::string})
    CHECK(decode(type, 1, 1, 0, {1}) == "damaged batch: a narrowed column of another type");
  // A few bytes that would become much memory.
  CHECK(decode(whole, wire_narrow_max + 1, 255, 0, {}) ==
        "damaged batch: a narrowed column of too many values");
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
