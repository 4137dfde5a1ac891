#include <capnp/message.h>
#include <kj/exception.h>

#include <algorithm>

#include "runtime/column/codec.hpp"
#include "runtime/column/codec_internal.hpp"
#include "runtime/column/narrow.hpp"
#include "runtime/column/validate.hpp"
#include "schema/batch.capnp.h"

namespace weir {
namespace {

error corrupt(std::string what) {
  return {errc::corrupt, "damaged batch: " + std::move(what)};
}

class decoder {
 public:
  decoder(std::shared_ptr<const void> owner, buffer_ref whole, memory_pool& pool)
      : owner_(std::move(owner)), whole_(std::move(whole)), pool_(pool) {}

  result<batch_ptr> decode(wire::Batch::Reader in, const schema_ptr& type);

 private:
  result<buffer_ref> widen(wire::Column::Reader in, uint8_t bytes, type_id type, uint32_t length);
  result<column_ptr> decode(wire::Column::Reader in, const data_type& type, bool of_dictionary);
  buffer_ref take(capnp::Data::Reader data, size_t alignment = 8) {
    const std::span bytes(reinterpret_cast<const std::byte*>(data.begin()), data.size());
    if (reinterpret_cast<uintptr_t>(bytes.data()) % alignment != 0)
      return buffer::copy(pool_, bytes);
    if (whole_ && !bytes.empty())
      return whole_.slice(static_cast<size_t>(bytes.data() - whole_.data()), bytes.size());
    return buffer::wrap(bytes, owner_, &pool_);
  }

