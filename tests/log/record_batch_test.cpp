#include "runtime/log/record_batch.hpp"

#include <doctest/doctest.h>
#include <snappy.h>

#include <algorithm>
#include <random>

#include "runtime/log/compression.hpp"
#include "runtime/log/varint.hpp"
#include "tests/log/samples.hpp"

using namespace weir;
using namespace weir::test;

namespace {

constexpr compression_type all_codecs[] = {compression_type::none, compression_type::gzip,
                                           compression_type::snappy, compression_type::lz4,
                                           compression_type::zstd};

std::string to_hex(byte_view bytes) {
  std::string s;
  for (auto b : bytes) {
    s += "0123456789abcdef"[static_cast<int>(b) >> 4];
    s += "0123456789abcdef"[static_cast<int>(b) & 15];
  }
  return s;
}

}  // namespace

TEST_CASE("a batch has the layout of Kafka's protocol documentation") {
  record_batch_options o;
  o.base_offset = 5;
  o.leader_epoch = 7;
  o.producer_id = 0x0102;
  o.producer_epoch = 3;
  o.base_sequence = 4;
  o.transactional = true;
  record_batch_builder b(o);
  record_header h{"h", bytes_of("v")};
  b.add(1000, bytes_of("k"), bytes_of("abc"), std::span(&h, 1));
  b.add(1001, std::nullopt, std::nullopt);
  auto batch = b.build();
  REQUIRE(batch.ok());
  // Written down by hand from the format's table; the checksum was computed by table.
  std::string hex = to_hex(*batch);
  CHECK(hex.substr(0, 34) ==
        "0000000000000005"
        "00000047"
        "00000007"
        "02");
  CHECK(hex.substr(42) ==
        "0010"
        "00000001"
        "00000000000003e8"
        "00000000000003e9"
        "0000000000000102"
        "0003"
        "00000004"
        "00000002"
        "1c"
        "00"
        "00"
        "00"
        "026b"
        "06616263"
        "02"
        "0268"
        "0276"
        "0c"
        "00"
        "02"
        "02"
        "01"
        "01"
        "00");
  auto view = verify_batch(*batch, {batch_origin::log});
  REQUIRE(view.ok());
  CHECK(view->base_offset() == 5);
  CHECK(view->last_offset() == 6);
  CHECK(view->leader_epoch() == 7);
  CHECK(view->last_sequence() == 5);
  CHECK(view->max_timestamp() == 1001);
  CHECK(view->is_transactional());
  CHECK(!view->is_control());

  record_reader reader;
  record r;
  REQUIRE(reader.open(*view).ok());
  REQUIRE(*reader.next(r));
  CHECK(r.offset == 5);
  CHECK(r.timestamp_ms == 1000);
  CHECK(text_of(r.key) == "k");
  CHECK(text_of(r.value) == "abc");
  REQUIRE(r.headers.size() == 1);
  CHECK(r.headers[0].key == "h");
  CHECK(text_of(r.headers[0].value) == "v");
  REQUIRE(*reader.next(r));
  CHECK(r.offset == 6);
  CHECK(r.timestamp_ms == 1001);
  CHECK(!r.key);
  CHECK(!r.value);
  CHECK(!*reader.next(r));
}

