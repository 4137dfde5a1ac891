// One partition with its committer on a folder of its own, and a client on either side: producers'
// batches go in, records come out as a consumer of either isolation level would see them.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "runtime/kafka/partition/partition.hpp"
#include "runtime/log/group_commit.hpp"
#include "runtime/log/record_reader.hpp"
#include "tests/io/scratch.hpp"
#include "tests/log/samples.hpp"

namespace weir::kafka::test {

using weir::test::batch_of;
using weir::test::scratch_folder;
using weir::test::text_of;

/// A batch of producer `pid`: record_batch_options in one line.
inline record_batch_options by(int64_t pid, int32_t sequence, int16_t epoch = 0,
                               bool transactional = false) {
  record_batch_options o;
  o.producer_id = pid;
  o.producer_epoch = epoch;
  o.base_sequence = sequence;
  o.transactional = transactional;
  return o;
}

class shelf {
 public:
  shelf() {
    config.name = "orders-3";
    id.topic[0] = 7;
    id.partition = 3;
  }
  ~shelf() { close(); }

  void open() {
    cache = std::make_unique<file_cache>(*files);
    auto c = group_commit::open(*cache, {.folder = dir.path()});
    REQUIRE(c.ok());
    committer = std::move(*c);
    partition_open_options o;
    o.now_ms = now_ms;
    o.leader_epoch = leader_epoch;
    o.role = role;
    o.log.committed = committer->point(id);
    o.log.clean_summary = std::exchange(clean_summary, {});
    o.clean_state = std::exchange(clean_state, {});
    auto opened = partition::open(*cache, id, dir / "orders-3", log_options, config, std::move(o));
    if (!opened.ok()) MESSAGE(opened.err().text());
    REQUIRE(opened.ok());
    p = std::move(*opened);
  }
  /// What is not written is lost; so is what a clean stop would say.
  void crash() {
    close();
    open();
  }
  void restart() {
    commit();
    clean_summary = p->log().summary();
    clean_state = p->clean_state();
    REQUIRE(committer->close().ok());
    close();
    open();
  }
  void close() {
    waiting.clear();
    p.reset();
    committer.reset();
    cache.reset();
  }

  produce_outcome keep(produce_outcome outcome) {
    if (outcome.what == produce_outcome::kind::staged) waiting.push_back(std::move(outcome.write));
    return outcome;
  }
  produce_outcome send_batch(std::vector<std::byte> batch, uint64_t verification = 0) {
    auto bytes = std::make_shared<std::vector<std::byte>>(std::move(batch));
    return keep(p->produce(*bytes, bytes, now_ms, verification));
  }
  produce_outcome send(const std::vector<std::string>& values, record_batch_options o = {}) {
    return send_batch(batch_of(values, now_ms, o));
  }
  produce_outcome mark(int64_t pid, int16_t epoch, bool commit, int32_t coordinator_epoch = 0) {
    return keep(p->write_marker(pid, epoch, commit, coordinator_epoch, now_ms));
  }
  /// One round of the committer.
  void commit() {
    std::vector<log_write> writes(std::make_move_iterator(waiting.begin()),
                                  std::make_move_iterator(waiting.end()));
    waiting.clear();
    std::vector<commit_outcome> outcomes;
    if (!writes.empty()) committer->commit(std::move(writes), outcomes);
    for (commit_outcome& o : outcomes) {
      if (o.committed_end) p->committed(*o.committed_end);
      if (o.failed) {
        p->failed();
        ++failures;
      }
    }
  }
  /// What was staged is lost before it reached the disk.
  void fail() {
    waiting.clear();
    p->failed();
  }

  fetch_answer fetch(const fetch_query& query) {
    fetch_answer a = p->fetch(query);
    if (!a.job) return a;
    return p->complete_fetch(query, a.last_stable_offset, a.job());
  }
  static std::vector<std::byte> bytes_of(const log_read& read) {
    std::vector<std::byte> out;
    for (const log_slice& s : read.slices) {
      auto file = s.file->open();
      REQUIRE(file.ok());
      const size_t at = out.size();
      out.resize(at + s.bytes);
      auto got = (*file)->read(s.position, std::span(out).subspan(at));
      REQUIRE(got.ok());
      REQUIRE(*got == s.bytes);
    }
    return out;
  }
  /// "offset:value" of all records from `offset` on (-1: the log's start), aborted ones left out at
  /// read_committed, as clients do it (KIP-98).
  std::vector<std::string> read(isolation level = isolation::read_uncommitted, int64_t offset = -1,
                                uint64_t bytes_max = 300) {
    std::vector<std::string> out;
    if (offset < 0) offset = p->log_start_offset();
    for (;;) {
      fetch_query query;
      query.offset = offset;
      query.bytes_max = bytes_max;
      query.level = level;
      const fetch_answer a = fetch(query);
      REQUIRE(a.error == error_code::none);
      if (a.read.bytes == 0) return out;
      REQUIRE(a.read.next_offset > offset);
      collect(bytes_of(a.read), a.aborted, level, offset, out);
      offset = a.read.next_offset;
    }
  }

  scratch_folder dir;
  std::unique_ptr<file_system> posix = make_posix_file_system();
  file_system* files = posix.get();
  log_id id;
  log_config log_options;
  partition_config config;
  int32_t leader_epoch = 0;
  partition_role role;  // at the next opening
  int64_t now_ms = 1'700'000'000'000;
  std::unique_ptr<file_cache> cache;
  std::unique_ptr<group_commit> committer;
  std::unique_ptr<partition> p;
  std::deque<log_write> waiting;
  std::string clean_summary, clean_state;
  int failures = 0;

 private:
  static void collect(const std::vector<std::byte>& bytes,
                      const std::vector<aborted_transaction>& aborted, isolation level,
                      int64_t from, std::vector<std::string>& out) {
    std::span<const std::byte> rest(bytes);
    std::set<int64_t> filtered;
    size_t next = 0;
    record_reader reader;
    while (!rest.empty()) {
      auto batch = verify_batch(rest, {batch_origin::log, segment_bytes_max});
      REQUIRE(batch.ok());
      rest = rest.subspan(batch->size_bytes());
      for (; next < aborted.size() && aborted[next].first_offset <= batch->last_offset(); ++next)
        filtered.insert(aborted[next].producer_id);
      if (batch->is_control()) {
        auto marker = read_control_marker(*batch);
        REQUIRE(marker.ok());
        if (marker->type == control_type::abort) filtered.erase(batch->producer_id());
        continue;
      }
      if (level == isolation::read_committed && batch->is_transactional() &&
          filtered.contains(batch->producer_id()))
        continue;
      REQUIRE(reader.open(*batch).ok());
      record r;
      for (;;) {
        auto more = reader.next(r);
        REQUIRE(more.ok());
        if (!*more) break;
        if (r.offset >= from) out.push_back(std::to_string(r.offset) + ":" + text_of(r.value));
      }
    }
  }
};

}  // namespace weir::kafka::test
