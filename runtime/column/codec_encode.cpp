#include <capnp/message.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/column/bitmap.hpp"
#include "runtime/column/codec.hpp"
#include "runtime/column/codec_internal.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/column/narrow.hpp"
#include "schema/batch.capnp.h"

namespace weir {
namespace {

// Smaller buffers are copied into the message's own segment: a segment costs a table entry, a
// scatter-gather entry and a cache line on the other side.
constexpr size_t reference_bytes_min = 512;
// Cap'n Proto's lists hold fewer than 2^29 elements.
constexpr size_t data_bytes_max = (size_t{1} << 29) - 1;

// Everything the pieces point into.
struct message_owner {
  explicit message_owner(uint32_t first_words) : builder(first_words) {}
  batch_ptr source;
  std::vector<buffer_ref> buffers;
  std::vector<column_ptr> columns;
  std::vector<uint32_t> table;
  uint64_t checksum = 0;
  // Last: the builder goes first, since its segments refer to the buffers.
  capnp::MallocMessageBuilder builder;
};

class encoder {
 public:
  encoder(message_owner& owner, memory_pool& pool, bool narrow)
      : owner_(owner), pool_(pool), narrow_(narrow) {}

  void encode(wire::Column::Builder out, const column& c);

  // `bytes` of a buffer from `offset` on, referenced where that is possible and pays.
  template <class Init, class Adopt>
  void put(const buffer_ref& b, size_t offset, size_t bytes, Init init, Adopt adopt) {
    weir_assert(b.size() >= offset + bytes, "a column's buffer is shorter than its length");
    if (bytes > data_bytes_max) {
      too_large = true;
      return;
    }
    const std::byte* p = b.data() + offset;
    const auto* u = reinterpret_cast<const kj::byte*>(p);
    // The last word goes out whole, so what follows the bytes must be readable.
    const bool whole_words = bytes % 8 == 0 || b.padded();
    const bool aligned = reinterpret_cast<uintptr_t>(p) % 8 == 0;
    if (bytes >= reference_bytes_min && aligned && whole_words &&
        references_ < wire_segments_max / 2) {
      ++references_;
      owner_.buffers.push_back(b);
      adopt(owner_.builder.getOrphanage().referenceExternalData(capnp::Data::Reader(u, bytes)));
      return;
    }
    capnp::Data::Builder to = init(static_cast<uint32_t>(bytes));
    if (bytes != 0) std::memcpy(to.begin(), p, bytes);
  }
  void put_values(wire::Column::Builder out, const buffer_ref& b, size_t offset, size_t bytes) {
    put(
        b, offset, bytes, [&](uint32_t n) { return out.initValues(n); },
        [&](auto&& o) { out.adoptValues(kj::mv(o)); });
  }

  bool too_large = false;
  bool narrowed = false;  // some column is

 private:
  template <class T>
  bool put_narrow(wire::Column::Builder out, const column& c);
  void put_offsets(wire::Column::Builder out, const column& c, uint32_t base);

