#include "runtime/column/buffer.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "runtime/base/assert.hpp"

namespace weir {
namespace {

// Own allocations: header (64 bytes) + payload in one block of 2^class bytes. Small classes are
// kept in per-thread lists: a batch's buffers are made and dropped thousands of times a second, and
// a block that comes back from the list is still in the core's cache.
constexpr size_t header_bytes = 64;
constexpr int class_min = 8;                   // 256 B
constexpr int class_max_cached = 20;           // 1 MiB: larger blocks go back to malloc
constexpr uint8_t class_malloc = 0xff;         // exact size, never cached
constexpr size_t cached_bytes_max = 8u << 20;  // per thread: what one pipeline has in flight

// The last word of the header says where malloc's block begins; it outlives the buffer object.
constexpr size_t origin_offset = header_bytes - sizeof(void*);
static_assert(sizeof(buffer) <= origin_offset);
static_assert(header_bytes + buffer::alignment == buffer::overhead);

// Aligned by hand: glibc before 2.38 does not find a freed aligned block again for a request of the
// same size, so that a steady load grows without end (a blocked job by 1 MiB a second).
void* allocate_block(size_t bytes) {
  void* origin = std::malloc(bytes + buffer::alignment);
  if (!origin) throw std::bad_alloc();
  auto address = reinterpret_cast<uintptr_t>(origin);
  auto* block = static_cast<std::byte*>(origin) + (-address & (buffer::alignment - 1));
  std::memcpy(block + origin_offset, &origin, sizeof origin);
  return block;
}

void free_block(void* block) noexcept {
  void* origin;
  std::memcpy(&origin, static_cast<std::byte*>(block) + origin_offset, sizeof origin);
  std::free(origin);
}

struct thread_cache {
  std::array<std::vector<void*>, class_max_cached + 1> lists;
  // Blocks that this thread has asked for: one that only frees a class (a store lets go of what
  // tasks gave it) keeps none for itself.
  std::array<size_t, class_max_cached + 1> asked{};
  size_t bytes = 0;
  ~thread_cache();
};
// A buffer may be dropped by a destructor that runs after its thread's cache is gone.
thread_local bool cache_gone = false;
thread_local thread_cache cache;

thread_cache::~thread_cache() {
  cache_gone = true;
  for (auto& list : lists)
    for (void* p : list) free_block(p);
}

}  // namespace

buffer_ref buffer::allocate(memory_pool& pool, size_t bytes) {
  // 64 bytes of slack past the end: kernels may touch one whole register there.
  size_t total = header_bytes + ((bytes + 2 * alignment - 1) & ~(alignment - 1));
  uint8_t size_class = class_malloc;
  void* block = nullptr;
  int cls = std::max<int>(class_min, std::bit_width(total - 1));
  if (cls <= class_max_cached) {
    size_class = static_cast<uint8_t>(cls);
    total = size_t{1} << cls;
    if (!cache_gone) {
      ++cache.asked[cls];
      if (!cache.lists[cls].empty()) {
        block = cache.lists[cls].back();
        cache.lists[cls].pop_back();
        cache.bytes -= total;
      }
    }
  }
  if (!block) block = allocate_block(total);
  auto* b = new (block) buffer();
  b->size_class_ = size_class;
  b->pool_ = &pool;
  b->charged_ = total;
  pool.charge(memory_kind::batch, static_cast<int64_t>(total));
  auto* data = static_cast<std::byte*>(block) + header_bytes;
  // A message sends its last word whole: what memory held before must not leak through it.
  std::memset(data + bytes, 0, 8);
  return {b, data, bytes};
}

buffer_ref buffer::allocate_zero(memory_pool& pool, size_t bytes) {
  auto r = allocate(pool, bytes);
  std::memset(r.mutable_as<std::byte>(), 0, (bytes + alignment - 1) & ~(alignment - 1));
  return r;
}

buffer_ref buffer::copy(memory_pool& pool, std::span<const std::byte> bytes) {
  auto r = allocate(pool, bytes.size());
  if (!bytes.empty()) std::memcpy(r.mutable_as<std::byte>(), bytes.data(), bytes.size());
  return r;
}

buffer_ref buffer::wrap(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                        memory_pool* pool) {
  void* block = allocate_block(header_bytes);
  auto* b = new (block) buffer();
  b->wrapped_ = true;
  b->owner_ = std::move(owner);
  if (pool) {
    b->pool_ = pool;
    b->charged_ = bytes.size();
    pool->charge(memory_kind::batch, static_cast<int64_t>(bytes.size()));
  }
  return {b, bytes.data(), bytes.size()};
}

void buffer::destroy(buffer* b) noexcept {
  if (b->pool_) b->pool_->charge(memory_kind::batch, -static_cast<int64_t>(b->charged_));
  uint8_t size_class = b->size_class_;
  bool wrapped = b->wrapped_;
  b->~buffer();
  size_t bytes = size_t{1} << (size_class & 31);
  if (!wrapped && size_class != class_malloc && !cache_gone &&
      cache.bytes + bytes <= cached_bytes_max &&
      cache.lists[size_class].size() < cache.asked[size_class]) {
    cache.lists[size_class].push_back(b);
    cache.bytes += bytes;
    return;
  }
  free_block(b);
}

}  // namespace weir
