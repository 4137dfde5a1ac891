#include "runtime/connectors/kafka/client.hpp"

#include <chrono>
#include <thread>

#include "runtime/base/nearest.hpp"

namespace weir {
namespace {

constexpr auto coordinator_retry = std::chrono::milliseconds(100);

/// The coordinator of a group is on its way to another node.
bool moves(rd_kafka_resp_err_t e) {
  return e == RD_KAFKA_RESP_ERR_NOT_COORDINATOR ||
         e == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
         e == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
}

struct conf_deleter {
  void operator()(rd_kafka_conf_t* c) const { rd_kafka_conf_destroy(c); }
};
using conf_ptr = std::unique_ptr<rd_kafka_conf_t, conf_deleter>;

struct list_deleter {
  void operator()(rd_kafka_topic_partition_list_t* l) const {
    rd_kafka_topic_partition_list_destroy(l);
  }
};
using list_ptr = std::unique_ptr<rd_kafka_topic_partition_list_t, list_deleter>;

list_ptr list_of(const kafka_partition& p) {
  list_ptr list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), p.topic.c_str(), p.partition);
  return list;
}

std::vector<std::string> option_names() {
  conf_ptr conf(rd_kafka_conf_new());
  std::vector<std::string> names;
  size_t count = 0;
  const char** dump = rd_kafka_conf_dump(conf.get(), &count);
  for (size_t i = 0; i + 1 < count; i += 2) names.emplace_back(dump[i]);
  rd_kafka_conf_dump_free(dump, count);
  auto* topic = rd_kafka_topic_conf_new();
  dump = rd_kafka_topic_conf_dump(topic, &count);
  for (size_t i = 0; i + 1 < count; i += 2) names.emplace_back(dump[i]);
  rd_kafka_conf_dump_free(dump, count);
  rd_kafka_topic_conf_destroy(topic);
  return names;
}

status set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  char text[512];
  switch (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text)) {
    case RD_KAFKA_CONF_OK:
      return {};
    case RD_KAFKA_CONF_UNKNOWN:
      return {errc::unknown_name,
              "librdkafka has no option " + name + nearest_hint(name, option_names())};
    case RD_KAFKA_CONF_INVALID:
      break;
  }
  return {errc::invalid_argument, "option kafka." + name + " = '" + value + "': " + text};
}

// No broker answered, as opposed to: a broker said no.
bool is_unreachable(rd_kafka_resp_err_t e) {
  return e == RD_KAFKA_RESP_ERR__TRANSPORT || e == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
         e == RD_KAFKA_RESP_ERR__TIMED_OUT || e == RD_KAFKA_RESP_ERR__RESOLVE ||
         e == RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE;
}

errc code_of(rd_kafka_resp_err_t e) {
  switch (e) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return errc::not_found;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return errc::not_found;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
      return errc::invalid_argument;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
      return errc::timeout;
    default:
      return errc::io;
  }
}

}  // namespace

std::string to_string(const kafka_partition& p) {
  return p.topic + "/" + std::to_string(p.partition);
}

status check_library_configuration(const std::vector<std::pair<std::string, std::string>>& options,
                                   bool) {
  conf_ptr conf(rd_kafka_conf_new());
  for (const auto& [name, value] : options) WEIR_TRY(set(conf.get(), name, value));
  return {};
}

result<std::unique_ptr<kafka_client>> kafka_client::open(options o) {
  std::unique_ptr<kafka_client> client(new kafka_client(std::move(o)));
  conf_ptr conf(rd_kafka_conf_new());
  const auto& with = client->options_;
  WEIR_TRY(set(conf.get(), "bootstrap.servers", with.bootstrap));
  WEIR_TRY(set(conf.get(), "client.id", "weir"));
  for (const auto* list : {&with.defaults, &with.library, &with.fixed})
    for (const auto& [name, value] : *list) WEIR_TRY(set(conf.get(), name, value));
  auto* c = conf.get();
  rd_kafka_conf_set_opaque(c, client.get());
  // librdkafka's own lines would go to standard error; what matters comes as an error, too.
  rd_kafka_conf_set_log_cb(c, [](const rd_kafka_t*, int, const char*, const char*) {});
  rd_kafka_conf_set_error_cb(c, [](rd_kafka_t*, int e, const char* reason, void* self) {
    static_cast<kafka_client*>(self)->trouble(static_cast<rd_kafka_resp_err_t>(e), reason);
  });
  if (with.as == role::consumer)
    rd_kafka_conf_set_offset_commit_cb(
        c, [](rd_kafka_t*, rd_kafka_resp_err_t e, rd_kafka_topic_partition_list_t*, void* self) {
          auto& told = static_cast<kafka_client*>(self)->options_.committed;
          if (told) told(e);
        });
  else
    rd_kafka_conf_set_dr_msg_cb(c, [](rd_kafka_t*, const rd_kafka_message_t* m, void* self) {
      auto& told = static_cast<kafka_client*>(self)->options_.undelivered;
      if (m->err && told) told(*m);
    });
  char text[512];
  client->rk_ = rd_kafka_new(with.as == role::consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, c,
                             text, sizeof text);
  if (!client->rk_)
    return {errc::invalid_argument, "kafka " + with.bootstrap + ": " + std::string(text)};
  (void)conf.release();  // rd_kafka_new() has taken it
  return client;
}

