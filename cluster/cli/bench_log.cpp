// One node's log in this process: appends with group commit against a plain write and sync loop,
// reads against a plain read loop and memcpy, and a trickle over many partitions against the same
// over few.
#include "runtime/log/group_commit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_engine.hpp"
#include "runtime/log/partition_log.hpp"
#include "runtime/log/record_batch_builder.hpp"

namespace weir::cli {
namespace {

constexpr size_t record_bytes = 100;
/// Staged and not committed: what producers keep under way together.
constexpr size_t bytes_under_way = size_t{32} << 20;
/// The files of one run; then it begins anew, so that a long run does not fill the disk.
constexpr uint64_t file_bytes_max = uint64_t{2} << 30;

std::vector<std::byte> make_batch(size_t bytes) {
  record_batch_builder b;
  // 6 bytes of framing, so that a record takes 100.
  const std::string value(record_bytes - 7, 'x');
  while (b.size_bytes() + record_bytes <= bytes || b.empty())
    b.add(1, std::nullopt, std::as_bytes(std::span(value)));
  auto batch = b.build();
  weir_assert(batch.ok(), "a batch without compression can be built");
  return std::move(batch).value();
}

/// The node's committer: a thread that takes what waits, as the actor does.
class committer_thread {
 public:
  explicit committer_thread(group_commit& c) : commit_(c), thread_([this] { run(); }) {}
  ~committer_thread() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  void submit(log_write w) {
    {
      std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(w));
    }
    changed_.notify_all();
  }
  /// Takes outcomes; waits for some if there are none.
  std::vector<commit_outcome> outcomes(bool wait) {
    std::unique_lock lock(mutex_);
    if (wait) done_changed_.wait(lock, [this] { return !done_.empty(); });
    return std::exchange(done_, {});
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      auto writes = std::exchange(waiting_, {});
      lock.unlock();
      std::vector<commit_outcome> outcomes;
      commit_.commit(std::move(writes), outcomes);
      lock.lock();
      done_.insert(done_.end(), outcomes.begin(), outcomes.end());
      done_changed_.notify_all();
    }
  }
  group_commit& commit_;
  std::mutex mutex_;
  std::condition_variable changed_, done_changed_;
  std::vector<log_write> waiting_;
  std::vector<commit_outcome> done_;
  bool stop_ = false;
  std::thread thread_;
};

/// A log and its committer in a folder of their own.
struct bench_log_node {
  std::unique_ptr<scratch_folder> folder;
  std::unique_ptr<file_system> files = make_posix_file_system();
  std::unique_ptr<file_cache> cache;
  std::unique_ptr<io_executor> background = make_thread_executor(1);
  std::unique_ptr<group_commit> commit;
  std::vector<std::unique_ptr<partition_log>> logs;

  static result<std::unique_ptr<bench_log_node>> make(size_t partitions) {
    auto n = std::make_unique<bench_log_node>();
    WEIR_ASSIGN(n->folder, scratch_folder::make());
    n->cache = std::make_unique<file_cache>(*n->files);
    WEIR_ASSIGN(n->commit, group_commit::open(*n->cache, {n->folder->path(), n->background.get()}));
    log_config config;
    config.segment_bytes = uint64_t{1} << 30;
    for (size_t p = 0; p < partitions; ++p) {
      log_open_options o;
      o.owner = p;
      WEIR_ASSIGN(auto log,
                  partition_log::open(*n->cache, {{}, static_cast<int32_t>(p)},
                                      n->folder->path() + "/p-" + std::to_string(p), config, o));
      n->logs.push_back(std::move(log));
    }
    return n;
  }
};

struct append_rate {
  double records = 0, cpu = 0, seconds = 0;
  uint64_t count = 0;
};

