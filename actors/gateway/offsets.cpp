// Requests about offsets and producers of partitions: ListOffsets, OffsetForLeaderEpoch,
// DeleteRecords, DescribeProducers.
#include "actors/gateway/broker.hpp"
#include "actors/gateway/leadership.hpp"
#include "actors/gateway/partition_questions.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/kafka/protocol/messages/topics.hpp"
#include "runtime/kafka/protocol/messages/transactions.hpp"

namespace weir {
namespace {

using kafka::error_code;

class pending_offsets final : public offset_waiter,
                              public std::enable_shared_from_this<pending_offsets> {
 public:
  pending_offsets(request_ptr r, std::shared_ptr<kafka::list_offsets_request> body)
      : request_(std::move(r)), body_(std::move(body)) {
    for (const auto& t : body_->topics) {
      auto& out = response_.topics.emplace_back();
      out.name = t.name;
      for (const auto& p : t.partitions) {
        out.partitions.emplace_back().partition_index = p.partition_index;
        places_.emplace_back(response_.topics.size() - 1, out.partitions.size() - 1);
      }
    }
    left_ = places_.size() + 1;
  }
  void start(const topic_directory& topics) {
    uint32_t slot = 0;
    for (const auto& t : body_->topics) {
      for (const auto& p : t.partitions) {
        auto at = slot++;
        kafka::offset_answer refused;
        auto to = topics.partition(t.name, p.partition_index);
        if (!to) refused.error = no_replica_error(topics.catalog().find(t.name), p.partition_index);
        if (p.timestamp < kafka::offset_latest_tiered) refused.error = error_code::invalid_request;
        if (refused.error != error_code::none) {
          found(at, std::move(refused));
          continue;
        }
        offset_message m;
        m.timestamp_ms = p.timestamp;
        m.level = body_->isolation_level == 1 ? kafka::isolation::read_committed
                                              : kafka::isolation::read_uncommitted;
        if (body_->replica_id >= 0 && request_->from_node()) m.level = kafka::isolation::replica;
        m.current_leader_epoch = p.current_leader_epoch;
        m.waiter = shared_from_this();
        m.slot = at;
        caf::anon_send(to, std::move(m));
      }
    }
    done();
  }
  void found(uint32_t slot, kafka::offset_answer a) override {
    auto [t, i] = places_[slot];
    auto& out = response_.topics[t].partitions[i];
    out.error_code = a.error;
    // KIP-207: older clients know another word for it.
    if (a.error == error_code::offset_not_available && request_->version() < 5)
      out.error_code = error_code::leader_not_available;
    out.timestamp = a.timestamp_ms;
    out.offset = a.offset;
    out.leader_epoch = a.leader_epoch;
    done();
  }

 private:
  void done() {
    if (left_.fetch_sub(1) == 1) request_->answer(response_);
  }
  request_ptr request_;
  std::shared_ptr<kafka::list_offsets_request> body_;
  kafka::list_offsets_response response_;
  std::vector<std::pair<size_t, size_t>> places_;
  std::atomic<size_t> left_{0};
};

template <class Topics, class Count>
size_t partitions_of(const Topics& topics, Count count) {
  size_t n = 0;
  for (const auto& t : topics) n += count(t);
  return n;
}

}  // namespace

void broker::list_offsets(const request_ptr& request) {
  auto body = decode_body<kafka::list_offsets_request>(*request);
  if (!body) return;
  std::make_shared<pending_offsets>(request, std::move(body))->start(*storage_.directory());
}

void broker::offset_for_leader_epoch(const request_ptr& request) {
  auto body = decode_body<kafka::offset_for_leader_epoch_request>(*request);
  if (!body) return;
  auto n = partitions_of(body->topics, [](const auto& t) { return t.partitions.size(); });
  auto a = partition_answer<kafka::offset_for_leader_epoch_response>::make(request, n);
  auto& topics = a->response.topics;
  topics.resize(body->topics.size());
  auto directory = storage_.directory();
  for (size_t t = 0; t < topics.size(); ++t) {
    const auto& in = body->topics[t];
    topics[t].topic = in.topic;
    topics[t].partitions.resize(in.partitions.size());
    for (size_t i = 0; i < in.partitions.size(); ++i) {
      auto* out = &topics[t].partitions[i];
      auto q = in.partitions[i];
      out->partition = q.partition;
      const auto missing = no_replica_error(directory->catalog().find(in.topic), q.partition);
      visit_partition(
          directory->partition(in.topic, q.partition), missing,
          [a, out, q](kafka::partition& p) {
            auto [e, end] = p.offset_for_leader_epoch(q.current_leader_epoch, q.leader_epoch);
            out->error_code = e;
            out->leader_epoch = end.epoch;
            out->end_offset = end.end_offset;
            a->parts->done();
          },
          [a, out](error_code e) {
            out->error_code = e;
            a->parts->done();
          });
    }
  }
  a->parts->begun();
}

void broker::delete_records(const request_ptr& request) {
  auto body = decode_body<kafka::delete_records_request>(*request);
  if (!body) return;
  auto n = partitions_of(body->topics, [](const auto& t) { return t.partitions.size(); });
  auto a = partition_answer<kafka::delete_records_response>::make(request, n);
  auto& topics = a->response.topics;
  topics.resize(body->topics.size());
  auto directory = storage_.directory();
  for (size_t t = 0; t < topics.size(); ++t) {
    const auto& in = body->topics[t];
    topics[t].name = in.name;
    topics[t].partitions.resize(in.partitions.size());
    auto known = directory->catalog().find(in.name);
    for (size_t i = 0; i < in.partitions.size(); ++i) {
      auto* out = &topics[t].partitions[i];
      out->partition_index = in.partitions[i].partition_index;
      out->low_watermark = -1;
      auto refused = [a, out](error_code e) {
        out->error_code = e;
        a->parts->done();
      };
      if (known && known->internal) {
        refused(error_code::invalid_topic_exception);
        continue;
      }
      const auto to = directory->partition(in.name, out->partition_index);
      if (!to) {
        refused(no_replica_error(known, out->partition_index));
        continue;
      }
      delete_records_message m;
      m.offset = in.partitions[i].offset;
      m.timeout_ms = body->timeout_ms;
      m.done = [a, out](kafka::delete_records_answer d) {
        out->error_code = d.error;
        out->low_watermark = d.low_watermark;
        a->parts->done();
      };
      caf::anon_send(to, std::move(m));
    }
  }
  a->parts->begun();
}

void broker::describe_producers(const request_ptr& request) {
  auto body = decode_body<kafka::describe_producers_request>(*request);
  if (!body) return;
  auto n = partitions_of(body->topics, [](const auto& t) { return t.partition_indexes.size(); });
  auto a = partition_answer<kafka::describe_producers_response>::make(request, n);
  auto& topics = a->response.topics;
  topics.resize(body->topics.size());
  auto directory = storage_.directory();
  for (size_t t = 0; t < topics.size(); ++t) {
    const auto& in = body->topics[t];
    topics[t].name = in.name;
    topics[t].partitions.resize(in.partition_indexes.size());
    for (size_t i = 0; i < in.partition_indexes.size(); ++i) {
      auto* out = &topics[t].partitions[i];
      out->partition_index = in.partition_indexes[i];
      visit_partition(
          directory->partition(in.name, out->partition_index),
          no_replica_error(directory->catalog().find(in.name), out->partition_index),
          [a, out](kafka::partition& p) {
            if (!p.leads()) {
              out->error_code = error_code::not_leader_or_follower;
              return a->parts->done();
            }
            for (const auto& d : p.describe_producers())
              out->active_producers.push_back({d.producer_id, d.producer_epoch, d.last_sequence,
                                               d.last_timestamp_ms, d.coordinator_epoch,
                                               d.transaction_first_offset});
            a->parts->done();
          },
          [a, out](error_code e) {
            out->error_code = e;
            a->parts->done();
          });
    }
  }
  a->parts->begun();
}

}  // namespace weir
