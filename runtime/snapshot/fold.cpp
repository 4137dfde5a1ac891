#include "runtime/snapshot/fold.hpp"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <vector>

#include "runtime/snapshot/packed.hpp"

namespace weir {
namespace {

using bytes = std::span<const std::byte>;

/// The keys that a newer chunk has decided about. Keys stay where they are, in the chunks.
class key_set {
 public:
  explicit key_set(size_t keys) : slots_(std::bit_ceil(keys * 2 + 16)), mask_(slots_.size() - 1) {}

  /// True when the key was not there. With `add` it is from now on.
  bool first_seen(bytes key, bool add) {
    uint64_t h = XXH3_64bits(key.data(), key.size()) | 1;  // 0 marks a free slot
    for (size_t i = h >> 7 & mask_;; i = (i + 1) & mask_) {
      slot& s = slots_[i];
      if (s.hash == 0) {
        if (add) s = {h, key.data(), static_cast<uint32_t>(key.size())};
        return true;
      }
      if (s.hash == h && s.size == key.size() &&
          (key.empty() || std::memcmp(s.key, key.data(), key.size()) == 0))
        return false;
    }
  }

 private:
  struct slot {
    uint64_t hash = 0;
    const std::byte* key = nullptr;
    uint32_t size = 0;
  };
  std::vector<slot> slots_;
  size_t mask_;
};

/// A chunk of either form, its records as those of records.hpp.
class source {
 public:
  static result<source> open(bytes chunk) {
    source s;
    if (packed_reader::is_packed(chunk)) {
      WEIR_ASSIGN(auto p, packed_reader::open(chunk));
      s.layout_ = p.layout().records();
      s.packed_ = std::move(p);
    } else {
      WEIR_ASSIGN(auto r, record_reader::open(chunk));
      s.layout_ = r.layout();
      s.plain_ = r;
    }
    // The counts are not checked against the bytes yet: bound them. A packed record may take no
    // bytes of its own, but not more than a block of them has a few.
    const auto c = count_records(chunk);
    const size_t n = size_t{c.upserts} + c.deletes;
    s.records_ = std::min<size_t>(n, s.packed_ ? chunk.size() * packed_reader::block_rows_max
                                               : chunk.size() / (s.layout_.is_fixed() ? 1 : 4));
    return s;
  }
  const record_layout& layout() const noexcept { return layout_; }
  const packed_layout* packed() const noexcept { return packed_ ? &packed_->layout() : nullptr; }
  size_t records() const noexcept { return records_; }
  /// Spans live as long as the source.
  template <class Upsert, class Erase>
  status visit(Upsert&& upsert, Erase&& erase) {
    return packed_ ? packed_->visit_records(unpacked_, upsert, erase)
                   : plain_->visit(upsert, erase);
  }

 private:
  std::optional<packed_reader> packed_;
  std::optional<record_reader> plain_;
  record_layout layout_;
  size_t records_ = 0;
  std::vector<std::vector<std::byte>> unpacked_;
};

/// Writes records in the form of the chunks that they come from: in columns when one of them is.
class target {
 public:
  target(memory_pool& pool, const source& like, const packed_layout* packed,
         const std::function<void(buffer_ref)>& emit)
      : emit_(emit) {
    if (packed) {
      packed_.emplace(*packed);
      packed_->set_memory(pool);
    } else {
      plain_.emplace(pool, like.layout(), emit);
    }
  }
  void upsert(bytes key, bytes value) {
    if (!packed_) return plain_->upsert(key, value);
    if (packed_->full(chunk_bytes_default - buffer::overhead)) emit_(packed_->take());
    packed_->upsert_record(key, value);
  }
  void finish() {
    if (!packed_) return plain_->finish();
    if (!packed_->empty()) emit_(packed_->take());
  }

 private:
  const std::function<void(buffer_ref)>& emit_;
  std::optional<packed_writer> packed_;
  std::optional<record_writer> plain_;
};

}  // namespace

status fold_chunks(std::span<const bytes> chunks, memory_pool& pool,
                   const std::function<void(buffer_ref)>& emit) {
  if (chunks.empty()) return {};
  std::vector<source> sources;
  sources.reserve(chunks.size());
  size_t keys = 0;
  const packed_layout* packed = nullptr;
  for (bytes c : chunks) {
    WEIR_ASSIGN(auto s, source::open(c));
    sources.push_back(std::move(s));
    const source& added = sources.back();
    if (added.layout() != sources.front().layout() ||
        (packed && added.packed() && *added.packed() != *packed))
      return {errc::unsupported, "chunks of different record layouts"};
    keys += added.records();
    if (!packed) packed = added.packed();
  }
  key_set seen(keys);
  target out(pool, sources.front(), packed, emit);
  for (size_t i = sources.size(); i-- > 0;) {
    bool add = i > 0;  // nothing older asks about the oldest chunk's keys
    WEIR_TRY(sources[i].visit(
        [&](bytes key, bytes value) {
          if (seen.first_seen(key, add)) out.upsert(key, value);
        },
        [&](bytes key) { seen.first_seen(key, add); }));
  }
  out.finish();
  return {};
}

}  // namespace weir
