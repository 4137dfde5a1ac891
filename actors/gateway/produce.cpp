// Produce: each partition's batch goes to its actor; the answer leaves when all are durable, here
// (acks = 1) or on all in-sync replicas (acks = -1).
#include "actors/gateway/broker.hpp"
#include "actors/gateway/leadership.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"

namespace weir {
namespace {

using kafka::error_code;

class pending_produce final : public append_waiter,
                              public std::enable_shared_from_this<pending_produce> {
 public:
  pending_produce(request_ptr r, std::shared_ptr<kafka::produce_request> body, int32_t throttle_ms,
                  std::shared_ptr<directory_board> board,
                  std::shared_ptr<const transaction_verifier> verifier)
      : request_(std::move(r)),
        body_(std::move(body)),
        board_(std::move(board)),
        verifier_(std::move(verifier)) {
    response_.throttle_time_ms = throttle_ms;
    response_.responses.reserve(body_->topic_data.size());
    for (const auto& t : body_->topic_data) {
      auto& out = response_.responses.emplace_back();
      out.name = t.name;
      out.topic_id = t.topic_id;
      out.partition_responses.resize(t.partition_data.size());
      for (size_t i = 0; i < t.partition_data.size(); ++i) {
        out.partition_responses[i].index = t.partition_data[i].index;
        places_.emplace_back(response_.responses.size() - 1, i);
      }
    }
    left_ = places_.size() + 1;
  }

  /// Sends everything on its way. `silent`: acks = 0, nobody waits.
  void start(const topic_directory& topics, bool silent) {
    silent_ = silent;
    uint32_t slot = 0;
    for (size_t t = 0; t < body_->topic_data.size(); ++t) {
      const auto& in = body_->topic_data[t];
      auto topic = find(topics.catalog(), in);
      for (const auto& p : in.partition_data) {
        auto at = slot++;
        if (!topic) {
          refuse(at,
                 by_id() ? error_code::unknown_topic_id : error_code::unknown_topic_or_partition);
          continue;
        }
        auto actor = topics.partition(topic->id, p.index);
        if (!actor) {
          if (const auto batch = kafka::idempotent_batch(p.records.bytes))
            board_->refusals().note(topic->name, p.index, *batch);
          refuse(at, no_replica_error(topic, p.index));
        } else if (topic->internal) {
          refuse(at, error_code::invalid_topic_exception);
        } else {
          send(actor, p.records, at, 0, error_code::none,
               board_->refusals().take(topic->name, p.index));
        }
      }
    }
    if (silent_) request_->send(answer::nothing());
    done();
  }

  void appended(uint32_t slot, append_reply r) override {
    if (r.verification != 0) return verify(slot, r);
    auto& out = place(slot);
    out.error_code = r.error;
    if (tells_leader(r.error)) moved_ = true;
    out.base_offset = r.error == error_code::none ? r.base_offset : -1;
    out.log_append_time_ms = r.log_append_time_ms;
    out.log_start_offset = r.log_start_offset;
    if (!r.message.empty()) out.error_message = std::move(r.message);
    for (auto& e : r.record_errors) out.record_errors.push_back({e.index, std::move(e.message)});
    done();
  }

 private:
  bool by_id() const noexcept { return request_->version() >= 13; }
  /// Of a request or a response.
  template <class Named>
  kafka::topic_ptr find(const kafka::topic_catalog& catalog, const Named& topic) const {
    return by_id() ? catalog.find(topic.topic_id) : catalog.find(topic.name);
  }
  kafka::produce_response::partition& place(uint32_t slot) {
    auto [t, i] = places_[slot];
    return response_.responses[t].partition_responses[i];
  }
  void refuse(uint32_t slot, error_code e) {
    auto& out = place(slot);
    out.error_code = e;
    out.base_offset = -1;
    if (tells_leader(e)) moved_ = true;
    done();
  }
  /// The first batch of a transaction in its partition: whether the transaction has it is asked of
  /// the coordinator, so that a batch that comes late opens none that nobody ends (KIP-890).
  void verify(uint32_t slot, const append_reply& r) {
    const auto [t, i] = places_[slot];
    const auto& in = body_->topic_data[t];
    const auto directory = board_->get();
    const auto topic = find(directory->catalog(), in);
    kafka::verify_item item;
    item.transactional_id = body_->transactional_id.value_or("");
    item.producer_id = r.producer_id;
    item.producer_epoch = r.producer_epoch;
    item.topic = topic ? topic->name : in.name;
    item.partition = in.partition_data[i].index;
    const auto to = topic ? directory->partition(topic->id, item.partition) : partition_actor();
    // The partition is gone, and with it what waits there.
    if (!to) return refuse(slot, error_code::not_leader_or_follower);
    verifier_->verify(std::move(item), [me = shared_from_this(), to, slot,
                                        verification = r.verification](error_code e) {
      const auto [topic_at, at] = me->places_[slot];
      me->send(to, me->body_->topic_data[topic_at].partition_data[at].records, slot, verification,
               transaction_verifier::produce_error(e));
    });
  }
  void send(const partition_actor& to, const kafka::record_bytes& records, uint32_t slot,
            uint64_t verification = 0, error_code verified = error_code::none,
            std::vector<kafka::refused_batches::batch> refused_before = {}) {
    append_message m;
    m.refused_before = std::move(refused_before);
    m.verification = verification;
    m.verified = verified;
    // The frame is this request's own: the partition patches offsets into it.
    auto* bytes = const_cast<std::byte*>(records.bytes.data());
    m.batch = {bytes, records.null ? 0 : records.bytes.size()};
    m.owner = request_->frame();
    m.waiter = shared_from_this();
    m.slot = slot;
    m.acks = static_cast<int8_t>(body_->acks);
    m.timeout_ms = std::max(body_->timeout_ms, 0);
    caf::anon_send(to, std::move(m));
  }
  void done() {
    if (left_.fetch_sub(1) != 1 || silent_) return;
    if (moved_.load() && request_->version() >= 10) tell_leaders();
    request_->answer(response_);
  }
  /// Where the partitions are now that are not led from here.
  void tell_leaders() {
    leader_hints hints(board_->get());
    const auto& catalog = hints.directory().catalog();
    for (auto& t : response_.responses) {
      auto topic = find(catalog, t);
      for (auto& p : t.partition_responses)
        if (tells_leader(p.error_code)) hints.tell(topic, p.index, p.current_leader);
    }
    hints.endpoints(response_.node_endpoints);
  }

  request_ptr request_;
  std::shared_ptr<kafka::produce_request> body_;
  kafka::produce_response response_;
  std::vector<std::pair<size_t, size_t>> places_;  // of a slot: topic and partition
  bool silent_ = false;
  std::shared_ptr<directory_board> board_;
  std::shared_ptr<const transaction_verifier> verifier_;
  std::atomic<bool> moved_{false};  // a partition is led elsewhere
  std::atomic<size_t> left_{0};
};

}  // namespace

void broker::produce(const request_ptr& request) {
  auto body = decode_body<kafka::produce_request>(*request);
  if (!body) return;
  if (body->acks < -1 || body->acks > 1) {
    kafka::produce_response response;
    for (const auto& t : body->topic_data) {
      auto& out = response.responses.emplace_back();
      out.name = t.name;
      out.topic_id = t.topic_id;
      for (const auto& p : t.partition_data) {
        auto& o = out.partition_responses.emplace_back();
        o.index = p.index;
        o.error_code = error_code::invalid_required_acks;
        o.base_offset = -1;
      }
    }
    return request->answer(response);
  }
  uint64_t bytes = 0;
  for (const auto& t : body->topic_data)
    for (const auto& p : t.partition_data) bytes += p.records.bytes.size();
  const auto throttle_ms = quotas_.charge(kafka::quota_kind::produce, *request, bytes);
  bool silent = body->acks == 0;
  std::make_shared<pending_produce>(request, std::move(body), throttle_ms, storage_.board(),
                                    coordinators_.verifier())
      ->start(*storage_.directory(), silent);
}

}  // namespace weir
