#include "cluster/node/metadata_bridge.hpp"

#include <future>

#include "runtime/kafka/topics/topic_name.hpp"

namespace weir {
namespace {

using kafka::api_error;
using kafka::error_code;

// Clients wait so long for the positions of their groups, and then ask again.
constexpr auto confirm_limit = std::chrono::seconds(5);

std::vector<int32_t> numbers(const std::vector<meta::node_id>& ids) {
  std::vector<int32_t> out;
  for (auto i : ids) out.push_back(i.value);
  return out;
}
std::vector<meta::node_id> ids_of(const std::vector<int32_t>& numbers) {
  std::vector<meta::node_id> out;
  for (auto n : numbers) out.push_back(meta::node_id{n});
  return out;
}
/// A command that a partition's leader gives: as whom.
template <class Command>
Command by_leader(const meta::standing& here, const log_id& id, int32_t leader_epoch) {
  Command c;
  c.topic.bytes = id.topic;
  c.partition = id.partition;
  c.leader = here.node;
  c.leader_node_epoch = here.epoch;
  c.leader_epoch = leader_epoch;
  return c;
}
/// Those of `a` that are not in `b`.
std::vector<int32_t> without(const std::vector<meta::node_id>& a,
                             const std::vector<meta::node_id>& b) {
  std::vector<int32_t> out;
  for (auto n : a)
    if (std::find(b.begin(), b.end(), n) == b.end()) out.push_back(n.value);
  return out;
}

/// What Kafka's clients are told of a refused command.
api_error refusal_of(const meta::answer& a, const kafka::topic_command& c) {
  using meta::verdict;
  const bool creates = std::holds_alternative<kafka::create_topic_command>(c);
  switch (a.code) {
    case verdict::ok:
      return {};
    case verdict::already_exists:
      return {creates ? error_code::topic_already_exists : error_code::invalid_partitions, a.text};
    case verdict::not_found:
      return {error_code::unknown_topic_id, a.text};
    case verdict::no_capacity:
      return {error_code::invalid_replication_factor, a.text};
    case verdict::limit:
      return {error_code::policy_violation, a.text};
    case verdict::conflict:
      return {std::holds_alternative<kafka::elect_leader_command>(c)
                  ? error_code::preferred_leader_not_available
                  : error_code::invalid_request,
              a.text};
    default:
      return {error_code::invalid_request, a.text};
  }
}

api_error to_api_error(const error& e) {
  return {error_code::request_timed_out, e.message};
}

meta::command translate(const kafka::create_topic_command& c) {
  meta::create_topic t;
  t.name = c.name;
  t.id = c.id;
  t.partitions = c.partitions;
  t.replication = static_cast<uint16_t>(std::max<int16_t>(1, c.replication));
  t.created_ms = c.created_ms;
  t.configs = c.configs;
  for (const auto& a : c.assignment) t.assignment.push_back(ids_of(a));
  return t;
}
meta::command translate(const kafka::delete_topic_command& c) {
  return meta::delete_topic{c.id};
}
meta::command translate(const kafka::alter_topic_command& c) {
  return meta::alter_topic{c.id, c.configs};
}
meta::command translate(const kafka::add_partitions_command& c) {
  return meta::add_partitions{c.id, c.partitions};
}
meta::command translate(const kafka::reassign_partition_command& c) {
  return meta::reassign_partition{c.id, c.partition, ids_of(c.replicas)};
}
meta::command translate(const kafka::elect_leader_command& c) {
  return meta::elect_leader{c.id, c.partition, meta::no_node};
}

}  // namespace

kafka::topic_ptr topic_of(const meta::topic_record& t) {
  auto out = std::make_shared<kafka::topic_info>();
  out->name = t.name;
  out->id = t.id;
  out->created_ms = t.created_ms;
  out->internal = kafka::is_internal_topic(t.name);
  out->configs = t.configs;
  out->partitions.reserve(t.partitions.size());
  for (const auto& p : t.partitions) {
    auto& o = out->partitions.emplace_back();
    o.generation = p.generation;
    o.leader_epoch = p.leader_epoch;
    o.keys = p.keys;
    o.parents = p.parents;
    o.leader = p.leader.value;
    o.version = p.version;
    o.replicas = numbers(p.replicas);
    o.in_sync = numbers(p.in_sync);
    if (p.reassigning()) {
      o.adding = without(p.target, p.origin);
      o.removing = without(p.origin, p.target);
    }
  }
  return out;
}

node_list nodes_of(const meta::cluster_state& s) {
  auto list = std::make_shared<std::vector<node_entry>>();
  for (const auto& [id, n] : s.nodes()) {
    auto& e = list->emplace_back();
    e.id = id.value;
    e.name = n.name;
    e.rack = n.rack;
    for (const auto& p : n.endpoints)
      if (p.listener == "kafka") {
        e.host = p.host;
        e.port = p.port;
      }
    e.peers = meta::address_of(n, "peers");
    e.http = meta::address_of(n, "http");
    e.alive = !n.fenced;
    e.draining = n.draining;
  }
  return list;
}

bool metadata_bridge::attach(const topics_actor& topics, std::chrono::milliseconds limit) {
  auto published = std::make_shared<std::promise<void>>();
  auto there = published->get_future();
  service_->ask([this, topics, published](const meta::cluster_state* s) {
    topics_ = topics;
    topic_news_message m;
    m.everything = true;
    if (s) {
      for (const auto& [id, t] : s->topics()) m.topics.push_back(topic_of(t));
      m.nodes = nodes_of(*s);
    }
    m.published = [published] { published->set_value(); };
    tell(std::move(m));
  });
  return there.wait_for(limit) == std::future_status::ready;
}

void metadata_bridge::detach() {
  auto done = std::make_shared<std::promise<void>>();
  auto over = done->get_future();
  service_->ask([this, done](const meta::cluster_state*) {
    topics_ = topics_actor();
    done->set_value();
  });
  // A service that has stopped asks nobody any more.
  over.wait_for(std::chrono::seconds(1));
}

void metadata_bridge::tell(topic_news_message m) {
  const auto here = service_->stand();
  m.self = here.node.value;
  m.self_epoch = static_cast<int64_t>(here.epoch.value);
  if (topics_) caf::anon_send(topics_, std::move(m));
}

void metadata_bridge::observe(const meta::cluster_state& s, const meta::change_set& c,
                              bool everything) {
  if (quotas_ && (everything || c.quotas)) quotas_(s.quotas());
  if (!topics_) return;
  topic_news_message m;
  m.everything = everything;
  if (everything || !c.nodes.empty()) m.nodes = nodes_of(s);
  if (everything) {
    for (const auto& [id, t] : s.topics()) m.topics.push_back(topic_of(t));
  } else {
    std::set<kafka::uuid> touched(c.topics.begin(), c.topics.end());
    for (const auto& [id, number] : c.partitions) touched.insert(id);
    for (const auto& id : touched) {
      if (const auto* t = s.find_topic(id))
        m.topics.push_back(topic_of(*t));
      else
        m.deleted.push_back(id);
    }
  }
  if (everything || m.nodes || !m.topics.empty() || !m.deleted.empty()) tell(std::move(m));
}

// ---- Commands. ----

struct metadata_bridge::chain {
  std::vector<kafka::topic_command> commands;
  size_t at = 0;
  std::chrono::milliseconds limit{};
  done_callback done;
};

void metadata_bridge::change(std::vector<kafka::topic_command> commands,
                             std::chrono::milliseconds limit, done_callback done) {
  auto c = std::make_shared<chain>();
  for (auto& command : commands) {
    c->commands.push_back(std::move(command));
    // New partitions are placed first, then moved to where the client wants them.
    if (auto* more = std::get_if<kafka::add_partitions_command>(&c->commands.back());
        more && !more->assignment.empty()) {
      auto wanted = std::exchange(more->assignment, {});
      const auto id = more->id;
      auto number = more->partitions - static_cast<int32_t>(wanted.size());
      for (auto& replicas : wanted)
        c->commands.push_back(kafka::reassign_partition_command{id, number++, std::move(replicas)});
    }
  }
  c->done = std::move(done);
  c->limit = limit;
  step(std::move(c));
}

void metadata_bridge::step(std::shared_ptr<chain> c) {
  if (c->at == c->commands.size()) return told(std::move(c->done));
  service_->submit(
      std::visit([](const auto& k) { return translate(k); }, c->commands[c->at]),
      [this, c](const result<meta::answer>& a) {
        if (!a) return c->done(to_api_error(a.err()));
        if (!a->ok()) return c->done(refusal_of(*a, c->commands[c->at]));
        ++c->at;
        step(c);
      },
      c->limit);
}

/// Storage takes its messages in order: when it has this one, it has the news of all before.
void metadata_bridge::told(done_callback done) {
  if (!topics_) return done({});
  topic_news_message m;
  m.published = [done = std::move(done)] { done({}); };
  tell(std::move(m));
}

void metadata_bridge::alter_in_sync(const log_id& id, const kafka::in_sync_proposal& p,
                                    std::function<void(error_code)> done) {
  auto c = by_leader<meta::alter_in_sync>(service_->stand(), id, p.leader_epoch);
  c.version = p.version;
  c.in_sync = ids_of(p.in_sync);
  for (auto i : p.incarnations)
    c.epochs.push_back(meta::node_epoch(i < 0 ? 0 : static_cast<uint64_t>(i)));
  service_->submit(std::move(c), [done = std::move(done)](result<meta::answer> a) {
    using meta::verdict;
    if (!a) return done(error_code::request_timed_out);
    switch (a->code) {
      case verdict::ok:
        return done(error_code::none);
      case verdict::fenced:
        return done(error_code::fenced_leader_epoch);
      case verdict::conflict:
        return done(error_code::ineligible_replica);
      case verdict::not_found:
        return done(error_code::not_leader_or_follower);
      default:
        return done(error_code::invalid_update_version);
    }
  });
}

void metadata_bridge::confirm_leader(const log_id& id, int32_t leader_epoch,
                                     std::function<void(error_code)> done) {
  service_->submit(
      by_leader<meta::confirm_leader>(service_->stand(), id, leader_epoch),
      [done = std::move(done)](const result<meta::answer>& a) {
        done(!a        ? error_code::request_timed_out
             : a->ok() ? error_code::none
                       : error_code::not_leader_or_follower);
      },
      confirm_limit);
}

void metadata_bridge::hand_over(const log_id& id, int32_t to) {
  // Refused when it is not in sync any more: the leader asks again.
  meta::elect_leader c;
  c.topic.bytes = id.topic;
  c.partition = id.partition;
  c.leader = meta::node_id{to};
  service_->submit(
      c, [](const result<meta::answer>&) {}, confirm_limit);
}

void metadata_bridge::allocate_producer_ids(uint32_t count,
                                            std::function<void(result<int64_t>)> done) {
  const auto here = service_->stand();
  service_->submit(meta::allocate_producer_ids{here.node, here.epoch, count},
                   [done = std::move(done)](result<meta::answer> a) {
                     if (!a) return done(a.err());
                     if (!a->ok()) return done(error{errc::cancelled, a->text});
                     done(static_cast<int64_t>(a->number));
                   });
}

void metadata_bridge::alter_quotas(std::string change, done_callback done) {
  service_->submit(meta::alter_client_quotas{std::move(change)},
                   [done = std::move(done)](const result<meta::answer>& a) {
                     if (!a) return done(to_api_error(a.err()));
                     if (!a->ok()) return done({error_code::invalid_request, a->text});
                     done({});
                   });
}

void metadata_bridge::watch_quotas(std::function<void(const kafka::quota_map&)> f) {
  service_->ask([this, f = std::move(f)](const meta::cluster_state* s) mutable {
    quotas_ = std::move(f);
    if (quotas_ && s) quotas_(s->quotas());
  });
}

}  // namespace weir
