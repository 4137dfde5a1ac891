// Snapshots as plain lists of chunks: what an engine collects from its operators before the store
// gets it, and what tests write and restore without a store. One thread's.
#pragma once

#include <utility>

#include "runtime/snapshot/chunk.hpp"

namespace weir {

/// Collects the chunks of one operator instance (or, with begin_operator, of several in turn).
class chunk_list_writer final : public snapshot_writer {
 public:
  chunk_list_writer(memory_pool& pool, epoch number, std::string operator_id = {},
                    uint32_t subtask = 0)
      : pool_(pool), number_(number), operator_id_(std::move(operator_id)), subtask_(subtask) {}

  /// What is put from now on belongs to this operator.
  void begin_operator(std::string operator_id, uint32_t subtask) {
    operator_id_ = std::move(operator_id);
    subtask_ = subtask;
  }
  epoch number() const override { return number_; }
  memory_pool& memory() override { return pool_; }
  void put(std::string_view state, uint32_t key_group, chunk_kind kind, buffer_ref bytes) override {
    bytes_ += bytes.size();
    chunks_.push_back(
        {operator_id_, std::string(state), key_group, subtask_, kind, std::move(bytes), number_});
  }

  const std::vector<state_chunk>& chunks() const noexcept { return chunks_; }
  std::vector<state_chunk> take() noexcept {
    bytes_ = 0;
    return std::exchange(chunks_, {});
  }
  size_t bytes() const noexcept { return bytes_; }

 private:
  memory_pool& pool_;
  epoch number_;
  std::string operator_id_;
  uint32_t subtask_;
  std::vector<state_chunk> chunks_;
  size_t bytes_ = 0;
};

/// Gives one operator its chunks. The list holds the chunks of one or several epochs, oldest first,
/// as the store's load() returns them or as several chunk_list_writers gave them one after the
/// other: what an epoch's `full` chunks replaced is skipped, and the newest blob of a subtask wins.
/// Chunks that carry a checksum are checked when they are visited.
class chunk_list_reader final : public snapshot_reader {
 public:
  /// Chunks of other operators in the list are passed over.
  chunk_list_reader(std::vector<state_chunk> chunks, std::string operator_id);

  status keyed(std::string_view state, key_group_range range,
               const std::function<status(uint32_t, chunk_kind, std::span<const std::byte>)>& visit)
      const override;
  std::vector<std::pair<uint32_t, buffer_ref>> blobs(std::string_view state) const override;
  /// The names of all states in the list, sorted.
  std::vector<std::string> states() const;

 private:
  std::vector<state_chunk> chunks_;  // by state, key group, then age
};

}  // namespace weir
