#include "actors/coordination/state_homes.hpp"

#include <algorithm>

#include "runtime/kafka/transactions/transaction.hpp"

namespace weir {
namespace {

// Not all of a log is committed: its followers are about to copy the rest.
constexpr auto commit_wait = std::chrono::milliseconds(20);
// After a problem, which may be one of the moment.
constexpr auto problem_wait = std::chrono::milliseconds(1'000);

}  // namespace

state_homes::state_homes(std::shared_ptr<state_topic> topic, std::function<void(std::string)> log)
    : topic_(std::move(topic)),
      log_(std::move(log)),
      guard_(std::make_shared<guard<state_homes>>(this)) {}

state_homes::~state_homes() {
  weir_assert(!loader_.joinable(), "stop() was called");
}

void state_homes::start() {
  loader_ = std::thread([this] { run(); });
  topic_listen_message m{[g = guard_](const kafka::topic_change& c) {
    g->enter([&c](state_homes& h) {
      const auto& t = c.after ? c.after : c.before;
      if (t->name == h.topic_->name()) h.follow();
      h.topics_changed(c);
    });
  }};
  caf::anon_send(topic_->topics(), std::move(m));
  follow();
}

void state_homes::stop() {
  guard_->close();
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
    leaderless_.clear();
  }
  work_.notify_all();
  if (loader_.joinable()) loader_.join();
}

bool state_homes::ready() const {
  std::lock_guard lock(mutex_);
  return loader_.joinable() && !tenures_.loading();
}

int32_t state_homes::partition_of(std::string_view id) const {
  const auto n = topic_->partitions();
  return n > 0 ? kafka::partition_of_key(id, n) : 0;
}

kafka::error_code state_homes::check(std::string_view id) const {
  const auto n = topic_->partitions();
  if (n == 0) return kafka::error_code::none;
  std::lock_guard lock(mutex_);
  return tenures_.check(kafka::partition_of_key(id, n));
}

std::optional<kafka::tenure> state_homes::tenure_of(int32_t partition) const {
  std::lock_guard lock(mutex_);
  return tenures_.serving(partition);
}

void state_homes::reach(const std::string& id, std::function<void(kafka::error_code)> then) {
  if (topic_->partitions() > 0) return then(check(id));
  make_topic([this, id] { return scope(partition_of(id)); },
             [this, id, then](kafka::error_code e) {
               then(e == kafka::error_code::none ? check(id) : e);
             });
}

void state_homes::reach_all(std::function<void(kafka::error_code)> then) {
  if (topic_->partitions() > 0)
    return then(ready() ? kafka::error_code::none
                        : kafka::error_code::coordinator_load_in_progress);
  when_read(std::move(then));
}

void state_homes::when_read(std::function<void(kafka::error_code)> then) {
  make_topic([] { return scope(); }, std::move(then));
}

void state_homes::make_topic(std::function<scope()> of,
                             std::function<void(kafka::error_code)> then) {
  topic_->ensure([g = guard_, of = std::move(of), then](const kafka::api_error& e) {
    const auto none_there = [&] { then(kafka::error_code::coordinator_not_available); };
    const bool still = g->enter([&](state_homes& h) {
      if (!e.ok()) return none_there();
      h.follow();  // the listeners of this change are called after its maker
      if (h.topic_->partitions() == 0) return none_there();  // made, but not yet seen here
      h.when_settled(of(),
                     [g, then] { g->enter([&](state_homes&) { then(kafka::error_code::none); }); });
    });
    if (!still) none_there();
  });
}

bool state_homes::loads(scope s) const {
  return s ? tenures_.check(*s) == kafka::error_code::coordinator_load_in_progress
           : tenures_.loading();
}

void state_homes::when_settled(scope s, std::function<void()> f) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (loads(s)) {
      waiting_.emplace_back(s, std::move(f));
      return;
    }
  }
  f();
}

