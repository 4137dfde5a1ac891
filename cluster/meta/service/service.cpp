#include "cluster/meta/service/service.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "cluster/meta/service/command_lanes.hpp"
#include "cluster/meta/service/identity.hpp"
#include "cluster/meta/service/peers.hpp"
#include "cluster/meta/state/command_codec.hpp"
#include "runtime/base/log_limiter.hpp"

namespace weir::meta {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;
using kafka::error_code;

constexpr auto message_timeout = 2s;
// A command that the leader has may wait for a slow disk or for a majority.
constexpr auto command_timeout = 4s;
constexpr auto join_interval = 200ms;
constexpr auto restart_interval = 1s;
constexpr auto membership_interval_ms = 200;
// A change of who votes that is not done by then is asked for again.
constexpr uint64_t membership_limit_ms = 5'000;
// No command is taken while another server is to lead, for up to an election's timeout: if it does
// not, who drains asks one again only after this time.
constexpr uint64_t hand_on_interval_ms = 3'000;
constexpr auto tick_interval = 50ms;
// A member that starts with seeds asks whether they are of its cluster for so long. One that is its
// cluster's only member does not register before they have answered, or this time is over.
constexpr uint64_t seeds_limit_ms = 10'000, alone_limit_ms = 2'000;
// Between two attempts to register after the cluster has refused: its log keeps every one.
constexpr auto register_again = 500ms;
// Nodes that begin a cluster together have said within this time that they have none.
constexpr uint64_t together_limit_ms = 2'000;
// An answer whose effect is not seen here by then is told all the same: this node is behind.
constexpr uint64_t seen_limit_ms = 2'000;

uint64_t now_ms() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(steady::now().time_since_epoch())
          .count());
}

void merge(change_set& into, const change_set& more) {
  auto append = [](auto& a, const auto& b) { a.insert(a.end(), b.begin(), b.end()); };
  append(into.nodes, more.nodes);
  append(into.topics, more.topics);
  append(into.partitions, more.partitions);
  append(into.jobs, more.jobs);
  append(into.homes, more.homes);
  into.config = into.config || more.config;
  into.quotas = into.quotas || more.quotas;
}

bool is_empty(const change_set& c) {
  return c.nodes.empty() && c.topics.empty() && c.partitions.empty() && c.jobs.empty() &&
         c.homes.empty() && !c.config && !c.quotas;
}

/// What to do about a node whose metadata is of no use any more.
std::string as_new_node(const std::string& data_dir) {
  return "move " + data_dir +
         " away, start the node with --join as a new one (it may have the same name), then `weir "
         "cluster drain` and `weir cluster forget` the old one by its number; without other nodes "
         "only a copy of the folder helps (docs/operations.md)";
}

/// The replica, which also notes what changed.
class noting_replica final : public replicated_machine {
 public:
  result<std::string> apply(log_index index, std::string_view bytes) override {
    WEIR_ASSIGN(auto reply, replica_.apply(index, bytes));
    merge(changes, replica_.state().changes());
    return reply;
  }
  std::string snapshot() override { return replica_.snapshot(); }
  status restore(std::string_view bytes) override {
    WEIR_TRY(replica_.restore(bytes));
    everything = true;
    return {};
  }
  const cluster_state& state() const noexcept { return replica_.state(); }

  change_set changes;
  bool everything = true;

 private:
  metadata_replica replica_;
};

}  // namespace

class metadata_service::impl {
 public:
  impl(service_options o, file_system& files, kafka::peer_client& peers, observer watch)
      : options_(std::move(o)),
        files_(files),
        peers_(peers),
        observer_(std::move(watch)),
        watch_(options_.watch) {}

