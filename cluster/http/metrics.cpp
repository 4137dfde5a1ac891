#include "cluster/http/metrics.hpp"

#include <dirent.h>
#include <unistd.h>

#include <cstdio>
#include <future>
#include <map>

#include "actors/gateway/partition_questions.hpp"

namespace weir::http {
namespace {

// Who does not answer by then is left out of this scrape.
constexpr auto answer_limit = std::chrono::seconds(2);

std::string label_text(std::string_view s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// Series under their names, each name with its help and type once.
class exposition {
 public:
  void begin(const char* name, const char* type, const char* help) {
    name_ = name;
    out_ += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  }
  void add(const std::string& labels, const std::string& value, const char* suffix = "") {
    out_ += name_ + suffix;
    if (!labels.empty()) out_ += "{" + labels + "}";
    out_ += " " + value + "\n";
  }
  void add(const std::string& labels, int64_t value) { add(labels, std::to_string(value)); }
  std::string take() { return std::move(out_); }

 private:
  std::string name_, out_;
};

std::string seconds(int64_t us) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", static_cast<double>(us) / 1e6);
  return text;
}

// ---- Partitions. ----

/// How a partition stands, or the sum of several.
struct numbers {
  int64_t end = 0, start = 0, bytes = 0, segments = 0, unstable = 0;
  bool known = false;

