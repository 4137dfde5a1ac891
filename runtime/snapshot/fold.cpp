#include "runtime/snapshot/fold.hpp"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "runtime/snapshot/records.hpp"

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

}  // namespace

status fold_chunks(std::span<const bytes> chunks, memory_pool& pool,
                   const std::function<void(buffer_ref)>& emit) {
  if (chunks.empty()) return {};
  std::vector<record_reader> readers;
  readers.reserve(chunks.size());
  size_t keys = 0;
  for (bytes c : chunks) {
    WEIR_ASSIGN(auto r, record_reader::open(c));
    if (!readers.empty() && r.layout() != readers.front().layout())
      return {errc::unsupported, "chunks of different record layouts"};
    // The counts of variable records are not checked against the bytes yet: bound them.
    size_t record_bytes = r.layout().is_fixed() ? 1 : 4;
    keys += std::min<size_t>(size_t{r.upserts()} + r.deletes(), c.size() / record_bytes);
    readers.push_back(r);
  }
  key_set seen(keys);
  record_writer out(pool, readers.front().layout(), emit);
  for (size_t i = readers.size(); i-- > 0;) {
    bool add = i > 0;  // nothing older asks about the oldest chunk's keys
    WEIR_TRY(readers[i].visit(
        [&](bytes key, bytes value) {
          if (seen.first_seen(key, add)) out.upsert(key, value);
        },
        [&](bytes key) { seen.first_seen(key, add); }));
  }
  out.finish();
  return {};
}

}  // namespace weir
