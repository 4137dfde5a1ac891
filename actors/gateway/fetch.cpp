// Fetch: asks all partitions at once, those of the request or of its session; when they have too
// little, waits at their ends until they have more or the client's time is over. Records leave as
// parts of files. Followers fetch by the same requests, over the listener for nodes: up to the ends
// of the logs, and what they ask for says what they have.
#include <random>

#include "actors/gateway/broker.hpp"
#include "actors/gateway/fetch_desk.hpp"
#include "actors/gateway/leadership.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"

namespace weir {
namespace {

using kafka::error_code;

// A client may not hold its request here for longer.
constexpr int32_t wait_ms_max = 5 * 60 * 1000;

class pending_fetch final : public fetch_waiter,
                            public std::enable_shared_from_this<pending_fetch> {
 public:
  pending_fetch(request_ptr r, std::shared_ptr<kafka::fetch_request> body, quota_desk& quotas,
                std::shared_ptr<fetch_desk> desk, kafka::fetch_sessions::begun session,
                std::shared_ptr<directory_board> board)
      : request_(std::move(r)),
        body_(std::move(body)),
        quotas_(quotas),
        desk_(std::move(desk)),
        session_(std::move(session)),
        board_(std::move(board)),
        timer_(request_->from().executor()) {}

  void start(const topic_directory& topics) {
    bool by_id = request_->version() >= 13;
    slots_.reserve(session_.targets.size());
    const auto& state = body_->replica_state;
    const int32_t replica = request_->version() >= 15 ? state.replica_id : body_->replica_id;
    replica_ = replica >= 0;
    const auto near = nodes_near(topics);
    kafka::topic_ptr topic;
    const kafka::fetch_target* before = nullptr;
    for (const auto& t : session_.targets) {
      if (!before || !same_topic(*before, t))
        topic = by_id ? topics.catalog().find(t.topic_id) : topics.catalog().find(t.topic);
      before = &t;
      const auto& p = t.want;
      auto& s = slots_.emplace_back();
      s.query.offset = p.fetch_offset;
      s.query.bytes_max =
          static_cast<uint64_t>(std::max(0, std::min(p.partition_max_bytes, body_->max_bytes)));
      s.query.level = body_->isolation_level == 1 ? kafka::isolation::read_committed
                                                  : kafka::isolation::read_uncommitted;
      s.query.current_leader_epoch = p.current_leader_epoch;
      s.query.last_fetched_epoch = p.last_fetched_epoch;
      s.query.leader_only = request_->version() < 11;
      s.query.near = near;
      if (replica_) {
        s.query.replica = replica;
        s.query.incarnation = state.replica_epoch;
        s.query.replica_log_start = p.log_start_offset;
        s.query.note_position = true;
        // Only who comes by the nodes' own listener is believed to be one.
        if (!request_->from_node()) {
          s.now.error = error_code::topic_authorization_failed;
          continue;
        }
      }
      if (topic) s.actor = topics.partition(topic->id, p.partition);
      if (!s.actor)
        s.now.error =
            by_id && !topic ? error_code::unknown_topic_id : no_replica_error(topic, p.partition);
    }
    left_ = 1;
    for (const auto& s : slots_) left_ += s.actor ? 1 : 0;
    for (uint32_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].actor) ask(i, false);
    first_done();
  }

  // On a partition's thread.
  void fetched(uint32_t slot, kafka::fetch_answer a) override {
    if (waiting_.load()) {
      boost::asio::post(request_->from().executor(),
                        [self = shared_from_this(), slot, a = std::move(a)]() mutable {
                          self->more(slot, std::move(a));
                        });
      return;
    }
    slots_[slot].now = std::move(a);
    first_done();
  }
  bool gone() const override { return gone_.load(); }

 private:
  struct slot_state {
    partition_actor actor;
    kafka::fetch_query query;
    kafka::fetch_answer now;
    bool triggered = false;  // it has more than `now` says, and was asked for it
  };

