// A simulated world around one group: clients of both protocols over a network that delays and
// loses, a log whose writes become durable later or fail, a coordinator that crashes and is rebuilt
// from the log. Everything follows from one seed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "runtime/kafka/groups/assignment.hpp"
#include "tests/kafka/groups/harness.hpp"

namespace weir::kafka::sim {

using namespace membership;  // NOLINT: their assignments

struct settings {
  uint64_t seed = 1;
  int classic_clients = 0;
  bool cooperative = false;  // the classic ones
  int consumer_clients = 0;
  int static_clients = 0;  // of the consumer protocol, with instance ids
  double loss = 0.02;      // of requests and of replies
  double write_failure = 0.02;
  double crash_per_s = 0.02;  // of the coordinator
  double churn_per_s = 0.3;   // clients that start, stop, or die
  int64_t chaos_ms = 120'000;
  int64_t calm_ms = 120'000;
};

class world;

/// What clients of both protocols have in common: one request at a time, answered or timed out.
class client {
 public:
  client(world& w, std::string name) : w_(w), name_(std::move(name)) {}
  virtual ~client() = default;
  virtual void start() = 0;
  /// Leaves the group. A client that dies just stops.
  virtual void leave() = 0;
  virtual bool consumer_protocol() const = 0;
  void die() {
    alive_ = false;
    ++life_;
    owned.clear();
  }
  bool alive() const { return alive_; }
  const std::string& member_id() const { return member_id_; }
  /// The generation that gave a classic member what it has.
  int32_t assigned_epoch() const { return assigned_epoch_; }
  bool settled() const { return settled_; }

  std::map<std::pair<uuid, int32_t>, int64_t> owned;  // with the position of the next commit

 protected:
  friend class world;
  /// Has `f` called later, unless the client dies or starts anew before.
  void after(int64_t ms, std::function<void()> f);
  template <class Response, class Request>
  void ask(const Request& q, int16_t version, int64_t timeout_ms,
           std::function<void(Response*)> then);
  void own(const assignment& target);
  void commit_some();

  world& w_;
  std::string name_;
  std::string member_id_;
  int32_t epoch_ = -1;
  int32_t assigned_epoch_ = -1;
  bool alive_ = false;
  bool settled_ = false;  // has what it should have, as far as it knows
  uint64_t life_ = 0;
  uint64_t request_ = 0;
  int64_t last_arrival_ = 0;
};

class world {
 public:
  explicit world(const settings&);
  void run();

  // For clients.
  int64_t now() const { return now_; }
  size_t draw(size_t n) { return static_cast<size_t>(random_() % n); }
  bool chance(double p) { return static_cast<double>(random_() >> 11) * 0x1p-53 < p; }
  void at(int64_t ms, std::function<void()> f) { events_.push({ms, ++sequence_, std::move(f)}); }
  bool lossy() const { return now_ < settings_.chaos_ms; }
  bool lose() { return lossy() && chance(settings_.loss); }
  const fake_topics& topics() const { return *view_; }
  int64_t committed(const uuid& topic, int32_t partition) const;
  template <class Request>
  void deliver(const Request& q, int16_t version, std::function<void(group_response)> reply);

  size_t rebalances = 0;
  size_t crashes = 0;
  size_t conversions = 0;  // from one protocol to the other
  size_t commits = 0;
  size_t failed_writes = 0;

 private:
  struct event {
    int64_t ms;
    uint64_t sequence;
    std::function<void()> run;
    friend bool operator<(const event& a, const event& b) {
      return a.ms != b.ms ? a.ms > b.ms : a.sequence > b.sequence;
    }
  };
  void take(group_effects&& out);
  void write(group_write w);
  void crash();
  void churn();
  void change_topics();
  void check();
  void check_end();

  settings settings_;
  std::mt19937_64 random_;
  int64_t now_ = 0;
  uint64_t sequence_ = 0;
  std::priority_queue<event> events_;
  std::shared_ptr<fake_topics> view_;
  group_options options_;
  std::unique_ptr<group> group_;
  uint64_t coordinator_life_ = 0;
  uint64_t wakes_ = 0;
  std::vector<logged> log_;
  std::set<uint64_t> in_flight_;
  int64_t last_write_ms_ = 0;
  struct asked {
    std::function<void(group_response)> reply;
    int64_t ms;
  };
  std::map<reply_token, asked> replies_;
  reply_token next_token_ = 1;
  std::vector<std::unique_ptr<client>> clients_;
  std::map<std::pair<std::string, int32_t>, int64_t> seen_offsets_;
  std::string last_type_;
};

std::unique_ptr<client> make_consumer(world&, std::string name,
                                      std::optional<std::string> instance);
std::unique_ptr<client> make_classic(world&, std::string name, bool cooperative);

inline void client::after(int64_t ms, std::function<void()> f) {
  w_.at(w_.now() + ms, [this, life = life_, f = std::move(f)] {
    if (life_ == life && alive_) f();
  });
}

template <class Request>
void world::deliver(const Request& q, int16_t version, std::function<void(group_response)> reply) {
  group_call c;
  c.token = next_token_++;
  c.version = version;
  c.client_id = "sim";
  c.client_host = "/10.0.0.1";
  c.now_ms = now_;
  c.fresh_id = test_id(random_());
  replies_[c.token] = {std::move(reply), now_};
  group_effects out;
  if constexpr (std::is_same_v<Request, join_group_request>) {
    group_->join(c, q, out);
  } else if constexpr (std::is_same_v<Request, sync_group_request>) {
    group_->sync(c, q, out);
  } else if constexpr (std::is_same_v<Request, heartbeat_request>) {
    group_->heartbeat(c, q, out);
  } else if constexpr (std::is_same_v<Request, leave_group_request>) {
    group_->leave(c, q, out);
  } else if constexpr (std::is_same_v<Request, offset_commit_request>) {
    group_->commit_offsets(c, q, out);
  } else {
    group_->consumer_heartbeat(c, q, out);
  }
  take(std::move(out));
}

template <class Response, class Request>
void client::ask(const Request& q, int16_t version, int64_t timeout_ms,
                 std::function<void(Response*)> then) {
  const uint64_t number = ++request_;
  const uint64_t life = life_;
  auto finish = [this, number, life, then = std::move(then)](Response* r) {
    if (life_ != life || !alive_ || request_ != number) return;
    ++request_;  // what comes later is not for us any more
    then(r);
  };
  after(timeout_ms, [finish] { finish(nullptr); });
  if (w_.lose()) return;
  last_arrival_ = std::max(last_arrival_, w_.now() + static_cast<int64_t>(w_.draw(30)));
  w_.at(last_arrival_, [this, q, version, finish] {
    w_.deliver(q, version, [this, finish](group_response body) {
      if (w_.lose()) return;
      w_.at(w_.now() + static_cast<int64_t>(w_.draw(30)),
            [finish, body = std::move(body)]() mutable { finish(&std::get<Response>(body)); });
    });
  });
}

}  // namespace weir::kafka::sim
