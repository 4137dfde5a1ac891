// One answer on its way to a client: memory with parts of files in between, which the kernel sends
// from the page cache. Made by whoever answers, sent by the connection; a plain value.
#pragma once

#include <memory>
#include <vector>

#include "runtime/kafka/protocol/writer.hpp"
#include "runtime/log/log_types.hpp"

namespace weir {

struct answer {
  std::vector<std::byte> memory;
  /// Where in `memory` files come in, by rising position; `id` is an index into `parts`.
  std::vector<kafka::hole> holes;
  /// Of hole `id`: the slices whose bytes sum up to the hole's size.
  std::vector<std::vector<log_slice>> parts;
  /// Nothing is sent (a produce without acknowledgement).
  bool silent = false;
  /// The connection ends after it.
  bool last = false;

  static answer nothing() {
    answer a;
    a.silent = true;
    return a;
  }
  static answer hang_up() {
    answer a;
    a.silent = a.last = true;
    return a;
  }
  size_t size() const {
    size_t n = memory.size();
    for (const auto& h : holes) n += h.size;
    return n;
  }
};

}  // namespace weir
