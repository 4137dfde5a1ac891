// How a node becomes a member of a cluster, stays one and goes.
#include "cluster/meta/service/service_impl.hpp"

#include "cluster/meta/service/identity.hpp"

namespace weir::meta {
namespace {

constexpr auto join_interval = 200ms;
// Between two attempts to register after the cluster has refused: its log keeps every one.
constexpr auto register_again = 500ms;
// Nodes that begin a cluster together have said within this time that they have none.
constexpr uint64_t together_limit_ms = 2'000;

}  // namespace

void metadata_service::impl::leave(std::chrono::milliseconds limit, std::function<void()> done) {
  leaving_ = true;
  if (!registered_) return done();
  const auto now = now_ms();
  going_ = departure{now + static_cast<uint64_t>(limit.count()) / 2,
                     now + static_cast<uint64_t>(limit.count()), std::move(done)};
}

void metadata_service::impl::go() {
  if (!going_) return;
  const auto now = now_ms();
  const bool may_hand_on =
      going_->fenced ? now < going_->until_ms : !going_->fencing && now < going_->hand_on_until_ms;
  if (may_hand_on && hands_on(now)) return;
  if (!going_->fencing) {
    going_->fencing = true;
    submit(
        fence_node{node_id{node_number_}, *epoch_},
        [this](const result<answer>&) {
          if (going_) going_->fenced = true;
        },
        std::chrono::milliseconds(going_->until_ms - now));
  } else if (going_->fenced || now >= going_->until_ms) {
    std::exchange(going_, {})->done();
  }
}

bool metadata_service::impl::hands_on(uint64_t now) {
  if (!node_) return false;
  if (node_->leader() == 0) return true;  // until somebody is elected
  if (node_->role() != node_role::leader) return false;
  return hand_on(now) != admission::invalid;  // overloaded: it is under way
}

void metadata_service::impl::join() {
  if (unanswered_.empty() || now_ms() >= ask_until_ms_) unanswered_.clear();
  if ((!joins_ && unanswered_.empty()) || steady::now() < join_at_) return;
  join_at_ = steady::now() + join_interval;
  kafka::node_join_request q;
  q.format = peers_format;
  q.identity = identity_;
  q.cluster = cluster_;
  q.server = static_cast<int64_t>(self_);
  q.name = options_.name;
  q.address = options_.address;
  q.build = options_.wire.build;
  signed_by(options_.wire, q);
  auto to = options_.seeds;
  if (!leader_hint_.empty()) to.push_back(leader_hint_);
  std::erase(options_.seeds, options_.address);
  for (const auto& a : to)
    if (a != options_.address)
      peers_.call(a, q, 0, message_timeout, [this, a](result<kafka::node_join_response> r) {
        post([this, a, r = std::move(r)] { joined(a, r); });
      });
}

void metadata_service::impl::of_another_cluster(const std::string& from, const std::string& why) {
  const auto what = "--join " + from + " leads to another cluster than the one that " +
                    options_.data_dir + " belongs to (" + why + ")";
  if (registered_ || !alone())
    return complain_of("another cluster " + from, what +
                                                      ": correct join, or name the folder "
                                                      "of a node of that cluster");
  refused_ = what +
             ", in which it is the only node: to join, name another --data-dir, or move "
             "this one away (its topics and jobs stay behind); to go on with it, leave "
             "--join out";
}

void metadata_service::impl::joined(const std::string& from,
                                    const result<kafka::node_join_response>& r) {
  if (r) {
    unanswered_.erase(from);
    if (r->error_code == error_code::inconsistent_cluster_id && !cluster_.is_zero())
      return of_another_cluster(from, r->error_message.value_or("no reason"));
  }
  if (!joins_) return;
  if (!r) return complain("join " + from, "cannot join by " + from + ": " + r.err().message);
  const auto who = static_cast<server_id>(r->server);
  if (who == self_) {  // a list of all nodes has this one, too
    std::erase(options_.seeds, from);
    return;
  }
  learn(who, from);
  if (r->error_code != error_code::coordinator_not_available) waiting_too_.erase(from);
  switch (r->error_code) {
    case error_code::none:
      break;
    case error_code::coordinator_not_available:
      waiting_too_[from] = {who, now_ms()};
      return begin_together();
    case error_code::not_controller:
      if (!r->leader.empty()) leader_hint_ = r->leader;
      return;
    case error_code::request_timed_out:
      return;  // its change is under way
    default:
      return complain("refused by " + from,
                      from + " refuses this node: " + r->error_message.value_or("no reason"));
  }
  joins_ = false;
  problem_.clear();
  leader_hint_ = from;
  if (node_) return;
  cluster_ = r->cluster;
  auto s = keep_cluster_identity(files_, options_.data_dir, cluster_);
  if (s) s = start_consensus();
  if (s) return;
  complain("start", s.err().message);
  cluster_ = {};
  joins_ = true;
}

void metadata_service::impl::begin_together() {
  // With an id and no log it began once and was cut off.
  if (!cluster_.is_zero() && node_ && node_->last_index() > 0) return;
  const auto now = now_ms();
  for (const auto& s : options_.seeds) {
    auto it = waiting_too_.find(s);
    if (it == waiting_too_.end() || now > it->second.second + together_limit_ms) return;
    if (it->second.first < self_) return;
  }
  const auto id = cluster_.is_zero() ? kafka::random_uuid() : cluster_;
  node_.reset();
  auto s = keep_cluster_identity(files_, options_.data_dir, id);
  if (s) s = consensus_node::bootstrap(*store_, {{self_, options_.address, server_role::voter}});
  if (s) {
    cluster_ = id;
    s = start_consensus();
  }
  if (!s) return complain("start", s.err().message);
  joins_ = false;
  problem_.clear();
  log("this node begins the cluster " + id.to_string());
}

void metadata_service::impl::complain(const std::string& cause, std::string why) {
  problem_ = std::move(why);
  complain_of(cause, problem_);
}

void metadata_service::impl::complain_of(const std::string& cause, const std::string& text) {
  if (auto line = limiter_.say(cause, text, now_ms())) log(*line);
}

void metadata_service::impl::sign() {
  if (!node_ || cluster_.is_zero()) return;
  const auto& state = machine_->state();
  const auto* me = state.find_node(identity_);
  const bool current = me && epoch_ && me->epoch == *epoch_ && !me->fenced;
  const bool asks_first = alone() && !unanswered_.empty();
  if (asks_first || !refused_.empty()) return;
  if (!current && !leaving_ && !registering_ && steady::now() >= register_at_ &&
      (!epoch_ || (me && me->epoch >= *epoch_))) {
    registering_ = true;
    submit(
        register_node{identity_, options_.name, options_.rack, options_.endpoints},
        [this](result<answer> r) { registered_as(r); }, 5s);
  }
  if (!epoch_ || steady::now() < sign_at_) return;
  sign_at_ = steady::now() + options_.sign_interval;
  if (node_->leads()) {
    if (current) watch_.heard(self_, now_ms());
    return;
  }
  auto to = address_of_leader();
  if (to.empty()) return;
  kafka::node_heartbeat_request q;
  q.cluster = cluster_;
  q.server = static_cast<int64_t>(self_);
  q.node = node_number_;
  q.epoch = static_cast<int64_t>(epoch_->value);
  signed_by(options_.wire, q);
  peers_.call(to, q, 0, message_timeout, [this, to](result<kafka::node_heartbeat_response> r) {
    post([this, to, r = std::move(r)] {
      if (!r) return leader_hint_.clear();
      if (r->error_code == error_code::unsupported_version)
        return complain_of("refused by " + to,
                           to + " refuses this node: " + r->error_message.value_or("no reason"));
      if (r->error_code == error_code::not_controller) leader_hint_ = r->leader;
    });
  });
}

void metadata_service::impl::registered_as(const result<answer>& r) {
  registering_ = false;
  register_at_ = steady::now() + (r && r->ok() ? 0ms : register_again);
  if (!r) {
    std::string trouble;
    {
      std::lock_guard lock(mutex_);
      trouble = trouble_;
    }
    return complain("register",
                    "cannot register: " + r.err().message +
                        (trouble.empty() ? "" : "; the last message that was lost: " + trouble));
  }
  if (!r->ok()) return complain("register", "the cluster refuses this node: " + r->text);
  node_number_ = static_cast<int32_t>(r->number);
  epoch_ = node_epoch{r->second};
  joins_ = false;
  problem_.clear();
}

}  // namespace weir::meta