  std::shared_ptr<const void> owner_;
  buffer_ref whole_;  // what the message lies in, instead of the owner
  memory_pool& pool_;
};

/// The values of a narrowed column as they were.
result<buffer_ref> decoder::widen(wire::Column::Reader in, uint8_t bytes, type_id type,
                                  uint32_t length) {
  const bool decimal = type == type_id::decimal;
  if (!decimal && !wire::is_int64(type)) return corrupt("a narrowed column of another type");
  if (length > wire_narrow_max) return corrupt("a narrowed column of too many values");
  const bool constant = bytes == wire::narrow_constant;
  if (!constant && bytes != 1 && bytes != 2 && bytes != 4 && !(decimal && bytes == 8))
    return corrupt("values of an impossible width");
  const narrow_form form{constant ? uint8_t{0} : bytes, in.getBase()};
  const capnp::Data::Reader values = in.getValues();
  if (values.size() != size_t{length} * form.bytes)
    return corrupt("narrowed values of another length than the column");
  auto out = buffer::allocate(pool_, length * fixed_width(type));
  const auto* from = reinterpret_cast<const std::byte*>(values.begin());
  if (decimal)
    widen_values(out.mutable_as<int128>(), from, length, form);
  else
    widen_values(out.mutable_as<int64_t>(), from, length, form);
  return out;
}

// Every getter is called once: the traversal limit is the message's size.
result<column_ptr> decoder::decode(wire::Column::Reader in, const data_type& type,
                                   bool of_dictionary) {
  auto c = std::make_shared<column>();
  c->type = type;
  c->length = in.getLength();
  if (c->length > wire_rows_max) return corrupt("a column of too many values");
  if (in.hasValidity()) c->validity = take(in.getValidity());
  if (in.hasDictionary()) {
    if (of_dictionary) return corrupt("a dictionary with a dictionary");
    c->values = take(in.getValues());
    WEIR_ASSIGN(c->dictionary, decode(in.getDictionary(), type, true));
    return c;
  }
  if (const uint8_t bytes = in.getNarrow(); bytes != 0) {
    WEIR_ASSIGN(c->values, widen(in, bytes, type.id, c->length));
    return c;
  }
  if (fixed_width(type.id) != 0) {
    c->values = take(in.getValues(), type.id == type_id::decimal ? alignof(int128) : 8);
    return c;
  }
  if (type.id != type_id::struct_) c->offsets = take(in.getOffsets());
  if (is_varlen(type.id)) {
    c->values = take(in.getValues());
    return c;
  }
  const auto children = in.getChildren();
  const size_t fields = type.fields ? type.fields->size() : 0;
  if (children.size() != fields) return corrupt("another number of children than the type's");
  for (uint32_t i = 0; i < fields; ++i) {
    WEIR_ASSIGN(auto child, decode(children[i], (*type.fields)[i].type, false));
    c->children.push_back(std::move(child));
  }
  return c;
}

result<batch_ptr> decoder::decode(wire::Batch::Reader in, const schema_ptr& type) {
  if (in.getFormatVersion() == 0 || in.getFormatVersion() > wire::BATCH_FORMAT_VERSION)
    return error(errc::version_mismatch, "a batch of format version " +
                                             std::to_string(in.getFormatVersion()) +
                                             "; this build reads versions up to " +
                                             std::to_string(wire::BATCH_FORMAT_VERSION) +
                                             ": run the same version on all nodes");
  if (in.getSchemaFingerprint() != schema_fingerprint(*type))
    return error(errc::type_mismatch, "a batch of other column types than the channel's");
  auto b = std::make_shared<batch>();
  b->type = type;
  b->rows = in.getRows();
  b->physical_rows = in.getPhysicalRows();
  if (b->physical_rows > wire_rows_max) return corrupt("too many rows");
  const auto columns = in.getColumns();
  if (columns.size() != type->size()) return corrupt("another number of columns than the schema's");
  b->columns.reserve(columns.size());
  for (uint32_t i = 0; i < columns.size(); ++i) {
    WEIR_ASSIGN(auto c, decode(columns[i], type->fields[i].type, false));
    if (c->length != b->physical_rows) return corrupt("a column of another length than the batch");
    if (auto s = validate_column(*c); !s) return s.err().at("column " + type->fields[i].name);
    b->columns.push_back(std::move(c));
  }
  if (in.hasSelection()) {
    b->selection = take(in.getSelection());
    const auto* sel = b->selection.as<uint32_t>();
    if (b->selection.size() != size_t{b->rows} * sizeof(uint32_t))
      return corrupt("a selection of another length than the rows");
    if (b->rows != 0 && (!strictly_ascending(sel, b->rows) || sel[b->rows - 1] >= b->physical_rows))
      return corrupt("a selection that does not ascend within the rows");
  } else if (b->rows != b->physical_rows) {
    return corrupt("fewer rows than the columns have, without a selection");
  }
  if (in.hasWeights()) {
    b->weights = take(in.getWeights());
    if (b->weights.size() != size_t{b->physical_rows} * sizeof(int32_t))
      return corrupt("weights of another length than the rows");
  }
  return b;
}

result<batch_ptr> decode_from(std::span<const std::span<const std::byte>> segments,
                              std::shared_ptr<const void> owner, buffer_ref whole,
                              const schema_ptr& type, memory_pool& pool) {
  if (segments.size() < 2 || segments.size() > wire_segments_max)
    return corrupt(std::to_string(segments.size()) + " segments");
  uint64_t checksum = 0, h = 0, words = 0;
  if (segments.back().size() != sizeof checksum) return corrupt("no checksum at the end");
  std::memcpy(&checksum, segments.back().data(), sizeof checksum);
  std::vector<kj::ArrayPtr<const capnp::word>> arrays;
  for (const auto& s : segments.first(segments.size() - 1)) {
    if (s.size() % 8 != 0 || reinterpret_cast<uintptr_t>(s.data()) % 8 != 0)
      return corrupt("a segment that is not made of aligned words");
    if (checksum != 0) h = wire::checksum_step(s, h);
    words += s.size() / 8;
    arrays.emplace_back(reinterpret_cast<const capnp::word*>(s.data()), s.size() / 8);
  }
  if (checksum != 0 && checksum != (h == 0 ? 1 : h)) return corrupt("the checksum does not match");
  // What points to one place twice would make a small message a large batch: each word is read
  // once. Depth: two levels per nesting of a type, which parse_type limits to 16.
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = words + 16;
  limits.nestingLimit = 48;
  try {
    capnp::SegmentArrayMessageReader reader(kj::arrayPtr(arrays.data(), arrays.size()), limits);
    return decoder(std::move(owner), std::move(whole), pool)
        .decode(reader.getRoot<wire::Batch>(), type);
  } catch (const kj::Exception& e) {
    return corrupt(e.getDescription().cStr());
  }
}

/// `message` is 8-byte aligned; the owner keeps it alive, or it lies in `whole`.
result<batch_ptr> decode_message(std::span<const std::byte> message,
                                 std::shared_ptr<const void> owner, buffer_ref whole,
                                 const schema_ptr& type, memory_pool& pool) {
  auto number = [&](size_t i) {
    uint32_t v;
    std::memcpy(&v, message.data() + i * 4, 4);
    return v;
  };
  if (message.size() < 8) return corrupt("cut off within the segment table");
  const uint64_t count = uint64_t{number(0)} + 1;
  if (count > wire_segments_max) return corrupt(std::to_string(count) + " segments");
  size_t at = (count + 2) / 2 * 8;
  if (message.size() < at) return corrupt("cut off within the segment table");
  if (count % 2 == 0 && number(count + 1) != 0)
    return corrupt("a segment table that is not padded");
  std::vector<std::span<const std::byte>> segments;
  segments.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const size_t bytes = size_t{number(1 + i)} * 8;
    if (message.size() - at < bytes) return corrupt("cut off");
    segments.push_back(message.subspan(at, bytes));
    at += bytes;
  }
  if (at != message.size()) return corrupt("bytes after its end");
  return decode_from(segments, std::move(owner), std::move(whole), type, pool);
}

}  // namespace

result<batch_ptr> decode_segments(std::span<const std::span<const std::byte>> segments,
                                  std::shared_ptr<const void> owner, const schema_ptr& type,
                                  memory_pool& pool) {
  return decode_from(segments, std::move(owner), {}, type, pool);
}

result<batch_ptr> decode_batch(std::span<const std::byte> message,
                               std::shared_ptr<const void> owner, const schema_ptr& type,
                               memory_pool& pool) {
  if (reinterpret_cast<uintptr_t>(message.data()) % 8 != 0)
    return decode_batch(buffer::copy(pool, message), type, pool);
  return decode_message(message, std::move(owner), {}, type, pool);
}

result<batch_ptr> decode_batch(buffer_ref message, const schema_ptr& type, memory_pool& pool) {
  const auto bytes = message.bytes();
  return decode_message(bytes, nullptr, std::move(message), type, pool);
}

}  // namespace weir
