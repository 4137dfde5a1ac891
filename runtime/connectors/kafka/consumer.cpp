#include "runtime/connectors/kafka/consumer.hpp"

namespace weir {
namespace {

// Fetched ahead per reader, over all its partitions: a batch or two of large records, and enough
// small ones to hide a round trip. kafka.queued.max.messages.kbytes changes it.
constexpr const char* queued_kib_max = "32768";
// How long an end waits for commits that are under way: they are only progress for others to see.
constexpr int commit_wait_ms_max = 2'000, commit_wait_step_ms = 50;

}  // namespace

result<std::shared_ptr<kafka_consumer>> kafka_consumer::open(const option_map& options,
                                                             const kafka_source_settings& s,
                                                             std::function<void()> wake) {
  std::shared_ptr<kafka_consumer> c(new kafka_consumer);
  kafka_client::options o;
  WEIR_ASSIGN(o.bootstrap, kafka_bootstrap(options));
  o.defaults = {{"queued.max.messages.kbytes", queued_kib_max},
                {"fetch.error.backoff.ms", "100"},
                {"check.crcs", "true"}};
  o.library = library_options(options);
  o.fixed = {{"enable.auto.commit", "false"},
             {"enable.auto.offset.store", "false"},
             {"enable.partition.eof", "true"},
             {"auto.offset.reset", "error"},
             {"isolation.level", s.read_committed ? "read_committed" : "read_uncommitted"}};
  if (!s.group.empty()) o.fixed.emplace_back("group.id", s.group);
  o.committed = [self = c.get()](rd_kafka_resp_err_t e) {
    if (self->commits_under_way_) --self->commits_under_way_;
    // The next epoch tells the group again; what it would hear again is an error of the job.
    if (e == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
        e == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        e == RD_KAFKA_RESP_ERR_INVALID_GROUP_ID || e == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
        e == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION)
      self->commit_failed_ =
          error(errc::invalid_argument,
                "kafka " + self->client_->bootstrap() + ": group \"" + self->group_ +
                    "\" does not take offsets: " + rd_kafka_err2str(e) +
                    "; a group with members of its own cannot be the option group");
  };
  c->group_ = s.group;
  c->wake_ = std::move(wake);
  WEIR_ASSIGN(c->client_, kafka_client::open(std::move(o)));
  c->queue_ = rd_kafka_queue_new(c->client_->get());
  rd_kafka_queue_cb_event_enable(
      c->queue_,
      [](rd_kafka_t*, void* self) {
        auto* consumer = static_cast<kafka_consumer*>(self);
        std::lock_guard lock(consumer->m_);
        if (consumer->wake_) consumer->wake_();
      },
      c.get());
  return c;
}

kafka_consumer::~kafka_consumer() {
  silence();
  if (!client_) return;
  if (queue_) rd_kafka_queue_cb_event_enable(queue_, nullptr, nullptr);
  for (const auto& [p, on] : started_)
    if (on) rd_kafka_consume_stop(topics_.at(p.first), p.second);
  for (const auto& [name, handle] : topics_) rd_kafka_topic_destroy(handle);
  if (queue_) rd_kafka_queue_destroy(queue_);
}

void kafka_consumer::silence() {
  std::lock_guard lock(m_);
  wake_ = nullptr;
}

rd_kafka_topic_t* kafka_consumer::topic(const std::string& name) {
  auto& handle = topics_[name];
  if (!handle) handle = rd_kafka_topic_new(client_->get(), name.c_str(), nullptr);
  return handle;
}

status kafka_consumer::start(const kafka_split& s) {
  std::lock_guard lock(topics_m_);
  auto* handle = topic(s.from.topic);
  if (!handle) {
    topics_.erase(s.from.topic);
    return client_->failure("topic " + s.from.topic, rd_kafka_last_error());
  }
  int64_t from = s.next == kafka_split::earliest ? RD_KAFKA_OFFSET_BEGINNING : s.next;
  if (rd_kafka_consume_start_queue(handle, s.from.partition, from, queue_) != 0)
    return client_->failure(to_string(s.from) + ":" + std::to_string(s.next),
                            rd_kafka_last_error());
  started_[{s.from.topic, s.from.partition}] = true;
  return {};
}

void kafka_consumer::stop(const kafka_partition& p) {
  rd_kafka_topic_t* handle = nullptr;
  {
    std::lock_guard lock(topics_m_);
    auto it = started_.find({p.topic, p.partition});
    if (it == started_.end() || !std::exchange(it->second, false)) return;
    handle = topics_.at(p.topic);
  }
  rd_kafka_consume_stop(handle, p.partition);
}

result<size_t> kafka_consumer::take(size_t max, std::vector<kafka_message>& out) {
  rd_kafka_poll(client_->get(), 0);  // ends of commits, troubles
  if (auto fatal = client_->fatal()) return *fatal;
  taken_.resize(max);
  auto n = rd_kafka_consume_batch_queue(queue_, 0, taken_.data(), max);
  if (n < 0) return client_->failure("reading", rd_kafka_last_error());
  for (ssize_t i = 0; i < n; ++i) out.emplace_back(taken_[static_cast<size_t>(i)]);
  return static_cast<size_t>(n);
}

status kafka_consumer::commit(const std::vector<std::pair<kafka_partition, int64_t>>& offsets) {
  auto* list = rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()));
  for (const auto& [p, next] : offsets)
    rd_kafka_topic_partition_list_add(list, p.topic.c_str(), p.partition)->offset = next;
  auto e = rd_kafka_commit(client_->get(), list, 1);
  rd_kafka_topic_partition_list_destroy(list);
  if (e) return client_->failure("offsets of group \"" + group_ + "\"", e);
  ++commits_under_way_;
  return {};
}

std::optional<error> kafka_consumer::commit_failed() {
  return std::exchange(commit_failed_, std::nullopt);
}

void kafka_consumer::finish_commits() {
  for (int waited = 0; commits_under_way_ && waited < commit_wait_ms_max;
       waited += commit_wait_step_ms)
    rd_kafka_poll(client_->get(), commit_wait_step_ms);
}

}  // namespace weir