/// Batches of this size from one owner to one partition for so long, checked, staged, committed.
result<append_rate> run_append(bench_log_node& n, const std::vector<std::byte>& batch,
                               double seconds) {
  const uint64_t records = static_cast<uint64_t>(record_batch_view(batch).record_count());
  const size_t slots = std::max<size_t>(2, bytes_under_way / batch.size());
  std::vector<std::shared_ptr<std::vector<std::byte>>> ring;
  for (size_t i = 0; i < slots; ++i)
    ring.push_back(std::make_shared<std::vector<std::byte>>(batch));
  auto& log = *n.logs[0];
  committer_thread committer(*n.commit);
  append_rate r;
  const double begin = wall_seconds(), cpu = cpu_seconds();
  const int64_t first = log.log_end_offset();
  bool more = true;
  for (uint64_t i = 0; more || log.staged_end_offset() > log.log_end_offset();) {
    const auto under_way = static_cast<uint64_t>(log.staged_end_offset() - log.log_end_offset());
    const bool full = under_way / records >= slots;
    for (const auto& o : committer.outcomes(full || !more)) {
      if (o.failed) return *o.failed;
      log.committed(*o.committed_end);
    }
    more = more && wall_seconds() - begin < seconds &&
           static_cast<uint64_t>(log.staged_end_offset() - first) * record_bytes < file_bytes_max;
    if (full || !more) continue;
    auto& bytes = ring[i++ % slots];
    WEIR_ASSIGN(auto view, verify_batch(*bytes, {batch_origin::producer, uint64_t{2} << 20}));
    (void)view;
    WEIR_ASSIGN(auto staged, log.stage(*bytes, bytes, 0, 1));
    committer.submit(std::move(staged.write));
  }
  r.seconds = wall_seconds() - begin;
  r.count = static_cast<uint64_t>(log.log_end_offset() - first);
  r.records = static_cast<double>(r.count) / r.seconds;
  r.cpu = (cpu_seconds() - cpu) / static_cast<double>(r.count);
  return r;
}

/// The same bytes by hand: write to one file, sync every 32 MiB, as much as is under way above.
result<double> plain_append(const std::string& folder, const std::vector<std::byte>& batch,
                            double seconds) {
  const std::string path = folder + "/plain";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return error{errc::io, "cannot write " + path};
  const auto records = static_cast<double>(record_batch_view(batch).record_count());
  const double begin = wall_seconds();
  uint64_t at = 0, synced = 0;
  double count = 0;
  bool good = ::posix_fallocate(fd, 0, static_cast<off_t>(file_bytes_max)) == 0;
  while (good && wall_seconds() - begin < seconds && at + batch.size() < file_bytes_max) {
    good = ::pwrite(fd, batch.data(), batch.size(), static_cast<off_t>(at)) ==
           static_cast<ssize_t>(batch.size());
    at += batch.size();
    count += records;
    if (at - synced < bytes_under_way) continue;
    good = good && ::fdatasync(fd) == 0;
    synced = at;
  }
  good = good && ::fdatasync(fd) == 0;
  const double rate = count / (wall_seconds() - begin);
  ::close(fd);
  ::unlink(path.c_str());
  if (!good) return error{errc::io, "cannot write " + path + ": is the disk full?"};
  return rate;
}

/// All of the log in slices of 1 MiB, into one buffer. Bytes per second.
result<double> run_read(partition_log& log) {
  std::vector<std::byte> buffer(size_t{2} << 20);
  uint64_t bytes = 0;
  const double begin = wall_seconds();
  for (int64_t at = log.log_start_offset(); at < log.log_end_offset();) {
    WEIR_ASSIGN(auto r, log.read({at, uint64_t{1} << 20}));
    for (const auto& s : r.slices) {
      WEIR_ASSIGN(auto file, s.file->open());
      WEIR_ASSIGN(size_t n, file->read(s.position, std::span(buffer).first(s.bytes)));
      bytes += n;
    }
    at = r.next_offset;
  }
  return static_cast<double>(bytes) / (wall_seconds() - begin);
}

result<double> plain_read(const std::string& path, uint64_t bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return error{errc::io, "cannot read " + path};
  std::vector<std::byte> buffer(size_t{1} << 20);
  const double begin = wall_seconds();
  uint64_t at = 0;
  while (at < bytes) {
    const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(at));
    if (n <= 0) break;
    at += static_cast<uint64_t>(n);
  }
  const double rate = static_cast<double>(at) / (wall_seconds() - begin);
  ::close(fd);
  return rate;
}

