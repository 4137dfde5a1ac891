#include "runtime/connectors/kafka/producer.hpp"

#include <charconv>
#include <chrono>

#include "runtime/connectors/kafka/records.hpp"

namespace weir {
namespace {

// librdkafka's own queue: what one task's records take there before sending waits.
constexpr const char* queued_kib_max = "65536";
constexpr const char* queued_records_max = "1000000";
// A call waits this long at once, so that the end of the task is not far.
constexpr int step_ms = 200;
// The end of a transaction waits longer at once, since librdkafka 2.0 takes an answer of its own
// thread that comes too late for that of the next call: see commit_call.
constexpr int commit_step_ms = 1'000, late_answers_max = 5;
// How long a cluster that does not answer is waited for before the task fails (and is tried again).
constexpr int64_t open_ms_max = 60'000, commit_ms_max = 120'000;
// A transaction that was aborted (a leader changed, a broker restarted) is tried again this often.
constexpr int attempts_max = 5;
// One transaction takes no more than this (and one piece): it ends within its timeout, whatever an
// epoch holds. Readers may see a part of an epoch; tasks do not commit together anyway.
constexpr size_t transaction_bytes_max = 32u << 20;
constexpr int abandon_ms_max = 1'000;
constexpr int mark_timeout_ms = 15'000;
// librdkafka's search for the coordinator of a group whose offsets go into a transaction can end
// without a word: it is taken up again only when some connection comes or goes, and the call that
// waits for it has no time limit. So that one does, connections end that are silent this long.
constexpr const char* idle_ms_max = "5000";

using steady = std::chrono::steady_clock;

int32_t choose_partition(const rd_kafka_topic_t* topic, const void* key, size_t key_bytes,
                         int32_t partitions, void* turn, void* message) {
  // As Java's producer: murmur2 of the key.
  if (key)
    return rd_kafka_msg_partitioner_murmur2(topic, key, key_bytes, partitions, nullptr, message);
  auto next = static_cast<std::atomic<uint32_t>*>(turn)->fetch_add(1, std::memory_order_relaxed);
  return static_cast<int32_t>(next % static_cast<uint32_t>(partitions));
}

rd_kafka_vu_t part(rd_kafka_vtype_t type) {
  rd_kafka_vu_t v{};
  v.vtype = type;
  return v;
}

rd_kafka_vu_t bytes_part(rd_kafka_vtype_t type, const std::optional<std::string_view>& s) {
  auto v = part(type);
  // An empty text is no absent one.
  v.u.mem.ptr = !s ? nullptr : s->empty() ? const_cast<char*>("") : const_cast<char*>(s->data());
  v.u.mem.size = s ? s->size() : 0;
  return v;
}

result<rd_kafka_headers_t*> headers_of(std::string_view bytes) {
  if (bytes.empty()) return nullptr;
  std::unique_ptr<rd_kafka_headers_t, decltype(&rd_kafka_headers_destroy)> out(
      rd_kafka_headers_new(4), &rd_kafka_headers_destroy);
  header_cursor cursor(bytes);
  header_view h;
  while (true) {
    WEIR_ASSIGN(bool more, cursor.next(h));
    if (!more) return out.release();
    auto value = bytes_part(RD_KAFKA_VTYPE_VALUE, h.value);
    rd_kafka_header_add(out.get(), h.name.data(), static_cast<ssize_t>(h.name.size()),
                        value.u.mem.ptr, static_cast<ssize_t>(value.u.mem.size));
  }
}

/// On a machine so busy that librdkafka's thread gets no time for longer than a call waits, 2.0 can
/// say of a commit under way that it is not valid in state CommittingTransaction. Called again it
/// goes on. Left alone it would end the process: without a call the coordinator's answer counts as
/// one to an abort, which an assertion does not allow.
rd_kafka_error_t* commit_call(rd_kafka_t* rk, int limit_ms) {
  auto* e = rd_kafka_commit_transaction(rk, limit_ms);
  for (int n = 0; n < late_answers_max; ++n) {
    if (!e || rd_kafka_error_code(e) != RD_KAFKA_RESP_ERR__STATE || rd_kafka_error_is_fatal(e) ||
        rd_kafka_error_txn_requires_abort(e))
      break;
    rd_kafka_error_destroy(e);
    e = rd_kafka_commit_transaction(rk, limit_ms);
  }
  return e;
}

/// A run's tenure and attempt, behind its job.
struct run_order {
  std::string_view job;
  uint64_t tenure = 0, attempt = 0;
};

std::optional<run_order> order_of(std::string_view run) {
  run_order o;
  for (auto* number : {&o.attempt, &o.tenure}) {
    const auto dash = run.rfind('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto* end = run.data() + run.size();
    const auto parsed = std::from_chars(run.data() + dash + 1, end, *number);
    if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    run = run.substr(0, dash);
  }
  o.job = run;
  return o;
}

bool is_later(std::string_view a, std::string_view b) {
  const auto x = order_of(a), y = order_of(b);
  return x && y && x->job == y->job &&
         std::pair(x->tenure, x->attempt) > std::pair(y->tenure, y->attempt);
}

}  // namespace

size_t epoch_mark::written(const std::string& of_run, uint64_t of_epoch, size_t total) const {
  if (epoch > of_epoch && (run == of_run || is_later(run, of_run))) return total;
  return run == of_run && epoch == of_epoch ? std::min(pieces, total) : 0;
}

epoch_mark epoch_mark::of(int64_t offset, const std::string& metadata) {
  epoch_mark m;
  const auto space = metadata.rfind(' ');
  m.epoch = static_cast<uint64_t>(offset);
  m.run = metadata.substr(0, space);
  // Whatever else is in a group of ours is of no run.
  const auto* end = metadata.data() + metadata.size();
  if (space == std::string::npos ||
      std::from_chars(metadata.data() + space + 1, end, m.pieces).ptr != end)
    return {};
  return m;
}

kafka_producer::kafka_producer(option_map options, kafka_sink_settings settings,
                               std::string transactional_id, cancel_flag cancel)
    : options_(std::move(options)),
      settings_(std::move(settings)),
      transactional_id_(std::move(transactional_id)),
      cancel_(std::move(cancel)) {}

kafka_producer::~kafka_producer() {
  if (topic_) rd_kafka_topic_destroy(topic_);
  // Records that are on their way belong to no transaction that will be committed.
  if (client_)
    rd_kafka_purge(client_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                       RD_KAFKA_PURGE_F_NON_BLOCKING);
  client_.reset();  // before what its callbacks refer to
}

error kafka_producer::say(std::string_view what, const std::string& why,
                          rd_kafka_resp_err_t code) const {
  std::string text = "topic " + settings_.topic + ": " + std::string(what) + ": " + why;
  errc c = errc::io;
  switch (code) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
      text += "; another task or job has taken over transactional id " + transactional_id_;
      break;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      c = errc::invalid_argument;
      break;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      c = errc::not_found;
      break;
    default:
      if (client_)
        if (auto last = client_->last_trouble(); !last.empty()) text += " (" + last + ")";
  }
  return {c, std::move(text)};
}

kafka_producer::outcome kafka_producer::cancelled() const {
  return {next_step::give_up,
          error(errc::cancelled, "topic " + settings_.topic + ": the task ends")};
}

kafka_producer::outcome kafka_producer::judge(std::string_view what, rd_kafka_error_t* e) {
  if (!e) return {};
  auto code = rd_kafka_error_code(e);
  std::string why = rd_kafka_error_string(e);
  const bool again = rd_kafka_error_txn_requires_abort(e) && !rd_kafka_error_is_fatal(e);
  rd_kafka_error_destroy(e);
  if (undelivered_) return {again ? next_step::again : next_step::give_up, *undelivered_};
  return {again ? next_step::again : next_step::give_up, say(what, why, code)};
}

kafka_producer::outcome kafka_producer::judge(std::string_view what, rd_kafka_resp_err_t e) {
  if (!e) return {};
  // __STATE: the transaction is one that can only be aborted.
  const bool again = e == RD_KAFKA_RESP_ERR__STATE && in_transaction_ && !client_->fatal();
  if (undelivered_) return {again ? next_step::again : next_step::give_up, *undelivered_};
  if (auto fatal = client_->fatal()) return {next_step::give_up, say(what, fatal->message, e)};
  return {again ? next_step::again : next_step::give_up, say(what, rd_kafka_err2str(e), e)};
}

// Calls until it is done, for calls that may be made again when their time is over.
template <class Call>
kafka_producer::outcome kafka_producer::repeat(std::string_view what, int64_t limit_ms,
                                               Call&& call) {
  const auto until = steady::now() + std::chrono::milliseconds(limit_ms);
  while (true) {
    if (*cancel_) return cancelled();
    const auto began = steady::now();
    rd_kafka_error_t* e = call(step_ms);
    if (!e) return {};
    if (!rd_kafka_error_is_retriable(e) || rd_kafka_error_txn_requires_abort(e) ||
        steady::now() > until)
      return judge(what, e);
    rd_kafka_error_destroy(e);
    // An answer that came at once is not asked for again at once.
    if (steady::now() - began < std::chrono::milliseconds(step_ms / 4))
      rd_kafka_poll(client_->get(), step_ms / 4);
  }
}

status kafka_producer::open() {
  kafka_client::options o;
  o.as = kafka_client::role::producer;
  WEIR_ASSIGN(o.bootstrap, kafka_bootstrap(options_));
  o.defaults = {{"queue.buffering.max.kbytes", queued_kib_max},
                {"queue.buffering.max.messages", queued_records_max}};
  o.library = library_options(options_);
  o.fixed = {{"enable.idempotence", "true"},
             {"delivery.report.only.error", "true"},
             {"sticky.partitioning.linger.ms", "0"}};
  if (!transactional_id_.empty()) {
    o.defaults.emplace_back("connections.max.idle.ms", idle_ms_max);
    o.fixed.emplace_back("transactional.id", transactional_id_);
  }
  o.undelivered = [this](const rd_kafka_message_t& m) {
    // What a transaction that is aborted takes along is no trouble of its own.
    if (undelivered_ || m.err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        m.err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
      return;
    // Not rd_kafka_message_errstr: of a record to be written it gives the payload, without its end.
    undelivered_ =
        say("a record for partition " + std::to_string(m.partition) + " could not be delivered",
            rd_kafka_err2str(m.err), m.err);
  };
  WEIR_ASSIGN(client_, kafka_client::open(std::move(o)));
  auto* conf = rd_kafka_default_topic_conf_dup(client_->get());
  rd_kafka_topic_conf_set_partitioner_cb(conf, choose_partition);
  rd_kafka_topic_conf_set_opaque(conf, &turn_);
  topic_ = rd_kafka_topic_new(client_->get(), settings_.topic.c_str(), conf);
  if (!topic_) {
    auto e = rd_kafka_last_error();
    rd_kafka_topic_conf_destroy(conf);
    return say("open", rd_kafka_err2str(e), e);
  }
  if (transactional_id_.empty()) return {};
  auto* rk = client_->get();
  auto done = repeat("transactional id " + transactional_id_, open_ms_max,
                     [rk](int ms) { return rd_kafka_init_transactions(rk, ms); });
  return done.why ? status(*done.why) : status();
}

// Hands records to librdkafka; waits while its queue is full.
kafka_producer::outcome kafka_producer::add(std::string_view records) {
  auto* rk = client_->get();
  record_cursor cursor(records);
  record_view r;
  rd_kafka_vu_t parts[7];
  parts[0] = part(RD_KAFKA_VTYPE_RKT);
  parts[0].u.rkt = topic_;
  parts[1] = part(RD_KAFKA_VTYPE_MSGFLAGS);
  parts[1].u.i = RD_KAFKA_MSG_F_COPY;
  while (true) {
    auto more = cursor.next(r);
    if (!more) return {next_step::give_up, more.err()};
    if (!*more) return {};
    parts[2] = bytes_part(RD_KAFKA_VTYPE_VALUE, r.value);
    parts[3] = bytes_part(RD_KAFKA_VTYPE_KEY, r.key);
    parts[4] = part(RD_KAFKA_VTYPE_PARTITION);
    parts[4].u.i32 = r.partition < 0 ? RD_KAFKA_PARTITION_UA : r.partition;
    parts[5] = part(RD_KAFKA_VTYPE_TIMESTAMP);
    parts[5].u.i64 = r.timestamp_ms;
    auto headers = headers_of(r.headers);
    if (!headers) return {next_step::give_up, headers.err()};
    parts[6] = part(RD_KAFKA_VTYPE_HEADERS);
    parts[6].u.headers = *headers;
    const size_t count = *headers ? 7 : 6;
    while (auto* e = rd_kafka_produceva(rk, parts, count)) {
      const bool full = rd_kafka_error_code(e) == RD_KAFKA_RESP_ERR__QUEUE_FULL;
      if (full && !*cancel_ && !undelivered_) {
        rd_kafka_error_destroy(e);
        rd_kafka_poll(rk, step_ms / 10);
        continue;
      }
      if (*headers) rd_kafka_headers_destroy(*headers);
      if (full && *cancel_) {
        rd_kafka_error_destroy(e);
        return cancelled();
      }
      auto code = rd_kafka_error_code(e);
      std::string why = rd_kafka_error_string(e);
      rd_kafka_error_destroy(e);
      auto out = judge("writing", code);
      if (out.why && !undelivered_ && out.what == next_step::give_up && !client_->fatal())
        out.why = say(
            r.partition >= 0 ? "partition " + std::to_string(r.partition) : std::string("writing"),
            why, code);
      return out;
    }
  }
}

kafka_producer::outcome kafka_producer::try_commit(std::span<const buffer_ref> records,
                                                   const std::string& group,
                                                   const epoch_mark& mark) {
  auto* rk = client_->get();
  undelivered_.reset();
  if (auto begun = judge("begin of a transaction", rd_kafka_begin_transaction(rk)); begun.why)
    return begun;
  in_transaction_ = true;
  for (const auto& piece : records) {
    auto added = add({piece.as<char>(), piece.size()});
    if (added.what == next_step::again) {
      // Why the transaction can only be aborted is what its commit would say.
      auto reason = judge("writing", rd_kafka_commit_transaction(rk, step_ms));
      return reason.why ? reason : added;
    }
    if (added.why) return added;
    rd_kafka_poll(rk, 0);
  }
  std::unique_ptr<rd_kafka_topic_partition_list_t, decltype(&rd_kafka_topic_partition_list_destroy)>
      offsets(rd_kafka_topic_partition_list_new(1), &rd_kafka_topic_partition_list_destroy);
  auto* at = rd_kafka_topic_partition_list_add(offsets.get(), settings_.topic.c_str(), 0);
  at->offset = static_cast<int64_t>(mark.epoch);
  const auto text = mark.metadata();
  at->metadata = std::malloc(text.size() + 1);  // the list frees it
  std::memcpy(at->metadata, text.c_str(), text.size() + 1);
  at->metadata_size = text.size();
  std::unique_ptr<rd_kafka_consumer_group_metadata_t,
                  decltype(&rd_kafka_consumer_group_metadata_destroy)>
      member(rd_kafka_consumer_group_metadata_new(group.c_str()),
             &rd_kafka_consumer_group_metadata_destroy);
  auto marked =
      repeat("the mark of epoch " + std::to_string(mark.epoch), commit_ms_max, [&](int ms) {
        return rd_kafka_send_offsets_to_transaction(rk, offsets.get(), member.get(), ms);
      });
  if (marked.why) return marked;
  auto done = repeat("commit of epoch " + std::to_string(mark.epoch), commit_ms_max,
                     [rk](int) { return commit_call(rk, commit_step_ms); });
  if (!done.why) in_transaction_ = false;
  return done;
}

status kafka_producer::commit_some(std::span<const buffer_ref> records, const std::string& group,
                                   const epoch_mark& mark) {
  auto* rk = client_->get();
  for (int attempt = 1;; ++attempt) {
    auto done = try_commit(records, group, mark);
    if (!done.why) return {};
    if (done.what != next_step::again || attempt == attempts_max) return *done.why;
    auto aborted = repeat("abort of a transaction", commit_ms_max,
                          [rk](int) { return rd_kafka_abort_transaction(rk, commit_step_ms); });
    if (aborted.why) return *aborted.why;
    in_transaction_ = false;
    // Whatever the failed commit was told: what the group holds now is what happened.
    WEIR_ASSIGN(auto newest, newest_mark(group));
    if (newest && newest->written(mark.run, mark.epoch, mark.pieces) == mark.pieces) return {};
  }
}

status kafka_producer::commit(std::span<const buffer_ref> pieces, const std::string& group,
                              epoch_mark written) {
  while (written.pieces < pieces.size()) {
    const size_t first = written.pieces;
    size_t bytes = 0;
    do bytes += pieces[written.pieces++].size();
    while (written.pieces < pieces.size() &&
           bytes + pieces[written.pieces].size() <= transaction_bytes_max);
    WEIR_TRY(commit_some(pieces.subspan(first, written.pieces - first), group, written));
  }
  return {};
}

result<std::optional<epoch_mark>> kafka_producer::newest_mark(const std::string& group) const {
  kafka_client::options o;
  o.bootstrap = client_->bootstrap();
  // The same brokers with the same credentials; what only producers have is of no use here.
  o.library = connection_options(options_);
  // A commit that is still being decided is waited for, not passed over.
  o.fixed = {
      {"group.id", group}, {"isolation.level", "read_committed"}, {"enable.auto.commit", "false"}};
  WEIR_ASSIGN(auto client, kafka_client::open(std::move(o)));
  WEIR_ASSIGN(auto found, client->committed({settings_.topic, 0}, mark_timeout_ms));
  if (!found) return std::optional<epoch_mark>();
  return std::optional<epoch_mark>(epoch_mark::of(found->offset, found->metadata));
}

status kafka_producer::send(std::string_view records) {
  auto added = add(records);
  rd_kafka_poll(client_->get(), 0);
  if (added.why) return *added.why;
  return undelivered_ ? status(*undelivered_) : status();
}

status kafka_producer::flush() {
  auto* rk = client_->get();
  while (rd_kafka_flush(rk, step_ms) != RD_KAFKA_RESP_ERR_NO_ERROR && !undelivered_) {
    if (*cancel_) return *cancelled().why;
    if (auto fatal = client_->fatal()) return *fatal;
  }
  return undelivered_ ? status(*undelivered_) : status();
}

void kafka_producer::abandon() {
  if (!client_ || !in_transaction_) return;
  // The next owner of the transactional id ends it otherwise, or its timeout does.
  if (auto* e = rd_kafka_abort_transaction(client_->get(), abandon_ms_max))
    rd_kafka_error_destroy(e);
  in_transaction_ = false;
}

}  // namespace weir
