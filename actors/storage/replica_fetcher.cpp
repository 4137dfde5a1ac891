#include "actors/storage/replica_fetcher.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <thread>

#include "runtime/io/address.hpp"
#include "runtime/kafka/protocol/client.hpp"

namespace weir {
namespace {

using kafka::error_code;
using std::chrono::milliseconds;

// The version that carries topic ids and the follower's process; no node of ours lacks it.
constexpr int16_t fetch_version = 17;
// What was handed out becomes durable in this time, or others are fetched without it.
constexpr auto durable_wait = milliseconds(50);
// After partitions have come to this leader more are about to: a request does not wait long.
constexpr auto settling_time = milliseconds(1000);
constexpr int32_t settling_wait_ms = 20;
constexpr int64_t connect_backoff_first_ms = 50;
constexpr int connect_timeout_ms = 3000;

}  // namespace

/// One leader node: the plan and the connection are its thread's own, what is told from outside
/// goes through the inbox.
class replica_fetchers::leader_link {
 public:
  leader_link(int32_t leader, int32_t self, const replica_fetcher_options& o,
              const std::atomic<int64_t>& incarnation)
      : leader_(leader), options_(o), incarnation_(incarnation), plan_(with_self(o.plan, self)) {
    cancel_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel_ < 0) options_.log("copying: no eventfd: requests are not cut short");
    thread_ = std::thread([this] { run(); });
  }
  ~leader_link() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
      cancel();
    }
    wake_.notify_all();
    thread_.join();
    if (cancel_ >= 0) ::close(cancel_);
  }

  void follow(const kafka::fetch_position& at, const std::string& address,
              const partition_actor& who, bool later) {
    {
      std::lock_guard lock(mutex_);
      if (address != address_) {
        address_ = address;
        readdressed_ = true;
        cancel();
      }
      auto [it, fresh] = epochs_.try_emplace(at.id, at.leader_epoch);
      if (fresh || it->second != at.leader_epoch) {
        it->second = at.leader_epoch;
        // A request that waits for others does not hold this one up.
        const auto now = std::chrono::steady_clock::now();
        settle_until_ = now + settling_time;
        if (long_wait_) cancel();
      }
      inbox_.push_back({at, who, later, false});
    }
    wake_.notify_all();
  }
  void forget(const log_id& id) {
    {
      std::lock_guard lock(mutex_);
      epochs_.erase(id);
      order o;
      o.at.id = id;
      o.forget = true;
      inbox_.push_back(std::move(o));
    }
    wake_.notify_all();
  }

 private:
  struct order {
    kafka::fetch_position at;
    partition_actor who;
    bool later = false;
    bool forget = false;
  };
  static kafka::fetch_plan_options with_self(kafka::fetch_plan_options o, int32_t self) {
    o.self = self;
    return o;
  }
  /// With the lock held: what waits on the network ends.
  void cancel() {
    const uint64_t one = 1;
    if (cancel_ >= 0) (void)!::write(cancel_, &one, sizeof one);
  }
  /// With the lock held, before something waits on the network.
  void arm() {
    uint64_t n = 0;
    if (cancel_ >= 0) (void)!::read(cancel_, &n, sizeof n);
  }
  int64_t now_ms() const { return options_.time->monotonic_ns() / 1'000'000; }

  /// With the lock held.
  void take_orders() {
    for (auto& o : inbox_) {
      if (o.forget) {
        plan_.forget(o.at.id);
        actors_.erase(o.at.id);
        continue;
      }
      actors_[o.at.id] = std::move(o.who);
      if (o.later)
        plan_.follow_later(o.at, now_ms());
      else
        plan_.follow(o.at);
    }
    inbox_.clear();
  }
  /// Until something is told, or the time is over. False: it ends.
  bool wait_for(std::unique_lock<std::mutex>& lock, milliseconds at_most) {
    wake_.wait_for(lock, at_most, [this] { return stopped_ || !inbox_.empty(); });
    take_orders();
    return !stopped_;
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (!stopped_) {
      take_orders();
      auto next = plan_.next_request(now_ms());
      if (!next) {
        const auto at = plan_.next_ms(now_ms());
        const auto pause =
            at == INT64_MAX ? int64_t{3'600'000} : std::max<int64_t>(at - now_ms(), 1);
        wait_for(lock, milliseconds(pause));
        continue;
      }
      if (std::exchange(readdressed_, false)) client_.reset();
      if (!client_ && !connect(lock)) continue;
      fetch(lock, *next);
    }
    client_.reset();
  }

  bool connect(std::unique_lock<std::mutex>& lock) {
    const auto address = address_;
    arm();
    lock.unlock();
    kafka::client_options o;
    o.client_id = "weir-replica";
    o.connect_timeout_ms = connect_timeout_ms;
    o.timeout_ms = options_.timeout_ms + options_.plan.wait_ms_max;
    o.cancel_fd = cancel_;
    o.tls = options_.tls;
    auto to = split_address(address);
    auto made = to ? kafka::client::connect(to->host, to->port, std::move(o))
                   : result<kafka::client>(to.err());
    lock.lock();
    if (stopped_ || address != address_) return false;
    if (made) {
      client_ = std::make_unique<kafka::client>(std::move(*made));
      return true;
    }
    trouble(lock, made.err().message);
    return false;
  }
  void trouble(std::unique_lock<std::mutex>& lock, const std::string& what) {
    if (what != last_trouble_)
      options_.log("copying from node " + std::to_string(leader_) + ": " + what);
    last_trouble_ = what;
    const auto pause =
        std::min(connect_backoff_first_ms << std::min(failures_, 10), options_.plan.backoff_ms_max);
    ++failures_;
    // Not cut short by every word about a partition: none can be fetched.
    const auto until = std::chrono::steady_clock::now() + milliseconds(pause);
    const auto address = address_;
    wake_.wait_until(lock, until, [&] { return stopped_ || address_ != address; });
  }

  void fetch(std::unique_lock<std::mutex>& lock, kafka::fetch_plan::planned& next) {
    if (std::chrono::steady_clock::now() < settle_until_)
      next.request.max_wait_ms = std::min(next.request.max_wait_ms, settling_wait_ms);
    next.request.replica_state.replica_epoch = incarnation_.load();
    long_wait_ = next.request.max_wait_ms > settling_wait_ms;
    auto* client = client_.get();
    arm();
    lock.unlock();
    auto answer = client->request(next.request, fetch_version);
    auto bytes = std::make_shared<std::vector<std::byte>>(client->take_bytes());
    lock.lock();
    const bool interrupted = !answer && (readdressed_ || (long_wait_ && !inbox_.empty()));
    long_wait_ = false;
    if (!answer) {
      client_.reset();
      if (!stopped_ && !interrupted) trouble(lock, answer.err().message);
      return;
    }
    if (answer->error_code != error_code::none) {
      client_.reset();
      return trouble(lock, "Fetch: " + std::string(message_of(answer->error_code)));
    }
    if (failures_ > 0 && !last_trouble_.empty())
      options_.log("copying from node " + std::to_string(leader_) + " goes on");
    failures_ = 0;
    last_trouble_.clear();
    take_orders();  // what changed meanwhile is not taken for answered
    for (auto& news : plan_.take(next, *answer, now_ms())) {
      auto who = actors_.find(news.id);
      if (who == actors_.end()) continue;
      copied_message m;
      m.news = std::move(news);
      m.owner = bytes;
      caf::anon_send(who->second, std::move(m));
    }
    const auto until = std::chrono::steady_clock::now() + durable_wait;
    while (plan_.busy() > 0 && !stopped_) {
      const auto left =
          std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
      if (left <= milliseconds(0) || !wait_for(lock, left)) return;
    }
  }

  const int32_t leader_;
  const replica_fetcher_options& options_;
  const std::atomic<int64_t>& incarnation_;
  // The thread's.
  kafka::fetch_plan plan_;
  std::map<log_id, partition_actor> actors_;
  int failures_ = 0;
  std::string last_trouble_;
  std::unique_ptr<kafka::client> client_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
  std::string address_;
  std::vector<order> inbox_;
  std::map<log_id, int32_t> epochs_;  // as they were told last
  std::chrono::steady_clock::time_point settle_until_;
  bool long_wait_ = false;  // its request may be answered late
  bool readdressed_ = false;
  int cancel_ = -1;  // an eventfd
  std::thread thread_;
};

