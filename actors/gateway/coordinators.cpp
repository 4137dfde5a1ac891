#include "actors/gateway/coordinators.hpp"

namespace weir {
namespace {

kafka::group_options group_options_of(const kafka::broker_config& c) {
  kafka::group_options o;
  auto set = [&c](auto& field, std::string_view name) {
    if (c.set_value(name)) field = static_cast<std::decay_t<decltype(field)>>(c.number(name));
  };
  set(o.initial_rebalance_delay_ms, "group.initial.rebalance.delay.ms");
  set(o.min_session_timeout_ms, "group.min.session.timeout.ms");
  set(o.max_session_timeout_ms, "group.max.session.timeout.ms");
  set(o.max_members, "group.max.size");
  set(o.consumer_session_timeout_ms, "group.consumer.session.timeout.ms");
  set(o.consumer_heartbeat_interval_ms, "group.consumer.heartbeat.interval.ms");
  set(o.offset_metadata_max_bytes, "offset.metadata.max.bytes");
  if (c.set_value("offsets.retention.minutes"))
    o.offsets_retention_ms = c.number("offsets.retention.minutes") * 60'000;
  return o;
}

}  // namespace

coordinators::coordinators(caf::actor_system& system, stream_storage& storage,
                           kafka::node_facts node, const clock& time,
                           std::function<void(std::string)> log,
                           std::shared_ptr<producer_id_source> ids)
    : remote_(std::make_shared<remote_coordination>(storage.board(), storage.peers_tls())) {
  const auto& config = storage.config();
  auto offsets = std::make_shared<state_topic>(storage, node, time, "__consumer_offsets");
  auto states = std::make_shared<state_topic>(storage, node, time, "__transaction_state");
  groups_ = std::make_unique<group_router>(system, offsets, group_options_of(config), log);
  markers_ = std::make_shared<marker_desk>(storage.board(), remote_, offsets->name(),
                                           groups_->transaction_listener());
  kafka::transaction_options o;
  o.state_partitions = static_cast<int32_t>(config.number("transaction.state.log.num.partitions"));
  o.offsets_partitions = static_cast<int32_t>(config.number("offsets.topic.num.partitions"));
  o.timeout_ms_max = static_cast<int32_t>(config.number("transaction.max.timeout.ms"));
  transactions_ = std::make_unique<transaction_router>(system, std::move(states), markers_,
                                                       std::move(ids), o, std::move(log));
  verifier_ = std::make_shared<transaction_verifier>(storage.board(), *transactions_, remote_);
}

void coordinators::start() {
  groups_->start();
  transactions_->start();
}

coordinators::~coordinators() {
  remote_->close();
}

}  // namespace weir
