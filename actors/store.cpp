#include "actors/store.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "runtime/flow/source_driver.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/snapshot/checksum.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"
#include "runtime/snapshot/store.hpp"

namespace weir {
namespace {

// Folding reads this much per step, so that chunks of the next epoch wait at most some 10 ms.
constexpr size_t fold_step_bytes = 8u << 20;
// Key under which a manifest keeps a source's split pool.
constexpr std::string_view pool_prefix = "splits:";

struct store_state {
  static inline const char* name = "weir.store";
  std::shared_ptr<snapshot_store> store;
  /// Of each job: the epoch under way. Chunks of others come too late: numbers are not used again.
  std::map<std::string, uint64_t> under_way;
  /// Chunks that could not be staged: the epoch's commit has to fail.
  std::map<std::pair<std::string, uint64_t>, error> damaged;
  bool folding = false;
  /// Stores of other nodes that get a copy of all that is written for a job's part here.
  std::map<std::string, std::vector<store_actor>> copies;
  /// What a part starts from, until its first epoch is durable.
  std::map<std::string, std::vector<state_chunk>> seeds;
  /// Of each job: the highest tenure of a master that was heard of; lower ones are refused.
  std::map<std::string, uint64_t> tokens;
};

// A copy that does not answer fails the epoch, not the node.
constexpr auto copy_timeout = std::chrono::seconds(60);

snapshot_key key_of(const std::string& job) {
  auto at = job.find('@');
  if (at == std::string::npos) return {job, ""};
  return {job.substr(0, at), job.substr(at + 1)};
}

/// Whether a newer master is known than the one that speaks.
bool is_over(store_state& state, const std::string& job, uint64_t token) {
  auto& newest = state.tokens[key_of(job).job];
  if (token < newest) return true;
  newest = token;
  return false;
}

operation_reply reply_of(const status& s) {
  if (s) return {};
  return {s.err().message, static_cast<uint8_t>(s.err().code)};
}

operation_reply commit(store_state& state, const commit_message& m) {
  auto key = key_of(m.job);
  if (auto it = state.damaged.find({m.job, m.number}); it != state.damaged.end()) {
    auto cause = it->second;
    state.damaged.erase(it);
    state.store->abort(key, epoch{m.number});
    return {cause.message, static_cast<uint8_t>(cause.code)};
  }
  snapshot_manifest manifest;
  manifest.key = key;
  manifest.number = epoch{m.number};
  manifest.job_name = m.plan_name;
  manifest.fingerprint = m.fingerprint;
  manifest.plan.assign(m.plan.begin(), m.plan.end());
  manifest.key_groups = m.key_groups;
  manifest.mode = m.mode;
  manifest.started_us = m.began;
  manifest.ended_us = m.ended;
  manifest.finished = m.finished;
  manifest.parts = m.parts;
  for (const auto& o : m.operators)
    manifest.operators.push_back({o.id, o.name, o.parallelism, o.state_fingerprint, {}});
  for (const auto& [id, text] : m.split_pools)
    manifest.metadata[std::string(pool_prefix) + id] = text;
  auto done = state.store->commit(std::move(manifest));
  if (done) state.seeds.erase(m.job);
  return reply_of(done);
}

void stage(store_state& state, const std::string& job, uint64_t number,
           std::vector<state_chunk> chunks) {
  auto s = state.store->put(key_of(job), epoch{number}, std::move(chunks));
  if (!s) state.damaged.emplace(std::pair(job, number), s.err());
}

void begin(store_state& state, const begin_message& m) {
  state.under_way[m.job] = m.number;
  // Of several parts some may have become durable in an epoch that was given up. A part whose
  // first epoch that was keeps it: what its tasks write next covers the same changes.
  auto key = key_of(m.job);
  if (!key.node.empty())
    if (auto s = state.store->rewind(key, epoch{m.completed});
        !s && s.err().code != errc::not_found)
      state.damaged.emplace(std::pair(m.job, m.number), s.err());
  auto seed = state.seeds.find(m.job);
  if (seed == state.seeds.end()) return;
  auto chunks = as_import(seed->second, epoch{m.number});
  if (chunks)
    stage(state, m.job, m.number, std::move(*chunks));
  else
    state.damaged.emplace(std::pair(m.job, m.number), chunks.err());
}

/// Adds what the manifest of `number` says.
status describe_epoch(store_state& state, const snapshot_key& key, epoch number,
                      latest_reply& reply) {
  WEIR_ASSIGN(auto manifest, state.store->manifest(key, number));
  reply.found = true;
  reply.number = number.value;
  reply.finished = manifest.finished;
  reply.parts = manifest.parts;
  reply.fingerprint = manifest.fingerprint;
  reply.plan.assign(manifest.plan.begin(), manifest.plan.end());
  for (const auto& o : manifest.operators)
    reply.operators.push_back({o.id, o.name, o.parallelism, o.state_fingerprint});
  for (const auto& [name, text] : manifest.metadata)
    if (name.starts_with(pool_prefix)) reply.split_pools[name.substr(pool_prefix.size())] = text;
  for (const auto& [id, pool] : reply.split_pools) {
    WEIR_ASSIGN(auto chunks, state.store->load(key, number, id, {0, 0}));
    chunk_list_reader reader(std::move(chunks), id);
    auto& begun = reply.begun_splits[id];
    for (const auto& [subtask, blob] : reader.blobs(source_driver::state_name))
      begun.append(blob.as<char>(), blob.size());
  }
  return {};
}

latest_reply latest(store_state& state, const std::string& job) {
  latest_reply reply;
  auto key = key_of(job);
  auto fail = [&reply](const error& e) {
    reply.code = static_cast<uint8_t>(e.code);
    reply.error = e.message;
    return reply;
  };
  auto sound = state.store->newest_sound(key);
  if (!sound) {
    if (sound.err().code == errc::not_found) return reply;
    return fail(sound.err());
  }
  reply.warnings = sound->damage;
  if (!sound->damage.empty())
    reply.warnings.push_back("the job continues from epoch " + std::to_string(sound->number.value) +
                             ", the newest one without damage");
  // What came after the epoch that the job continues from must not be mixed with what comes next.
  if (auto s = state.store->rewind(key, sound->number); !s) return fail(s.err());
  if (auto s = describe_epoch(state, key, sound->number, reply); !s) return fail(s.err());
  return reply;
}

load_reply load(store_state& state, const load_message& m) {
  load_reply reply;
  auto key = key_of(m.job);
  auto fail = [&reply](const error& e) {
    reply.code = static_cast<uint8_t>(e.code);
    reply.error = e.message;
    return reply;
  };
  if (m.all) {
    auto found = state.store->load_all(key, epoch{m.number});
    if (!found) return fail(found.err());
    for (const auto& c : *found)
      if (auto s = check_chunk(c); !s) return fail(s.err());
    reply.chunks.push_back(std::move(*found));
  }
  if (m.about)
    if (auto s = describe_epoch(state, key, epoch{m.number}, reply.about); !s) return fail(s.err());
  for (const auto& want : m.tasks) {
    auto& chunks = reply.chunks.emplace_back();
    for (const auto& id : want.operator_ids) {
      auto found = state.store->load(key, epoch{m.number}, id, {want.group_begin, want.group_end});
      if (!found) return fail(found.err());
      std::move(found->begin(), found->end(), std::back_inserter(chunks));
    }
  }
  return reply;
}

/// A store that gets a copy from now on needs what the part consists of already.
void seed_copies(store_actor::stateful_pointer<store_state> self, const begin_message& m) {
  auto& state = self->state;
  auto& known = state.copies[m.job];
  auto key = key_of(m.job);
  for (const auto& other : m.copies) {
    if (std::find(known.begin(), known.end(), other) != known.end()) continue;
    if (auto seed = state.seeds.find(m.job); seed != state.seeds.end()) {
      self->send(other, seed_message{m.job, seed->second, {}, m.token});
      continue;
    }
    if (state.store->epochs(key).empty()) continue;
    auto all = state.store->load_all(key, state.store->epochs(key).back());
    if (all)
      self->send(other, seed_message{m.job, std::move(*all), {}, m.token});
    else
      state.damaged.emplace(std::pair(m.job, m.number), all.err());
  }
  known = m.copies;
}

/// Forgets what is under way of parts of `job` that `which` accepts, and their epochs.
template <class F>
void drop_parts(store_state& state, const std::string& job, F which) {
  auto forget = [&](auto& by_part) {
    std::erase_if(by_part, [&](const auto& entry) {
      auto key = key_of(entry.first);
      return key.job == job && which(key.node);
    });
  };
  forget(state.under_way);
  forget(state.seeds);
  forget(state.copies);
  // What cannot be dropped is only a matter of space.
  for (const auto& key : state.store->jobs())
    if (key.job == job && which(key.node)) (void)state.store->drop(key);
}

store_actor::behavior_type store_behavior(store_actor::stateful_pointer<store_state> self,
                                          std::shared_ptr<snapshot_store> store) {
  self->state.store = std::move(store);
  auto* state = &self->state;
  return {
      [self, state](chunks_message& m) {
        if (auto it = state->under_way.find(m.job);
            it == state->under_way.end() || it->second != m.number)
          return;
        if (is_over(*state, m.job, m.token)) return;
        for (const auto& other : state->copies[m.job]) self->send(other, m);
        stage(*state, m.job, m.number, std::move(m.chunks));
      },
      [self, state](const begin_message& m) {
        if (is_over(*state, m.job, m.token)) return;
        begin(*state, m);
        seed_copies(self, m);
        for (const auto& other : m.copies)
          self->send(other, begin_message{m.job, m.number, m.completed, m.token, {}});
      },
      [self, state](abort_atom a, const std::string& job, uint64_t number, uint64_t token) {
        if (is_over(*state, job, token)) return;
        state->damaged.erase({job, number});
        if (auto it = state->under_way.find(job);
            it != state->under_way.end() && it->second == number)
          state->under_way.erase(it);
        state->store->abort(key_of(job), epoch{number});
        for (const auto& other : state->copies[job]) self->send(other, a, job, number, token);
      },
      [self, state](seed_message& m) {
        if (is_over(*state, m.job, m.token)) return;
        // A part is new: what a deployment of the same name left behind has no epoch.
        (void)state->store->drop(key_of(m.job));
        for (const auto& other : m.copies)
          self->send(other, seed_message{m.job, m.chunks, {}, m.token});
        state->copies[m.job] = m.copies;
        state->seeds[m.job] = std::move(m.chunks);
      },
      [state](keep_atom, const std::string& job, const std::vector<std::string>& parts,
              uint64_t token) {
        if (is_over(*state, job, token)) return;
        drop_parts(*state, job, [&parts](const std::string& part) {
          return std::find(parts.begin(), parts.end(), part) == parts.end();
        });
      },
      [self, state](const commit_message& m) -> caf::result<operation_reply> {
        if (is_over(*state, m.job, m.token))
          return operation_reply{"the job has a newer master",
                                 static_cast<uint8_t>(errc::cancelled)};
        auto here = [self, state](const commit_message& what) {
          auto reply = commit(*state, what);
          if (!std::exchange(state->folding, true)) self->send(self, fold_atom::value);
          return reply;
        };
        auto copies = state->copies[m.job];
        if (copies.empty()) return here(m);
        // The copy first, over the same connection that its chunks took.
        auto promise = self->make_response_promise<operation_reply>();
        self->request(copies.front(), copy_timeout, m)
            .then(
                [state, promise, here, m](const operation_reply& r) mutable {
                  if (r.error.empty()) {
                    promise.deliver(here(m));
                    return;
                  }
                  state->store->abort(key_of(m.job), epoch{m.number});
                  promise.deliver(
                      operation_reply{"the copy on another node failed: " + r.error, r.code});
                },
                [state, promise, m](const caf::error& e) mutable {
                  state->store->abort(key_of(m.job), epoch{m.number});
                  promise.deliver(
                      operation_reply{"the copy on another node failed: " + caf::to_string(e),
                                      static_cast<uint8_t>(errc::timeout)});
                });
        return promise;
      },
      [state](latest_atom, const std::string& job) { return latest(*state, job); },
      [state](const load_message& m) { return load(*state, m); },
      [self, state](fold_atom) {
        // A fold that fails leaves everything as it was; the next commit starts another.
        auto more = state->store->fold_some(fold_step_bytes);
        if (more && *more)
          self->send(self, fold_atom::value);
        else
          state->folding = false;
      },
  };
}

}  // namespace

store_actor spawn_store(caf::actor_system& system, std::unique_ptr<snapshot_store> store) {
  return system.spawn<caf::detached>(store_behavior,
                                     std::shared_ptr<snapshot_store>(std::move(store)));
}

}  // namespace weir