  /// KIP-392: for a consumer that says where it is, the nodes there.
  std::shared_ptr<const std::vector<int32_t>> nodes_near(const topic_directory& topics) const {
    if (replica_ || body_->rack_id.empty()) return nullptr;
    auto near = std::make_shared<std::vector<int32_t>>();
    for (const auto& n : *topics.nodes())
      if (n.alive && n.rack == body_->rack_id) near->push_back(n.id);
    return near->empty() ? nullptr : near;
  }

  void ask(uint32_t i, bool wait) {
    fetch_message m;
    m.query = slots_[i].query;
    slots_[i].query.note_position = false;  // it is noted once, when the request comes
    m.wait = wait;
    m.slot = i;
    m.waiter = shared_from_this();
    // What it has is too little: it tells when there is something behind that.
    if (wait && slots_[i].now.read.bytes > 0) m.query.offset = slots_[i].now.read.next_offset;
    caf::anon_send(slots_[i].actor, std::move(m));
  }
  void first_done() {
    if (left_.fetch_sub(1) != 1) return;
    if (enough()) return respond();
    boost::asio::post(request_->from().executor(),
                      [self = shared_from_this()] { self->begin_waiting(); });
  }
  /// Whether the answer can leave now.
  bool enough() const {
    uint64_t bytes = 0;
    for (const auto& s : slots_) {
      if (s.now.error != error_code::none || s.now.diverging || s.now.news ||
          s.now.preferred_replica != kafka::no_node)
        return true;
      bytes += s.now.read.bytes;
    }
    return body_->max_wait_ms <= 0 || slots_.empty() ||
           bytes >= static_cast<uint64_t>(std::max(0, body_->min_bytes));
  }
  void begin_waiting() {
    waiting_ = true;
    timer_.expires_after(std::chrono::milliseconds(std::min(body_->max_wait_ms, wait_ms_max)));
    timer_.async_wait([self = shared_from_this()](boost::system::error_code e) {
      if (!e) self->respond();
    });
    for (uint32_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].actor) ask(i, true);
  }
  /// On the listener's thread, after the first round.
  void more(uint32_t i, kafka::fetch_answer a) {
    if (gone_.load()) return;
    auto& s = slots_[i];
    if (!s.triggered && s.now.read.bytes > 0 && a.error == error_code::none) {
      s.triggered = true;  // read again from where the client asked
      return ask(i, false);
    }
    s.triggered = false;
    s.now = std::move(a);
    if (!request_->from().open()) {
      gone_ = true;
      timer_.cancel();
      return;
    }
    if (enough()) return respond();
    ask(i, true);
  }
  void respond() {
    if (gone_.exchange(true)) return;
    if (waiting_.load()) timer_.cancel();
    kafka::fetch_response out;
    out.session_id = session_.session_id;
    std::vector<std::vector<log_slice>> parts;
    auto budget = static_cast<uint64_t>(std::max(0, body_->max_bytes));
    bool any = false;
    uint64_t sent = 0;
    std::unique_lock lock(desk_->m, std::defer_lock);
    if (session_.session_id != 0) lock.lock();
    leader_hints hints(board_->get());
    const kafka::fetch_target* before = nullptr;  // the last one in the answer
    for (size_t i = 0; i < slots_.size(); ++i) {
      const auto& t = session_.targets[i];
      auto& s = slots_[i];
      // The first records go out whatever the bound says, so that a client gets on.
      const auto bytes = s.now.read.bytes;
      const bool records = bytes > 0 && (!any || bytes <= budget);
      if (session_.session_id != 0 && !desk_->sessions.report(session_, t, news_of(s.now, records)))
        continue;
      // A node asks for all that it follows, always, and hears of what is new.
      if (replica_ && !records && s.now.error == error_code::none && !s.now.diverging &&
          !s.now.news)
        continue;
      if (!before || !same_topic(*before, t)) {
        auto& topic = out.responses.emplace_back();
        topic.topic = t.topic;
        topic.topic_id = t.topic_id;
      }
      before = &t;
      auto& o = out.responses.back().partitions.emplace_back();
      fill(o, t.want.partition, s.now);
      if (tells_leader(o.error_code) && request_->version() >= 12)
        hints.tell(request_->version() >= 13 ? hints.directory().catalog().find(t.topic_id)
                                             : hints.directory().catalog().find(t.topic),
                   o.partition_index, o.current_leader);
      if (!records) continue;
      any = true;
      budget -= std::min(budget, bytes);
      sent += bytes;
      o.records = kafka::record_bytes::hole(static_cast<uint32_t>(parts.size()),
                                            static_cast<uint32_t>(bytes));
      parts.push_back(std::move(s.now.read.slices));
    }
    if (lock.owns_lock()) lock.unlock();
    if (request_->version() >= 16) hints.endpoints(out.node_endpoints);
    // Copies are throttled by who makes them.
    if (!replica_) out.throttle_time_ms = quotas_.charge(kafka::quota_kind::fetch, *request_, sent);
    request_->answer(out, std::move(parts));
  }
  static bool same_topic(const kafka::fetch_target& a, const kafka::fetch_target& b) {
    return a.topic_id == b.topic_id && a.topic == b.topic;
  }
  static kafka::fetch_news news_of(const kafka::fetch_answer& a, bool records) {
    kafka::fetch_news n;
    n.error = a.error;
    n.high_watermark = a.high_watermark;
    n.log_start_offset = a.log_start_offset;
    n.records = records;
    n.diverging = a.diverging.has_value() || a.preferred_replica != kafka::no_node;
    return n;
  }
  void fill(kafka::fetch_response::partition& o, int32_t number, const kafka::fetch_answer& a) {
    o.partition_index = number;
    o.error_code = a.error;
    o.high_watermark = a.high_watermark;
    o.last_stable_offset = a.last_stable_offset;
    o.log_start_offset = a.log_start_offset;
    o.records = kafka::record_bytes(kafka::bytes_view());
    o.preferred_read_replica = a.preferred_replica;
    if (a.diverging) o.diverging_epoch = {a.diverging->epoch, a.diverging->end_offset};
    if (body_->isolation_level != 1) return;
    auto& aborted = o.aborted_transactions.emplace();
    for (const auto& t : a.aborted) aborted.push_back({t.producer_id, t.first_offset});
  }

