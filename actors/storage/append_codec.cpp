#include "actors/storage/append_codec.hpp"

#include "runtime/log/recompress.hpp"
#include "runtime/log/record_reader.hpp"

namespace weir {

status bring_into_codec(append_message& m, const partition_settings& settings) {
  if (!settings.codec || m.from != append_message::source::client) return {};
  auto batch = peek_batch(m.batch);
  if (!batch || batch->compression() == *settings.codec) return {};
  const auto& p = settings.partition;
  if (!verify_batch(m.batch, {batch_origin::producer, p.message_bytes_max})) return {};
  auto other =
      recompress_batch(*batch, *settings.codec, record_reader::uncompressed_bytes_max_default);
  if (!other) return other.err().at(p.name);
  auto held = std::make_shared<std::vector<std::byte>>(std::move(*other));
  m.batch = *held;
  m.owner = std::move(held);
  return {};
}

}  // namespace weir
