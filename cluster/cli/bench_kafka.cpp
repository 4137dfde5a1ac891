// weir bench kafka: a broker of its own process on loopback, librdkafka as its client, one
// partition, acks=all with fsync before the acknowledgement. What the disk does with the same bytes
// is measured in the same run, and so is another broker that was named.
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>
#include <tuple>

#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_broker.hpp"
#include "cluster/cli/bench_engine.hpp"

namespace weir::cli {
namespace {

constexpr const char* topic = "bench";
constexpr int poll_ms = 100;
// A broker that takes longer than this has failed.
constexpr double stall_seconds = 30;

struct client_deleter {
  void operator()(rd_kafka_t* k) const { rd_kafka_destroy(k); }
};
using client_ptr = std::unique_ptr<rd_kafka_t, client_deleter>;
using settings = std::vector<std::pair<const char*, std::string>>;

struct deliveries {
  std::atomic<uint64_t> done{0}, failed{0};
};
void delivered(rd_kafka_t*, const rd_kafka_message_t* m, void* opaque) {
  auto& d = *static_cast<deliveries*>(opaque);
  (m->err ? d.failed : d.done).fetch_add(1, std::memory_order_relaxed);
}

result<client_ptr> make_client(rd_kafka_type_t type, const settings& wanted, deliveries* counts) {
  auto* conf = rd_kafka_conf_new();
  char problem[512];
  for (const auto& [name, value] : wanted)
    if (rd_kafka_conf_set(conf, name, value.c_str(), problem, sizeof problem) != RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      return error{errc::invalid_argument, problem};
    }
  if (counts) {
    rd_kafka_conf_set_opaque(conf, counts);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
  }
  auto* k = rd_kafka_new(type, conf, problem, sizeof problem);
  if (!k) return error{errc::io, problem};
  return client_ptr(k);
}

settings producer_settings(const bench_broker& b, const std::string& linger) {
  return {{"bootstrap.servers", b.address},
          {"enable.idempotence", "true"},
          {"linger.ms", linger},
          {"queue.buffering.max.messages", "1000000"}};
}

/// Seconds until `count` records of `size` bytes were acknowledged.
result<double> produce(const bench_broker& b, const std::string& to, uint64_t count, size_t size) {
  deliveries counts;
  WEIR_ASSIGN(auto client, make_client(RD_KAFKA_PRODUCER, producer_settings(b, "5"), &counts));
  auto* t = rd_kafka_topic_new(client.get(), to.c_str(), nullptr);
  std::string payload(size, 'x');
  auto began = wall_seconds();
  for (uint64_t i = 0; i < count;) {
    if (rd_kafka_produce(t, 0, RD_KAFKA_MSG_F_COPY, payload.data(), size, nullptr, 0, nullptr) ==
        0) {
      if (++i % 10'000 == 0) rd_kafka_poll(client.get(), 0);
    } else if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(client.get(), 1);
    } else {
      rd_kafka_topic_destroy(t);
      return error{errc::io, rd_kafka_err2str(rd_kafka_last_error())};
    }
    if (i == 1) {  // the first one makes the topic and the session: not a part of the rate
      rd_kafka_flush(client.get(), static_cast<int>(stall_seconds * 1e3));
      began = wall_seconds();
    }
  }
  rd_kafka_flush(client.get(), static_cast<int>(stall_seconds * 1e3));
  auto seconds = wall_seconds() - began;
  rd_kafka_topic_destroy(t);
  if (counts.done != count)
    return error{errc::io, std::to_string(count - counts.done) + " records were not acknowledged"};
  return seconds;
}

result<double> consume(const bench_broker& b, const std::string& from, uint64_t count) {
  WEIR_ASSIGN(auto client, make_client(RD_KAFKA_CONSUMER,
                                       {{"bootstrap.servers", b.address},
                                        {"group.id", "bench"},
                                        {"enable.auto.commit", "false"},
                                        {"auto.offset.reset", "earliest"}},
                                       nullptr));
  auto* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, from.c_str(), 0)->offset = 0;
  rd_kafka_assign(client.get(), list);
  rd_kafka_topic_partition_list_destroy(list);
  auto* queue = rd_kafka_queue_get_consumer(client.get());
  std::vector<rd_kafka_message_t*> batch(10'000);
  uint64_t got = 0;
  double began = 0, last = wall_seconds();
  while (got < count && wall_seconds() - last < stall_seconds) {
    auto n = rd_kafka_consume_batch_queue(queue, poll_ms, batch.data(), batch.size());
    for (ssize_t i = 0; i < n; ++i) {
      auto* m = batch[static_cast<size_t>(i)];
      if (!m->err) ++got;
      rd_kafka_message_destroy(m);
    }
    if (n > 0) last = wall_seconds();
    if (began == 0 && got > 0) began = last;
  }
  rd_kafka_queue_destroy(queue);
  rd_kafka_consumer_close(client.get());
  if (got < count) return error{errc::timeout, "read " + std::to_string(got) + " records only"};
  return last - began;
}

/// Milliseconds from produce() to the consumer, at 1,000 records a second.
result<std::vector<double>> end_to_end(const bench_broker& b, double seconds) {
  deliveries counts;
  WEIR_ASSIGN(auto producer, make_client(RD_KAFKA_PRODUCER, producer_settings(b, "0"), &counts));
  WEIR_ASSIGN(auto consumer, make_client(RD_KAFKA_CONSUMER,
                                         {{"bootstrap.servers", b.address},
                                          {"group.id", "bench-latency"},
                                          {"fetch.wait.max.ms", "500"},
                                          {"enable.auto.commit", "false"}},
                                         nullptr));
  auto* t = rd_kafka_topic_new(producer.get(), "bench-latency", nullptr);
  auto send = [&] {
    std::string payload(100, 'x');
    auto now = wall_seconds();
    std::memcpy(payload.data(), &now, sizeof now);
    rd_kafka_produce(t, 0, RD_KAFKA_MSG_F_COPY, payload.data(), payload.size(), nullptr, 0,
                     nullptr);
    rd_kafka_poll(producer.get(), 0);
  };
  send();
  rd_kafka_flush(producer.get(), static_cast<int>(stall_seconds * 1e3));
  auto* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, "bench-latency", 0)->offset = 0;
  rd_kafka_assign(consumer.get(), list);
  rd_kafka_topic_partition_list_destroy(list);
  auto count = static_cast<uint64_t>(seconds * 1000);
  std::vector<double> ms;
  std::thread sender([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    auto next = std::chrono::steady_clock::now();
    for (uint64_t i = 0; i < count; ++i) {
      std::this_thread::sleep_until(next += std::chrono::milliseconds(1));
      send();
    }
    rd_kafka_flush(producer.get(), static_cast<int>(stall_seconds * 1e3));
  });
  double last = wall_seconds();
  while (ms.size() < count + 1 && wall_seconds() - last < 5) {
    auto* m = rd_kafka_consumer_poll(consumer.get(), poll_ms);
    if (!m) continue;
    if (!m->err) {
      double sent = 0;
      std::memcpy(&sent, m->payload, sizeof sent);
      last = wall_seconds();
      ms.push_back((last - sent) * 1e3);
    }
    rd_kafka_message_destroy(m);
  }
  sender.join();
  rd_kafka_topic_destroy(t);
  rd_kafka_consumer_close(consumer.get());
  if (ms.size() < count + 1) return error{errc::timeout, "records did not come through"};
  ms.erase(ms.begin(), ms.begin() + 1 + static_cast<ptrdiff_t>(count / 10));  // warming up
  return ms;
}

/// Bytes a second that the disk takes in 1 MiB appends with fdatasync after each.
result<double> disk_rate(const std::string& folder) {
  auto path = folder + "/plain";
  int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) return error{errc::io, "cannot make " + path};
  std::string block(1 << 20, 'x');
  auto began = wall_seconds();
  uint64_t bytes = 0;
  while (wall_seconds() - began < 1.5) {
    if (::write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size()) ||
        ::fdatasync(fd) != 0) {
      ::close(fd);
      return error{errc::io, "cannot write " + path};
    }
    bytes += block.size();
  }
  auto seconds = wall_seconds() - began;
  ::close(fd);
  std::filesystem::remove(path);
  return static_cast<double>(bytes) / seconds;
}

