// Reference-counted bytes that batches share. A buffer is filled once by its maker and immutable
// from then on; references may cross threads. Own buffers are 64-byte aligned and padded to a
// multiple of 64 bytes, so vector kernels may read and write whole registers past size(); wrapped
// (foreign) memory is 8-byte aligned only and has no such slack: check padded().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "runtime/column/memory.hpp"

namespace weir {

class buffer_ref;

/// Header of an allocation; lives in front of (own) or apart from (wrapped) its bytes.
class buffer {
 public:
  static constexpr size_t alignment = 64;
  /// Blocks are powers of two: this many bytes less fill one, and none is wasted.
  static constexpr size_t overhead = 2 * alignment;
  /// Uninitialised bytes, charged to `pool` until the last reference is gone. `bytes` may be 0.
  static buffer_ref allocate(memory_pool& pool, size_t bytes);
  /// Zeroed bytes, padding included.
  static buffer_ref allocate_zero(memory_pool& pool, size_t bytes);
  /// A copy of `bytes`.
  static buffer_ref copy(memory_pool& pool, std::span<const std::byte> bytes);
  /// Memory that belongs to `owner` (a Cap'n Proto message, a mapped file). Charged to `pool` when
  /// one is given.
  static buffer_ref wrap(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                         memory_pool* pool = nullptr);

 private:
  friend class buffer_ref;
  std::atomic<uint32_t> refs_{1};
  uint8_t size_class_ = 0;
  bool wrapped_ = false;
  memory_pool* pool_ = nullptr;
  size_t charged_ = 0;
  std::shared_ptr<const void> owner_;

  static void destroy(buffer*) noexcept;
};

/// A counted reference to a run of bytes within a buffer. An empty one means "absent".
class buffer_ref {
 public:
  buffer_ref() = default;
  buffer_ref(const buffer_ref& o) noexcept : owner_(o.owner_), data_(o.data_), size_(o.size_) {
    if (owner_) owner_->refs_.fetch_add(1, std::memory_order_relaxed);
  }
  buffer_ref(buffer_ref&& o) noexcept
      : owner_(std::exchange(o.owner_, nullptr)),
        data_(std::exchange(o.data_, nullptr)),
        size_(std::exchange(o.size_, 0)) {}
  buffer_ref& operator=(buffer_ref o) noexcept {
    std::swap(owner_, o.owner_);
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    return *this;
  }
  ~buffer_ref() { release(); }

  explicit operator bool() const noexcept { return owner_ != nullptr; }
  const std::byte* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  template <class T>
  const T* as() const noexcept {
    return reinterpret_cast<const T*>(data_);
  }
  /// For the maker only, before the buffer is shared.
  template <class T>
  T* mutable_as() noexcept {
    return reinterpret_cast<T*>(const_cast<std::byte*>(data_));
  }
  /// The same memory, `bytes` long from `offset` on; shares ownership.
  buffer_ref slice(size_t offset, size_t bytes) const noexcept {
    buffer_ref r(*this);
    r.data_ += offset;
    r.size_ = bytes;
    return r;
  }
  /// For the maker only: shortens the buffer to what was written.
  void truncate(size_t bytes) noexcept { size_ = bytes; }
  /// Whether 64 bytes past size() may be read (never for wrapped memory).
  bool padded() const noexcept { return owner_ && !owner_->wrapped_; }
  /// Whether this is the only reference, so that its holder may fill the buffer again.
  bool unique() const noexcept {
    return owner_ && owner_->refs_.load(std::memory_order_acquire) == 1;
  }

 private:
  friend class buffer;
  buffer_ref(buffer* owner, const std::byte* data, size_t size) noexcept
      : owner_(owner), data_(data), size_(size) {}
  void release() noexcept {
    if (owner_ && owner_->refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      buffer::destroy(owner_);
    owner_ = nullptr;
  }
  buffer* owner_ = nullptr;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace weir
