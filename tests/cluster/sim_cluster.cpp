#include "tests/cluster/sim_cluster.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <cstdio>
#include <filesystem>
#include <set>

#include "actors/job_keeper.hpp"
#include "actors/job_manifest.hpp"
#include "actors/store.hpp"
#include "runtime/snapshot/store.hpp"
#include "tests/cluster/sim_files.hpp"
#include "tests/cluster/sim_io.hpp"
#include "tests/cluster/sim_job.hpp"
#include "tests/cluster/sim_network.hpp"
#include "tests/io/scratch.hpp"
#include "tests/log/crash_files.hpp"

namespace weir::sim {
namespace {

constexpr timestamp_us silent_limit = 3'000'000;  // a node that says nothing is given up then
constexpr timestamp_us faults_end = 8'000'000;
constexpr timestamp_us end_limit = 120'000'000;  // simulated, for the whole
// A loss is noticed within 3.5 s; what is left of the job takes no longer than all of it.
constexpr timestamp_us back_limit = 10'000'000;
constexpr uint64_t steps_max = 2'000'000;

/// What others take for a node's store when copies are not written: it says that they are.
caf::behavior copies_nothing(caf::event_based_actor* self, const store_actor& real) {
  self->set_default_handler([real](caf::scheduled_actor* me, caf::message_view& x) {
    auto* e = me->current_mailbox_element();
    caf::actor_cast<caf::strong_actor_ptr>(real)->enqueue(
        caf::make_mailbox_element(std::move(e->sender), e->mid, std::move(e->stages),
                                  x.copy_content_to_message()),
        me->context());
    return caf::result<caf::message>(caf::delegated<caf::message>());
  });
  auto pass_on = [self, real](const auto& m) {
    return self->delegate(caf::actor_cast<caf::actor>(real), m);
  };
  return {
      [pass_on](const chunks_message& m) {
        if (m.answered) (void)pass_on(m);  // of a task of its own
      },
      [self, real](const commit_message& m) -> caf::result<operation_reply> {
        if (m.chunks != UINT64_MAX) return operation_reply{};
        return self->delegate(real, m);
      },
  };
}

class cluster {
 public:
  explicit cluster(const run_options& o)
      : options_(o), random_(o.seed), metadata_(agenda_, random_, o.made) {
    config_.add_message_types<caf::id_block::weir>();
    config_.set("scheduler.policy", caf::atom("testing"));
    system_ = std::make_unique<caf::actor_system>(config_);
    // Those that wait for answers which nobody gives any more are not waited for.
    system_->await_actors_before_shutdown(false);
    scheduler_ = &dynamic_cast<caf::scheduler::test_coordinator&>(system_->scheduler());
    scheduler_->clock().current_time += std::chrono::microseconds(agenda_.now());
    nodes_.resize(static_cast<size_t>(random_.between(3, 7)));
    network_.emplace(agenda_, random_, nodes_.size(), access());
    for (size_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].skew = o.faults ? random_.between(-2'000'000, 2'000'000) : 0;
      start(i);
    }
  }
  ~cluster() {
    for (size_t i = 0; i < nodes_.size(); ++i)
      if (nodes_[i].up) stop(i);
  }

  run_result run() {
    const auto begun = agenda_.now();
    submit();
    introduce();
    if (options_.faults) plan_fault();
    while (!ended() && agenda_.now() - begun < end_limit && result_.steps < steps_max) step();
    result_.took = agenda_.now() - begun;
    result_.stood_still = agenda_.now() - std::min(healed_, agenda_.now());
    result_.messages_lost = network_->lost();
    result_.epochs = metadata_.epochs();
    result_.tenures = metadata_.tenures();
    result_.refused = metadata_.refused();
    result_.problems = metadata_.violations();
    check();
    if (!result_.problems.empty() && options_.loud) tell_parts();
    return std::move(result_);
  }

 private:
  struct sim_node {
    bool up = false, stalled = false, cut = false;  // cut: off the metadata only
    uint64_t life = 0;
    timestamp_us skew = 0;
    manual_clock time;
    std::shared_ptr<sim_metadata::node> ledger;
    // Of each life: its tasks may hold on to them.
    std::vector<std::unique_ptr<sim_files>> files;
    std::vector<std::unique_ptr<sim_io>> io;
    node_actor node;
    store_actor store, store_for_others;
    job_keeper_actor keeper;
    std::vector<caf::actor_addr> actors;  // of this life
  };