replica_fetchers::replica_fetchers(replica_fetcher_options o) : options_(std::move(o)) {}

replica_fetchers::~replica_fetchers() {
  stop();
}

void replica_fetchers::follow(const kafka::fetch_position& at, int32_t self, int32_t leader,
                              const std::string& address, const partition_actor& who, bool later) {
  std::lock_guard lock(mutex_);
  if (stopped_) return;
  auto [it, fresh] = leader_of_.try_emplace(at.id, leader);
  if (!fresh && it->second != leader) {
    links_.at(it->second)->forget(at.id);
    it->second = leader;
  }
  auto& link = links_[leader];
  if (!link) link = std::make_unique<leader_link>(leader, self, options_, incarnation_);
  link->follow(at, address, who, later);
}

void replica_fetchers::forget(const log_id& id) {
  std::lock_guard lock(mutex_);
  auto it = leader_of_.find(id);
  if (it == leader_of_.end() || stopped_) return;
  links_.at(it->second)->forget(id);
  leader_of_.erase(it);
}

void replica_fetchers::registered(int64_t registration) {
  incarnation_.store(registration);
}

void replica_fetchers::stop() {
  std::map<int32_t, std::unique_ptr<leader_link>> links;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    links = std::move(links_);
  }
}

replica_fetcher_options replica_options_of(const kafka::broker_config& config, const clock& time,
                                           std::function<void(std::string)> log) {
  const auto number = [&config](const char* name) {
    return static_cast<int32_t>(config.number(name));
  };
  replica_fetcher_options o;
  o.plan.wait_ms_max = number("replica.fetch.wait.max.ms");
  o.plan.bytes_min = number("replica.fetch.min.bytes");
  o.plan.partition_bytes_max = number("replica.fetch.max.bytes");
  o.plan.response_bytes_max = number("replica.fetch.response.max.bytes");
  o.plan.backoff_ms_max = config.number("replica.fetch.backoff.ms");
  o.plan.throttle_bytes_per_s =
      static_cast<uint64_t>(config.number("follower.replication.throttled.rate"));
  o.timeout_ms = number("replica.socket.timeout.ms");
  o.time = &time;
  o.log = std::move(log);
  return o;
}

}  // namespace weir