  request_ptr request_;
  std::shared_ptr<kafka::fetch_request> body_;
  quota_desk& quotas_;
  std::shared_ptr<fetch_desk> desk_;
  kafka::fetch_sessions::begun session_;
  std::shared_ptr<directory_board> board_;
  bool replica_ = false;  // a follower's
  boost::asio::steady_timer timer_;
  std::vector<slot_state> slots_;
  std::atomic<size_t> left_{0};
  std::atomic<bool> waiting_{false}, gone_{false};
};

}  // namespace

std::shared_ptr<fetch_desk> broker::make_fetch_desk(const kafka::broker_config& config) {
  kafka::fetch_session_options o;
  o.sessions_max = static_cast<size_t>(config.number("max.incremental.fetch.session.cache.slots"));
  o.eviction_ms = config.number("min.incremental.fetch.session.eviction.ms");
  std::random_device seed;
  o.seed = uint64_t{seed()} << 32 | seed();
  return std::make_shared<fetch_desk>(o);
}

void broker::fetch(const request_ptr& request) {
  auto body = decode_body<kafka::fetch_request>(*request);
  if (!body) return;
  kafka::fetch_sessions::begun session;
  {
    std::lock_guard lock(fetches_->m);
    session = fetches_->sessions.begin(*body, request->version() >= 13, time_.now() / 1000);
  }
  if (session.error != error_code::none) {
    kafka::fetch_response out;
    out.error_code = session.error;
    return request->answer(out);
  }
  std::make_shared<pending_fetch>(request, std::move(body), quotas_, fetches_, std::move(session),
                                  storage_.board())
      ->start(*storage_.directory());
}

}  // namespace weir