bench_line line(const std::string& metric, double value, const std::string& unit, double target) {
  bench_line l;
  l.metric = metric;
  l.value = value;
  l.unit = unit;
  l.target = target;
  return l;
}

/// The rates with records of `size` bytes, and the broker's CPU seconds.
status measure(const bench_broker& b, size_t size, uint64_t count, std::vector<bench_line>& out) {
  auto name = std::string(topic) + std::to_string(size);
  auto n = static_cast<double>(count);
  auto bytes = std::to_string(size) + "B";
  auto add = [&](const char* what, double seconds, double cpu) {
    out.push_back(line(what + bytes, n / seconds, "records/s", 0));
    out.push_back(line(what + bytes + "_cpu", cpu / n * 1e6, "s/M records", 0));
    for (auto l = out.end() - 2; l != out.end(); ++l) {
      l->rows = count;
      l->seconds = seconds;
    }
  };
  auto cpu = b.cpu_seconds();
  WEIR_ASSIGN(auto produced, produce(b, name, count, size));
  add("produce_", produced, b.cpu_seconds() - cpu);
  cpu = b.cpu_seconds();
  WEIR_ASSIGN(auto consumed, consume(b, name, count));
  add("consume_", consumed, b.cpu_seconds() - cpu);
  return {};
}

