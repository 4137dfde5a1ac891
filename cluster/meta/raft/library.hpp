// libraft's header as C++ can read it, and bytes in its allocator. Internal to cluster/meta/raft.
#pragma once

#include <cstring>
#include <new>
#include <string_view>

extern "C" {
#include <raft.h>
}

namespace weir::meta {

// Structures that a function of the same name hides.
using raft_barrier_request = struct raft_barrier;
using raft_apply_request = struct raft_apply;
using raft_transfer_request = struct raft_transfer;

/// Never null; libraft frees it.
inline void* raft_copy(std::string_view bytes) {
  void* p = raft_malloc(bytes.empty() ? 1 : bytes.size());
  if (!p) throw std::bad_alloc();
  std::memcpy(p, bytes.data(), bytes.size());
  return p;
}
template <class T>
T* raft_new(size_t n = 1) {
  auto* p = static_cast<T*>(raft_calloc(n == 0 ? 1 : n, sizeof(T)));
  if (!p) throw std::bad_alloc();
  return p;
}
inline std::string_view view_of(const raft_buffer& b) {
  return {static_cast<const char*>(b.base), b.len};
}

}  // namespace weir::meta
