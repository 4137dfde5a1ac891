#include "cluster/meta/service/service_impl.hpp"

#include "cluster/meta/service/identity.hpp"

namespace weir::meta {
namespace {

// A member that starts with seeds asks whether they are of its cluster for so long. One that is its
// cluster's only member does not register before they have answered, or this time is over.
constexpr uint64_t seeds_limit_ms = 10'000, alone_limit_ms = 2'000;
constexpr auto restart_interval = 1s;
constexpr auto tick_interval = 50ms;

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

}  // namespace

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

status metadata_service::impl::open() {
  WEIR_ASSIGN(identity_, node_identity(files_, options_.data_dir));
  self_ = server_of(identity_);
  WEIR_ASSIGN(auto cluster, cluster_identity(files_, options_.data_dir));
  const auto metadata = options_.data_dir + "/metadata";
  // It was made before the node had a cluster. What it has voted and promised is in there.
  if (auto there = files_.stat(metadata); cluster && !there && there.err().code == errc::not_found)
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

error metadata_service::impl::with_advice(const error& e) const {
  if (e.code != errc::corrupt) return e;
  return {e.code, e.message + "; " + as_new_node(options_.data_dir)};
}

void metadata_service::impl::start() {
  thread_ = std::thread([this] { run(); });
}

void metadata_service::impl::stop() {
  post([this] { stopping_ = true; });
  if (thread_.joinable()) thread_.join();
}

void metadata_service::impl::post(std::function<void()> f) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(f));
  }
  wake_.notify_one();
}

void metadata_service::impl::ask(const std::function<void(const cluster_state*)>& f) {
  f(node_ ? &machine_->state() : nullptr);
}

standing metadata_service::impl::stand() const {
  std::lock_guard lock(standing_mutex_);
  return standing_;
}

bool metadata_service::impl::wait_registered(std::chrono::milliseconds limit) {
  std::unique_lock lock(standing_mutex_);
  return registered_cv_.wait_for(lock, limit, [this] { return standing_.registered; });
}

std::string metadata_service::impl::leader_address() const {
  std::lock_guard lock(standing_mutex_);
  return leader_address_;
}

void metadata_service::impl::run() {
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

status metadata_service::impl::start_consensus() {
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

void metadata_service::impl::keep_consensus() {
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

void metadata_service::impl::say_once(std::string what) {
  if (failed_said_ == what) return;
  failed_said_ = std::move(what);
  log(failed_said_);
}

void metadata_service::impl::note_trouble(const std::string& with, const error& e) {
  if (e.code == errc::cancelled) return;
  std::lock_guard lock(mutex_);
  trouble_ = e.message.starts_with(with) ? e.message : with + ": " + e.message;
}

void metadata_service::impl::pump() {
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
                    if (!r) return note_trouble(to, r.err());
                    if (r->error_code != error_code::unsupported_version) return;
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

void metadata_service::impl::publish() {
  if (!registered_) return;
  if (!machine_->everything && is_empty(machine_->changes)) return;
  const auto changes = std::exchange(machine_->changes, {});
  const bool everything = std::exchange(machine_->everything, false);
  observer_(machine_->state(), changes, everything);
}

void metadata_service::impl::note_standing() {
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

const server* metadata_service::impl::member(server_id id) const {
  for (const auto& s : node_->members())
    if (s.id == id) return &s;
  return nullptr;
}

void metadata_service::impl::learn(server_id who, const std::string& address) {
  if (who != 0 && who != self_ && !address.empty()) addresses_[who] = address;
}

std::string metadata_service::impl::address_of_leader() const {
  if (node_) {
    const auto id = node_->leader();
    if (id == self_) return options_.address;
    if (auto it = addresses_.find(id); id != 0 && it != addresses_.end()) return it->second;
    if (const auto* m = id ? member(id) : nullptr) return listener_of(m->address);
  }
  return leader_hint_;
}

void metadata_service::impl::log(const std::string& text) const {
  if (options_.log) options_.log(text);
}

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
