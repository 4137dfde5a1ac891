#include "tests/actors/memory_ledger.hpp"

#include "runtime/base/crc32c.hpp"

namespace weir::test {

class ledger_world::facade final : public job_ledger {
 public:
  facade(ledger_world& w, int32_t self, uint64_t epoch) : world_(w), self_(self), epoch_(epoch) {}

  std::shared_ptr<const ledger_view> view() const override { return world_.view(self_); }
  std::shared_ptr<void> listen(std::function<void()> f) override {
    const auto list = world_.listeners_;
    std::lock_guard lock(list->mutex);
    const uint64_t id = list->next++;
    list->all[id] = std::move(f);
    return {nullptr, [list, id](void*) {
              std::lock_guard again(list->mutex);
              list->all.erase(id);
            }};
  }
  void store_file(std::string content, std::function<void(result<std::string>)> done) override {
    std::lock_guard lock(world_.mutex_);
    auto hash = std::to_string(crc32c(std::as_bytes(std::span(content))));
    world_.files_[hash] = std::move(content);
    world_.later([done, hash] { done(hash); });
  }
  void read_file(const std::string& hash, std::function<void(result<std::string>)> done) override {
    std::lock_guard lock(world_.mutex_);
    auto it = world_.files_.find(hash);
    result<std::string> found = error{errc::not_found, "no file " + hash};
    if (it != world_.files_.end()) found = it->second;
    world_.later([done, found] { done(found); });
  }
  void local_file(const std::string& hash, std::function<void(result<std::string>)> done) override {
    std::lock_guard lock(world_.mutex_);
    world_.later([done, hash] { done(error{errc::not_found, "no file " + hash}); });
  }
  void look_after_files() override {}
  void partition_leaders(const std::string& topic,
                         std::function<void(std::vector<int32_t>)> done) override {
    std::lock_guard lock(world_.mutex_);
    world_.later([done, leaders = world_.leaders_[topic]] { done(leaders); });
  }
  void keep_savepoint(const std::string& job, uint64_t token, uint64_t number, std::string manifest,
                      ledger_done done) override {
    decide(done, [&](state& s) -> status {
      auto* j = held(s, job, token);
      if (!j) return over();
      j->savepoints[number] = std::move(manifest);
      return {};
    });
  }
  void drop_savepoint(const std::string& job, uint64_t number, ledger_done done) override {
    decide(done, [&](state& s) -> status {
      auto it = s.jobs.find(job);
      if (it == s.jobs.end() || it->second.savepoints.erase(number) == 0)
        return error{errc::not_found, "no such savepoint"};
      return {};
    });
  }
  void submit_job(ledger_job j, ledger_done done) override {
    decide(done, [&](state& s) -> status {
      for (const auto& [id, other] : s.jobs)
        if (other.name == j.name && !has_ended(other.state))
          return error{errc::already_exists, "job '" + j.name + "' runs already"};
      j.state = job_state::running;
      s.jobs[j.id] = j;
      return {};
    });
  }
  void acquire_master(const std::string& job, std::function<void(result<uint64_t>)> done) override {
    std::lock_guard lock(world_.mutex_);
    result<uint64_t> token = error{errc::cancelled, "there is a master"};
    auto it = world_.state_.jobs.find(job);
    if (it != world_.state_.jobs.end() && !has_ended(it->second.state) && lives()) {
      auto& j = it->second;
      auto holder = world_.state_.nodes.find(j.master);
      bool held = holder != world_.state_.nodes.end() && holder->second.alive &&
                  holder->second.epoch == j.master_epoch && j.master != self_;
      if (!held) {
        j.master = self_;
        j.master_epoch = epoch();
        token = ++j.token;
        world_.changed();
      }
    }
    world_.later([done, token] { done(token); });
  }
  void release_master(const std::string& job, uint64_t token, ledger_done done) override {
    decide(done, [&](state& s) -> status {
      auto* j = held(s, job, token);
      if (!j) return over();
      j->master = -1;
      return {};
    });
  }
  void complete_epoch(const std::string& job, uint64_t token, uint64_t number, std::string manifest,
                      ledger_done done) override {
    decide(done, [&](state& s) -> status {
      auto* j = held(s, job, token);
      if (j && j->newest == number && j->manifest == manifest) return {};  // asked again
      if (!j || number <= j->newest || manifest.size() > 65'536) {
        ++world_.refused_;
        return over();
      }
      j->newest = number;
      j->manifest = manifest;
      world_.completed_[job].push_back(number);
      return {};
    });
  }
  void end_job(const std::string& job, uint64_t token, job_state how, std::string why,
               ledger_done done) override {
    decide(done, [&](state& s) -> status {
      auto it = s.jobs.find(job);
      if (it == s.jobs.end() || has_ended(it->second.state)) return over();
      if (token != 0 && !held(s, job, token)) return over();
      it->second.state = how;
      it->second.error = why;
      return {};
    });
  }
  void delete_job(const std::string& job, ledger_done done) override {
    decide(done, [&](state& s) -> status {
      s.jobs.erase(job);
      return {};
    });
  }

