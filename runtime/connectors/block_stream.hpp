// Blocks of bytes, read ahead on an io_executor while the task parses: the task hands over empty
// buffers, the executor fills them. Owned by one split of one reader and used by its task's thread;
// next() never blocks. Destroying it waits at most for the one read that is under way.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "runtime/column/buffer.hpp"
#include "runtime/connectors/byte_source.hpp"
#include "runtime/io/executor.hpp"

namespace weir {

/// Bytes kept free in front of a block's data, for the tail of a record that began in the block
/// before; longer tails are copied together with the block.
inline constexpr size_t block_headroom = 16 * 1024;
/// Data of a block: with headroom, header and slack it fills a 256 KiB allocation, and with its
/// masks it stays in a core's second-level cache while it is parsed.
inline constexpr size_t block_bytes = 256 * 1024 - block_headroom - 256;
/// Blocks that may be ahead of the parser.
inline constexpr size_t blocks_ahead = 4;

struct byte_block {
  buffer_ref memory;  // block_headroom bytes, then `size` bytes of data
  size_t size = 0;
  /// A tailed file was replaced: its data starts anew here (see file_tail.hpp).
  bool fresh_file = false;
  uint64_t device = 0, inode = 0;
};

/// Makes blocks; called on the executor.
class block_maker {
 public:
  virtual ~block_maker() = default;
  enum class made { block, nothing_yet, end };
  /// Fills block.memory, which has room for block_headroom + block_bytes.
  virtual result<made> fill(byte_block& block) = 0;
  /// Ends a fill() that waits; called by another thread.
  virtual void cancel() {}
};

class block_stream {
 public:
  /// `maker` is used on `lane` of `io` only. `wake` is called when next() has news.
  block_stream(std::unique_ptr<block_maker> maker, io_executor& io, uint64_t lane,
               memory_pool& pool, std::function<void()> wake);
  /// With an executor of its own.
  block_stream(std::unique_ptr<block_maker> maker, std::unique_ptr<io_executor> io,
               memory_pool& pool, std::function<void()> wake);
  ~block_stream();
  block_stream(const block_stream&) = delete;
  block_stream& operator=(const block_stream&) = delete;

  enum class got { block, pending, nothing_yet, end };
  /// pending: wake() will follow. nothing_yet: a tailed file has not grown; call again later.
  result<got> next(byte_block& out);
  /// Starts reading ahead (next() does so too).
  void prefetch();
  /// At most this many blocks ahead from now on; 0 = none until next() asks.
  void limit_ahead(size_t blocks) { ahead_ = blocks; }

 private:
  struct shared;
  static void pump(const std::shared_ptr<shared>&);
  void request(size_t blocks);
  std::shared_ptr<shared> s_;
  std::unique_ptr<io_executor> own_;
  io_executor& io_;
  uint64_t lane_;
  memory_pool& pool_;
  size_t ahead_ = blocks_ahead;
};

}  // namespace weir