void state_homes::tell_waiting() {
  std::vector<std::function<void()>> due;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](auto& w) {
      if (loads(w.first)) return false;
      due.push_back(std::move(w.second));
      return true;
    });
    auto led = take_led();
    std::move(led.begin(), led.end(), std::back_inserter(due));
  }
  for (const auto& f : due) f();
}

bool state_homes::are_led(const std::vector<int32_t>& partitions) const {
  const auto directory = topic_->directory();
  return std::all_of(partitions.begin(), partitions.end(), [&](int32_t p) {
    const auto leader = directory->leader(topic_->name(), p);
    const auto* node = directory->node(leader);
    return leader >= 0 && (leader == directory->self() || (node && node->alive));
  });
}

std::vector<std::function<void()>> state_homes::take_led() {
  std::vector<std::function<void()>> due;
  const auto now = clock_type::now();
  std::erase_if(leaderless_, [&](auto& w) {
    if (w.until > now && !are_led(w.partitions)) return false;
    due.push_back(std::move(w.then));
    return true;
  });
  return due;
}

void state_homes::when_led(std::vector<int32_t> partitions, std::chrono::milliseconds limit,
                           std::function<void()> then) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (!are_led(partitions)) {
      leaderless_.push_back({std::move(partitions), clock_type::now() + limit, std::move(then)});
      work_.notify_all();
      return;
    }
  }
  then();
}

void state_homes::follow() {
  {
    std::lock_guard lock(mutex_);
    // Under the lock: of two who follow, none brings back what the other has left behind.
    auto directory = topic_->directory();
    auto topic = directory->catalog().find(topic_->name());
    const auto id = topic ? topic->id : kafka::uuid();
    kafka::tenures::changes c;
    if (id != topic_id_) {
      c = tenures_.reset();
      for (const auto& t : c.ended) ended(t);
      topic_id_ = id;
    }
    std::vector<kafka::leadership> now;
    if (topic)
      for (const auto& p : topic->partitions)
        now.push_back({p.leader == directory->self(), p.leader_epoch});
    c = tenures_.update(now);
    for (const auto& t : c.ended) ended(t);
    for (const auto& t : c.begun) {
      begun(t);
      jobs_.push_back({t, -1, clock_type::now(), {}});
    }
  }
  work_.notify_all();
  tell_waiting();
}

void state_homes::run() {
  for (;;) {
    job next;
    std::vector<std::function<void()>> due;
    {
      std::unique_lock lock(mutex_);
      for (;;) {
        if (stopping_) return;
        if (due = take_led(); !due.empty()) break;
        std::erase_if(jobs_, [this](const job& j) { return !tenures_.lasts(j.of); });
        auto first = std::min_element(jobs_.begin(), jobs_.end(),
                                      [](const job& a, const job& b) { return a.due < b.due; });
        if (first != jobs_.end() && first->due <= clock_type::now()) {
          next = std::move(*first);
          jobs_.erase(first);
          break;
        }
        auto until = first == jobs_.end() ? clock_type::time_point::max() : first->due;
        for (const auto& w : leaderless_) until = std::min(until, w.until);
        if (until == clock_type::time_point::max())
          work_.wait(lock);
        else
          work_.wait_until(lock, until);
      }
    }
    for (const auto& f : due) f();
    if (due.empty()) attempt(std::move(next));
  }
}

void state_homes::attempt(job j) {
  auto done = load(j.of, j.end);
  if (done && *done) return;
  if (stopping_) return;
  auto wait = std::chrono::duration_cast<clock_type::duration>(commit_wait);
  std::lock_guard lock(mutex_);
  if (!tenures_.lasts(j.of)) return;
  if (!done) {
    wait = problem_wait;
    if (done.err().message != j.said)
      log_("coordination: " + done.err().message + "; what lives there is not served");
    j.said = done.err().message;
  }
  j.due = clock_type::now() + wait;
  jobs_.push_back(std::move(j));
}

void state_homes::activate(const kafka::tenure& t, const std::function<void()>& take) {
  {
    std::lock_guard lock(mutex_);
    if (!tenures_.loaded(t)) return;
    take();
  }
  tell_waiting();
}

}  // namespace weir
