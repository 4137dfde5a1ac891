// The inside of compaction_job, shared by its source files and by partition_log's.
#pragma once

#include <map>
#include <unordered_map>

#include "runtime/log/batch_walk.hpp"
#include "runtime/log/compaction.hpp"
#include "runtime/log/key_map.hpp"
#include "runtime/log/record_batch_builder.hpp"
#include "runtime/log/segment_index.hpp"

namespace weir {

struct compaction_input {
  segment_file_ptr file;
  int64_t base = 0;
  int64_t end_offset = 0;
  uint64_t bytes = 0;
};

/// A new segment in the place of inputs [first, last].
struct cleaned_segment {
  size_t first = 0, last = 0;
  segment_facts facts;
  std::shared_ptr<segment_index> index;
  segment_file_ptr file;
  bool changed = false;  // otherwise the old one stays
};

struct compaction_job::state {
  enum class phase : uint8_t { map, clean, done };
  static constexpr size_t write_bytes = size_t{1} << 20;
  static constexpr uint64_t batch_bytes_max = uint64_t{1} << 31;

  state(file_cache& c, std::string f, const log_config& cfg, compaction_options o, int64_t now,
        uint64_t seed)
      : cache(c),
        folder(std::move(f)),
        config(cfg),
        options(std::move(o)),
        now_ms(now),
        keys(options.key_map_bytes, seed) {}

  file_cache& cache;
  std::string folder;
  log_config config;
  compaction_options options;
  int64_t now_ms;
  uint64_t number = 0;  // of the job, in the names of its files
  std::vector<compaction_input> inputs;
  int64_t dirty_from = 0;       // offsets below were compacted with each other before
  int64_t map_end = INT64_MAX;  // offsets from here on are left for the next pass
  compaction_stats stats;

  phase where = phase::map;
  key_map keys;
  std::unordered_map<int64_t, int64_t> last_of_producer;  // base offset of its last batch
  std::unordered_map<int64_t, bool> transaction_has_data;
  // Where the walk stands.
  size_t input = 0;
  std::shared_ptr<positional_file> open;
  std::optional<batch_walker> walker;
  std::vector<std::byte> bytes;
  record_reader reader{batch_bytes_max};
  bool mapped_a_batch = false;
  // What is written.
  std::vector<cleaned_segment> outputs;
  std::optional<bool> extend;  // the output goes on in the next input: known from its last batch
  std::shared_ptr<positional_file> out;
  std::vector<std::byte> pending;
  record_batch_builder builder;

  result<uint64_t> advance();
  result<std::optional<walked_batch>> next_batch();
  bool goes_on(uint64_t more) const;
  status leave_input();
  result<uint64_t> map_batch(const walked_batch&);
  status map_records(record_batch_view);
  void note_producer(record_batch_view);

  // Cleaning; compaction_clean.cpp.
  result<uint64_t> clean_batch(const walked_batch&);
  status clean_data(record_batch_view, bool must_stay);
  status clean_control(record_batch_view, bool must_stay);
  /// Which records stay, and whether there is a tombstone among them.
  result<bool> choose(record_batch_view, bool aborted, bool& tombstones);
  status rebuild(record_batch_view, std::optional<int64_t> horizon);
  status put_empty(record_batch_view);
  bool needed_by_producer(record_batch_view) const;
  status append(std::span<const std::byte> batch);
  status flush();
  status begin_output();
  status end_output();
  std::vector<bool> stays;  // by record of the batch
  size_t stays_count = 0;
};

}  // namespace weir
