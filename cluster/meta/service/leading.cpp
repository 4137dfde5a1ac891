// What the node does whose server leads: who is given up, who leads partitions, who votes.
#include "cluster/meta/service/service_impl.hpp"

#include "cluster/meta/service/identity.hpp"
#include "cluster/meta/state/command_codec.hpp"

namespace weir::meta {
namespace {

constexpr auto membership_interval_ms = 200;
// A change of who votes that is not done by then is asked for again.
constexpr uint64_t membership_limit_ms = 5'000;
// No command is taken while another server is to lead, for up to an election's timeout: if it does
// not, who drains asks one again only after this time.
constexpr uint64_t hand_on_interval_ms = 3'000;

}  // namespace

admission metadata_service::impl::hand_on(uint64_t now) {
  const auto to = watch_.successor(now, node_->members(), self_, machine_->state());
  return to == 0 ? admission::invalid : node_->transfer(to);
}

void metadata_service::impl::lead() {
  if (!node_ || !node_->leads()) {
    led_ = false;
    return;
  }
  const auto now = now_ms();
  if (!std::exchange(led_, true)) {
    const auto former = node_->last_leader();
    watch_.begin(now, former.who, former.at_ms);
    changes_.clear();
    changing_ = false;
  }
  watch_.heard(self_, now);
  auto propose = [this](command c) {
    // Nobody waits: it is looked at again at the next tick.
    (void)node_->propose(next_ticket_++, encode_request({{}, 0, std::move(c)}));
  };
  for (auto& c : watch_.due(now, machine_->state())) {
    if (const auto* f = std::get_if<fence_node>(&c)) {
      auto [it, first] = fenced_at_.try_emplace(f->node, 0);
      if (!first && now < it->second + 1'000) continue;
      it->second = now;
      log("node " + std::to_string(f->node.value) + " is silent and given up");
    }
    propose(std::move(c));
  }
  for (auto& c : watch_.balance(now, machine_->state())) propose(std::move(c));
  if (now < members_at_ + membership_interval_ms) return;
  members_at_ = now;
  if (changing_ && now < changing_since_ + membership_limit_ms) return;
  changing_ = false;
  if (hands_on_draining(now)) return;
  if (changes_.empty())
    if (auto c = watch_.membership(now, node_->members(), self_, machine_->state()))
      changes_.push_back({c->which, "", c->role, c->remove, false});
  change_members();
}

bool metadata_service::impl::hands_on_draining(uint64_t now) {
  const auto* me = machine_->state().find_node(identity_);
  if (!me || !me->draining || now < handed_on_ms_ + hand_on_interval_ms) return false;
  if (hand_on(now) != admission::accepted) return false;
  handed_on_ms_ = now;
  return true;
}

void metadata_service::impl::change_members() {
  while (!changing_ && !changes_.empty()) {
    auto c = changes_.front();
    changes_.pop_front();
    const auto* m = member(c.which);
    if (c.add ? m != nullptr : m == nullptr) continue;
    if (!c.add && !c.remove && m->role == c.role) continue;
    // A vote is not taken by a request to join.
    if (!c.add && !c.remove && c.role == server_role::learner && m->role == server_role::voter &&
        !c.address.empty())
      continue;
    const auto t = next_ticket_++;
    auto a = c.add ? node_->add(t, c.which, address_of_member(node_->members(), c.which, c.address))
             : c.remove ? node_->remove(t, c.which)
                        : node_->assign(t, c.which, c.role);
    if (a != admission::accepted) continue;
    changing_ = true;
    changing_since_ = now_ms();
    proposals_[t] = [this](const proposal_reply&) {
      changing_ = false;
      change_members();
    };
  }
}

}  // namespace weir::meta
