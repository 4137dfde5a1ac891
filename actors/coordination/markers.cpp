#include "actors/coordination/markers.hpp"

namespace weir {
namespace {

using kafka::error_code;

struct marker_waiter final : append_waiter {
  explicit marker_waiter(marker_desk::done d) : done(std::move(d)) {}
  void appended(uint32_t, append_reply r) override { done(r.error); }
  marker_desk::done done;
};

}  // namespace

void marker_desk::write(kafka::marker_item m, done d) const {
  auto directory = board_->get();
  // Only this node's own view says that a topic is gone: it knows of all that was there when this
  // node became the coordinator. Another node may not have heard of a topic yet.
  auto topic = directory->catalog().find(m.topic);
  if (!topic || m.partition < 0 || static_cast<size_t>(m.partition) >= topic->partitions.size())
    return d(error_code::unknown_topic_or_partition);
  const auto leader = topic->partitions[static_cast<size_t>(m.partition)].leader;
  if (leader == directory->self()) return write_here(m, std::move(d));
  if (leader < 0) return d(error_code::leader_not_available);
  remote_->write_marker(leader, std::move(m), [d = std::move(d)](error_code e) {
    d(e == error_code::unknown_topic_or_partition ? error_code::not_leader_or_follower : e);
  });
}

void marker_desk::write_here(const kafka::marker_item& m, done d) const {
  auto directory = board_->get();
  auto to = directory->partition(m.topic, m.partition);
  if (!to) return d(error_code::unknown_topic_or_partition);
  if (directory->leader(m.topic, m.partition) != directory->self())
    return d(error_code::not_leader_or_follower);
  marker_message out;
  out.producer_id = m.producer_id;
  out.producer_epoch = m.producer_epoch;
  out.commit = m.commit;
  out.coordinator_epoch = m.coordinator_epoch;
  if (m.topic == offsets_topic_)
    d = [d = std::move(d), heard = offsets_, m](error_code e) {
      if (e == error_code::none) heard(m.partition, m.producer_id, m.commit);
      d(e);
    };
  out.waiter = std::make_shared<marker_waiter>(std::move(d));
  caf::anon_send(to, std::move(out));
}

}  // namespace weir