  status open() {
    WEIR_ASSIGN(identity_, node_identity(files_, options_.data_dir));
    self_ = server_of(identity_);
    WEIR_ASSIGN(auto cluster, cluster_identity(files_, options_.data_dir));
    const auto metadata = options_.data_dir + "/metadata";
    // It was made before the node had a cluster. What it has voted and promised is in there.
    if (auto there = files_.stat(metadata);
        cluster && !there && there.err().code == errc::not_found)
      return {errc::corrupt,
              metadata + " is missing, though this node is a member of cluster " +
                  cluster->to_string() +
                  ": a member that has forgotten its votes must not come back as the same one; " +
                  as_new_node(options_.data_dir)};
    auto opened = lmdb_store::open(metadata);
    if (!opened) return with_advice(opened.err());
    store_ = std::move(*opened);
    auto loaded = store_->load();
    if (!loaded) return with_advice(loaded.err());
    const auto& present = *loaded;
    const bool empty = present.term == 0 && present.entries.empty() && !present.snapshot;
    if (!cluster && options_.seeds.empty()) {
      // The id first: without a log it is a beginning that was cut off, and begins again.
      cluster = kafka::random_uuid();
      WEIR_TRY(keep_cluster_identity(files_, options_.data_dir, *cluster));
    }
    if (cluster) cluster_ = *cluster;
    if (cluster && empty && options_.seeds.empty())
      WEIR_TRY(consensus_node::bootstrap(*store_, {{self_, options_.address, server_role::voter}}));
    if (cluster)
      if (auto s = start_consensus(); !s) return with_advice(s.err());
    joins_ = !options_.seeds.empty();
    if (cluster) unanswered_ = {options_.seeds.begin(), options_.seeds.end()};
    unanswered_.erase(options_.address);
    ask_until_ms_ = now_ms() + (alone() ? alone_limit_ms : seeds_limit_ms);
    return {};
  }
  /// What to do about damage of this node's own metadata.
  error with_advice(const error& e) const {
    if (e.code != errc::corrupt) return e;
    return {e.code, e.message + "; " + as_new_node(options_.data_dir)};
  }
  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void stop() {
    post([this] { stopping_ = true; });
    if (thread_.joinable()) thread_.join();
  }

