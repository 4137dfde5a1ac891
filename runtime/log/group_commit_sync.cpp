// One round's sync: by the journal, or of the segments themselves; and what follows from a failed
// one.
#include <algorithm>
#include <chrono>

#include "runtime/log/group_commit_state.hpp"

namespace weir {
namespace {

/// Adds the time that it lives to a histogram, if there is one.
class measured_time {
 public:
  explicit measured_time(latency_histogram* to)
      : to_(to), begin_(std::chrono::steady_clock::now()) {}
  measured_time(const measured_time&) = delete;
  measured_time& operator=(const measured_time&) = delete;
  ~measured_time() {
    if (to_)
      to_->add(std::chrono::duration_cast<std::chrono::microseconds>(
                   std::chrono::steady_clock::now() - begin_)
                   .count());
  }

 private:
  latency_histogram* to_;
  std::chrono::steady_clock::time_point begin_;
};

/// From so many files on one syncfs is cheaper than a sync of each (commit_journal.hpp).
constexpr size_t sync_each_max = 1;

}  // namespace

void group_commit::state::sync_files() {
  uint64_t bytes = 0;
  size_t count = 0;
  for (const auto& f : files) {
    if (!f.sync || !f.written || !f.outcome) continue;
    bytes += f.end - f.begin;
    ++count;
  }
  if (count == 0) return;
  const measured_time measured(options.syncs.get());
  if (created_folders.empty() && commit_journal::is_better(bytes, count) && sync_by_journal(count))
    return;
  sync_directly(count);
}

bool group_commit::state::sync_by_journal(size_t count) {
  if (journal->broken() && !checkpoint()) return false;
  std::vector<journal_entry> entries;
  entries.reserve(count);
  for (auto& f : files) {
    if (!f.sync || !f.written || !f.outcome) continue;
    uint64_t position = f.begin;
    const std::string path = f.file->path();
    for (const auto& p : f.pieces) {
      entries.push_back({path, f.identity, position, p});
      position += p.size();
    }
  }
  if (!make_room(commit_journal::record_bytes(entries))) return false;
  // Before it is tried: a record may be there even when it failed.
  for (auto& f : files)
    if (f.sync) f.lane->journal_lap = journal->lap();
  if (!journal->append(entries)) return false;
  // Only the journal has what was dropped.
  suspect = suspect || sync_failed;
  ++stats.journal_syncs;
  return true;
}

/// Turns to the journal's other file when this one is full.
bool group_commit::state::make_room(uint64_t bytes) {
  if (!journal->is_full(bytes)) return true;
  if (turning.valid() && !turning.get()) suspect = sync_failed = true;
  if (suspect) return checkpoint().ok();
  ++stats.turns;
  if (!options.background) {
    if (!sync_all()) return checkpoint().ok();
    journal->turn();
    return true;
  }
  journal->turn();
  auto done = std::make_shared<std::promise<status>>();
  turning = done->get_future();
  options.background->submit(lane_of_work, [done, &f = cache.files(), folder = options.folder] {
    done->set_value(f.sync_file_system(folder));
  });
  return true;
}

void group_commit::state::sync_directly(size_t count) {
  if (!sync_failed && count > sync_each_max) {
    ++stats.file_syncs;
    if (sync_all()) return;
  }
  status folders = sync_created_folders();
  for (auto& f : files) {
    if (!f.sync || !f.written || !f.outcome) continue;
    f.outcome = folders;
    if (f.outcome && sync_failed) f.outcome = write_again(f);
    if (f.outcome) f.outcome = sync_one(f);
    if (!f.outcome) f.lane->failed = f.outcome.err();
  }
}

/// What a failed sync has dropped would not be written by the next one.
status group_commit::state::write_again(file_round& f) {
  f.file->forget();
  WEIR_ASSIGN(f.open, f.file->open());
  return f.open->write(f.begin, f.pieces);
}

status group_commit::state::sync_created_folders() {
  std::sort(created_folders.begin(), created_folders.end());
  created_folders.erase(std::unique(created_folders.begin(), created_folders.end()),
                        created_folders.end());
  for (const auto& folder : created_folders) {
    WEIR_TRY(cache.files().sync_directory(folder));
    WEIR_TRY(cache.files().sync_directory(parent_directory(folder)));
  }
  return {};
}

status group_commit::state::sync_one(file_round& f) {
  ++stats.file_syncs;
  if (!f.open) {
    WEIR_ASSIGN(f.open, f.file->open());
  }
  status s = f.open->sync();
  if (s) return s;
  f.file->forget();
  suspect = true;
  return s;
}

status group_commit::state::sync_all() {
  status s = cache.files().sync_file_system(options.folder);
  if (!s) suspect = sync_failed = true;
  return s;
}

/// Everything in the journal is durable in the segments, and the journal is empty.
status group_commit::state::checkpoint() {
  if (turning.valid() && !turning.get()) suspect = sync_failed = true;
  if (suspect || !sync_all()) {
    if (status s = journal->replay(cache); !s) {
      sync_failed = true;
      return s;
    }
    WEIR_TRY(sync_all());
  }
  WEIR_TRY(journal->reset());
  suspect = false;
  return {};
}

}  // namespace weir
