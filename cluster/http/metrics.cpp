#include "cluster/http/metrics.hpp"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <set>

#include "actors/gateway/client_request.hpp"
#include "actors/ledger_report.hpp"
#include "cluster/http/cluster_api.hpp"

namespace weir::http {
namespace {

// Jobs that are shown: those that run, then the others.
constexpr size_t jobs_max = 1'000;
// Metadata that do not answer by then are left out of this scrape.
constexpr auto cluster_limit = std::chrono::seconds(2);
// The same for a group.
constexpr auto groups_limit = std::chrono::seconds(2);

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
  std::snprintf(text, sizeof text, "%.6g", static_cast<double>(us) / 1e6);
  return text;
}

void add_histogram(exposition& out, const char* name, const char* help,
                   const latency_histogram& h) {
  out.begin(name, "histogram", help);
  uint64_t total = 0;
  for (size_t i = 0; i < latency_histogram::bounds; ++i) {
    total += h.count(i);
    out.add("le=\"" + seconds(latency_histogram::bound_us(i)) + "\"", std::to_string(total),
            "_bucket");
  }
  total += h.count(latency_histogram::bounds);
  out.add("le=\"+Inf\"", std::to_string(total), "_bucket");
  out.add("", seconds(static_cast<int64_t>(h.sum_us())), "_sum");
  out.add("", std::to_string(total), "_count");
}

// ---- Partitions. ----

/// What is shown of a partition, or the sum of several.
struct numbers {
  int64_t end = 0, start = 0, bytes = 0, segments = 0, unstable = 0;
  uint64_t records_in = 0, bytes_in = 0, batches_in = 0, bytes_out = 0, refused = 0;
  bool open = false;

  void add(const partition_gauges& g) {
    constexpr auto relaxed = std::memory_order_relaxed;
    records_in += g.records_in.load(relaxed);
    bytes_in += g.bytes_in.load(relaxed);
    batches_in += g.batches_in.load(relaxed);
    bytes_out += g.bytes_out.load(relaxed);
    refused += g.refused.load(relaxed);
    const auto e = g.end.load(relaxed);
    if (e < 0) return;  // nobody has asked it for anything yet
    open = true;
    end += e;
    start += g.start.load(relaxed);
    bytes += g.bytes.load(relaxed);
    segments += g.segments.load(relaxed);
    unstable += e - g.stable.load(relaxed);
  }
};

std::vector<std::pair<std::string, numbers>> series_of(kafka_endpoint& k, const api_options& o) {
  auto directory = k.storage().directory();
  const auto topics = directory->catalog().sorted();
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
      if (auto g = k.storage().gauges().find({t->id.bytes, static_cast<int32_t>(i)}))
        out.back().second.add(*g);
    }
  }
  return out;
}

void add_partitions(exposition& out, kafka_endpoint& k, const api_options& o) {
  const auto all = series_of(k, o);
  struct shown {
    const char* name;
    const char* type;
    const char* help;
    int64_t (*value)(const numbers&);
    bool of_open;  // only of partitions that are open
  };
  static constexpr shown list[] = {
      {"weir_records_in_total", "counter", "Records that were appended since the node started.",
       [](const numbers& n) { return static_cast<int64_t>(n.records_in); }, false},
      {"weir_bytes_in_total", "counter", "Bytes of batches that were appended, as compressed.",
       [](const numbers& n) { return static_cast<int64_t>(n.bytes_in); }, false},
      {"weir_batches_in_total", "counter", "Batches that were appended.",
       [](const numbers& n) { return static_cast<int64_t>(n.batches_in); }, false},
      {"weir_bytes_out_total", "counter", "Bytes of batches that readers were sent.",
       [](const numbers& n) { return static_cast<int64_t>(n.bytes_out); }, false},
      {"weir_batches_refused_total", "counter", "Batches that were refused.",
       [](const numbers& n) { return static_cast<int64_t>(n.refused); }, false},
      {"weir_log_end_offset", "gauge", "High watermark: the offset of the next record.",
       [](const numbers& n) { return n.end; }, true},
      {"weir_log_start_offset", "gauge", "Offset of the oldest record.",
       [](const numbers& n) { return n.start; }, true},
      {"weir_log_unstable_records", "gauge",
       "Records behind the last stable offset: of open transactions or after them.",
       [](const numbers& n) { return n.unstable; }, true},
      {"weir_log_bytes", "gauge", "Bytes of the log.", [](const numbers& n) { return n.bytes; },
       true},
      {"weir_log_segments", "gauge", "Segments of the log.",
       [](const numbers& n) { return n.segments; }, true},
  };
  for (const auto& s : list) {
    out.begin(s.name, s.type, s.help);
    for (const auto& [labels, n] : all)
      if (n.open || !s.of_open) out.add(labels, s.value(n));
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
                                              },
                                              nullptr});
  left->begun();
  (void)waits.wait_for(groups_limit);
  std::lock_guard lock(l->mutex);
  auto seen = l->seen;
  std::sort(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return seen;
}

