#include "runtime/log/recompress.hpp"

#include <algorithm>
#include <cstring>

namespace weir {
namespace {

constexpr size_t length_at = 8, attributes_at = 21;
constexpr uint16_t codec_bits = 0x07;

template <class T>
void store(std::span<std::byte> at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    at[i] = static_cast<std::byte>(static_cast<std::make_unsigned_t<T>>(value) >>
                                   (8 * (sizeof(T) - 1 - i)));
}

}  // namespace

result<std::vector<std::byte>> recompress_batch(record_batch_view batch, compression_type to,
                                                size_t bytes_max) {
  const auto bytes = batch.bytes().first(batch.size_bytes());
  const auto payload = bytes.subspan(record_batch_header_bytes);
  std::vector<std::byte> plain;
  std::span<const std::byte> records = payload;
  if (batch.compression() != compression_type::none) {
    WEIR_TRY(decompress_records(batch.compression(), payload, bytes_max, plain));
    records = plain;
  } else if (records.size() > bytes_max) {
    return error{errc::budget_exceeded, "a batch of " + std::to_string(records.size()) + " bytes"};
  }
  std::vector<std::byte> out;
  out.reserve(record_batch_header_bytes + records.size());
  const auto header = bytes.first(record_batch_header_bytes);
  out.assign(header.begin(), header.end());
  if (to == compression_type::none)
    out.insert(out.end(), records.begin(), records.end());
  else
    WEIR_TRY(compress_records(to, records, out));
  const auto attributes =
      static_cast<uint16_t>((batch.attributes() & ~codec_bits) | static_cast<uint16_t>(to));
  store(std::span(out).subspan(attributes_at), attributes);
  store(std::span(out).subspan(length_at),
        static_cast<int32_t>(out.size() - record_batch_prefix_bytes));
  set_batch_crc(out);
  return out;
}

}  // namespace weir
