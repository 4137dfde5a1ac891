// This node's own commands: to the leader, again until they are answered.
#include "cluster/meta/service/service_impl.hpp"

#include "cluster/meta/state/command_codec.hpp"

namespace weir::meta {
namespace {

// A command that the leader has may wait for a slow disk or for a majority.
constexpr auto command_timeout = 4s;
// An answer whose effect is not seen here by then is told all the same: this node is behind.
constexpr uint64_t seen_limit_ms = 2'000;

}  // namespace

void metadata_service::impl::submit(command c, answer_callback done,
                                    std::chrono::milliseconds limit) {
  lanes_.submit(std::move(c), now_ms() + static_cast<uint64_t>(limit.count()),
                [this, done = std::move(done)](result<answer> a) {
                  if (!a) return done(std::move(a));
                  // What is answered can be seen here, and the observer was told of it.
                  unseen_.push_back({answer_index_, now_ms() + seen_limit_ms, done, std::move(*a)});
                });
  send_commands();
}

void metadata_service::impl::tell_seen() {
  const auto now = now_ms();
  std::deque<unseen_answer> seen;
  for (auto it = unseen_.begin(); it != unseen_.end();) {
    if (node_ && node_->applied_index() < it->index && now < it->until_ms) {
      ++it;
      continue;
    }
    seen.push_back(std::move(*it));
    it = unseen_.erase(it);
  }
  for (auto& s : seen) s.done(std::move(s.what));
}

void metadata_service::impl::send_commands() {
  for (auto& a : lanes_.due(now_ms())) send(std::move(a));
}

void metadata_service::impl::send(command_lanes::attempt a) {
  if (node_ && node_->leads()) {
    const auto t = next_ticket_++;
    auto bytes = a.bytes;
    switch (node_->propose(t, std::move(bytes))) {
      case admission::accepted:
        proposals_[t] = [this, a](const proposal_reply& r) {
          lanes_.outcome(a, answer_of(r), now_ms());
        };
        return;
      case admission::invalid:
        return lanes_.outcome(a, error{errc::invalid_argument, "the command is too large"},
                              now_ms());
      default:
        return lanes_.outcome(a, std::nullopt, now_ms());
    }
  }
  const auto to = address_of_leader();
  if (to.empty() || to == options_.address) return lanes_.outcome(a, std::nullopt, now_ms());
  kafka::node_command_request q;
  q.cluster = cluster_;
  q.command = a.bytes;
  peers_.call(to, signed_by(options_.wire, q), 0, command_timeout,
              [this, a](result<kafka::node_command_response> r) {
                post([this, a, r = std::move(r)] { answered(a, r); });
              });
}

void metadata_service::impl::answered(const command_lanes::attempt& a,
                                      const result<kafka::node_command_response>& r) {
  if (!r) {
    leader_hint_.clear();
    return lanes_.outcome(a, std::nullopt, now_ms());
  }
  if (r->error_code == error_code::not_controller) {
    leader_hint_ = r->leader;
    return lanes_.outcome(a, std::nullopt, now_ms());
  }
  if (r->error_code == error_code::request_timed_out)
    return lanes_.outcome(a, std::nullopt, now_ms());
  if (r->error_code != error_code::none)
    return lanes_.outcome(
        a, error{errc::invalid_argument, "the leader refuses: " + r->error_message.value_or("")},
        now_ms());
  answer_index_ = static_cast<log_index>(r->index);
  lanes_.outcome(a, decode_answer(r->answer), now_ms());
  answer_index_ = 0;
}

std::optional<result<answer>> metadata_service::impl::answer_of(const proposal_reply& r) {
  if (r.outcome == proposal_outcome::done) return decode_answer(r.reply);
  return std::nullopt;
}

}  // namespace weir::meta