  message_owner& owner_;
  memory_pool& pool_;
  const bool narrow_;
  uint32_t references_ = 0;
};

void encoder::put_offsets(wire::Column::Builder out, const column& c, uint32_t base) {
  const size_t bytes = (size_t{c.length} + 1) * sizeof(uint32_t);
  buffer_ref offsets = c.offsets;
  if (base != 0) {
    offsets = buffer::allocate(pool_, bytes);
    for (uint32_t i = 0; i <= c.length; ++i)
      offsets.mutable_as<uint32_t>()[i] = c.offsets.as<uint32_t>()[i] - base;
  }
  put(
      offsets, 0, bytes, [&](uint32_t n) { return out.initOffsets(n); },
      [&](auto&& o) { out.adoptOffsets(kj::mv(o)); });
}

/// Writes the values as differences from the least one; false when that saves nothing.
template <class T>
bool encoder::put_narrow(wire::Column::Builder out, const column& c) {
  const auto form = narrow_form_of(c.data<T>(), c.length);
  if (!form) return false;
  narrowed = true;
  out.setNarrow(form->bytes == 0 ? wire::narrow_constant : form->bytes);
  out.setBase(form->base);
  if (form->bytes == 0) return true;
  const size_t bytes = size_t{form->bytes} * c.length;
  auto to = buffer::allocate(pool_, bytes);
  narrow_values(to.mutable_as<std::byte>(), c.data<T>(), c.length, *form);
  put_values(out, to, 0, bytes);
  return true;
}

void encoder::encode(wire::Column::Builder out, const column& c) {
  if (c.dictionary && c.dictionary->length > c.length) {
    // A part of a larger column: the values alone are smaller than the dictionary.
    auto plain = gather(*c.dictionary, {c.data<uint32_t>(), c.length}, pool_);
    auto with_nulls = std::make_shared<column>(*plain);
    with_nulls->validity = c.validity;
    owner_.columns.push_back(with_nulls);
    return encode(out, *with_nulls);
  }
  out.setLength(c.length);
  if (c.validity)
    put(
        c.validity, 0, bitmap::bytes_of(c.length), [&](uint32_t n) { return out.initValidity(n); },
        [&](auto&& o) { out.adoptValidity(kj::mv(o)); });
  if (c.dictionary) {
    put_values(out, c.values, 0, size_t{c.length} * sizeof(uint32_t));
    return encode(out.initDictionary(), *c.dictionary);
  }
  if (narrow_ && c.length != 0 && c.length <= wire_narrow_max) {
    if (wire::is_int64(c.type.id) && put_narrow<int64_t>(out, c)) return;
    if (c.type.id == type_id::decimal && put_narrow<int128>(out, c)) return;
  }
  if (const size_t width = fixed_width(c.type.id)) {
    put_values(out, c.values, 0, c.length * width);
  } else if (is_varlen(c.type.id)) {
    // A slice sends its own bytes only. The cut is at a whole word, so that it can be referenced.
    const auto* o = c.offsets.as<uint32_t>();
    const uint32_t base = o[0] & ~7u;
    put_offsets(out, c, base);
    put_values(out, c.values, base, o[c.length] - base);
  } else if (c.type.id == type_id::list) {
    const auto* o = c.offsets.as<uint32_t>();
    put_offsets(out, c, o[0]);
    auto items = slice(*c.children[0], o[0], o[c.length] - o[0], pool_);
    owner_.columns.push_back(items);
    encode(out.initChildren(1)[0], *items);
  } else {
    auto children = out.initChildren(static_cast<uint32_t>(c.children.size()));
    for (uint32_t i = 0; i < c.children.size(); ++i) encode(children[i], *c.children[i]);
  }
}

size_t count_columns(const std::vector<column_ptr>& columns) {
  size_t n = columns.size();
  for (const auto& c : columns) n += count_columns(c->children) + (c->dictionary ? 1 : 0);
  return n;
}

wire_message make_message(std::shared_ptr<message_owner> owner, encode_options options) {
  const auto segments = owner->builder.getSegmentsForOutput();
  wire_message m;
  uint64_t h = 0;
  m.pieces.emplace_back();
  owner->table.push_back(static_cast<uint32_t>(segments.size()));  // their number - 1, + checksum
  for (const auto& s : segments) {
    owner->table.push_back(static_cast<uint32_t>(s.size()));
    m.pieces.emplace_back(reinterpret_cast<const std::byte*>(s.begin()), s.size() * 8);
    if (options.checksum) h = wire::checksum_step(m.pieces.back(), h);
  }
  owner->table.push_back(1);
  if (owner->table.size() % 2 != 0) owner->table.push_back(0);
  owner->checksum = options.checksum ? (h == 0 ? 1 : h) : 0;
  m.pieces[0] = std::as_bytes(std::span(owner->table));
  m.pieces.push_back(std::as_bytes(std::span(&owner->checksum, 1)));
  for (const auto& p : m.pieces) m.bytes += p.size();
  m.owner = std::move(owner);
  return m;
}

}  // namespace

uint64_t wire::checksum_step(std::span<const std::byte> segment, uint64_t h) noexcept {
  return XXH3_64bits_withSeed(segment.data(), segment.size(), h);
}

void wire_message::copy_to(std::byte* to) const noexcept {
  for (const auto& p : pieces) {
    std::memcpy(to, p.data(), p.size());
    to += p.size();
  }
}

std::vector<std::byte> wire_message::flat() const {
  std::vector<std::byte> out(bytes);
  copy_to(out.data());
  return out;
}

uint64_t schema_fingerprint(const schema& type) {
  std::string text;
  for (const auto& f : type.fields) text += to_string(f.type) + ';';
  return XXH3_64bits(text.data(), text.size());
}

result<wire_message> encode_batch(const batch_ptr& b, memory_pool& pool, encode_options options) {
  if (b->physical_rows > wire_rows_max)
    return error(errc::invalid_argument, "a batch of " + std::to_string(b->physical_rows) +
                                             " rows is too large for one message");
  const batch_ptr dense = b->selection && b->rows < b->physical_rows / 2 ? compact(b, pool) : b;
  // Per column: its struct, its pointers and some small buffers.
  const size_t first_words = 32 + 32 * count_columns(dense->columns);
  auto owner = std::make_shared<message_owner>(
      static_cast<uint32_t>(std::min<size_t>(first_words, 1 << 16)));
  owner->source = dense;
  encoder e(*owner, pool, options.narrow);
  auto root = owner->builder.initRoot<wire::Batch>();
  root.setFormatVersion(1);
  root.setRows(dense->rows);
  root.setPhysicalRows(dense->physical_rows);
  root.setSchemaFingerprint(schema_fingerprint(*dense->type));
  auto columns = root.initColumns(static_cast<uint32_t>(dense->columns.size()));
  for (uint32_t i = 0; i < dense->columns.size(); ++i) e.encode(columns[i], *dense->columns[i]);
  if (dense->selection)
    e.put(
        dense->selection, 0, size_t{dense->rows} * sizeof(uint32_t),
        [&](uint32_t n) { return root.initSelection(n); },
        [&](auto&& o) { root.adoptSelection(kj::mv(o)); });
  if (dense->weights)
    e.put(
        dense->weights, 0, size_t{dense->physical_rows} * sizeof(int32_t),
        [&](uint32_t n) { return root.initWeights(n); },
        [&](auto&& o) { root.adoptWeights(kj::mv(o)); });
  if (e.narrowed) root.setFormatVersion(wire::BATCH_FORMAT_VERSION);
  if (e.too_large)
    return error(errc::invalid_argument,
                 "a batch with a column of more than 512 MiB is too large for one message");
  return make_message(std::move(owner), options);
}

}  // namespace weir