  void add(const numbers& n) {
    end += n.end;
    start += n.start;
    bytes += n.bytes;
    segments += n.segments;
    unstable += n.unstable;
    known = known || n.known;
  }
};
using partition_numbers = std::map<log_id, numbers>;

numbers numbers_of(kafka::partition& p) {
  numbers n;
  n.end = p.high_watermark();
  n.start = p.log_start_offset();
  n.bytes = static_cast<int64_t>(p.log().size_bytes());
  n.segments = static_cast<int64_t>(p.log().segment_count());
  n.unstable = n.end - p.last_stable_offset();
  n.known = true;
  return n;
}

/// Asks all partitions of the node; they answer side by side.
partition_numbers look_at_partitions(const topic_directory& directory) {
  struct looks {
    std::mutex mutex;
    partition_numbers seen;
    std::promise<void> complete;
  };
  auto l = std::make_shared<looks>();
  auto waits = l->complete.get_future();
  std::vector<std::pair<log_id, partition_actor>> all;
  for (const auto& t : directory.catalog().sorted())
    if (auto list = directory.partitions(t->id))
      for (size_t i = 0; i < list->size(); ++i)
        all.emplace_back(log_id{t->id.bytes, static_cast<int32_t>(i)}, (*list)[i]);
  auto left = std::make_shared<gather>(all.size(), [l] { l->complete.set_value(); });
  for (const auto& [id, actor] : all)
    visit_partition(
        actor,
        [l, left, id = id](kafka::partition& p) {
          {
            std::lock_guard lock(l->mutex);
            l->seen[id] = numbers_of(p);
          }
          left->done();
        },
        [left](kafka::error_code) { left->done(); });
  left->begun();
  (void)waits.wait_for(answer_limit);
  std::lock_guard lock(l->mutex);
  return l->seen;
}

std::vector<std::pair<std::string, numbers>> series_of(const topic_directory& directory,
                                                       const partition_numbers& seen,
                                                       const api_options& o) {
  const auto topics = directory.catalog().sorted();
  size_t partitions = 0;
  for (const auto& t : topics) partitions += t->partitions.size();
  std::vector<std::pair<std::string, numbers>> out;
  const bool by_partition = partitions <= o.metrics_partitions_max;
  const bool by_topic = topics.size() <= o.metrics_partitions_max;
  if (!by_topic) out.emplace_back("", numbers());
  for (const auto& t : topics) {
    const auto topic = "topic=" + label_text(t->name);
    if (by_topic && !by_partition) out.emplace_back(topic, numbers());
    for (size_t i = 0; i < t->partitions.size(); ++i) {
      if (by_partition)
        out.emplace_back(topic + ",partition=\"" + std::to_string(i) + "\"", numbers());
      auto it = seen.find({t->id.bytes, static_cast<int32_t>(i)});
      if (it != seen.end()) out.back().second.add(it->second);
    }
  }
  return out;
}

void add_partitions(exposition& out, const topic_directory& directory,
                    const partition_numbers& seen, const api_options& o) {
  const auto all = series_of(directory, seen, o);
  struct shown {
    const char* name;
    const char* help;
    int64_t numbers::*value;
  };
  static constexpr shown list[] = {
      {"weir_log_end_offset",
       "High watermark: the offset of the next record. Its rate is that of "
       "records.",
       &numbers::end},
      {"weir_log_start_offset", "Offset of the oldest record.", &numbers::start},
      {"weir_log_unstable_records",
       "Records behind the last stable offset: of open transactions or after them.",
       &numbers::unstable},
      {"weir_log_bytes", "Bytes of the log.", &numbers::bytes},
      {"weir_log_segments", "Segments of the log.", &numbers::segments},
  };
  for (const auto& s : list) {
    out.begin(s.name, "gauge", s.help);
    for (const auto& [labels, n] : all)
      if (n.known) out.add(labels, n.*s.value);
  }
}

// ---- Groups. ----

struct group_look {
  std::string id;
  std::vector<kafka::committed_offset> committed;
};

std::vector<group_look> look_at_groups(kafka_endpoint& k, size_t max) {
  auto all = k.coordination().groups().all();
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (all.size() > max) all.resize(max);
  struct looks {
    std::mutex mutex;
    std::vector<group_look> seen;
    std::promise<void> complete;
  };
  auto l = std::make_shared<looks>();
  auto waits = l->complete.get_future();
  auto left = std::make_shared<gather>(all.size(), [l] { l->complete.set_value(); });
  for (const auto& [id, actor] : all)
    caf::anon_send(actor, group_visit_message{[l, left](const kafka::group& g) {
                     {
                       std::lock_guard lock(l->mutex);
                       l->seen.push_back({g.id(), g.committed()});
                     }
                     left->done();
                   }});
  left->begun();
  (void)waits.wait_for(answer_limit);
  std::lock_guard lock(l->mutex);
  auto seen = l->seen;
  std::sort(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return seen;
}

void add_groups(exposition& out, kafka_endpoint& k, const topic_directory& directory,
                const partition_numbers& partitions, const api_options& o) {
  const auto groups = look_at_groups(k, o.metrics_groups_max);
  out.begin("weir_group_lag_records", "gauge",
            "Records of a topic that a consumer group has not consumed yet.");
  for (const auto& g : groups) {
    std::map<std::string, int64_t> by_topic;
    for (const auto& c : g.committed) {
      auto topic = directory.catalog().find(c.topic);
      if (!topic) continue;
      auto it = partitions.find({topic->id.bytes, c.partition});
      if (it == partitions.end()) continue;
      by_topic[c.topic] +=
          std::max<int64_t>(0, it->second.end - std::max(c.offset, it->second.start));
    }
    for (const auto& [topic, lag] : by_topic)
      out.add("group=" + label_text(g.id) + ",topic=" + label_text(topic), lag);
  }
  out.begin("weir_groups", "gauge", "Consumer groups that this node coordinates.");
  out.add("", static_cast<int64_t>(k.coordination().groups().all().size()));
}

// ---- The process. ----

void add_process(exposition& out) {
  if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
    long long total = 0, resident = 0;
    if (std::fscanf(f, "%lld %lld", &total, &resident) == 2) {
      out.begin("process_resident_memory_bytes", "gauge", "Memory that the process holds.");
      out.add("", resident * ::sysconf(_SC_PAGESIZE));
    }
    std::fclose(f);
  }
  if (DIR* d = ::opendir("/proc/self/fd")) {
    int64_t n = -3;  // ".", ".." and this one
    while (::readdir(d)) ++n;
    ::closedir(d);
    out.begin("process_open_fds", "gauge", "Open files and connections.");
    out.add("", n);
  }
  timespec cpu{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
    out.begin("process_cpu_seconds_total", "counter", "Processor time that was used.");
    out.add("", seconds(cpu.tv_sec * 1'000'000 + cpu.tv_nsec / 1000));
  }
}

}  // namespace

std::string metrics_text(kafka_endpoint* kafka, const api_options& o) {
  exposition out;
  add_process(out);
  if (!kafka) return out.take();
  out.begin("weir_connections", "gauge", "Open connections of Kafka clients.");
  out.add("", static_cast<int64_t>(kafka->connections()));
  auto directory = kafka->storage().directory();
  const auto topics = directory->catalog().sorted();
  int64_t partitions = 0;
  for (const auto& t : topics) partitions += static_cast<int64_t>(t->partitions.size());
  out.begin("weir_topics", "gauge", "Topics, internal ones too.");
  out.add("", static_cast<int64_t>(topics.size()));
  out.begin("weir_partitions", "gauge", "Partitions of all topics.");
  out.add("", partitions);
  // Read while the committer counts on: each number is one that it had.
  const auto commits = kafka->storage().commits()->stats();
  const std::pair<std::pair<const char*, const char*>, uint64_t> counters[] = {
      {{"weir_commit_rounds_total", "Group commits."}, commits.rounds},
      {{"weir_commit_batches_total", "Batches that were written."}, commits.writes},
      {{"weir_commit_bytes_total", "Bytes of batches that were written."}, commits.bytes},
      {{"weir_commit_syncs_total", "Syncs of the disk."},
       commits.file_syncs + commits.journal_syncs},
      {{"weir_commit_failures_total", "Partitions whose writes failed and were undone."},
       commits.failures},
  };
  for (const auto& [about, value] : counters) {
    out.begin(about.first, "counter", about.second);
    out.add("", static_cast<int64_t>(value));
  }
  const auto seen = look_at_partitions(*directory);
  add_partitions(out, *directory, seen, o);
  add_groups(out, *kafka, *directory, seen, o);
  return out.take();
}

}  // namespace weir::http