  void post(std::function<void()> f) {
    {
      std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(f));
    }
    wake_.notify_one();
  }

  // ---- This node's own commands. ----

  void submit(command c, answer_callback done, std::chrono::milliseconds limit) {
    lanes_.submit(
        std::move(c), now_ms() + static_cast<uint64_t>(limit.count()),
        [this, done = std::move(done)](result<answer> a) {
          if (!a) return done(std::move(a));
          // What is answered can be seen here, and the observer was told of it.
          unseen_.push_back({answer_index_, now_ms() + seen_limit_ms, done, std::move(*a)});
        });
    send_commands();
  }
  void tell_seen() {
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
  void leave(std::chrono::milliseconds limit, std::function<void()> done) {
    leaving_ = true;
    if (!registered_) return done();
    const auto now = now_ms();
    going_ = departure{now + static_cast<uint64_t>(limit.count()) / 2,
                       now + static_cast<uint64_t>(limit.count()), std::move(done)};
  }
  /// Who goes lets another one lead the metadata before it gives up its partitions: so all hear at
  /// once who leads those, and none has to miss this one first. After it again, for who led before
  /// may have gone meanwhile, too.
  void go() {
    if (!going_) return;
    const auto now = now_ms();
    const bool may_hand_on = going_->fenced ? now < going_->until_ms
                                            : !going_->fencing && now < going_->hand_on_until_ms;
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
  /// False: this server does not lead, or nobody can instead.
  bool hands_on(uint64_t now) {
    if (!node_) return false;
    if (node_->leader() == 0) return true;  // until somebody is elected
    if (node_->role() != node_role::leader) return false;
    return hand_on(now) != admission::invalid;  // overloaded: it is under way
  }
  /// As leader. admission::invalid: nobody can take over.
  admission hand_on(uint64_t now) {
    const auto to = watch_.successor(now, node_->members(), self_, machine_->state());
    return to == 0 ? admission::invalid : node_->transfer(to);
  }
  void send_commands() {
    for (auto& a : lanes_.due(now_ms())) send(std::move(a));
  }
  void send(command_lanes::attempt a) {
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
  void answered(const command_lanes::attempt& a, const result<kafka::node_command_response>& r) {
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
  /// Nothing: ask again.
  static std::optional<result<answer>> answer_of(const proposal_reply& r) {
    if (r.outcome == proposal_outcome::done) return decode_answer(r.reply);
    return std::nullopt;
  }

  // ---- What other nodes ask. ----

  /// Empty: the request is of a build that this one gets on with. Else why not, which is logged
  /// here too.
  template <class Request>
  std::string refusal(const Request& q, const std::string& what) {
    const auto other = version_of(q.wire);
    if (understand_each_other(options_.wire, other)) return {};
    complain_of("build " + to_string(other),
                "refused " + what + ": " + refusal_of(options_.wire, other));
    return refusal_of(options_.wire, other);
  }
  void message(const kafka::node_message_request& q,
               const std::function<void(kafka::node_message_response)>& reply) {
    kafka::node_message_response out;
    if (auto why = refusal(q, "a message of a node"); !why.empty()) {
      out.error_code = error_code::unsupported_version;
      out.error_message = std::move(why);
      return reply(out);
    }
    reply(out);
    const auto& payload = q.payload;
    if (!node_) return;
    // Where servers are now: who starts again may listen elsewhere.
    constexpr size_t small = 16 * 1024;
    if (payload.size() <= small)
      if (auto m = decode_message(payload); m && m->cluster == cluster_ && m->to == self_)
        learn(m->from, m->address);
    node_->deliver(payload);
  }
  void command_of(const kafka::node_command_request& q,
                  const std::function<void(kafka::node_command_response)>& reply) {
    kafka::node_command_response out;
    auto refuse = [&](error_code e, std::string text) {
      out.error_code = e;
      if (!text.empty()) out.error_message = std::move(text);
      reply(out);
    };
    if (auto why = refusal(q, "a command of a node"); !why.empty())
      return refuse(error_code::unsupported_version, std::move(why));
    if (q.cluster != cluster_)
      return refuse(error_code::inconsistent_cluster_id, "it is a node of another cluster");
    if (!node_ || !node_->leads()) {
      out.leader = address_of_leader();
      return refuse(error_code::not_controller, "");
    }
    // What the log takes stops every server that does not know it.
    if (auto readable = decode_request(q.command); !readable)
      return refuse(error_code::invalid_request, readable.err().message);
    const auto t = next_ticket_++;
    switch (node_->propose(t, q.command)) {
      case admission::accepted:
        proposals_[t] = [this, reply](const proposal_reply& r) {
          kafka::node_command_response a;
          a.index = node_ ? static_cast<int64_t>(node_->applied_index()) : 0;
          if (r.outcome == proposal_outcome::done)
            a.answer = r.reply;
          else
            a.error_code = error_code::request_timed_out;
          reply(a);
        };
        return;
      case admission::invalid:
        return refuse(error_code::invalid_request, "the command is too large");
      default:
        return refuse(error_code::request_timed_out, "");
    }
  }
  void join_of(kafka::node_join_request q,
               const std::function<void(kafka::node_join_response)>& reply) {
    kafka::node_join_response out;
    out.server = static_cast<int64_t>(self_);
    const auto who = static_cast<server_id>(q.server);
    auto refuse = [&](error_code e, std::string text) {
      out.error_code = e;
      if (!text.empty()) out.error_message = std::move(text);
      reply(out);
    };
    if (q.wire.format == 0) {  // a build from before
      q.wire.format = q.format;
      q.wire.build = q.build;
    }
    if (auto why = refusal(q, "node " + q.name + " at " + q.address); !why.empty())
      return refuse(error_code::unsupported_version, std::move(why));
    if (!q.cluster.is_zero() && !cluster_.is_zero() && q.cluster != cluster_)
      return refuse(error_code::inconsistent_cluster_id, "the node belongs to cluster " +
                                                             q.cluster.to_string() + ", this is " +
                                                             cluster_.to_string());
    if (who == 0 || who == self_)
      return refuse(error_code::invalid_request, "a node cannot join itself");
    learn(who, q.address);
    // It waits for a cluster as well.
    if (cluster_.is_zero()) return refuse(error_code::coordinator_not_available, "");
    if (!node_ || !node_->leads()) {
      out.leader = address_of_leader();
      return refuse(error_code::not_controller, "");
    }
    // A node that is lost leaves its name when it is given up, some seconds later.
    for (const auto& [id, n] : machine_->state().nodes())
      if (n.name == q.name && server_of(n.identity) != who && !n.fenced)
        return refuse(error_code::duplicate_resource,
                      "a node of the name '" + q.name + "' is alive (number " +
                          std::to_string(id.value) + ", " + address_of(n, "peers") +
                          "): give this one another --name, or stop that one");
    out.cluster = cluster_;
    watch_.heard(who, now_ms());
    const auto* known = member(who);
    if (known && known->role != server_role::spare) return reply(out);
    if (!known) changes_.push_back({who, q.address, server_role::spare, false, true});
    changes_.push_back({who, q.address, server_role::learner, false, false});
    change_members();
    // It asks again; by then it is one.
    refuse(error_code::request_timed_out, "");
  }
  void heartbeat_of(const kafka::node_heartbeat_request& q,
                    const std::function<void(kafka::node_heartbeat_response)>& reply) {
    kafka::node_heartbeat_response out;
    if (auto why = refusal(q, "a sign of life of node " + std::to_string(q.node)); !why.empty()) {
      out.error_code = error_code::unsupported_version;
      out.error_message = std::move(why);
    } else if (q.cluster != cluster_) {
      out.error_code = error_code::inconsistent_cluster_id;
    } else if (!node_ || !node_->leads()) {
      out.error_code = error_code::not_controller;
      out.leader = address_of_leader();
    } else {
      const auto* n = machine_->state().find_node(node_id{q.node});
      const bool current = n && !n->fenced && n->epoch.value == static_cast<uint64_t>(q.epoch) &&
                           server_of(n->identity) == static_cast<server_id>(q.server);
      // Of a process that is over: it does not keep the newer one alive.
      if (current || !n) watch_.heard(static_cast<server_id>(q.server), now_ms());
      if (!current) out.error_code = error_code::stale_broker_epoch;
    }
    reply(out);
  }

  void ask(const std::function<void(const cluster_state*)>& f) {
    f(node_ ? &machine_->state() : nullptr);
  }
  standing stand() const {
    std::lock_guard lock(standing_mutex_);
    return standing_;
  }
  bool wait_registered(std::chrono::milliseconds limit) {
    std::unique_lock lock(standing_mutex_);
    return registered_cv_.wait_for(lock, limit, [this] { return standing_.registered; });
  }
  std::string leader_address() const {
    std::lock_guard lock(standing_mutex_);
    return leader_address_;
  }

 private:
  struct unseen_answer {
    log_index index;
    uint64_t until_ms;
    answer_callback done;
    answer what;
  };
  struct pending_change {
    server_id which;
    std::string address;
    server_role role;
    bool remove;
    bool add;
  };

  // ---- The thread. ----

  void run() {
    while (!stopping_) {
      std::deque<std::function<void()>> tasks;
      {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, tick_interval, [this] { return !tasks_.empty(); });
        tasks.swap(tasks_);
      }
      for (auto& f : tasks) f();
      if (stopping_) break;
      keep_consensus();
      join();
      sign();
      lead();
      go();
      send_commands();
      pump();
      tell_seen();
    }
    if (going_) std::exchange(going_, {})->done();
    lanes_.stop();
    for (auto& u : std::exchange(unseen_, {})) u.done(std::move(u.what));
    proposals_.clear();
    node_.reset();
  }
  status start_consensus() {
    node_.reset();
    machine_ = std::make_unique<noting_replica>();
    node_options o;
    o.cluster = cluster_;
    o.id = self_;
    o.address = options_.address;
    uint64_t seed = 0;
    const auto random = kafka::random_uuid();
    for (size_t i = 0; i < 8; ++i) seed = seed << 8 | random.bytes[i];
    o.seed = seed;
    o.election_timeout_ms = options_.election_timeout_ms;
    o.heartbeat_ms = options_.heartbeat_ms;
    WEIR_ASSIGN(node_, consensus_node::start(o, *store_, *machine_, now_ms()));
    return {};
  }
  void keep_consensus() {
    if (node_) {
      node_->tick(now_ms());
      pump();
      if (!node_->failure()) return;
      say_once("the metadata's server stopped: " + node_->failure()->message +
               "; it is started again");
      // Whoever proposed asks again.
      for (auto& [t, f] : std::exchange(proposals_, {})) f({t, proposal_outcome::lost, {}});
      led_ = registered_ = changing_ = false;
      node_.reset();
    } else if (cluster_.is_zero()) {
      return;  // it is no member yet
    }
    if (steady::now() < restart_at_) return;
    restart_at_ = steady::now() + restart_interval;
    if (auto s = start_consensus(); !s) {
      node_.reset();
      return say_once("the metadata's server does not start: " + s.err().message);
    }
  }
  /// A disk that stays broken is told of once, not every second.
  void say_once(std::string what) {
    if (failed_said_ == what) return;
    failed_said_ = std::move(what);
    log(failed_said_);
  }
  /// Writes, sends and answers what came up; tells of changes.
  void pump() {
    if (!node_) return;
    for (;;) {
      node_->settle();
      for (auto& m : node_->take_messages()) {
        auto known = addresses_.find(m.to);
        const auto to = known == addresses_.end() ? listener_of(m.address) : known->second;
        kafka::node_message_request q;
        q.payload = std::move(m.bytes);
        peers_.call(to, signed_by(options_.wire, q), 0, message_timeout,
                    [this, to](const result<kafka::node_message_response>& r) {
                      // The consensus sends again what was lost.
                      if (!r || r->error_code != error_code::unsupported_version) return;
                      post([this, to, why = r->error_message.value_or("another version")] {
                        complain_of("refused by " + to, to + " refuses this node: " + why);
                      });
                    });
      }
      auto replies = node_->take_replies();
      if (replies.empty()) break;
      for (const auto& r : replies) {
        auto it = proposals_.find(r.which);
        if (it == proposals_.end()) continue;
        auto f = std::move(it->second);
        proposals_.erase(it);
        f(r);
      }
    }
    note_standing();
    publish();
  }
  void publish() {
    if (!registered_) return;
    if (!machine_->everything && is_empty(machine_->changes)) return;
    const auto changes = std::exchange(machine_->changes, {});
    const bool everything = std::exchange(machine_->everything, false);
    observer_(machine_->state(), changes, everything);
  }
  void note_standing() {
    const auto& state = machine_->state();
    const auto* me = state.find_node(identity_);
    registered_ = me && epoch_ && me->epoch == *epoch_ && !me->fenced;
    standing s;
    s.cluster = cluster_;
    s.identity = identity_;
    s.self = self_;
    s.leader = node_->leader();
    s.term = node_->term();
    s.applied = node_->applied_index();
    s.leads = node_->leads();
    s.registered = registered_;
    if (me) s.node = me->id;
    if (epoch_) s.epoch = *epoch_;
    s.members = node_->members();
    for (const auto& [id, n] : state.nodes())
      if (s.leader != 0 && server_of(n.identity) == s.leader) s.leader_node = id;
    s.problem = problem_;
    s.refused = refused_;
    if (s.leader != 0) led_at_ = steady::now();
    s.leaderless = std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - led_at_);
    auto leader = address_of_leader();
    std::lock_guard lock(standing_mutex_);
    const bool news = s.registered && !standing_.registered;
    standing_ = std::move(s);
    leader_address_ = std::move(leader);
    if (news) registered_cv_.notify_all();
  }

  // ---- Becoming and staying a member. ----

  /// Nobody else is a member of the cluster that this node has.
  bool alone() const { return node_ && node_->members().size() <= 1; }
  void join() {
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
  /// A seed is of another cluster than this node.
  void of_another_cluster(const std::string& from, const std::string& why) {
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
  void joined(const std::string& from, const result<kafka::node_join_response>& r) {
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
  /// Nodes that start for the first time and name each other: when all of them are there and none
  /// has a cluster, the one with the smallest id begins it. With one of them missing nobody does,
  /// for that one may know a cluster.
  void begin_together() {
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
  /// Why this node is no member. `cause`: whom it is about; of each one line in some seconds.
  void complain(const std::string& cause, std::string why) {
    problem_ = std::move(why);
    complain_of(cause, problem_);
  }
  void complain_of(const std::string& cause, const std::string& text) {
    if (auto line = limiter_.say(cause, text, now_ms())) log(*line);
  }
  /// Registers this node, or tells the leader that it lives.
  void sign() {
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
  void registered_as(const result<answer>& r) {
    registering_ = false;
    register_at_ = steady::now() + (r && r->ok() ? 0ms : register_again);
    if (!r) return complain("register", "cannot register: " + r.err().message);
    if (!r->ok()) return complain("register", "the cluster refuses this node: " + r->text);
    node_number_ = static_cast<int32_t>(r->number);
    epoch_ = node_epoch{r->second};
    joins_ = false;
    problem_.clear();
  }

  // ---- Leading. ----

  void lead() {
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
  /// A leader whose node drains hands on as soon as somebody can take over.
  bool hands_on_draining(uint64_t now) {
    const auto* me = machine_->state().find_node(identity_);
    if (!me || !me->draining || now < handed_on_ms_ + hand_on_interval_ms) return false;
    if (hand_on(now) != admission::accepted) return false;
    handed_on_ms_ = now;
    return true;
  }
  /// Starts the next change of the members, when none is under way.
  void change_members() {
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
      auto a = c.add
                   ? node_->add(t, c.which, address_of_member(node_->members(), c.which, c.address))
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
  const server* member(server_id id) const {
    for (const auto& s : node_->members())
      if (s.id == id) return &s;
    return nullptr;
  }
  void learn(server_id who, const std::string& address) {
    if (who != 0 && who != self_ && !address.empty()) addresses_[who] = address;
  }
  std::string address_of_leader() const {
    if (node_) {
      const auto id = node_->leader();
      if (id == self_) return options_.address;
      if (auto it = addresses_.find(id); id != 0 && it != addresses_.end()) return it->second;
      if (const auto* m = id ? member(id) : nullptr) return listener_of(m->address);
    }
    return leader_hint_;
  }
  void log(const std::string& text) const {
    if (options_.log) options_.log(text);
  }

  service_options options_;
  file_system& files_;
  kafka::peer_client& peers_;
  observer observer_;
  kafka::uuid identity_, cluster_;
  server_id self_ = 0;
  std::unique_ptr<lmdb_store> store_;
  std::unique_ptr<noting_replica> machine_;
  std::unique_ptr<consensus_node> node_;
  command_lanes lanes_;
  leader_watch watch_;
  std::map<ticket, std::function<void(const proposal_reply&)>> proposals_;
  ticket next_ticket_ = 1;
  std::map<server_id, std::string> addresses_;  // where servers are now
  std::string leader_hint_;                     // while the consensus does not know
  // Seeds that have no cluster either: who they are, and when they said so.
  std::map<std::string, std::pair<server_id, uint64_t>> waiting_too_;
  log_index answer_index_ = 0;  // of the answer that is being handed on; 0: this node's own
  std::deque<unseen_answer> unseen_;
  std::deque<pending_change> changes_;
  bool changing_ = false, led_ = false;
  uint64_t changing_since_ = 0, members_at_ = 0;
  std::map<node_id, uint64_t> fenced_at_;
  bool joins_ = false, registering_ = false, registered_ = false, stopping_ = false,
       leaving_ = false;
  struct departure {
    uint64_t hand_on_until_ms, until_ms;
    std::function<void()> done;
    bool fencing = false, fenced = false;
  };
  std::optional<departure> going_;
  uint64_t handed_on_ms_ = 0;
  int32_t node_number_ = -1;
  std::optional<node_epoch> epoch_;
  steady::time_point join_at_, sign_at_, restart_at_, register_at_, led_at_ = steady::now();
  std::set<std::string> unanswered_;  // seeds that have not said of which cluster they are
  uint64_t ask_until_ms_ = 0;
  std::string problem_, failed_said_, refused_;
  log_limiter limiter_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  mutable std::mutex standing_mutex_;
  std::condition_variable registered_cv_;
  standing standing_;
  std::string leader_address_;
  std::thread thread_;
};

metadata_service::metadata_service(std::unique_ptr<impl> i) : impl_(std::move(i)) {}

metadata_service::~metadata_service() {
  impl_->stop();
}
void metadata_service::stop() {
  impl_->stop();
}

result<std::unique_ptr<metadata_service>> metadata_service::open(service_options o,
                                                                 file_system& files,
                                                                 kafka::peer_client& peers,
                                                                 observer watch) {
  auto i = std::make_unique<impl>(std::move(o), files, peers, std::move(watch));
  WEIR_TRY(i->open());
  return std::unique_ptr<metadata_service>(new metadata_service(std::move(i)));
}

void metadata_service::submit(command c, answer_callback done, std::chrono::milliseconds limit) {
  impl_->post([i = impl_.get(), c = std::move(c), done = std::move(done), limit]() mutable {
    i->submit(std::move(c), std::move(done), limit);
  });
}
void metadata_service::start() {
  impl_->start();
}
void metadata_service::leave(std::chrono::milliseconds limit, std::function<void()> done) {
  impl_->post([i = impl_.get(), limit, done = std::move(done)]() mutable {
    i->leave(limit, std::move(done));
  });
}
void metadata_service::ask(std::function<void(const cluster_state*)> f) {
  impl_->post([i = impl_.get(), f = std::move(f)] { i->ask(f); });
}
bool metadata_service::wait_registered(std::chrono::milliseconds limit) {
  return impl_->wait_registered(limit);
}
standing metadata_service::stand() const {
  return impl_->stand();
}
std::string metadata_service::leader_address() const {
  return impl_->leader_address();
}

void metadata_service::handle(kafka::node_message_request q,
                              std::function<void(kafka::node_message_response)> reply) {
  impl_->post(
      [i = impl_.get(), q = std::move(q), reply = std::move(reply)] { i->message(q, reply); });
}
void metadata_service::handle(kafka::node_command_request q,
                              std::function<void(kafka::node_command_response)> reply) {
  impl_->post(
      [i = impl_.get(), q = std::move(q), reply = std::move(reply)] { i->command_of(q, reply); });
}
void metadata_service::handle(kafka::node_join_request q,
                              std::function<void(kafka::node_join_response)> reply) {
  impl_->post(
      [i = impl_.get(), q = std::move(q), reply = std::move(reply)] { i->join_of(q, reply); });
}
void metadata_service::handle(kafka::node_heartbeat_request q,
                              std::function<void(kafka::node_heartbeat_response)> reply) {
  impl_->post(
      [i = impl_.get(), q = std::move(q), reply = std::move(reply)] { i->heartbeat_of(q, reply); });
}

}  // namespace weir::meta
