// Batches and records that the tests of the log share.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/log/record_batch_builder.hpp"
#include "runtime/log/record_reader.hpp"

namespace weir::test {

inline byte_view bytes_of(std::string_view s) {
  return std::as_bytes(std::span(s));
}
inline std::string text_of(byte_view b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}
inline std::string text_of(const std::optional<byte_view>& b) {
  return b ? text_of(*b) : "(null)";
}

/// One batch of records "key=value" without a key where there is no '='.
inline std::vector<std::byte> batch_of(const std::vector<std::string>& records,
                                       int64_t timestamp_ms = 1000,
                                       record_batch_options options = {}) {
  record_batch_builder b(options);
  for (const auto& r : records) {
    auto at = r.find('=');
    if (at == std::string::npos)
      b.add(timestamp_ms, std::nullopt, bytes_of(r));
    else
      b.add(timestamp_ms, bytes_of(std::string_view(r).substr(0, at)),
            bytes_of(std::string_view(r).substr(at + 1)));
  }
  auto batch = b.build();
  REQUIRE(batch.ok());
  return *batch;
}

/// "offset:key=value" of each record of one or more batches.
inline result<std::vector<std::string>> records_of(byte_view bytes) {
  std::vector<std::string> out;
  record_reader reader;
  while (!bytes.empty()) {
    WEIR_ASSIGN(auto batch, verify_batch(bytes, {batch_origin::log, uint64_t{1} << 31}));
    bytes = bytes.subspan(batch.size_bytes());
    WEIR_TRY(reader.open(batch));
    record r;
    for (;;) {
      WEIR_ASSIGN(bool more, reader.next(r));
      if (!more) break;
      out.push_back(std::to_string(r.offset) + ":" + (r.key ? text_of(*r.key) + "=" : "") +
                    text_of(r.value));
    }
  }
  return out;
}

}  // namespace weir::test