double memcpy_rate() {
  std::vector<std::byte> from(size_t{64} << 20), to(from.size());
  std::memset(from.data(), 1, from.size());
  std::memcpy(to.data(), from.data(), from.size());
  const double begin = wall_seconds();
  constexpr int times = 10;
  for (int i = 0; i < times; ++i) {
    from[static_cast<size_t>(i)] = std::byte{7};
    std::memcpy(to.data(), from.data(), from.size());
  }
  return static_cast<double>(times * from.size()) / (wall_seconds() - begin);
}

struct trickle {
  double p50_us = 0, p99_us = 0, cpu = 0, seconds = 0;
  uint64_t batches = 0, rounds = 0, journal = 0;
};

/// Single records, `rate` a second in steps of 1 ms, to partitions in turn.
result<trickle> run_trickle(bench_log_node& n, uint64_t rate, double seconds) {
  const auto sample = make_batch(0);
  struct under_way {
    int64_t end_offset;
    double since;
  };
  std::vector<std::deque<under_way>> waiting(n.logs.size());
  std::vector<double> latencies;
  uint64_t open = 0;
  auto take = [&](committer_thread& c, bool wait) -> status {
    for (const auto& o : c.outcomes(wait)) {
      if (o.failed) return *o.failed;
      n.logs[o.lane->owner]->committed(*o.committed_end);
      auto& q = waiting[o.lane->owner];
      const double now = wall_seconds();
      for (; !q.empty() && q.front().end_offset <= *o.committed_end; q.pop_front(), --open)
        latencies.push_back((now - q.front().since) * 1e6);
    }
    return {};
  };
  auto put = [&](committer_thread& c, size_t p) -> status {
    auto bytes = std::make_shared<std::vector<std::byte>>(sample);
    WEIR_ASSIGN(auto staged, n.logs[p]->stage(*bytes, bytes, 0, 1));
    waiting[p].push_back({staged.last_offset + 1, wall_seconds()});
    ++open;
    c.submit(std::move(staged.write));
    return {};
  };
  committer_thread committer(*n.commit);
  // Files are made before the clock runs.
  for (size_t p = 0; p < n.logs.size(); ++p) WEIR_TRY(put(committer, p));
  while (open > 0) WEIR_TRY(take(committer, true));
  latencies.clear();
  const auto before = n.commit->stats();
  const double begin = wall_seconds(), cpu = cpu_seconds();
  uint64_t sent = 0;
  while (wall_seconds() - begin < seconds) {
    const auto due = static_cast<uint64_t>((wall_seconds() - begin) * static_cast<double>(rate));
    for (; sent < due; ++sent) WEIR_TRY(put(committer, sent % n.logs.size()));
    WEIR_TRY(take(committer, false));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  while (open > 0) WEIR_TRY(take(committer, true));
  trickle t;
  t.seconds = wall_seconds() - begin;
  t.cpu = (cpu_seconds() - cpu) / t.seconds * 100;
  t.p50_us = quantile(latencies, 0.5);
  t.p99_us = quantile(latencies, 0.99);
  t.batches = sent;
  t.rounds = n.commit->stats().rounds - before.rounds;
  t.journal = n.commit->stats().journal_syncs - before.journal_syncs;
  return t;
}

status bench_append(const bench_setup& s, std::vector<bench_line>& lines) {
  for (const size_t size :
       {size_t{16} << 10, size_t{64} << 10, size_t{256} << 10, size_t{1} << 20}) {
    const auto batch = make_batch(size);
    WEIR_ASSIGN(auto node, bench_log_node::make(1));
    WEIR_ASSIGN(double plain, plain_append(node->folder->path(), batch, s.seconds));
    WEIR_ASSIGN(auto r, run_append(*node, batch, s.seconds));
    const std::string name = std::to_string(size >> 10) + "k";
    lines.push_back({"append_" + name, r.records, "records/s", "pwrite and fdatasync each 32 MiB",
                     plain, r.records / plain, 3.5e6, r.count, r.seconds});
    lines.push_back(
        {"append_cpu_" + name, r.cpu * 1e9, "ns CPU per record", "", 0, 0, 0, r.count, r.seconds});
    if (size != size_t{64} << 10) continue;
    auto& log = *node->logs[0];
    const uint64_t bytes = std::min(log.size_bytes(), log.committed_point().position);
    const auto file = log.read({log.committed_point().segment_base, 1})->slices.front().file;
    WEIR_ASSIGN(double by_hand, plain_read(file->path(), bytes));
    WEIR_ASSIGN(double rate, run_read(log));
    lines.push_back({"read", rate / 1e9, "GB/s", "pread of 1 MiB", by_hand / 1e9, rate / by_hand, 0,
                     r.count, static_cast<double>(log.size_bytes()) / rate});
    const double copy = memcpy_rate();
    lines.push_back({"read_memcpy", rate / 1e9, "GB/s", "memcpy", copy / 1e9, rate / copy, 0,
                     r.count, static_cast<double>(log.size_bytes()) / rate});
  }
  return {};
}

status bench_trickle(const bench_setup& s, std::vector<bench_line>& lines) {
  constexpr uint64_t rate = 20'000;  // twice a second to each of 10,000
  WEIR_ASSIGN(auto few, bench_log_node::make(10));
  WEIR_ASSIGN(auto base, run_trickle(*few, rate, s.seconds));
  const uint64_t rss = resident_bytes();
  const double begin = wall_seconds();
  WEIR_ASSIGN(auto many, bench_log_node::make(std::max<uint64_t>(s.rows, 10)));
  const double opened = wall_seconds() - begin;
  WEIR_ASSIGN(auto t, run_trickle(*many, rate, s.seconds));
  const std::string n = std::to_string(many->logs.size());
  auto line = [&](const char* what, double value, const char* unit, double reference) {
    lines.push_back({std::string("trickle_") + what + "_" + n, value, unit, "10 partitions",
                     reference, value / reference, 0, t.batches, t.seconds});
  };
  line("p50", t.p50_us, "us from staged to committed", base.p50_us);
  line("p99", t.p99_us, "us from staged to committed", base.p99_us);
  line("cpu", t.cpu, "% of one core", base.cpu);
  line("batches_per_round", static_cast<double>(t.batches) / static_cast<double>(t.rounds),
       "batches", static_cast<double>(base.batches) / static_cast<double>(base.rounds));
  lines.push_back(
      {"partition_memory",
       static_cast<double>(resident_bytes() - rss) / static_cast<double>(many->logs.size()),
       "bytes", "", 0, 0, 0, many->logs.size(), opened});
  // From the record of a clean stop.
  std::vector<clean_partition> all;
  for (const auto& log : many->logs) all.push_back({log->id(), log->summary(), ""});
  const std::string stop = many->folder->path() + "/clean-stop";
  WEIR_TRY(write_clean_stop(*many->files, stop, all));
  const double start = wall_seconds();
  WEIR_ASSIGN(auto found, take_clean_stop(*many->files, stop));
  std::vector<std::unique_ptr<partition_log>> logs;
  for (auto& p : found) {
    log_open_options o;
    o.clean_summary = std::move(p.summary);
    WEIR_ASSIGN(auto log,
                partition_log::open(*many->cache, p.id,
                                    many->folder->path() + "/p-" + std::to_string(p.id.partition),
                                    {}, std::move(o)));
    logs.push_back(std::move(log));
  }
  const double took = wall_seconds() - start;
  lines.push_back(
      {"open_after_clean_stop", took * 1e3, "ms", "a second", 1000, took, 1000, logs.size(), took});
  return {};
}

}  // namespace

result<std::vector<bench_line>> bench_log(const bench_setup& s) {
  std::vector<bench_line> lines;
  WEIR_TRY(bench_append(s, lines));
  WEIR_TRY(bench_trickle(s, lines));
  return lines;
}

}  // namespace weir::cli