TEST_CASE("records survive each compression, and output is bounded") {
  std::string long_value(100'000, 'x');
  for (auto codec : all_codecs) {
    CAPTURE(std::string(to_string(codec)));
    record_batch_options o;
    o.compression = codec;
    auto batch = batch_of({"a=1", "b=2", long_value, "c=" + std::string(50'000, 'y')}, 7, o);
    if (codec != compression_type::none) CHECK(batch.size() < 10'000);
    auto view = verify_batch(batch);
    REQUIRE(view.ok());
    CHECK(view->compression() == codec);
    auto records = records_of(batch);
    REQUIRE(records.ok());
    CHECK(*records == std::vector<std::string>{"0:a=1", "1:b=2", "2:" + long_value,
                                               "3:c=" + std::string(50'000, 'y')});
    if (codec == compression_type::none) continue;
    record_reader small(100'000);
    auto s = small.open(*view);
    REQUIRE(!s.ok());
    CHECK(s.err().code == errc::budget_exceeded);
    record_reader exact(150'100);
    CHECK(exact.open(*view).ok());
  }
}

TEST_CASE("snappy is read with and without xerial's framing") {
  auto plain = batch_of({"a=1", "b=2"});
  std::string raw;
  snappy::Compress(reinterpret_cast<const char*>(plain.data()) + record_batch_header_bytes,
                   plain.size() - record_batch_header_bytes, &raw);
  auto batch = plain;
  batch.resize(record_batch_header_bytes + raw.size());
  std::copy_n(bytes_of(raw).begin(), raw.size(), batch.begin() + record_batch_header_bytes);
  store_big_endian(batch.data() + 8, static_cast<int32_t>(batch.size() - 12));
  store_big_endian(batch.data() + 21, uint16_t{2});
  set_batch_crc(batch);
  auto records = records_of(batch);
  REQUIRE(records.ok());
  CHECK(*records == std::vector<std::string>{"0:a=1", "1:b=2"});

  std::vector<std::byte> framed, out;
  REQUIRE(
      compress_records(compression_type::snappy, bytes_of(std::string(70'000, 'z')), framed).ok());
  CHECK(to_hex(byte_view(framed).first(16)) == "82534e41505059000000000100000001");
  REQUIRE(decompress_records(compression_type::snappy, framed, 1 << 20, out).ok());
  CHECK(text_of(byte_view(out)) == std::string(70'000, 'z'));
}

TEST_CASE("gzip of several members is one stream") {
  std::vector<std::byte> in, out;
  REQUIRE(compress_records(compression_type::gzip, bytes_of("hello "), in).ok());
  REQUIRE(compress_records(compression_type::gzip, bytes_of("world"), in).ok());
  REQUIRE(decompress_records(compression_type::gzip, in, 100, out).ok());
  CHECK(text_of(byte_view(out)) == "hello world");
}

TEST_CASE("what a producer must not send is refused with its reason") {
  auto code_of = [](std::vector<std::byte> batch, batch_limits limits = {}) {
    auto r = verify_batch(batch, limits);
    return r.ok() ? std::string("ok") : std::string(to_string(r.err().code));
  };
  const auto good = batch_of({"a=1", "b=2"});
  CHECK(code_of(good) == "ok");
  CHECK(code_of(good, {batch_origin::producer, good.size() - 1}) ==
        to_string(errc::budget_exceeded));
  auto bad = good;
  bad[good.size() - 1] ^= std::byte{1};
  CHECK(code_of(bad) == to_string(errc::corrupt));
  auto cut = good;
  cut.pop_back();
  CHECK(code_of(cut) == to_string(errc::corrupt));
  auto old = good;
  old[16] = std::byte{1};
  CHECK(code_of(old) == to_string(errc::unsupported));
  auto patched = [&](size_t at, auto value) {
    auto b = good;
    store_big_endian(b.data() + at, value);
    set_batch_crc(b);
    return b;
  };
  CHECK(code_of(patched(23, int32_t{5})) ==
        to_string(errc::invalid_argument));  // offsets without records
  CHECK(code_of(patched(23, int32_t{5}), {batch_origin::log}) == "ok");
  CHECK(code_of(patched(23, int32_t{0})) == to_string(errc::corrupt));  // records without offsets
  CHECK(code_of(patched(23, int32_t{-1})) == to_string(errc::corrupt));
  CHECK(code_of(patched(57, int32_t{-1})) == to_string(errc::corrupt));
  CHECK(code_of(patched(57, int32_t{1'000'000})) == to_string(errc::corrupt));
  CHECK(code_of(patched(21, uint16_t{5})) == to_string(errc::unsupported));          // sixth codec
  CHECK(code_of(patched(21, uint16_t{0x20})) == to_string(errc::invalid_argument));  // control
  CHECK(code_of(patched(21, uint16_t{0x10})) ==
        to_string(errc::invalid_argument));  // transactional, no producer
  CHECK(code_of(patched(43, int64_t{9})) ==
        to_string(errc::invalid_argument));  // producer without sequence
  CHECK(code_of(patched(0, int64_t{-4}), {batch_origin::log}) == to_string(errc::corrupt));
  CHECK(code_of({}) == to_string(errc::corrupt));
}

TEST_CASE("a broker patches offset, epoch and append time") {
  auto batch = batch_of({"a=1", "b=2"}, 1000);
  set_base_offset(batch, 1'000'000'000'000);
  set_leader_epoch(batch, 12);
  auto view = verify_batch(batch);
  REQUIRE(view.ok());
  CHECK(view->base_offset() == 1'000'000'000'000);
  CHECK(view->leader_epoch() == 12);
  set_log_append_time(batch, 5000);
  view = verify_batch(batch);
  REQUIRE(view.ok());
  CHECK(view->timestamps() == timestamp_type::log_append_time);
  record_reader reader;
  record r;
  REQUIRE(reader.open(*view).ok());
  REQUIRE(*reader.next(r));
  CHECK(r.timestamp_ms == 5000);
}

TEST_CASE("sequences wrap") {
  record_batch_options o;
  o.producer_id = 1;
  o.producer_epoch = 0;
  o.base_sequence = INT32_MAX;
  auto batch = batch_of({"a", "b", "c"}, 1, o);
  CHECK(record_batch_view(batch).last_sequence() == 1);
  CHECK(record_batch_view(batch_of({"a"})).last_sequence() == -1);
}

TEST_CASE("control markers are built and read") {
  for (auto type : {control_type::commit, control_type::abort}) {
    auto batch = build_control_batch({type, 42}, 9, 2, 1234);
    CHECK(!verify_batch(batch).ok());
    auto view = verify_batch(batch, {batch_origin::log});
    REQUIRE(view.ok());
    CHECK(view->is_control());
    CHECK(view->is_transactional());
    CHECK(view->producer_id() == 9);
    CHECK(view->producer_epoch() == 2);
    CHECK(view->base_sequence() == -1);
    auto marker = read_control_marker(*view);
    REQUIRE(marker.ok());
    CHECK(marker->type == type);
    CHECK(marker->coordinator_epoch == 42);
  }
  CHECK(!read_control_marker(record_batch_view(batch_of({"a=1"}))).ok());
}

TEST_CASE("a batch without records ends where it is told") {
  record_batch_options o;
  o.base_offset = 10;
  o.producer_id = 1;
  o.producer_epoch = 0;
  o.base_sequence = 3;
  record_batch_builder b(o);
  b.set_last_offset(14);
  auto batch = b.build();
  REQUIRE(batch.ok());
  auto view = verify_batch(*batch, {batch_origin::log});
  REQUIRE(view.ok());
  CHECK(view->record_count() == 0);
  CHECK(view->next_offset() == 15);
  CHECK(view->last_sequence() == 7);
  CHECK(records_of(*batch)->empty());
}

TEST_CASE("a delete horizon stands in the base timestamp") {
  record_batch_options o;
  o.delete_horizon_ms = 90'000;
  auto batch = batch_of({"a=1"}, 1000, o);
  record_batch_view view(batch);
  CHECK(view.has_delete_horizon());
  CHECK(view.base_timestamp() == 90'000);
  record_reader reader;
  record r;
  REQUIRE(reader.open(view).ok());
  REQUIRE(*reader.next(r));
  CHECK(r.timestamp_ms == 1000);
}

TEST_CASE("cut and flipped batches are errors or other records, never more than that") {
  std::mt19937_64 random(1);
  size_t refused = 0, read = 0;
  for (auto codec : all_codecs) {
    CAPTURE(std::string(to_string(codec)));
    record_batch_options o;
    o.compression = codec;
    record_batch_builder b(o);
    record_header h{"header", bytes_of("value")};
    for (int i = 0; i < 20; ++i)
      b.add(i, bytes_of("key"), bytes_of("some value"), std::span(&h, 1));
    const auto good = *b.build();
    record_reader reader(1 << 16);
    record r;
    // Every cut: with the exact allocation behind it, so that a sanitizer sees one byte too many.
    for (size_t n = 0; n < good.size(); ++n) {
      std::vector<std::byte> cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(n));
      CHECK(!verify_batch(cut).ok());
    }
    for (int round = 0; round < 4000; ++round) {
      auto bad = good;
      for (uint64_t flips = 1 + random() % 3; flips > 0; --flips)
        bad[random() % bad.size()] ^= static_cast<std::byte>(1u << random() % 8);
      if (random() % 4 == 0) {
        bad.resize(record_batch_header_bytes + random() % (bad.size() - record_batch_header_bytes));
        store_big_endian(bad.data() + 8, static_cast<int32_t>(bad.size() - 12));
      }
      set_batch_crc(bad);  // as if it were meant
      auto view = verify_batch(bad, {batch_origin::log});
      if (!view.ok() || !reader.open(*view).ok()) {
        ++refused;
        continue;
      }
      for (;;) {
        auto more = reader.next(r);
        if (!more.ok() || !*more) break;
        // Touch all of it.
        for (const auto& part : {r.key, r.value})
          if (part)
            read += static_cast<size_t>(std::count(part->begin(), part->end(), std::byte{7}));
        for (const auto& x : r.headers) read += x.key.size();
      }
      if (view->is_control()) (void)read_control_marker(*view);
    }
  }
  CHECK(refused > 1000);
  CHECK(read > 100);
}