status measure(const bench_broker& b, const bench_setup& setup, std::vector<bench_line>& out) {
  WEIR_TRY(measure(b, 100, setup.rows, out));
  WEIR_TRY(measure(b, 1024, setup.rows / 8, out));
  WEIR_ASSIGN(auto ms, end_to_end(b, setup.seconds));
  out.push_back(line("end_to_end_p50", quantile(ms, 0.5), "ms", 0.6));
  out.push_back(line("end_to_end_p99", quantile(ms, 0.99), "ms", 2));
  out.push_back(line("resident_after_load", b.resident_mib(), "MiB", 256));
  return {};
}

}  // namespace

result<std::vector<bench_line>> bench_kafka(const bench_setup& setup) {
  WEIR_ASSIGN(auto own, child_broker::start());
  std::vector<bench_line> out;
  out.push_back(line("ready", own->ready_ms(), "ms", 100));
  out.push_back(line("resident_idle", own->resident_mib(), "MiB", 32));
  auto first = out.size();
  WEIR_ASSIGN(auto disk, disk_rate(own->folder()));
  WEIR_TRY(measure(*own, setup, out));
  constexpr std::tuple<const char*, double, size_t> targets[] = {{"produce_100B", 2.5e6, 100},
                                                                 {"consume_100B", 3.75e6, 0},
                                                                 {"produce_1024B", 350e3, 1024},
                                                                 {"consume_1024B", 1.49e6, 0}};
  for (const auto& [metric, target, size] : targets)
    for (auto& l : out) {
      if (l.metric != metric) continue;
      l.target = target;
      if (!size) continue;
      l.reference = "disk_1MiB_fdatasync";
      l.reference_value = disk / static_cast<double>(size);
      l.ratio = l.value / l.reference_value;
    }
  if (setup.peer.empty()) return out;
  std::vector<bench_line> theirs;
  WEIR_TRY(measure(bench_broker{setup.peer, setup.peer_pid}, setup, theirs));
  for (size_t i = 0; i < theirs.size(); ++i) {
    auto& l = theirs[i];
    bool of_process = l.metric.ends_with("_cpu") || l.metric.starts_with("resident");
    if (of_process && setup.peer_pid == 0) continue;
    l.reference = l.metric;
    l.reference_value = out[first + i].value;
    l.ratio = l.value / l.reference_value;
    l.metric = "peer_" + l.metric;
    l.target = 0;
    out.push_back(l);
  }
  return out;
}

}  // namespace weir::cli
