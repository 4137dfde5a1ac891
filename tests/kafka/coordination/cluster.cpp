#include "tests/kafka/coordination/cluster.hpp"

#include "runtime/kafka/transactions/transaction.hpp"

namespace weir::kafka::sim {

// ---- Logs. ----

error_code sim_log::check(const log_entry& e) const {
  if (e.producer_id < 0) return error_code::none;
  auto it = producers.find(e.producer_id);
  if (it == producers.end()) return error_code::none;
  if (e.producer_epoch < it->second.epoch) return error_code::invalid_producer_epoch;
  if (e.marker && e.coordinator_epoch < it->second.coordinator_epoch)
    return error_code::transaction_coordinator_fenced;
  return error_code::none;
}

void sim_log::note(const log_entry& e) {
  if (e.producer_id < 0) return;
  auto& p = producers[e.producer_id];
  p.epoch = std::max(p.epoch, e.producer_epoch);
  if (e.marker) p.coordinator_epoch = e.coordinator_epoch;
}

cluster::cluster(uint64_t seed, mistakes m) : random_(seed), mistakes_(m), nodes_(node_count) {
  topics_ = std::make_shared<fake_topics>();
  topics_->add("m", 4);
  topics_->add("t", data_count);
  topics_->add("s", application_count);
  group_options_.consumer_session_timeout_ms = 6'000;
  std::vector<log_name> names;
  for (int32_t i = 0; i < homes_count; ++i) {
    names.push_back({kind::offsets, i});
    names.push_back({kind::states, i});
  }
  for (int32_t i = 0; i < data_count; ++i) names.push_back({kind::data, i});
  for (const auto& n : names) {
    logs_[n].now = {static_cast<int>(draw(node_count)), 0};
    for (auto& node : nodes_) node.view[n] = logs_[n].now;
  }
  for (int n = 0; n < node_count; ++n) {
    follow(n, kind::offsets);
    follow(n, kind::states);
  }
}

void cluster::run_until(int64_t ms) {
  while (!events_.empty() && events_.top().ms <= ms) {
    const event e = events_.top();
    events_.pop();
    now_ = std::max(now_, e.ms);
    e.run();
  }
  now_ = ms;
}

void cluster::append(int n, const log_name& name, int32_t epoch, std::vector<log_entry> entries,
                     append_done done) {
  if (epoch == any_epoch) return arrive(n, name, epoch, std::move(entries), std::move(done));
  auto& last = arrivals_[{n, name, epoch}];
  last = std::max(last, now_ + static_cast<int64_t>(draw(chance(0.05) ? 400 : 3)));
  at(last, [this, n, name, epoch, life = nodes_[static_cast<size_t>(n)].life,
            entries = std::move(entries), done = std::move(done)] {
    if (nodes_[static_cast<size_t>(n)].life == life) arrive(n, name, epoch, entries, done);
  });
}

/// As a leader does: in its own view it leads, in this epoch. Whether that is so shows later.
void cluster::arrive(int n, const log_name& name, int32_t epoch, std::vector<log_entry> entries,
                     append_done done) {
  auto& node = nodes_[static_cast<size_t>(n)];
  auto& log = logs_.at(name);
  const auto& view = node.view.at(name);
  const auto of_tenure = epoch;
  if (epoch == any_epoch || mistakes_.write_in_any_epoch) epoch = view.epoch;
  if (view.leader != n || view.epoch != epoch) {
    ++refused_deposed;
    return done(error_code::not_leader_or_follower);
  }
  if (log.now.leader != n || log.now.epoch != epoch) {  // nobody copies it from here
    log.limbo.push_back({n, node.life, epoch, 0, std::move(done)});
    return;
  }
  if (of_tenure != any_epoch) expect(of_tenure == epoch, "a write of a tenure that is over counts");
  for (const auto& e : entries)
    if (const auto refused = log.check(e); refused != error_code::none) return done(refused);
  for (auto& e : entries) {
    e.last = &e == &entries.back();
    log.note(e);
    log.entries.push_back(std::move(e));
  }
  log.changed_ms = now_;
  const auto end = log.entries.size();
  log.waits.push_back({n, node.life, epoch, end, std::move(done)});
  after(static_cast<int64_t>(draw(chance(0.2) ? 400 : 40)),
        [this, name, end, epoch] { commit(name, end, epoch); });
}

void cluster::commit(const log_name& name, size_t end, int32_t epoch) {
  auto& log = logs_.at(name);
  if (log.now.epoch != epoch) return;
  log.committed = std::max(log.committed, end);
  log.changed_ms = now_;
  while (!log.waits.empty() && log.waits.front().end <= log.committed) {
    auto w = std::move(log.waits.front());
    log.waits.pop_front();
    if (nodes_[static_cast<size_t>(w.node)].life == w.life) w.done(error_code::none);
  }
}

// ---- Leadership. ----

void cluster::change_leader(const log_name& name, int to) {
  auto& log = logs_.at(name);
  ++moves;
  log.now = {to, log.now.epoch + 1};
  // What was not committed: a part of it has reached the new leader.
  const auto tail = log.entries.size() - log.committed;
  auto kept = draw(tail + 1);
  while (kept > 0 && !log.entries[log.committed + kept - 1].last) --kept;
  lost_entries += tail - kept;
  log.entries.resize(log.committed + kept);
  log.producers.clear();
  for (const auto& e : log.entries) log.note(e);
  for (auto& w : log.waits) log.limbo.push_back(std::move(w));
  log.waits.clear();
  if (to >= 0)
    after(static_cast<int64_t>(draw(200)), [this, name, end = log.entries.size(),
                                            epoch = log.now.epoch] { commit(name, end, epoch); });
  for (int n = 0; n < node_count; ++n)
    after(static_cast<int64_t>(draw(chance(0.2) ? 3'000 : 100)),
          [this, n, name, v = log.now] { tell(n, name, v); });
}

void cluster::tell(int n, const log_name& name, leader_view v) {
  auto& node = nodes_[static_cast<size_t>(n)];
  auto& view = node.view.at(name);
  if (!node.up || v.epoch <= view.epoch) return;
  view = v;
  // Its partition refuses all that waits in a term that is over.
  auto& limbo = logs_.at(name).limbo;
  std::vector<sim_log::waiting> over;
  for (auto it = limbo.begin(); it != limbo.end();) {
    if (it->node == n && it->epoch < v.epoch) {
      over.push_back(std::move(*it));
      it = limbo.erase(it);
    } else {
      ++it;
    }
  }
  for (auto& w : over)
    if (w.life == node.life) w.done(error_code::not_leader_or_follower);
  if (name.what != kind::data) follow(n, name.what);
}

void cluster::follow(int n, kind what) {
  auto& node = nodes_[static_cast<size_t>(n)];
  std::vector<leadership> now;
  for (int32_t i = 0; i < homes_count; ++i) {
    const auto& v = node.view.at({what, i});
    now.push_back({v.leader == n, v.epoch});
  }
  const bool groups = what == kind::offsets;
  const auto c = (groups ? node.groups_here : node.states_here).update(now);
  for (const auto& t : c.ended) groups ? end_groups(n, t) : end_states(n, t);
  for (const auto& t : c.begun) {
    const auto end = logs_.at({what, t.partition}).entries.size();
    if (groups) node.groups[t.partition].of = t;
    after(static_cast<int64_t>(draw(chance(0.2) ? 1'500 : 100)),
          [this, n, groups, life = node.life, t, end] {
            groups ? load_groups(n, life, t, end) : load_states(n, life, t, end);
          });
  }
}

void cluster::move_leader() {
  auto it = logs_.begin();
  std::advance(it, draw(logs_.size()));
  int to = static_cast<int>(draw(node_count));
  if (!nodes_[static_cast<size_t>(to)].up) to = -1;
  if (to >= 0 && chance(0.1)) to = -1;
  change_leader(it->first, to);
  // Often one change comes with the next.
  if (chance(0.3))
    after(static_cast<int64_t>(draw(300)), [this, name = it->first] {
      const auto next = static_cast<int>(draw(node_count));
      if (nodes_[static_cast<size_t>(next)].up) change_leader(name, next);
    });
  if (to < 0)
    after(static_cast<int64_t>(draw(1'000)), [this, name = it->first] {
      if (logs_.at(name).now.leader >= 0) return;
      for (int n = 0; n < node_count; ++n)
        if (nodes_[static_cast<size_t>(n)].up) return change_leader(name, n);
    });
}

void cluster::crash() {
  const auto n = static_cast<int>(draw(node_count));
  auto& node = nodes_[static_cast<size_t>(n)];
  int alive = 0;
  for (const auto& other : nodes_) alive += other.up ? 1 : 0;
  if (!node.up || alive < node_count - 1) return;
  ++crashes;
  ++node.life;
  node.up = false;
  node.groups.clear();
  node.states.clear();
  node.groups_here = {};
  node.states_here = {};
  node.ids = {};
  std::vector<int> others;
  for (int i = 0; i < node_count; ++i)
    if (nodes_[static_cast<size_t>(i)].up) others.push_back(i);
  for (auto& [name, log] : logs_)
    if (log.now.leader == n)
      after(500, [this, n, name, to = others[draw(others.size())]] {
        if (logs_.at(name).now.leader == n)
          change_leader(name, nodes_[static_cast<size_t>(to)].up ? to : -1);
      });
  after(1'000 + static_cast<int64_t>(draw(3'000)), [this, n] {
    auto& back = nodes_[static_cast<size_t>(n)];
    back.up = true;
    // Whatever it led it does not lead any more: its registration is a new epoch.
    for (auto& [name, log] : logs_) {
      if (log.now.leader == n || log.now.leader < 0) change_leader(name, n);
      back.view.at(name) = log.now;
    }
    follow(n, kind::offsets);
    follow(n, kind::states);
  });
}

// ---- Tenures. ----

group_home* cluster::serving_groups(int n, uint64_t life, const tenure& t) {
  auto& node = nodes_[static_cast<size_t>(n)];
  if (node.life != life || node.groups_here.serving(t.partition) != t) return nullptr;
  return &node.groups.at(t.partition);
}
state_home* cluster::serving_states(int n, uint64_t life, const tenure& t) {
  auto& node = nodes_[static_cast<size_t>(n)];
  if (node.life != life || node.states_here.serving(t.partition) != t) return nullptr;
  return &node.states.at(t.partition);
}

void cluster::load_groups(int n, uint64_t life, tenure t, size_t end) {
  auto& node = nodes_[static_cast<size_t>(n)];
  if (node.life != life || !node.groups_here.lasts(t)) return;
  const auto& log = logs_.at({kind::offsets, t.partition});
  end = std::min(end, log.entries.size());
  if (log.committed < end && !mistakes_.serve_uncommitted)
    return after(20, [this, n, life, t, end] { load_groups(n, life, t, end); });
  ++loads;
  group_replay replay(group_options_, topics_);
  const auto read_to = end + draw(std::max(log.committed, end) - end + 1);
  for (size_t i = 0; i < read_to; ++i) {
    const auto& e = log.entries[i];
    if (e.marker) {
      replay.on_marker(e.producer_id, e.commit);
      continue;
    }
    const auto value = e.value ? std::optional<std::string_view>(*e.value) : std::nullopt;
    REQUIRE(replay.on_record(e.key, value, e.producer_id).ok());
  }
  REQUIRE(node.groups_here.loaded(t));
  auto& home = node.groups.at(t.partition);
  home.groups = replay.take();
  std::vector<std::string> ids;
  for (const auto& [id, g] : home.groups) ids.push_back(id);
  for (const auto& id : ids) {
    group_effects out;
    home.groups.at(id)->loaded(now_, out);
    take(n, t, id, std::move(out));
    for (const auto& [producer, commit] : home.ended) {
      group_effects more;
      home.groups.at(id)->on_transaction_end(producer, commit, now_, more);
      take(n, t, id, std::move(more));
    }
  }
  home.ended.clear();
}

void cluster::load_states(int n, uint64_t life, tenure t, size_t end) {
  auto& node = nodes_[static_cast<size_t>(n)];
  if (node.life != life || !node.states_here.lasts(t)) return;
  const auto& log = logs_.at({kind::states, t.partition});
  end = std::min(end, log.entries.size());
  if (log.committed < end && !mistakes_.serve_uncommitted)
    return after(20, [this, n, life, t, end] { load_states(n, life, t, end); });
  ++loads;
  transaction_options o;
  o.state_partitions = o.offsets_partitions = homes_count;
  o.coordinator_epoch = mistakes_.one_coordinator_epoch ? 0 : t.epoch;
  auto c = std::make_unique<transaction_coordinator>(o);
  for (size_t i = 0; i < end; ++i) {
    const auto& e = log.entries[i];
    const auto value = e.value ? std::optional<std::string_view>(*e.value) : std::nullopt;
    REQUIRE(c->restore(e.key, value).ok());
  }
  REQUIRE(node.states_here.loaded(t));
  auto& home = node.states[t.partition];
  home.of = t;
  home.coordinator = std::move(c);
  node.ids.taken_below(home.coordinator->producer_ids_taken_below());
  transaction_effects out;
  home.coordinator->loaded(now_, out);
  take(n, t, std::move(out));
}

void cluster::end_groups(int n, const tenure& t) {
  auto& homes = nodes_[static_cast<size_t>(n)].groups;
  auto home = std::move(homes.at(t.partition));
  homes.erase(t.partition);
  for (auto& [token, w] : home.waiting) w.second(error_code::not_coordinator);
}

void cluster::end_states(int n, const tenure& t) {
  auto& homes = nodes_[static_cast<size_t>(n)].states;
  auto it = homes.find(t.partition);
  if (it == homes.end()) return;
  auto home = std::move(it->second);
  homes.erase(it);
  for (auto& [token, w] : home.waiting) w.second(error_code::not_coordinator);
}

void cluster::spoke(int n, kind what, const tenure& t) {
  const auto [it, first] = speakers_.try_emplace({what, t.partition, t.epoch}, n);
  expect(it->second == n, "two nodes answer in one epoch");
}

// ---- Driving the state machines. ----

void cluster::take(int n, const tenure& t, const std::string& id, group_effects&& out) {
  const auto life = nodes_[static_cast<size_t>(n)].life;
  auto* home = serving_groups(n, life, t);
  REQUIRE(home != nullptr);
  for (auto& w : out.writes) {
    std::vector<log_entry> entries;
    for (auto& r : w.records)
      entries.push_back({std::move(r.key), std::move(r.value), w.producer_id, w.producer_epoch});
    append(n, {kind::offsets, t.partition}, t.epoch, std::move(entries),
           [this, n, life, t, id, write = w.id](error_code e) {
             // On the group's own turn, as a message.
             after(0, [this, n, life, t, id, write, e] {
               auto* h = serving_groups(n, life, t);
               if (!h) return;
               group_effects more;
               h->groups.at(id)->on_written(write, e, now_, more);
               take(n, t, id, std::move(more));
             });
           });
  }
  for (auto& r : out.replies) {
    auto it = home->waiting.find(r.token);
    REQUIRE(it != home->waiting.end());
    auto answered = std::move(it->second.first);
    home->waiting.erase(it);
    answered(std::move(r.body));
  }
  const auto wish = ++home->wakes[id];
  if (out.next_wake_ms == group_effects::no_wake) return;
  at(std::max(out.next_wake_ms, now_), [this, n, life, t, id, wish] {
    auto* h = serving_groups(n, life, t);
    if (!h || h->wakes[id] != wish) return;
    group_effects due;
    h->groups.at(id)->on_timer(now_, due);
    take(n, t, id, std::move(due));
  });
}

void cluster::take(int n, const tenure& t, transaction_effects&& out) {
  const auto life = nodes_[static_cast<size_t>(n)].life;
  auto* home = serving_states(n, life, t);
  REQUIRE(home != nullptr);
  for (auto& w : out.writes)
    append(n, {kind::states, t.partition}, t.epoch, {{std::move(w.key), std::move(w.value)}},
           [this, n, life, t, write = w.id](error_code e) {
             after(0, [this, n, life, t, write, e] {
               auto* h = serving_states(n, life, t);
               if (!h) return;
               transaction_effects more;
               h->coordinator->on_written(write, e, now_, more);
               take(n, t, std::move(more));
             });
           });
  for (const auto& m : out.markers) write_markers(n, t, m);
  for (auto& r : out.replies) {
    auto it = home->waiting.find(r.token);
    REQUIRE(it != home->waiting.end());
    auto answered = std::move(it->second.first);
    home->waiting.erase(it);
    answered(std::move(r.response));
  }
  if (out.producer_ids_wanted > 0) give_ids(n, t, out.producer_ids_wanted);
  const auto wish = ++home->wakes;
  if (!out.next_wake_ms) return;
  at(std::max(*out.next_wake_ms, now_), [this, n, life, t, wish] {
    auto* h = serving_states(n, life, t);
    if (!h || h->wakes != wish) return;
    transaction_effects due;
    h->coordinator->on_timer(now_, due);
    take(n, t, std::move(due));
  });
}

void cluster::give_ids(int n, const tenure& t, int64_t count) {
  after(delay(), [this, n, t, count, life = nodes_[static_cast<size_t>(n)].life] {
    auto* h = serving_states(n, life, t);
    if (!h) return;
    auto& pool = nodes_[static_cast<size_t>(n)].ids;
    std::vector<int64_t> ids;
    while (static_cast<int64_t>(ids.size()) < count) {
      if (auto id = pool.take()) {
        ids.push_back(*id);
        continue;
      }
      pool.ask();
      pool.answered(next_block_);
      next_block_ += producer_id_pool::block_size;
    }
    transaction_effects out;
    h->coordinator->on_producer_ids(ids, now_, out);
    take(n, t, std::move(out));
  });
}

void cluster::write_markers(int n, const tenure& t, const transaction_markers& m) {
  const auto life = nodes_[static_cast<size_t>(n)].life;
  using results = std::vector<std::pair<transaction_partition, error_code>>;
  struct round {
    results told;
    size_t left = 0;
  };
  auto r = std::make_shared<round>();
  std::map<int, std::vector<marker_item>> by_node;
  const auto route = [&](const std::string& topic, int32_t p, kind what) {
    const auto leader = nodes_[static_cast<size_t>(n)].view.at({what, p}).leader;
    by_node[leader].push_back(
        {m.producer_id, m.producer_epoch, m.commit, m.coordinator_epoch, topic, p});
    ++r->left;
  };
  for (const auto& p : m.partitions) route(p.topic, p.partition, kind::data);
  for (auto p : m.offsets_partitions)
    route(std::string(transaction_coordinator::offsets_topic), p, kind::offsets);
  auto finish = [this, n, life, t, r, id = m.id](const std::vector<marker_item>& items,
                                                 const std::vector<error_code>& codes) {
    for (size_t i = 0; i < items.size(); ++i)
      r->told.emplace_back(transaction_partition{items[i].topic, items[i].partition}, codes[i]);
    r->left -= items.size();
    if (r->left > 0) return;
    auto* h = serving_states(n, life, t);
    if (!h) return;
    transaction_effects out;
    h->coordinator->on_markers_written(id, r->told, now_, out);
    take(n, t, std::move(out));
  };
  for (const auto& [leader, items] : by_node) {
    const auto lost = [finish, items = items] {
      finish(items, std::vector(items.size(), error_code::network_exception));
    };
    if (leader < 0) {
      after(0, lost);
      continue;
    }
    auto answered = std::make_shared<bool>(false);
    const auto once = [answered](const auto& f) {
      if (!std::exchange(*answered, true)) f();
    };
    if (leader != n && !calm_ && chance(0.2)) {  // no connection at this moment
      after(delay(), lost);
      continue;
    }
    after(request_timeout_ms, [once, lost] { once(lost); });
    if (leader != n && (lose() || (!calm_ && chance(0.1)))) continue;
    after(leader == n ? 0 : delay(), [this, to = leader, n, items = items, finish, once] {
      if (!nodes_[static_cast<size_t>(to)].up) return;
      handle_markers(to, markers_request(items),
                     [this, to, n, items, finish, once](const write_txn_markers_response& a) {
                       if (to != n && lose()) return;
                       after(to == n ? 0 : delay(), [items, finish, once, a] {
                         once([&] { finish(items, markers_answer(items, a)); });
                       });
                     });
    });
  }
}

void cluster::handle_markers(int n, const write_txn_markers_request& q,
                             std::function<void(write_txn_markers_response)> answer) {
  struct pending {
    write_txn_markers_response response;
    size_t left = 1;
  };
  auto p = std::make_shared<pending>();
  for (const auto& m : q.markers) {
    auto& marker = p->response.markers.emplace_back();
    marker.producer_id = m.producer_id;
    for (const auto& t : m.topics) {
      auto& topic = marker.topics.emplace_back();
      topic.name = t.name;
      for (auto number : t.partition_indexes)
        topic.partitions.push_back({number, error_code::unknown_server_error});
    }
  }
  auto done = [p, answer] {
    if (--p->left == 0) answer(p->response);
  };
  for (size_t i = 0; i < q.markers.size(); ++i) {
    const auto& m = q.markers[i];
    for (auto& t : p->response.markers[i].topics)
      for (auto& part : t.partitions) {
        const bool offsets = t.name == transaction_coordinator::offsets_topic;
        const log_name name{offsets ? kind::offsets : kind::data, part.partition_index};
        log_entry e;
        e.producer_id = m.producer_id;
        e.producer_epoch = m.producer_epoch;
        e.marker = true;
        e.commit = m.transaction_result;
        e.coordinator_epoch = m.coordinator_epoch;
        ++p->left;
        append(n, name, any_epoch, {e},
               [this, n, offsets, e, p, done, code = &part.error_code,
                number = name.number](error_code told) {
                 *code = told;
                 if (told == error_code::none) ++markers;
                 if (told == error_code::none && offsets)
                   after(0, [this, n, number, e] {
                     transaction_ended(n, number, e.producer_id, e.commit);
                   });
                 done();
               });
      }
  }
  done();
}

void cluster::transaction_ended(int n, int32_t partition, int64_t producer, bool commit) {
  auto& node = nodes_[static_cast<size_t>(n)];
  auto it = node.groups.find(partition);
  if (it == node.groups.end()) return;
  const auto t = it->second.of;
  if (!node.groups_here.serving(partition)) {
    if (!mistakes_.forget_markers) it->second.ended.emplace_back(producer, commit);
    return;
  }
  std::vector<std::string> ids;
  for (const auto& [id, g] : it->second.groups) ids.push_back(id);
  for (const auto& id : ids) {
    group_effects out;
    it->second.groups.at(id)->on_transaction_end(producer, commit, now_, out);
    take(n, t, id, std::move(out));
  }
}

// ---- Requests. ----

log_name cluster::home_of_group(const std::string& id) {
  return {kind::offsets, partition_of_key(id, homes_count)};
}
log_name cluster::home_of_transaction(const std::string& id) {
  return {kind::states, partition_of_key(id, homes_count)};
}

int cluster::ask_around(const log_name& name) {
  const auto& node = nodes_[draw(node_count)];
  return node.up ? node.view.at(name).leader : -1;
}

namespace {

/// The client's side: one end, whatever happens.
template <class Response>
struct once {
  std::function<void(Response)> answered;
  append_done refused;
  bool over = false;
};

}  // namespace

void cluster::to_group(int to, const std::string& id, int16_t version, group_work work,
                       std::function<void(group_response)> answered, append_done refused) {
  auto client = std::make_shared<once<group_response>>();
  client->answered = std::move(answered);
  client->refused = std::move(refused);
  after(request_timeout_ms, [client] {
    if (!std::exchange(client->over, true)) client->refused(error_code::request_timed_out);
  });
  if (to < 0 || lose()) return;
  after(delay(), [this, to, id, version, work = std::move(work), client] {
    auto& node = nodes_[static_cast<size_t>(to)];
    if (!node.up) return;
    const auto refuse = [this, client](error_code e) {
      if (lose()) return;
      after(delay(), [client, e] {
        if (!std::exchange(client->over, true)) client->refused(e);
      });
    };
    const auto partition = home_of_group(id).number;
    if (auto e = node.groups_here.check(partition); e != error_code::none) return refuse(e);
    auto& home = node.groups.at(partition);
    const auto t = home.of;
    auto& g = home.groups[id];
    if (!g) g = std::make_unique<group>(id, group_options_, topics_);
    group_call call;
    call.token = next_token_++;
    call.version = version;
    call.client_id = "sim";
    call.client_host = "/10.0.0.1";
    call.now_ms = now_;
    call.fresh_id = test_id(random_());
    home.waiting[call.token] = {[this, to, t, client](group_response r) {
                                  spoke(to, kind::offsets, t);
                                  if (lose()) return;
                                  after(delay(), [client, r = std::move(r)]() mutable {
                                    if (!std::exchange(client->over, true))
                                      client->answered(std::move(r));
                                  });
                                },
                                refuse};
    group_effects out;
    work(*g, call, out);
    take(to, t, id, std::move(out));
  });
}

void cluster::to_coordinator(int to, const std::string& id, state_work work,
                             std::function<void(transaction_response)> answered,
                             append_done refused) {
  auto client = std::make_shared<once<transaction_response>>();
  client->answered = std::move(answered);
  client->refused = std::move(refused);
  after(request_timeout_ms, [client] {
    if (!std::exchange(client->over, true)) client->refused(error_code::request_timed_out);
  });
  if (to < 0 || lose()) return;
  after(delay(), [this, to, id, work = std::move(work), client] {
    auto& node = nodes_[static_cast<size_t>(to)];
    if (!node.up) return;
    const auto refuse = [this, client](error_code e) {
      if (lose()) return;
      after(delay(), [client, e] {
        if (!std::exchange(client->over, true)) client->refused(e);
      });
    };
    const auto partition = home_of_transaction(id).number;
    if (auto e = node.states_here.check(partition); e != error_code::none) return refuse(e);
    auto& home = node.states.at(partition);
    const auto t = home.of;
    const auto token = next_token_++;
    home.waiting[token] = {[this, to, t, client](transaction_response r) {
                             spoke(to, kind::states, t);
                             if (lose()) return;
                             after(delay(), [client, r = std::move(r)]() mutable {
                               if (!std::exchange(client->over, true))
                                 client->answered(std::move(r));
                             });
                           },
                           refuse};
    transaction_effects out;
    work(*home.coordinator, token, out);
    take(to, t, std::move(out));
  });
}

void cluster::to_partition(int to, const log_name& name, log_entry e, append_done done) {
  auto over = std::make_shared<bool>(false);
  const auto finish = [over, done](error_code code) {
    if (!std::exchange(*over, true)) done(code);
  };
  after(request_timeout_ms, [finish] { finish(error_code::request_timed_out); });
  if (to < 0 || lose()) return;
  after(delay(), [this, to, name, e, finish] {
    auto& node = nodes_[static_cast<size_t>(to)];
    if (!node.up) return;
    append(to, name, any_epoch, {e}, [this, finish](error_code code) {
      if (lose()) return;
      after(delay(), [finish, code] { finish(code); });
    });
  });
}

const group* cluster::find_group(const std::string& id) {
  const auto name = home_of_group(id);
  const auto& l = logs_.at(name).now;
  if (l.leader < 0) return nullptr;
  auto& node = nodes_[static_cast<size_t>(l.leader)];
  if (node.groups_here.serving(name.number) != tenure{name.number, l.epoch}) return nullptr;
  auto& groups = node.groups.at(name.number).groups;
  auto it = groups.find(id);
  return it == groups.end() ? nullptr : it->second.get();
}

transaction_coordinator* cluster::find_coordinator(int32_t partition) {
  const auto& l = logs_.at({kind::states, partition}).now;
  if (l.leader < 0) return nullptr;
  auto& node = nodes_[static_cast<size_t>(l.leader)];
  const bool serves = node.states_here.serving(partition) == tenure{partition, l.epoch};
  return serves ? node.states.at(partition).coordinator.get() : nullptr;
}

}  // namespace weir::kafka::sim