kafka_client::~kafka_client() {
  if (rk_) rd_kafka_destroy_flags(rk_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void kafka_client::trouble(rd_kafka_resp_err_t e, const char* reason) {
  std::lock_guard lock(m_);
  // That all brokers are down follows what happened to the last of them, which says more.
  if (e != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || last_trouble_.empty()) last_trouble_ = reason;
  if (e == RD_KAFKA_RESP_ERR__FATAL) {
    char text[512];
    auto cause = rd_kafka_fatal_error(rk_, text, sizeof text);
    fatal_ = error(errc::io, "kafka " + options_.bootstrap + ": " + text + " (" +
                                 rd_kafka_err2name(cause) + ")");
  } else if (code_of(e) == errc::invalid_argument) {
    fatal_ = error(errc::invalid_argument, "kafka " + options_.bootstrap + ": " + reason);
  }
}

std::string kafka_client::last_trouble() const {
  std::lock_guard lock(m_);
  return last_trouble_;
}

std::optional<error> kafka_client::fatal() const {
  std::lock_guard lock(m_);
  return fatal_;
}

error kafka_client::failure(std::string_view what, rd_kafka_resp_err_t e) const {
  if (rk_) rd_kafka_poll(rk_, 0);  // hears what happened to the brokers
  if (auto f = fatal()) return *f;
  std::string text =
      "kafka " + options_.bootstrap + ": " + std::string(what) + ": " + rd_kafka_err2str(e);
  if (is_unreachable(e))
    if (auto last = last_trouble(); !last.empty()) text += " (" + last + ")";
  return {code_of(e), std::move(text)};
}

result<std::vector<std::pair<std::string, int32_t>>> kafka_client::topics(int timeout_ms) const {
  const rd_kafka_metadata_t* m = nullptr;
  if (auto e = rd_kafka_metadata(rk_, 1, nullptr, &m, timeout_ms))
    return failure("the list of topics", e);
  std::vector<std::pair<std::string, int32_t>> out;
  for (int i = 0; i < m->topic_cnt; ++i)
    if (!m->topics[i].err) out.emplace_back(m->topics[i].topic, m->topics[i].partition_cnt);
  rd_kafka_metadata_destroy(m);
  return out;
}

result<int32_t> kafka_client::partitions(const std::string& topic, int timeout_ms) const {
  std::unique_ptr<rd_kafka_topic_t, decltype(&rd_kafka_topic_destroy)> handle(
      rd_kafka_topic_new(rk_, topic.c_str(), nullptr), &rd_kafka_topic_destroy);
  if (!handle) return failure("topic " + topic, rd_kafka_last_error());
  const rd_kafka_metadata_t* m = nullptr;
  if (auto e = rd_kafka_metadata(rk_, 0, handle.get(), &m, timeout_ms))
    return failure("topic " + topic, e);
  auto found = m->topic_cnt == 1 ? m->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  int32_t count = m->topic_cnt == 1 ? m->topics[0].partition_cnt : 0;
  rd_kafka_metadata_destroy(m);
  if (found == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || (!found && count == 0)) {
    std::string text = "kafka " + options_.bootstrap + ": there is no topic \"" + topic + "\"";
    if (auto all = topics(timeout_ms)) {
      std::vector<std::string> names;
      for (auto& [name, n] : *all) names.push_back(std::move(name));
      text += nearest_hint(topic, names);
    }
    return {errc::not_found, text};
  }
  if (found) return failure("topic " + topic, found);
  return count;
}

result<kafka_client::bounds> kafka_client::offsets(const kafka_partition& p, int timeout_ms) const {
  bounds b;
  if (auto e = rd_kafka_query_watermark_offsets(rk_, p.topic.c_str(), p.partition, &b.low, &b.high,
                                                timeout_ms))
    return failure("the offsets of " + to_string(p), e);
  return b;
}

result<std::optional<int64_t>> kafka_client::offset_at(const kafka_partition& p, int64_t ms,
                                                       int timeout_ms) const {
  auto list = list_of(p);
  list->elems[0].offset = ms;
  auto e = rd_kafka_offsets_for_times(rk_, list.get(), timeout_ms);
  if (!e) e = list->elems[0].err;
  if (e) return failure("the offset of a time in " + to_string(p), e);
  if (list->elems[0].offset < 0) return std::optional<int64_t>();
  return std::optional<int64_t>(list->elems[0].offset);
}

result<std::optional<kafka_client::commitment>> kafka_client::committed(const kafka_partition& p,
                                                                        int timeout_ms) const {
  using clock_type = std::chrono::steady_clock;
  const auto until = clock_type::now() + std::chrono::milliseconds(timeout_ms);
  auto list = list_of(p);
  rd_kafka_resp_err_t e{};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock_type::now());
    e = rd_kafka_committed(rk_, list.get(), std::max(static_cast<int>(left.count()), 1));
    if (!e) e = list->elems[0].err;
    // The library asks for the new coordinator then, but not again for what was asked here.
    if (!moves(e) || clock_type::now() + coordinator_retry > until) break;
    std::this_thread::sleep_for(coordinator_retry);
  }
  const auto& found = list->elems[0];
  if (e) return failure("the offset that the group has committed in " + to_string(p), e);
  if (found.offset < 0) return std::optional<commitment>();
  return std::optional<commitment>(
      {found.offset,
       found.metadata ? std::string(static_cast<const char*>(found.metadata), found.metadata_size)
                      : std::string()});
}

}  // namespace weir
