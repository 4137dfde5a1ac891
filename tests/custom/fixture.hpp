// Runs custom operators as a task would: batches from text, output as text, snapshots in memory,
// rows routed by key to as many instances as asked for.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "runtime/column/builder.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/custom/custom_operator.hpp"

namespace weir::custom_test {

struct stored_chunk {
  std::string state;
  uint32_t group, subtask;
  chunk_kind kind;
  std::string bytes;
};

/// All chunks of the epochs so far, as a snapshot store would keep them.
struct memory_snapshots {
  std::vector<stored_chunk> chunks;
};

class memory_writer final : public snapshot_writer {
 public:
  memory_writer(memory_snapshots& to, epoch e, uint32_t subtask, memory_pool& pool)
      : to_(to), epoch_(e), subtask_(subtask), pool_(pool) {}
  epoch number() const override { return epoch_; }
  memory_pool& memory() override { return pool_; }
  void put(std::string_view state, uint32_t group, chunk_kind kind, buffer_ref b) override {
    auto replaced = [&](const stored_chunk& c) {
      return c.state == state && c.group == group &&
             (kind == chunk_kind::blob ? c.subtask == subtask_ : kind == chunk_kind::full);
    };
    if (kind != chunk_kind::delta) std::erase_if(to_.chunks, replaced);
    to_.chunks.push_back(
        {std::string(state), group, subtask_, kind, std::string(b.as<char>(), b.size())});
  }

 private:
  memory_snapshots& to_;
  epoch epoch_;
  uint32_t subtask_;
  memory_pool& pool_;
};

class memory_reader final : public snapshot_reader {
 public:
  memory_reader(const memory_snapshots& from, memory_pool& pool) : from_(from), pool_(pool) {}
  status keyed(std::string_view state, key_group_range range,
               const std::function<status(uint32_t, chunk_kind, std::span<const std::byte>)>& visit)
      const override {
    for (const auto& c : from_.chunks)
      if (c.state == state && c.group != no_key_group && range.contains(c.group))
        WEIR_TRY(visit(c.group, c.kind, std::as_bytes(std::span(c.bytes))));
    return {};
  }
  std::vector<std::pair<uint32_t, buffer_ref>> blobs(std::string_view state) const override {
    std::vector<std::pair<uint32_t, buffer_ref>> r;
    for (const auto& c : from_.chunks)
      if (c.state == state && c.kind == chunk_kind::blob)
        r.emplace_back(c.subtask, buffer::copy(pool_, std::as_bytes(std::span(c.bytes))));
    return r;
  }

 private:
  const memory_snapshots& from_;
  memory_pool& pool_;
};

class text_collector final : public collector {
 public:
  void emit(batch_ptr b, uint16_t port) override {
    sizes.push_back(b->rows);
    for (uint32_t i = 0; i < b->rows; ++i) rows[port].push_back(format_row(*b, i));
  }
  std::map<uint16_t, std::vector<std::string>> rows;
  std::vector<uint32_t> sizes;
};

/// "a bigint, b text" as a schema.
schema_ptr columns(std::string_view sql, std::optional<uint32_t> event_time = {});
/// "1,x|2,y": rows of texts; "NULL" is null.
batch_ptr rows_of(const schema_ptr&, std::string_view text);

struct options {
  std::string library = TEST_OPERATORS;
  option_map parameters;
  std::vector<uint32_t> keys;
  uint32_t parallelism = 1;
  std::vector<schema_ptr> more_inputs;
};

/// Instances of one operator. Failures are kept as text in `failure`.
class runner {
 public:
  runner(std::string class_name, schema_ptr input, options o);
  /// New instances at another parallelism that continue from `from`.
  void start(uint32_t parallelism, const memory_snapshots* from = nullptr);

  void push(std::string_view rows, uint16_t port = 0) { push(rows_of(inputs_[port], rows), port); }
  void push(const batch_ptr&, uint16_t port = 0);
  void watermark(timestamp_us);
  /// The clock shows `t`; those who asked for it are called.
  void processing_time(timestamp_us);
  void snapshot(memory_snapshots&);
  void close();

  /// Rows of a port since the last call, one per line.
  std::string take(uint16_t port = 0);
  std::string take_sorted(uint16_t port = 0);
  int64_t metric(const std::string& name) const;
  stream_operator& at(uint32_t i) { return *instances_[i]; }

  std::string failure;
  text_collector out;
  uint32_t drains = 0;
  manual_clock clock;
  memory_pool pool;

 private:
  bool check(const status&);
  void drain(stream_operator&);

  custom_spec spec_;
  std::vector<schema_ptr> inputs_;
  std::vector<std::unique_ptr<stream_operator>> instances_;
  std::vector<std::vector<timestamp_us>> asked_;  // by instance
  uint64_t epochs_ = 0, pushed_ = 0;
};

}  // namespace weir::custom_test
