#include "tests/cluster/sim_network.hpp"

#include <algorithm>
#include <caf/detail/sync_request_bouncer.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include "actors/interfaces.hpp"

namespace weir::sim {
namespace {

// Nothing was heard of a node: its connections end after so long.
constexpr timestamp_us silence_min = 1'000'000, silence_max = 3'500'000;
// A connection that the other side has ended.
constexpr timestamp_us reset_max = 20'000;
// What was lost on a link is sent again at last, when it is there again.
constexpr timestamp_us resend_max = 200'000;

// CAF tells nobody who watches an actor. An explicit instantiation may name what is not public.
template <class Tag, typename Tag::type Member>
struct exposed {
  friend typename Tag::type member(Tag) { return Member; }
};
struct attachables {
  using type = caf::attachable_ptr caf::monitorable_actor::*;
  friend type member(attachables);
};
template struct exposed<attachables, &caf::monitorable_actor::attachables_head_>;
struct observer {
  using type = caf::actor_addr caf::default_attachable::*;
  friend type member(observer);
};
template struct exposed<observer, &caf::default_attachable::observer_>;

/// What is in an actor's mailbox: urgent, and the rest.
auto queues_of(caf::scheduled_actor& a) {
  a.mailbox().fetch_more();
  auto& queues = a.mailbox().queue().queues();
  return std::pair<caf::scheduled_actor::urgent_queue&, caf::scheduled_actor::normal_queue&>(
      std::get<caf::scheduled_actor::urgent_queue_index>(queues),
      std::get<caf::scheduled_actor::normal_queue_index>(queues));
}

/// Takes what `which` accepts out of the queue, in order, but for the first ones.
template <class Queue, class F>
void take_from(Queue& queue, size_t first, F which, std::deque<caf::mailbox_element_ptr>& out) {
  if (queue.total_task_size() <= first) return;
  std::deque<caf::mailbox_element_ptr> stay;
  queue.inc_deficit(queue.total_task_size());
  for (size_t n = 0; auto e = queue.next(); ++n)
    (n >= first && which(*e) ? out : stay).push_back(std::move(e));
  for (auto& e : stay) queue.push_back(std::move(e));
}

void enqueue(const caf::strong_actor_ptr& to, caf::mailbox_element_ptr what) {
  to->get()->enqueue(std::move(what), nullptr);
}

bool is_rows(const caf::mailbox_element& e) {
  return e.content().match_elements<stream_message>() ||
         e.content().match_elements<credit_message>();
}

void tell_cut_off(const caf::strong_actor_ptr& task) {
  enqueue(task, caf::make_mailbox_element(
                    nullptr, caf::make_message_id(), {},
                    cut_off_message{static_cast<uint8_t>(errc::io), "a connection is over"}));
}

}  // namespace

sim_network::sim_network(agenda& a, random_source& r, size_t nodes, access x)
    : agenda_(a),
      random_(r),
      access_(std::move(x)),
      lives_(nodes),
      stalls_(nodes),
      is_stalled_(nodes) {
  for (size_t i = 0; i < nodes; ++i)
    for (size_t j = i + 1; j < nodes; ++j) links_[{i, j}];
}

void sim_network::started(size_t node) {
  ++lives_[node];
  is_stalled_[node] = false;
  for (size_t other = 0; other < lives_.size(); ++other)
    if (other != node) from(other, node).over = true;
}

void sim_network::ended(size_t node) {
  ++lives_[node];
  is_stalled_[node] = false;
  for (size_t other = 0; other < lives_.size(); ++other) {
    if (other == node) continue;
    from(other, node).over = true;
    if (from(node, other).cuts == 0)
      notice(other, node);
    else
      silent(other, node, [] { return true; });
  }
}

void sim_network::look_at(caf::scheduled_actor& a) {
  if (std::string_view(a.name()) != "weir.task" || rows_with_.contains(a.id())) return;
  a.mailbox().fetch_more();
  a.mailbox().queue().peek_all([&](const caf::mailbox_element& e) {
    if (!e.content().match_elements<connect_message>()) return;
    auto& nodes = rows_with_[a.id()];
    for (const auto& t : e.content().get_as<connect_message>(0).receivers)
      nodes.push_back(access_.owner_of(caf::actor_cast<caf::abstract_actor*>(t)));
  });
}

bool sim_network::is_clean(size_t a, size_t b) {
  const auto& w = from(a, b);
  return w.cuts == 0 && w.delay == 0 && w.held.empty() && !w.over && !from(b, a).over &&
         link(a, b).connection < 2;  // later ones carry no rows of tasks that used one before
}

/// Those of other nodes that have something to read, where the link is not as it should be.
template <class F>
void sim_network::each_addressee(size_t node, const caf::scheduler::test_coordinator& scheduler,
                                 F f) {
  std::vector<bool> clean(lives_.size(), true);
  bool all = true;
  for (size_t other = 0; other < lives_.size(); ++other)
    if (other != node) all &= clean[other] = is_clean(node, other);
  if (all) return;
  for (auto* r : scheduler.jobs) {
    auto* a = dynamic_cast<caf::scheduled_actor*>(r);
    if (!a) continue;
    const auto to = access_.owner_of(a);
    if (to != SIZE_MAX && to != node && !clean[to]) f(to, *a, queues_of(*a));
  }
}

void sim_network::sends(size_t node, const caf::scheduler::test_coordinator& scheduler) {
  were_there_.clear();
  each_addressee(node, scheduler, [&](size_t, caf::scheduled_actor& a, auto queues) {
    were_there_[a.id()] = {queues.first.total_task_size(), queues.second.total_task_size()};
  });
}

void sim_network::sent(size_t node, const caf::scheduler::test_coordinator& scheduler) {
  each_addressee(node, scheduler, [&](size_t to, caf::scheduled_actor& a, auto queues) {
    auto is_from_there = [&](const caf::mailbox_element& e) {
      return e.sender && access_.owner_of(e.sender->get()) == node;
    };
    const auto before = were_there_[a.id()];
    std::deque<caf::mailbox_element_ptr> taken;
    take_from(queues.first, before[0], is_from_there, taken);
    take_from(queues.second, before[1], is_from_there, taken);
    const auto strong = caf::actor_cast<caf::strong_actor_ptr>(&a);
    for (auto& e : taken) take(node, to, strong, std::move(e));
  });
}

void sim_network::take(size_t a, size_t b, const caf::strong_actor_ptr& to,
                       caf::mailbox_element_ptr what) {
  auto& w = from(a, b);
  if (w.over || from(b, a).over) {
    // Who knows that there is no connection is refused at once.
    if (from(b, a).over && what->mid.is_request())
      caf::detail::sync_request_bouncer{caf::exit_reason::remote_link_unreachable}(*what);
    return lose({to, std::move(what)});
  }
  if (is_rows(*what) && (is_cut_off(to, a) || is_cut_off(what->sender, b)))
    return lose({to, std::move(what)});
  if (w.cuts == 0 && w.delay == 0 && w.held.empty()) return enqueue(to, std::move(what));
  w.held.push_back({to, std::move(what)});
  if (w.cuts == 0) flush(a, b);
}

void sim_network::drop(size_t a, size_t b) {
  for (auto [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    auto gone = std::exchange(from(x, y).held, {});
    for (auto& h : gone) lose(std::move(h));
  }
}

void sim_network::lose(message h) {
  // That an actor is gone is noticed all the same.
  if (h.what->content().match_elements<caf::down_msg>()) return enqueue(h.to, std::move(h.what));
  ++lost_;
  // Rows have a connection of their own, which is lost for those who use it, be it later.
  if (!is_rows(*h.what)) return;
  const auto& sender = h.what->sender;
  cut_off(h.to, access_.owner_of(sender->get()), reset_max);
  cut_off(sender, access_.owner_of(h.to->get()), reset_max);
}

/// One after the other, at random times.
void sim_network::flush(size_t a, size_t b) {
  auto& w = from(a, b);
  if (w.flushing || w.held.empty()) return;
  w.flushing = true;
  agenda_.after(random_.between(0, w.delay), [this, a, b] {
    auto& later = from(a, b);
    later.flushing = false;
    if (later.cuts != 0 || later.held.empty()) return;
    auto h = std::move(later.held.front());
    later.held.pop_front();
    enqueue(h.to, std::move(h.what));
    flush(a, b);
  });
}

void sim_network::cut(size_t a, size_t b, bool both, timestamp_us length) {
  auto one_way = [&](size_t x, size_t y) {
    ++from(x, y).cuts;
    const auto begun = agenda_.now();
    silent(y, x, [this, x, y, begun, length] {
      return from(x, y).cuts != 0 && agenda_.now() < begun + length;
    });
    agenda_.after(length, [this, x, y] {
      if (--from(x, y).cuts != 0) return;
      agenda_.after(random_.between(0, resend_max), [this, x, y] {
        if (from(x, y).cuts != 0) return;
        // What is sent again meets a connection that is over.
        if (from(y, x).over && !is_stalled_[y]) notice(y, x);
        flush(x, y);
      });
    });
  };
  one_way(a, b);
  if (both) one_way(b, a);
}

void sim_network::slow(size_t a, size_t b, timestamp_us delay, timestamp_us length) {
  from(a, b).delay = delay;
  agenda_.after(length, [this, a, b] { from(a, b).delay = 0; });
}

void sim_network::stalled(size_t node, timestamp_us length) {
  is_stalled_[node] = true;
  const auto stall = ++stalls_[node];
  const auto life = lives_[node];
  auto lasts = [this, node, stall, life] {
    return lives_[node] == life && is_stalled_[node] && stalls_[node] == stall;
  };
  for (size_t other = 0; other < lives_.size(); ++other)
    if (other != node) silent(other, node, lasts);
  agenda_.after(length, [this, node, lasts] {
    if (!lasts()) return;
    is_stalled_[node] = false;
    // Those that others have ended meanwhile.
    for (size_t other = 0; other < lives_.size(); ++other)
      if (other != node && from(node, other).over && from(other, node).cuts == 0)
        agenda_.after(random_.between(0, reset_max), [this, node, other, life = lives_[node]] {
          if (lives_[node] == life && from(node, other).over) notice(node, other);
        });
  });
}

/// After a while, should it still be so.
void sim_network::silent(size_t who, size_t of, std::function<bool()> still) {
  agenda_.after(random_.between(silence_min, silence_max),
                [this, who, of, still = std::move(still), life = lives_[who],
                 connection = link(who, of).connection] {
                  if (lives_[who] != life || link(who, of).connection != connection || !still())
                    return;
                  notice(who, of);
                });
}

/// `who`'s end of the connection to `of` is over.
void sim_network::notice(size_t who, size_t of) {
  if (std::exchange(from(of, who).over, true)) return;
  access_.log("n" + std::to_string(who) + " lost its connection to n" + std::to_string(of));
  drop(who, of);
  tell(watchers_of(of, who));
  cut_off_tasks(who, of);
  // The other side is told as soon as a packet gets there.
  if (from(who, of).over || from(who, of).cuts != 0 || is_stalled_[of]) return;
  agenda_.after(random_.between(0, reset_max),
                [this, who, of, life = lives_[of], connection = link(who, of).connection] {
                  if (lives_[of] == life && link(who, of).connection == connection) notice(of, who);
                });
}

bool sim_network::connect(size_t a, size_t b) {
  const auto larger = std::max(a, b), smaller = std::min(a, b);
  if (from(a, b).cuts != 0 || from(b, a).cuts != 0) return false;
  if (!from(smaller, larger).over) return !from(larger, smaller).over;
  // Should the other one not have noticed: there is one connection at a time.
  notice(smaller, larger);
  drop(a, b);  // what the loss of a process has left
  ++link(a, b).connection;
  from(a, b).over = from(b, a).over = false;
  return true;
}

sim_network::watchers sim_network::watchers_of(size_t observed, size_t observers) const {
  watchers out;
  for (const auto& address : access_.actors_of(observed).get()) {
    const auto strong = caf::actor_cast<caf::strong_actor_ptr>(address);
    auto* a = strong ? dynamic_cast<caf::monitorable_actor*>(strong->get()) : nullptr;
    if (!a) continue;
    for (auto* at = (a->*member(attachables())).get(); at; at = at->next.get()) {
      const auto* d = dynamic_cast<caf::default_attachable*>(at);
      if (!d) continue;
      const auto who = caf::actor_cast<caf::strong_actor_ptr>(d->*member(observer()));
      if (who && access_.owner_of(who->get()) == observers)
        out.emplace_back(address, who->address());
    }
  }
  return out;
}

/// As if those that they watch had ended.
void sim_network::tell(const watchers& all) {
  for (const auto& [observed, who] : all) {
    const auto watched = caf::actor_cast<caf::strong_actor_ptr>(observed);
    const auto to = caf::actor_cast<caf::strong_actor_ptr>(who);
    if (!watched || !to) continue;
    const caf::default_attachable::observe_token token{who, caf::default_attachable::monitor};
    auto* a = dynamic_cast<caf::monitorable_actor*>(watched->get());
    if (a->detach(token) == 0) continue;  // it is told by now
    enqueue(to, caf::make_mailbox_element(
                    nullptr, caf::make_message_id(), {},
                    caf::down_msg{observed, caf::exit_reason::remote_link_unreachable}));
  }
}

void sim_network::cut_off_tasks(size_t of, size_t lost) {
  for (const auto& address : access_.actors_of(of).get()) {
    const auto strong = caf::actor_cast<caf::strong_actor_ptr>(address);
    auto* a = strong ? dynamic_cast<caf::local_actor*>(strong->get()) : nullptr;
    const auto with = a ? rows_with_.find(a->id()) : rows_with_.end();
    if (with != rows_with_.end() && std::count(with->second.begin(), with->second.end(), lost) > 0)
      cut_off(strong, lost, 0);
  }
}

/// `task` is told within `delay`, and once.
void sim_network::cut_off(const caf::strong_actor_ptr& task, size_t from, timestamp_us delay) {
  if (!without_rows_.insert({task->id(), from}).second) return;
  if (delay == 0) return tell_cut_off(task);
  agenda_.after(random_.between(0, delay), [task] { tell_cut_off(task); });
}

bool sim_network::is_cut_off(const caf::strong_actor_ptr& task, size_t from) const {
  return without_rows_.contains({task->id(), from});
}

}  // namespace weir::sim