 private:
  static error over() { return {errc::cancelled, "that tenure is over"}; }
  uint64_t epoch() const { return world_.state_.nodes.at(self_).epoch; }
  /// This life of the node is the one that counts, and it was not given up.
  bool lives() const {
    auto it = world_.state_.nodes.find(self_);
    return it != world_.state_.nodes.end() && it->second.alive && it->second.epoch == epoch_;
  }
  ledger_job* held(state& s, const std::string& job, uint64_t token) const {
    auto it = s.jobs.find(job);
    if (it == s.jobs.end() || has_ended(it->second.state) || !lives()) return nullptr;
    return it->second.token == token && it->second.master == self_ ? &it->second : nullptr;
  }
  template <class F>
  void decide(const ledger_done& done, F f) {
    std::lock_guard lock(world_.mutex_);
    status s = f(world_.state_);
    if (s) world_.changed();
    world_.later([done, s] { done(s); });
  }

  ledger_world& world_;
  int32_t self_;
  uint64_t epoch_;
};

ledger_world::ledger_world() {
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return over_ || !queue_.empty(); });
      if (queue_.empty()) return;
      auto call = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      call();
      lock.lock();
    }
  });
}

ledger_world::~ledger_world() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void ledger_world::later(std::function<void()> call) {
  queue_.push_back(std::move(call));
  wake_.notify_all();
}

void ledger_world::hold_news(bool on) {
  std::lock_guard lock(mutex_);
  news_held_ = on;
  if (!on && std::exchange(news_due_, false)) changed();
}

void ledger_world::changed() {
  if (news_held_) {
    news_due_ = true;
    return;
  }
  later([this] {
    std::vector<std::function<void()>> all;
    {
      std::lock_guard lock(listeners_->mutex);
      for (const auto& [id, f] : listeners_->all) all.push_back(f);
    }
    for (const auto& f : all) f();
  });
}

std::shared_ptr<job_ledger> ledger_world::start_node(int32_t id, const std::string& rack) {
  std::lock_guard lock(mutex_);
  auto& n = state_.nodes[id];
  n.id = id;
  n.epoch = next_epoch_++;
  n.name = "n" + std::to_string(id);
  n.rack = rack;
  n.actors.clear();
  n.alive = false;  // until its address is known
  return std::make_shared<facade>(*this, id, n.epoch);
}

void ledger_world::set_address(int32_t id, const std::string& actors) {
  std::lock_guard lock(mutex_);
  state_.nodes[id].actors = actors;
  state_.nodes[id].alive = true;
  changed();
}

void ledger_world::give_up(int32_t id) {
  std::lock_guard lock(mutex_);
  state_.nodes[id].alive = false;
  changed();
}

void ledger_world::remove(int32_t id) {
  std::lock_guard lock(mutex_);
  state_.nodes.erase(id);
  changed();
}

void ledger_world::lead(const std::string& topic, std::vector<int32_t> leaders) {
  std::lock_guard lock(mutex_);
  leaders_[topic] = std::move(leaders);
}

void ledger_world::drain(int32_t id, bool on) {
  std::lock_guard lock(mutex_);
  state_.nodes[id].draining = on;
  changed();
}

std::shared_ptr<const ledger_view> ledger_world::view(int32_t self) const {
  std::lock_guard lock(mutex_);
  auto v = std::make_shared<ledger_view>();
  v->self = self;
  if (auto it = state_.nodes.find(self); it != state_.nodes.end()) v->self_epoch = it->second.epoch;
  v->nodes = state_.nodes;
  v->jobs = state_.jobs;
  return v;
}

size_t ledger_world::refused() const {
  std::lock_guard lock(mutex_);
  return refused_;
}

std::vector<uint64_t> ledger_world::completed(const std::string& job) const {
  std::lock_guard lock(mutex_);
  auto it = completed_.find(job);
  return it == completed_.end() ? std::vector<uint64_t>() : it->second;
}

}  // namespace weir::test
