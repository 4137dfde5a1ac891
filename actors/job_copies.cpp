// Copies of what is kept whether jobs run or not: savepoints and the last epochs of jobs that have
// ended. Each node sees to it that it has what it is one of two to have; nobody is asked.
#include <algorithm>

#include "actors/job_keeper_state.hpp"

namespace weir {
namespace {

// How often it is looked whether nodes that had a part are gone.
constexpr auto copies_interval = std::chrono::seconds(10);
// A node that is down for so long is taken for gone; until then it may come back with its disk.
constexpr int64_t gone_after_us = 300'000'000;
constexpr size_t copies_wanted = 2;
// A store reads the part while others wait for it; the answer has all of it.
constexpr auto fetch_timeout = std::chrono::seconds(120);
constexpr auto lacks_timeout = std::chrono::seconds(30);

}  // namespace

/// Of nodes that are there, or may come back soon: those who had it, then others in an order of
/// their own for each part; who drains only for want of others.
std::vector<int32_t> job_keeper_state::keepers_of(const std::string& thing, int32_t writer,
                                                  int32_t copy) const {
  std::vector<int32_t> order;
  for (const auto& [id, node] : acted_on_->nodes) {
    const auto down = down_since_.find(id);
    if (down == down_since_.end() || now() - down->second < gone_after_us) order.push_back(id);
  }
  auto rank = [&](int32_t id) {
    const int had = asking_rank(id, writer, copy);
    return std::tuple(acted_on_->nodes.at(id).draining, had, had == 2 ? turn_of(thing, id) : 0, id);
  };
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return rank(a) < rank(b); });
  order.resize(std::min(order.size(), copies_wanted));
  return order;
}

std::map<std::string, job_keeper_state::kept_part> job_keeper_state::parts_to_have() const {
  std::map<std::string, kept_part> out;
  auto add = [&](const std::string& store_job, const std::string& text) {
    const auto manifest = decode_job_manifest(text);
    if (!manifest) return;  // who starts from it is told
    for (const auto& p : manifest->parts) {
      const auto key = store_job + "@" + p.name;
      const auto who = keepers_of(key, p.writer, p.copy);
      if (std::find(who.begin(), who.end(), acted_on_->self) != who.end())
        out[key] = {manifest->epoch_of(), p.writer, p.copy};
    }
  };
  for (const auto& [id, job] : acted_on_->jobs) {
    for (const auto& [number, manifest] : job.savepoints) add(savepoint_job(id, number), manifest);
    if (has_ended(job.state) && job.newest != 0) add(id, job.manifest);
  }
  return out;
}

/// One look after the other; parts come one by one, so that few are in memory.
void job_keeper_state::look_after_copies() {
  if (std::exchange(looks_, true)) {
    looks_again_ = true;
    return;
  }
  auto again = [this, look = ++look_] {
    looks_ = false;
    if (std::exchange(looks_again_, false)) return look_after_copies();
    self_->delayed_send(self_, copies_interval, call_message{[this, look] {
                          if (look == look_) look_after_copies();
                        }});
  };
  for (const auto& [id, node] : acted_on_->nodes)
    if (node.alive)
      down_since_.erase(id);
    else
      down_since_.emplace(id, now());
  std::erase_if(down_since_, [this](const auto& d) { return !acted_on_->nodes.contains(d.first); });
  if (epoch_ == 0 || stops()) return again();
  auto wanted = parts_to_have();
  std::erase_if(had_, [&](const std::string& key) { return !wanted.contains(key); });
  std::vector<std::string> names;
  std::vector<agreed_epoch> numbers;
  for (const auto& [key, part] : wanted)
    if (!had_.contains(key)) {
      names.push_back(key);
      numbers.push_back(part.number);
    }
  if (names.empty()) return again();
  self_->request(seed_.here.store, lacks_timeout, lacks_atom::value, names, numbers)
      .then(
          [this, names, again](std::vector<std::string>& lacking) {
            for (const auto& n : names)
              if (std::find(lacking.begin(), lacking.end(), n) == lacking.end()) had_.insert(n);
            bring(std::make_shared<std::vector<std::string>>(std::move(lacking)), again);
          },
          [again](const caf::error&) { again(); });
}

void job_keeper_state::bring(const std::shared_ptr<std::vector<std::string>>& names,
                             const std::function<void()>& done) {
  if (names->empty() || stops()) return done();
  auto key = std::move(names->back());
  names->pop_back();
  const auto wanted = parts_to_have();
  const auto part = wanted.find(key);
  if (part == wanted.end()) return bring(names, done);
  bring_part(key, part->second, 0, [this, names, done] { bring(names, done); });
}

std::vector<placement> job_keeper_state::stores_for(int32_t writer, int32_t copy) const {
  auto stores = table_->get();
  std::stable_sort(stores.begin(), stores.end(), [=](const placement& a, const placement& b) {
    return asking_rank(a.id, writer, copy) < asking_rank(b.id, writer, copy);
  });
  return stores;
}

/// From the first store that has it.
void job_keeper_state::bring_part(const std::string& key, const kept_part& part, size_t from,
                                  const std::function<void()>& next) {
  auto stores = stores_for(part.writer, part.copy);
  std::erase_if(stores, [this](const placement& p) { return p.id == acted_on_->self; });
  if (from >= stores.size()) return next();  // who has it is away: the next look tries again
  load_message m;
  m.job = key;
  m.number = part.number;
  m.all = m.about = true;
  auto other = [this, key, part, from, next] { bring_part(key, part, from + 1, next); };
  self_->request(stores[from].store, fetch_timeout, std::move(m))
      .then(
          [this, key, part, next, other, whence = stores[from].name](load_reply& r) {
            if (!r.error.empty()) return other();
            // It may have been removed meanwhile, which the store was told then.
            if (!parts_to_have().contains(key)) return next();
            self_
                ->request(seed_.here.store, fetch_timeout,
                          import_message{key, part.number, std::move(r)})
                .then(
                    [this, key, next, whence](const operation_reply& done) {
                      if (done.error.empty()) {
                        had_.insert(key);
                        log("this node has a copy of " + key + " now, from node " + whence);
                      } else {
                        log("a copy of " + key + " cannot be kept: " + done.error);
                      }
                      next();
                    },
                    [next](const caf::error&) { next(); });
          },
          [other](const caf::error&) { other(); });
}

}  // namespace weir
