// Batches in another codec: the same records, header and sequence, and a checksum that fits.
#include "runtime/log/recompress.hpp"

#include <doctest/doctest.h>

#include "runtime/log/record_batch_builder.hpp"

namespace weir {
namespace {

std::span<const std::byte> bytes(std::string_view s) {
  return std::as_bytes(std::span(s));
}

std::vector<std::byte> batch_in(compression_type codec) {
  record_batch_options o;
  o.compression = codec;
  o.base_offset = 40;
  o.producer_id = 7;
  o.producer_epoch = 2;
  o.base_sequence = 11;
  o.transactional = true;
  record_batch_builder b(o);
  const std::string value(500, 'v');
  const record_header header{"h", bytes("x")};
  b.add(1000, bytes("k"), bytes(value), {&header, 1});
  b.add(1003, std::nullopt, std::nullopt);
  return *b.build();
}

std::vector<std::string> records_of(record_batch_view batch) {
  std::vector<std::string> out;
  record_reader reader;
  REQUIRE(reader.open(batch).ok());
  record r;
  auto text = [](std::optional<byte_view> v) {
    return v ? std::string(reinterpret_cast<const char*>(v->data()), v->size()) : "-";
  };
  while (*reader.next(r))
    out.push_back(std::to_string(r.offset) + " " + std::to_string(r.timestamp_ms) + " " +
                  text(r.key) + " " + text(r.value) + " " + std::to_string(r.headers.size()));
  return out;
}

constexpr compression_type all[] = {compression_type::none, compression_type::gzip,
                                    compression_type::snappy, compression_type::lz4,
                                    compression_type::zstd};

}  // namespace

TEST_CASE("recompress: from every codec to every other") {
  const auto plain = batch_in(compression_type::none);
  const auto expected = records_of(record_batch_view(plain));
  REQUIRE(expected.size() == 2);
  for (auto from : all)
    for (auto to : all) {
      CAPTURE(to_string(from));
      CAPTURE(to_string(to));
      const auto in = batch_in(from);
      auto out = recompress_batch(record_batch_view(in), to, 1 << 20);
      REQUIRE(out.ok());
      auto checked = verify_batch(*out);
      REQUIRE(checked.ok());
      CHECK(checked->size_bytes() == out->size());
      CHECK(checked->compression() == to);
      CHECK(checked->is_transactional());
      CHECK(checked->producer_id() == 7);
      CHECK(checked->producer_epoch() == 2);
      CHECK(checked->base_sequence() == 11);
      CHECK(records_of(*checked) == expected);
    }
}

TEST_CASE("recompress: what does not decompress, or is too much") {
  auto in = batch_in(compression_type::zstd);
  CHECK(recompress_batch(record_batch_view(in), compression_type::none, 100).err().code ==
        errc::budget_exceeded);
  in[record_batch_header_bytes + 2] ^= std::byte{0xff};
  CHECK(recompress_batch(record_batch_view(in), compression_type::lz4, 1 << 20).err().code ==
        errc::corrupt);
  const auto plain = batch_in(compression_type::none);
  CHECK(recompress_batch(record_batch_view(plain), compression_type::lz4, 100).err().code ==
        errc::budget_exceeded);
}

}  // namespace weir