  void note(uint64_t x) { result_.trace = (result_.trace ^ x) * 0x9E3779B97F4A7C15u + 1; }
  std::string name_of(size_t i) const { return "n" + std::to_string(i); }
  void log(const std::string& line) {
    if (options_.loud)
      std::fprintf(stderr, "%lld %s\n", static_cast<long long>(agenda_.now() % 1'000'000'000),
                   line.c_str());
  }

  /// What `f` spawns, and what that spawns, is of this node.
  template <class F>
  void in_node(size_t i, F f) {
    const auto before = system_->latest_actor_id();
    f();
    const auto newest = system_->latest_actor_id();
    if (newest == before) return;
    owners_.resize(newest + 1, none);
    for (auto id = before + 1; id <= newest; ++id) owners_[id] = i;
    if (i == none) return;
    // Who has begun is in the queue.
    for (auto* r : scheduler_->jobs)
      if (auto* a = dynamic_cast<caf::scheduled_actor*>(r); a && a->id() > before)
        nodes_[i].actors.push_back(a->address());
  }
  size_t owner_of(const caf::abstract_actor* a) const {
    return a && a->id() < owners_.size() ? owners_[a->id()] : none;
  }
  size_t owner_of(caf::resumable* r) const {
    return owner_of(dynamic_cast<const caf::abstract_actor*>(r));
  }
  sim_network::access access() {
    return {[this](const caf::abstract_actor* a) { return owner_of(a); },
            [this](size_t i) { return std::cref(nodes_[i].actors); },
            [this](const std::string& line) { log(line); }};
  }

  void start(size_t i) {
    auto& n = nodes_[i];
    n.up = true;
    n.life = ++lives_;
    n.stalled = false;
    n.time.set(agenda_.now() + n.skew);
    n.cut = false;
    network_->started(i);
    n.ledger = metadata_.start(static_cast<int32_t>(i) + 1,
                               {[&n] { return n.stalled; }, [&n] { return n.cut; }});
    n.files.push_back(std::make_unique<sim_files>(folder_of_all_));
    n.io.push_back(std::make_unique<sim_io>(agenda_, random_, [&n] { return n.stalled; }));
    in_node(i, [&] {
      const task_environment environment{&pool_, n.io.back().get(), n.files.back().get(), &n.time};
      snapshot_options how;
      how.sync = false;
      how.map_bytes = size_t{64} << 20;
      auto store = snapshot_store::open(disks_ / name_of(i), how);
      if (!store) throw std::runtime_error(store.err().message);
      n.store = spawn_store(*system_, std::move(*store), store_thread::scheduler);
      n.store_for_others = n.store;
      if (options_.made == mistake::copies_unwritten)
        n.store_for_others = caf::actor_cast<store_actor>(system_->spawn(copies_nothing, n.store));
      n.node = spawn_node(*system_, name_of(i), environment, nullptr);
      keeper_seed seed;
      seed.ledger = n.ledger;
      seed.here.name = name_of(i);
      seed.here.node = n.node;
      seed.here.store = n.store;
      seed.environment = environment;
      seed.memory_bytes = size_t{64} << 20;
      seed.log = [this, i](const std::string& line) { log(name_of(i) + ": " + line); };
      n.keeper = spawn_job_keeper(*system_, std::move(seed));
    });
  }
  /// The process is gone: none of its actors has another turn. Who watches them is told, as when a
  /// connection ends; what was asked of them and not yet looked at is refused, the rest never
  /// answered.
  void stop(size_t i) {
    auto& n = nodes_[i];
    n.ledger->end();
    n.io.back()->end();
    n.files.back()->end(random_);
    result_.writes_lost += n.files.back()->lost();
    n.keeper = job_keeper_actor();
    n.node = node_actor();
    n.store = n.store_for_others = store_actor();
    caf::scoped_execution_unit unit(system_.get());
    for (const auto& address : std::exchange(n.actors, {})) {
      const auto strong = caf::actor_cast<caf::strong_actor_ptr>(address);
      auto* a = strong ? dynamic_cast<caf::scheduled_actor*>(strong->get()) : nullptr;
      if (!a) continue;
      a->context(&unit);
      a->quit(caf::exit_reason::remote_link_unreachable);
      a->finalize();
    }
    std::erase_if(scheduler_->jobs, [this, i](caf::resumable* r) {
      if (owner_of(r) != i) return false;
      intrusive_ptr_release(r);
      return true;
    });
    network_->sent(i, *scheduler_);
    network_->ended(i);
    n.up = n.stalled = n.cut = false;
  }
  void run(size_t index) {
    auto& jobs = scheduler_->jobs;
    std::rotate(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(index),
                jobs.begin() + static_cast<std::ptrdiff_t>(index) + 1);
    const auto owner = owner_of(jobs.front());
    note(owner * 1000 + index);
    ++result_.steps;
    if (auto* a = dynamic_cast<caf::scheduled_actor*>(jobs.front())) network_->look_at(*a);
    if (owner != none) network_->sends(owner, *scheduler_);
    in_node(owner, [&] { scheduler_->run_once(); });
    if (owner != none) network_->sent(owner, *scheduler_);
  }

  void step() {
    std::vector<size_t> ready;
    for (size_t k = 0; k < scheduler_->jobs.size(); ++k) {
      const auto o = owner_of(scheduler_->jobs[k]);
      if (o == none || !nodes_[o].stalled) ready.push_back(k);
    }
    if (!ready.empty() && !random_.one_in(20))
      return run(
          ready[static_cast<size_t>(random_.between(0, static_cast<int64_t>(ready.size()) - 1))]);
    const auto by = random_.between(1, ready.empty() ? 5'000 : 500);
    note(static_cast<uint64_t>(by));
    for (auto& n : nodes_) n.time.set(agenda_.now() + by + n.skew);
    scheduler_->clock().advance_time(std::chrono::microseconds(by));
    agenda_.advance(by);
    ++result_.steps;
  }

  void submit() {
    auto bytes = encode_plan(counting_job(out_));
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    job_.bytes[15] = 1;
    nodes_[0].ledger->store_file(text, [this](const result<std::string>& hash) {
      metadata_.append(meta::submit_job{job_, "counting", *hash, 200'000},
                       [](const meta::answer&, size_t) {});
    });
  }
  bool ended() const {
    const auto* j = metadata_.state().find_job(job_);
    return j && j->phase != meta::job_phase::running;
  }

  /// Nodes that the metadata has alive find each other, as keepers do over their connections.
  void introduce() {
    for (auto& a : nodes_)
      for (auto& b : nodes_) {
        const auto here = b.up && !b.stalled ? b.ledger->view() : nullptr;
        if (&a == &b || !a.up || !here || here->self_epoch == 0) continue;
        const auto i = static_cast<size_t>(&a - nodes_.data());
        const auto j = static_cast<size_t>(&b - nodes_.data());
        if (a.stalled || !network_->connect(i, j)) continue;
        const std::tuple meeting(a.life, a.ledger->view()->self_epoch, b.life, here->self_epoch,
                                 network_->connection(i, j));
        if (!introduced_.insert(meeting).second) continue;
        caf::anon_send(a.keeper, hello_message{here->self, here->self_epoch, name_of(j), 1, b.node,
                                               b.store_for_others, b.keeper, ""});
      }
    agenda_.after(random_.between(1'000, 40'000), [this] { introduce(); });
  }

  // -- faults

  void plan_fault() {
    agenda_.after(random_.between(100'000, 1'500'000), [this] {
      if (agenda_.now() > faults_until_) return;
      auto i = static_cast<size_t>(random_.between(0, static_cast<int64_t>(nodes_.size()) - 1));
      auto& n = nodes_[i];
      const bool long_one = random_.one_in(2);
      const auto length = random_.between(50'000, long_one ? 6'000'000 : 1'000'000);
      if (n.up && !n.stalled && !n.cut) {
        healed_ = std::max(healed_, agenda_.now() + length);
        const auto kind = random_.between(0, 7);
        if (kind < 2)
          crash(i, length);
        else if (kind < 4)
          stall(i, length);
        else if (kind < 5)
          cut(i, length);
        else
          link_fault(i, length);
      }
      plan_fault();
    });
  }
  /// The leader's clock gives up who says nothing.
  void watch(size_t i) {
    const auto* record = node_record_of(i);
    if (!record || record->fenced) return;
    const meta::fence_node f{record->id, record->epoch};
    agenda_.after(silent_limit, [this, i, f] {
      if (nodes_[i].up && !nodes_[i].stalled && !nodes_[i].cut) return;
      log("given up: " + name_of(i));
      metadata_.append(f, [](const meta::answer&, size_t) {});
    });
  }
  const meta::node_record* node_record_of(size_t i) const {
    kafka::uuid id;
    id.bytes[0] = static_cast<uint8_t>(i + 1);
    return metadata_.state().find_node(id);
  }
  void crash(size_t i, timestamp_us length) {
    log("crash of " + name_of(i));
    note(i + 10);
    ++result_.crashes;
    stop(i);
    // One disk at most: what is lost with two is not promised.
    if (random_.one_in(4) && options_.lose_disks && result_.disks_lost == 0 && has_copies()) {
      ++result_.disks_lost;
      std::filesystem::remove_all(disks_ / name_of(i));
      log("its disk is lost");
    }
    watch(i);
    agenda_.after(length, [this, i] { start(i); });
  }
  /// Whether the newest epoch was made while there was another node to have a copy of each part: of
  /// one that a master made alone, right after its start, there is none.
  bool has_copies() const {
    const auto* j = metadata_.state().find_job(job_);
    if (!j || j->newest == epoch{}) return true;
    const auto m = decode_job_manifest(j->manifest);
    return m &&
           std::none_of(m->parts.begin(), m->parts.end(), [](const auto& p) { return p.copy < 0; });
  }
  /// It hears and says nothing of what the cluster agrees on, but goes on with other nodes.
  void cut(size_t i, timestamp_us length) {
    log("cut of " + name_of(i));
    note(i + 30);
    ++result_.cuts;
    nodes_[i].cut = true;
    watch(i);
    agenda_.after(length, [this, i, life = nodes_[i].life] {
      if (nodes_[i].life == life) nodes_[i].cut = false;
    });
  }
  /// Of its connection to another one.
  void link_fault(size_t i, timestamp_us length) {
    auto j = static_cast<size_t>(random_.between(0, static_cast<int64_t>(nodes_.size()) - 2));
    j += j >= i ? 1 : 0;
    const auto kind = random_.between(0, 3);
    note(i + 40 + 10 * j + static_cast<uint64_t>(kind));
    const auto both = name_of(i) + " to " + name_of(j);
    if (kind == 0) {
      log("slow: " + both);
      return network_->slow(i, j, random_.between(1'000, 50'000), length);
    }
    ++result_.cuts;
    log((kind == 1 ? "cut one way: " : "cut: ") + both);
    network_->cut(i, j, kind != 1, length);
  }
  void stall(size_t i, timestamp_us length) {
    log("stall of " + name_of(i));
    note(i + 20);
    ++result_.stalls;
    nodes_[i].stalled = true;
    network_->stalled(i, length);
    watch(i);
    agenda_.after(length, [this, i] { nodes_[i].stalled = false; });
  }

  /// Which parts the newest epoch has, and which epochs of which parts lie on whose disk.
  void tell_parts() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (const auto* r = node_record_of(i)) log(name_of(i) + " is " + std::to_string(r->id.value));
      if (nodes_[i].up) stop(i);
      snapshot_options how;
      how.sync = false;
      auto store = snapshot_store::open(disks_ / name_of(i), how);
      if (!store) continue;
      for (const auto& key : (*store)->jobs()) {
        std::string line = name_of(i) + " has " + key.node + ":";
        for (auto e : (*store)->epochs(key)) line += " " + std::to_string(e.value);
        log(line);
      }
    }
    const auto* j = metadata_.state().find_job(job_);
    const auto m = decode_job_manifest(j ? j->manifest : "");
    if (!m) return;
    log("newest epoch " + std::to_string(m->number));
    for (const auto& p : m->parts)
      log("part " + p.name + " of " + std::to_string(p.writer) + ", copy on " +
          std::to_string(p.copy));
  }

  void check() {
    if (result_.stood_still > back_limit)
      result_.problems.push_back("the job went on for " +
                                 std::to_string(result_.stood_still / 1'000'000) +
                                 " s after the last fault");
    const auto* j = metadata_.state().find_job(job_);
    if (!j || j->phase == meta::job_phase::running)
      return result_.problems.push_back("the job has not ended");
    if (j->phase != meta::job_phase::finished)
      return result_.problems.push_back("the job failed: " + j->error);
    const auto last = decode_job_manifest(j->manifest);
    if (!last || !last->finished)
      result_.problems.push_back("the job has finished, its newest complete epoch has not");
    for (auto& d : differences(all_files_, out_)) result_.problems.push_back(std::move(d));
  }

  static constexpr size_t none = SIZE_MAX;
  run_options options_;
  test::scratch_folder disks_;  // of the stores
  const std::string out_ = "/out";
  test::crash_files all_files_{1};
  shared_folder folder_of_all_{all_files_, {}};
  agenda agenda_;
  const timestamp_us faults_until_ = agenda_.now() + faults_end;
  random_source random_;
  memory_pool pool_;
  sim_metadata metadata_;
  run_result result_;
  kafka::uuid job_;
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> system_;
  caf::scheduler::test_coordinator* scheduler_ = nullptr;
  std::vector<size_t> owners_;  // by actor id
  std::vector<sim_node> nodes_;
  std::optional<sim_network> network_;
  uint64_t lives_ = 0;
  timestamp_us healed_ = agenda_.now();  // when the last fault is over
  std::set<std::tuple<uint64_t, uint64_t, uint64_t, uint64_t, uint64_t>> introduced_;
};  // namespace weir::sim

}  // namespace

run_result run_cluster(const run_options& o) {
  return cluster(o).run();
}

}  // namespace weir::sim