void add_groups(exposition& out, kafka_endpoint& k, const api_options& o) {
  const auto groups = look_at_groups(k, o.metrics_groups_max);
  auto directory = k.storage().directory();
  out.begin("weir_group_lag_records", "gauge",
            "Records of a topic that a consumer group has not consumed yet.");
  for (const auto& g : groups) {
    std::map<std::string, int64_t> by_topic;
    for (const auto& c : g.committed) {
      auto topic = directory->catalog().find(c.topic);
      if (!topic) continue;
      auto gauges = k.storage().gauges().find({topic->id.bytes, c.partition});
      const auto end = gauges ? gauges->end.load(std::memory_order_relaxed) : -1;
      const auto start = gauges ? gauges->start.load(std::memory_order_relaxed) : -1;
      if (end < 0) continue;  // it was not opened since the node started
      by_topic[c.topic] += std::max<int64_t>(0, end - std::max(c.offset, start));
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

// ---- Rows between nodes. ----

void add_exchange(exposition& out, const data_counters& c) {
  const struct {
    const char* name;
    const char* type;
    const char* help;
    uint64_t value;
  } all[] = {
      {"weir_data_links", "gauge", "Connections for rows with other nodes.", c.links},
      {"weir_data_links_lost_total", "counter", "Connections for rows that are over.",
       c.links_lost},
      {"weir_data_bytes_out_total", "counter", "Bytes of rows and their frames to other nodes.",
       c.bytes_out},
      {"weir_data_bytes_in_total", "counter", "Bytes of rows and their frames from other nodes.",
       c.bytes_in},
      {"weir_data_messages_out_total", "counter", "Batches, barriers, credit to other nodes.",
       c.messages_out},
      {"weir_data_messages_in_total", "counter", "Batches, barriers, credit from other nodes.",
       c.messages_in},
      {"weir_data_writes_total", "counter", "System calls that wrote them.", c.writes},
      {"weir_data_reads_total", "counter", "System calls that read them.", c.reads},
      {"weir_data_queued_bytes", "gauge", "Under credit, and waiting for room in a connection.",
       c.queued_bytes},
      {"weir_data_in_flight_bytes", "gauge", "From other nodes, and not yet taken by a task.",
       c.in_flight_bytes},
      {"weir_data_channels_held_back", "gauge",
       "Channels whose credit waits until less is in flight.", c.channels_held_back},
  };
  for (const auto& m : all) {
    out.begin(m.name, m.type, m.help);
    out.add("", static_cast<int64_t>(m.value));
  }
}

// ---- The cluster and its jobs. ----

void add_cluster(exposition& out, membership& m) {
  const auto c = count_cluster(m, cluster_limit);
  if (!c) return;
  out.begin("weir_cluster_nodes", "gauge",
            "Nodes by state: alive, draining (and alive), fenced (gone, or given up).");
  out.add("state=\"alive\"", static_cast<int64_t>(c->alive));
  out.add("state=\"draining\"", static_cast<int64_t>(c->draining));
  out.add("state=\"fenced\"", static_cast<int64_t>(c->fenced));
  const struct {
    const char* name;
    const char* help;
    uint64_t value;
  } all[] = {
      {"weir_cluster_partitions", "Partitions in the cluster's metadata, internal ones too.",
       c->partitions.all},
      {"weir_cluster_partitions_leaderless", "Partitions that nobody leads.",
       c->partitions.leaderless},
      {"weir_cluster_partitions_under_replicated", "Partitions with copies that are not in sync.",
       c->partitions.under_replicated},
      {"weir_cluster_partitions_moving", "Partitions that get other copies.", c->partitions.moving},
      {"weir_cluster_majority",
       "1 while this node hears a coordinator; else what it says of the cluster is old.",
       c->majority},
      {"weir_cluster_coordinates", "1 on the node that coordinates the cluster.", c->coordinates},
      {"weir_node_partitions_led", "Partitions that this node leads.", c->led},
      {"weir_node_replicas", "Copies of partitions that this node has.", c->replicas},
  };
  for (const auto& g : all) {
    out.begin(g.name, "gauge", g.help);
    out.add("", static_cast<int64_t>(g.value));
  }
}

void add_jobs(exposition& out, membership& m) {
  std::vector<job_report> jobs;
  const auto view = m.ledger().view();
  for (const auto& [id, j] : view->jobs) jobs.push_back(report_of(j));
  auto over = [](const job_report& j) { return has_ended(static_cast<job_state>(j.state)); };
  std::stable_partition(jobs.begin(), jobs.end(), [&over](const auto& j) { return !over(j); });
  if (jobs.size() > jobs_max) jobs.resize(jobs_max);
  std::vector<std::string> labels;
  for (const auto& j : jobs)
    labels.push_back("job=" + label_text(j.id) + ",name=" + label_text(j.name));
  out.begin("weir_job_state", "gauge", "1 for the state that the job has.");
  for (size_t i = 0; i < jobs.size(); ++i)
    out.add(labels[i] + ",state=\"" + to_string(static_cast<job_state>(jobs[i].state)) + "\"",
            int64_t{1});
  out.begin("weir_job_epoch", "gauge", "Newest complete epoch of the job: its last snapshot.");
  for (size_t i = 0; i < jobs.size(); ++i)
    out.add(labels[i], static_cast<int64_t>(jobs[i].completed_epoch));
  out.begin("weir_job_restarts", "gauge", "Restarts of the job, as of its newest epoch.");
  for (size_t i = 0; i < jobs.size(); ++i)
    out.add(labels[i], static_cast<int64_t>(jobs[i].restarts));
}

}  // namespace

std::string metrics_text(kafka_endpoint& kafka, const data_exchange* rows, membership& members,
                         const api_options& o) {
  exposition out;
  add_process(out);
  add_cluster(out, members);
  add_jobs(out, members);
  if (rows) add_exchange(out, rows->counters());
  out.begin("weir_connections", "gauge", "Open connections of Kafka clients.");
  out.add("", static_cast<int64_t>(kafka.connections()));
  auto directory = kafka.storage().directory();
  const auto topics = directory->catalog().sorted();
  int64_t partitions = 0;
  for (const auto& t : topics) partitions += static_cast<int64_t>(t->partitions.size());
  out.begin("weir_topics", "gauge", "Topics, internal ones too.");
  out.add("", static_cast<int64_t>(topics.size()));
  out.begin("weir_partitions", "gauge", "Partitions of all topics.");
  out.add("", partitions);
  add_histogram(out, "weir_fsync_seconds",
                "Time of a group commit's sync, after which its records are acknowledged.",
                kafka.storage().syncs());
  add_partitions(out, kafka, o);
  add_groups(out, kafka, o);
  return out.take();
}

}  // namespace weir::http
