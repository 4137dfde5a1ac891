#include "tests/cluster/sim_metadata.hpp"

#include "runtime/base/crc32c.hpp"

namespace weir::sim {
namespace {

constexpr timestamp_us delay_max = 15'000;
constexpr timestamp_us lost_limit = 1'500'000;  // then a command that got lost is answered
constexpr int lost_in = 40;
constexpr timestamp_us late_max = 5'000'000;
constexpr int late_in = 30, twice_in = 40;

}  // namespace

void agenda::advance(timestamp_us by) {
  const auto until = now_ + by;
  while (!due_.empty() && due_.begin()->first <= until) {
    auto first = due_.extract(due_.begin());
    now_ = std::max(now_, first.key());
    first.mapped()();
  }
  now_ = until;
}

std::shared_ptr<sim_metadata::node> sim_metadata::start(int32_t number, node_faults f) {
  auto n = std::make_shared<node>(*this, number, std::move(f));
  n->use(n.get(), nullptr);
  n->look_after_place();
  n->catch_up();
  return n;
}

void sim_metadata::append(meta::command c, std::function<void(const meta::answer&, size_t)> done) {
  append(meta::request{{}, 0, std::move(c)}, std::move(done));
}

void sim_metadata::append(meta::request r, std::function<void(const meta::answer&, size_t)> done) {
  auto& c = r.what;
  const auto said = c;
  if (mistake_ == mistake::old_tokens_count) {
    if (auto* e = std::get_if<meta::complete_epoch>(&c))
      if (const auto* j = state_.find_job(e->job)) e->token = j->master.token;
  }
  if (const auto* e = std::get_if<meta::complete_epoch>(&c)) {
    const auto* j = state_.find_job(e->job);
    if (j && e->number.value > j->newest.value) {
      manifest_before_[job_id_text(e->job)] = j->manifest;
      number_before_[job_id_text(e->job)] = j->newest.value;
    }
  }
  const auto before = state_;
  auto out = state_.apply(r);
  log_.push_back(r);
  if (!out.repeated) check(said, out.reply, before);
  done(out.reply, log_.size());
}

void sim_metadata::check(const meta::command& c, const meta::answer& a,
                         const meta::cluster_state& before) {
  if (std::holds_alternative<meta::acquire_master>(c) && a.ok()) ++tenures_;
  const auto* e = std::get_if<meta::complete_epoch>(&c);
  if (!e) return;
  const auto* j = before.find_job(e->job);
  if (!a.ok()) {
    ++refused_;
    if (before.jobs() != state_.jobs()) violations_.push_back("what was refused has changed a job");
    return;
  }
  ++epochs_;
  if (!j) return violations_.push_back("an epoch of no job is complete");
  if (e->token != j->master.token)
    violations_.push_back("an epoch is complete by a token that is over");
  const auto* holder = before.find_node(j->master.holder);
  if (!holder || holder->fenced || holder->epoch != j->master.holder_epoch)
    violations_.push_back("an epoch is complete by a node that was given up");
  if (e->number.value < j->newest.value)
    violations_.push_back("epoch " + std::to_string(e->number.value) + " after " +
                          std::to_string(j->newest.value));
}

void sim_metadata::node::soon(timestamp_us longest, std::function<void()> f) {
  world_.agenda_.after(world_.random_.between(1, longest),
                       [me = weak_from_this(), f = std::move(f), longest] {
                         auto self = me.lock();
                         if (!self || self->over_) return;
                         if (self->faults_.stalled())
                           return self->soon(std::max(longest, delay_max), f);
                         f();
                       });
}

kafka::uuid sim_metadata::node::identity() const {
  kafka::uuid id;
  id.bytes[0] = static_cast<uint8_t>(number_);
  return id;
}

meta::standing sim_metadata::node::stand() const {
  meta::standing s;
  s.node = id_;
  s.epoch = epoch_;
  return s;
}

void sim_metadata::node::look_after_place() {
  const auto* mine = state_.find_node(identity());
  const bool lives = mine && !mine->fenced && mine->epoch == epoch_;
  if (lives || registering_) return;
  registering_ = true;
  meta::register_node r;
  r.identity = identity();
  r.name = "n" + std::to_string(number_);
  r.rack = "r" + std::to_string(number_);
  r.endpoints = {{"actors", "simulated", static_cast<uint16_t>(1000 + number_)}};
  soon(delay_max, [this, r] {
    world_.append(r, [this](const meta::answer& a, size_t position) {
      waiting_.emplace(position, [this, a] {
        registering_ = false;
        if (!a.ok()) return;
        id_ = meta::node_id{static_cast<int32_t>(a.number)};
        epoch_ = meta::node_epoch{a.second};
        observed_ = false;
      });
    });
  });
}

void sim_metadata::node::catch_up() {
  soon(delay_max, [this] {
    bool news = false;
    if (faults_.cut()) return catch_up();
    // The replica reads a batch of the log and then tells; what is new of a job is told by looking
    // at all anew, now and then by what has changed.
    for (auto upto = world_.log_.size(); applied_ < upto;) {
      state_.apply(world_.log_[applied_++]);
      const auto changes = state_.changes();
      std::vector<std::function<void()>> done;
      auto [from, to] = waiting_.equal_range(applied_);
      for (auto it = from; it != to; ++it) done.push_back(it->second);
      waiting_.erase(from, to);
      const bool known = id_ != meta::no_node;
      if (known && observed_) observe(state_, changes, false);
      for (const auto& f : done) f();
      news = true;
    }
    if (news && id_ != meta::no_node && !observed_) {
      observed_ = true;
      observe(state_, {}, true);
    }
    look_after_place();
    catch_up();
  });
}

void sim_metadata::node::submit(meta::command c, answer_callback done, std::chrono::milliseconds) {
  if (world_.mistake_ == mistake::ledger_not_asked &&
      std::holds_alternative<meta::complete_epoch>(c))
    return soon(delay_max, [done] { done(meta::answer{}); });
  requests_.push_back({std::move(c), std::move(done)});
  if (requests_.size() == 1) send_next();
}

/// One at a time, as the service does. It may be in the log although the one that has sent it is
/// gone by then, much later than others, and twice: who hears nothing sends it again.
void sim_metadata::node::send_next() {
  const meta::request r{client(), ++request_, requests_.front().what};
  auto& random = world_.random_;
  const bool cut = faults_.cut(), lost = cut || random.one_in(lost_in);
  const bool late = random.one_in(late_in);
  if (lost || late)
    soon(lost_limit, [this, number = r.number] {
      answered(number, error{errc::timeout, "nobody answered"});
    });
  if (cut || (lost && random.one_in(2))) return;
  auto arrives = [w = &world_, me = weak_from_this(), r, lost] {
    w->append(r, [me, lost, number = r.number](const meta::answer& a, size_t position) {
      auto self = me.lock();
      if (lost || !self || self->over_) return;
      self->waiting_.emplace(position,
                             [self = self.get(), number, a] { self->answered(number, a); });
    });
  };
  const auto delay = random.between(1, late ? late_max : delay_max);
  world_.agenda_.after(delay, arrives);
  if (random.one_in(twice_in)) world_.agenda_.after(delay + random.between(1, late_max), arrives);
}

void sim_metadata::node::answered(uint64_t number, const result<meta::answer>& a) {
  if (number != request_ || requests_.empty()) return;
  auto done = std::move(requests_.front().done);
  requests_.pop_front();
  if (!requests_.empty()) send_next();
  done(a);
}

kafka::uuid sim_metadata::node::client() const {
  kafka::uuid id;
  id.bytes[0] = static_cast<uint8_t>(number_);
  for (size_t i = 0; i < 8; ++i) id.bytes[8 + i] = static_cast<uint8_t>(life_ >> (8 * i));
  return id;
}

void sim_metadata::node::ask(std::function<void(const meta::cluster_state*)> f) {
  soon(delay_max, [this, f] { f(&state_); });
}

std::shared_ptr<const ledger_view> sim_metadata::node::view() const {
  auto v = metadata_ledger::view();
  if (world_.mistake_ != mistake::older_epoch) return v;
  auto other = std::make_shared<ledger_view>(*v);
  for (auto& [id, j] : other->jobs)
    if (auto it = world_.number_before_.find(id); it != world_.number_before_.end()) {
      j.newest = it->second;
      j.manifest = world_.manifest_before_.at(id);
    }
  return other;
}

void sim_metadata::node::store_file(std::string content,
                                    std::function<void(result<std::string>)> done) {
  auto hash = std::to_string(crc32c(std::as_bytes(std::span(content))));
  world_.files_[hash] = std::move(content);
  soon(delay_max, [done, hash] { done(hash); });
}

void sim_metadata::node::read_file(const std::string& hash,
                                   std::function<void(result<std::string>)> done) {
  result<std::string> found = error{errc::not_found, "no file " + hash};
  if (auto it = world_.files_.find(hash); it != world_.files_.end()) found = it->second;
  soon(delay_max, [done, found] { done(found); });
}

void sim_metadata::node::local_file(const std::string& hash,
                                    std::function<void(result<std::string>)> done) {
  soon(delay_max, [done, hash] { done(error{errc::not_found, "no file " + hash}); });
}

}  // namespace weir::sim
