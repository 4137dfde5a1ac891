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
                           std::function<void(std::string)> log)
    : log_(std::move(log)) {
  const auto& config = storage.config();
  groups_ = std::make_unique<group_router>(system, storage, node, time, group_options_of(config));
  auto& s = transactions_seed_;
  s.state = std::make_shared<state_topic>(storage, node, time, "__transaction_state");
  s.board = storage.board();
  s.groups = groups_.get();
  s.options.state_partitions =
      static_cast<int32_t>(config.number("transaction.state.log.num.partitions"));
  s.options.offsets_partitions =
      static_cast<int32_t>(config.number("offsets.topic.num.partitions"));
  s.options.timeout_ms_max = static_cast<int32_t>(config.number("transaction.max.timeout.ms"));
  transactions_ = spawn_transactions(system, s);
}

void coordinators::start() {
  loader_ = std::thread([this] {
    if (auto s = groups_->load(); !s) log_("consumer groups cannot be read: " + s.err().message);
    if (auto s = load_transactions(transactions_seed_, transactions_); !s)
      log_("transactions cannot be read: " + s.err().message);
  });
}

coordinators::~coordinators() {
  if (loader_.joinable()) loader_.join();
  caf::anon_send_exit(transactions_, caf::exit_reason::kill);
}

}  // namespace weir
