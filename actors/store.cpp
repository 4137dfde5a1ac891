#include "actors/store.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "actors/job_ledger.hpp"
#include "actors/job_manifest.hpp"
#include "runtime/column/text.hpp"
#include "runtime/flow/source_driver.hpp"
#include "runtime/flow/task_snapshot.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/snapshot/checksum.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"
#include "runtime/snapshot/store.hpp"

namespace weir {
namespace {

// Folding reads this much per step, so that chunks of the next epoch wait at most some 10 ms.
constexpr size_t fold_step_bytes = 8u << 20;
// Keys under which a manifest keeps a source's split pool, the tenure of the master that wrote the
// epoch, and that of the one that set a savepoint's part aside.
constexpr std::string_view pool_prefix = "splits:";
constexpr const char* writer_key = "master";
constexpr const char* tenure_key = "tenure";

struct store_state {
  static inline const char* name = "weir.store";
  std::shared_ptr<snapshot_store> store;
  /// Of each job: the epoch under way. Chunks of older ones come too late: numbers are not used
  /// again under a master; the one after it may begin with lower ones.
  struct begun {
    uint64_t token = 0, number = 0;
    auto operator<=>(const begun&) const = default;
  };
  std::map<std::string, begun> under_way;
  /// Chunks of a newer one, of which the master's word has not come yet: that and the barriers take
  /// different connections. Of each job those of the newest epoch, until its word comes, or that of
  /// a later one.
  struct held_chunks {
    begun of;
    std::vector<chunks_message> chunks;
  };
  std::map<std::string, held_chunks> early;
  /// Chunks that could not be staged: the epoch's commit has to fail.
  std::map<std::pair<std::string, uint64_t>, error> damaged;
  bool folding = false;
  /// Stores of other nodes that get a copy of all that is written for a job's part here.
  std::map<std::string, std::vector<store_actor>> copies;
  /// Copies whose end or loss is told, and commits that wait for them: a request that was lost with
  /// a connection is never answered.
  std::set<caf::actor_addr> watched;
  struct copying {
    caf::actor_addr copy;
    std::function<void(const operation_reply&)> answer;
  };
  std::map<uint64_t, copying> copying_by_number;
  uint64_t next_copying = 0;
  /// Bytes that copies of a job's part were sent since its last epoch was complete.
  std::map<std::string, uint64_t> copied_bytes;
  /// How many times in a row the copy of a part has not answered in time.
  std::map<std::string, uint32_t> unanswered;
  /// What a part starts from, until its first epoch is durable.
  struct seed {
    std::vector<state_chunk> chunks;
    /// The store that writes the part, whose copy begins so; none: the part begins here. An epoch
    /// of anybody else does not begin with it: it may have come late, from who wrote the part
    /// before, to the store where it goes on by now.
    caf::actor_addr writer;
  };
  std::map<std::string, seed> seeds;
  /// Of each part: how much of the epoch under way tasks have given, not counting what it starts
  /// from.
  struct given {
    uint64_t chunks = 0, bytes = 0;
  };
  std::map<std::string, given> taken;
  /// Of each job: the highest tenure of a master that was heard of; lower ones are refused.
  std::map<std::string, uint64_t> tokens;
};

// A copy that does not answer fails the epoch, not the node. How long it may take follows from what
// it has to write: a question that was lost with a link must not hold the job up for long. One that
// is only slow gets twice as long each time.
constexpr auto copy_timeout = std::chrono::seconds(5);
constexpr uint32_t doublings_max = 4;
constexpr uint64_t copy_bytes_per_second = 10u << 20;

std::chrono::seconds copy_limit(const store_state& state, const std::string& part) {
  const auto bytes = state.copied_bytes.find(part);
  const auto failed = state.unanswered.find(part);
  const auto write = bytes == state.copied_bytes.end() ? 0 : bytes->second / copy_bytes_per_second;
  const auto doublings =
      failed == state.unanswered.end() ? 0 : std::min(failed->second, doublings_max);
  return (copy_timeout + std::chrono::seconds(write)) * (1u << doublings);
}

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

operation_reply is_deposed() {
  return {"the job has a newer master", static_cast<uint8_t>(errc::cancelled)};
}

operation_reply reply_of(const status& s) {
  if (s) return {};
  return {s.err().message, static_cast<uint8_t>(s.err().code)};
}

uint64_t bytes_of(const std::vector<state_chunk>& chunks) {
  uint64_t n = 0;
  for (const auto& c : chunks) n += c.bytes.size();
  return n;
}

/// Whether the epoch of this number is the one that is meant, and not another master's, which never
/// was complete. What older versions wrote does not say.
status check_writer(const store_state& state, const snapshot_key& key, const agreed_epoch& e) {
  if (e.tenure == 0) return {};
  WEIR_ASSIGN(auto manifest, state.store->manifest(key, epoch{e.number}));
  const auto writer = manifest.metadata.find(writer_key);
  if (writer == manifest.metadata.end() || writer->second == std::to_string(e.tenure)) return {};
  return error{errc::not_found, "epoch " + std::to_string(e.number) + " of " + key.job + "@" +
                                    key.node + " is here as tenure " + writer->second +
                                    " wrote it, and complete by tenure " +
                                    std::to_string(e.tenure)};
}

/// The part's epoch as one of a job of its own: what the store forgets of the part from now on is
/// no matter to it.
status pin(store_state& state, const std::string& part, const agreed_epoch& e, uint64_t token) {
  const auto key = key_of(part);
  const epoch number{e.number};
  const snapshot_key kept{savepoint_job(key.job, number.value), key.node};
  if (!state.store->epochs(kept).empty()) return {};
  WEIR_TRY(check_writer(state, key, e));
  WEIR_ASSIGN(auto manifest, state.store->manifest(key, number));
  WEIR_ASSIGN(auto all, state.store->load_all(key, number));
  std::erase_if(all, [number](const state_chunk& c) {
    return is_edge_state(c.operator_id) && c.written != number;
  });
  WEIR_ASSIGN(auto chunks, as_import(std::move(all), number));
  manifest.key = kept;
  manifest.metadata[tenure_key] = std::to_string(token);
  for (auto& o : manifest.operators) o.states.clear();
  auto done = state.store->put(kept, number, std::move(chunks));
  if (done) done = state.store->commit(std::move(manifest));
  if (!done) state.store->abort(kept, number);
  return done;
}

void note_writer(snapshot_manifest& manifest, uint64_t tenure) {
  if (tenure != 0) manifest.metadata[writer_key] = std::to_string(tenure);
}

/// Whose state an epoch has, and which splits nobody read, in the manifest's form.
template <class Epoch>
void note_operators(snapshot_manifest& manifest, const Epoch& e) {
  for (const auto& o : e.operators)
    manifest.operators.push_back({o.id, o.name, o.parallelism, o.state_fingerprint, {}});
  for (const auto& [id, text] : e.split_pools)
    manifest.metadata[std::string(pool_prefix) + id] = text;
}

operation_reply commit(store_state& state, const commit_message& m) {
  auto key = key_of(m.job);
  const auto here = std::exchange(state.taken[m.job], {});
  if (m.chunks != UINT64_MAX && (here.chunks != m.chunks || here.bytes != m.bytes))
    state.damaged.emplace(
        std::pair(m.job, m.number),
        error{errc::timeout, "of " + std::to_string(m.chunks) + " chunks with " +
                                 std::to_string(m.bytes) + " bytes that were sent " +
                                 std::to_string(here.chunks) + " with " +
                                 std::to_string(here.bytes) + " came"});
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
  note_writer(manifest, m.token);
  note_operators(manifest, m);
  // With what it starts from, an epoch has all that the part consists of.
  auto done = state.store->commit(std::move(manifest), state.seeds.contains(m.job));
  if (done) state.seeds.erase(m.job);
  return reply_of(done);
}

void stage(store_state& state, const std::string& job, uint64_t number,
           std::vector<state_chunk> chunks) {
  auto s = state.store->put(key_of(job), epoch{number}, std::move(chunks));
  if (!s) state.damaged.emplace(std::pair(job, number), s.err());
}

/// What came after the epoch goes, and what another master wrote under its number. errc::not_found:
/// nothing is left.
status rewind(store_state& state, const snapshot_key& key, const agreed_epoch& e) {
  WEIR_TRY(state.store->rewind(key, epoch{e.number}));
  const auto left = state.store->epochs(key);
  if (left.empty() || left.back().value != e.number || check_writer(state, key, e)) return {};
  if (left.size() > 1) return state.store->rewind(key, left[left.size() - 2]);
  WEIR_TRY(state.store->drop(key));
  return error{errc::not_found, "nothing is left of " + key.job + "@" + key.node};
}

/// To the newest complete epoch: of several parts some may have become durable in an epoch that was
/// given up. A part whose first epoch that was keeps it, under the same master: what its tasks
/// write next covers the same changes. One that begins elsewhere again does not: its numbers come
/// again.
void go_back(store_state& state, const snapshot_key& key, const begin_message& m, bool begins) {
  auto fail = [&](const error& e) { state.damaged.emplace(std::pair(m.job, m.number), e); };
  auto s = rewind(state, key, m.completed);
  // What a deployment of the same name left behind has no epoch.
  if (!s && s.err().code == errc::not_found && begins) s = state.store->drop(key);
  if (!s && s.err().code != errc::not_found) return fail(s.err());
  // What tasks write from now on is changes since the newest complete epoch: without that, it must
  // not look as if there was one.
  const auto completed = m.completed.number;
  auto epochs = state.store->epochs(key);
  if (!epochs.empty() && epochs.front().value > completed &&
      !check_writer(state, key, {epochs.back().value, m.token})) {
    if (s = state.store->drop(key); !s) return fail(s.err());
    epochs.clear();
  }
  const bool lacks = epochs.empty()
                         ? completed != 0
                         : epochs.front().value <= completed && epochs.back().value != completed;
  if (lacks && !begins)
    fail({errc::not_found,
          "part " + m.job + " lacks epoch " + std::to_string(completed) + ", which is complete"});
}

void begin(store_state& state, const begin_message& m) {
  const store_state::begun of{m.token, m.number};
  auto& before = state.under_way.try_emplace(m.job, of).first->second;
  // The master that began it is gone, or has given it up. The one that comes after a master may
  // begin an epoch of the same number: what was staged for that is not of this one.
  if (before != of) {
    state.store->abort(key_of(m.job), epoch{before.number});
    state.damaged.erase({m.job, before.number});
  }
  before = of;
  state.taken.erase(m.job);
  auto key = key_of(m.job);
  auto seed = state.seeds.find(m.job);
  if (!key.node.empty()) go_back(state, key, m, seed != state.seeds.end());
  if (seed == state.seeds.end()) return;
  auto chunks = as_import(seed->second.chunks, epoch{m.number});
  if (chunks)
    stage(state, m.job, m.number, std::move(*chunks));
  else
    state.damaged.emplace(std::pair(m.job, m.number), chunks.err());
}

/// From the store that wrote the part before, whose copy was here: the part goes on here by now.
bool is_late(const store_state& state, const begin_message& m) {
  const auto it = state.under_way.find(m.job);
  return it != state.under_way.end() && m.token == it->second.token && m.number < it->second.number;
}

/// Whether no other epoch was begun since, of this master or another one.
bool is_under_way(const store_state& state, const commit_message& m) {
  const auto it = state.under_way.find(m.job);
  return it != state.under_way.end() && it->second == store_state::begun{m.token, m.number};
}

void hold_early(store_state& state, chunks_message m) {
  const store_state::begun of{m.token, m.number};
  auto& held = state.early[m.job];
  if (of < held.of) return;
  if (of > held.of) held.chunks.clear();
  held.of = of;
  held.chunks.push_back(std::move(m));
}

std::vector<chunks_message> take_early(store_state& state, const std::string& job,
                                       const store_state::begun& of) {
  auto it = state.early.find(job);
  if (it == state.early.end() || it->second.of > of) return {};
  auto held = std::move(it->second);
  state.early.erase(it);
  return held.of == of ? std::move(held.chunks) : std::vector<chunks_message>();
}

/// Adds what the manifest of `number` says.
status describe_epoch(store_state& state, const snapshot_key& key, epoch number,
                      latest_reply& reply) {
  WEIR_ASSIGN(auto manifest, state.store->manifest(key, number));
  reply.found = true;
  reply.number = number.value;
  reply.finished = manifest.finished;
  reply.parts = manifest.parts;
  reply.began = manifest.started_us;
  reply.ended = manifest.ended_us;
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
  const epoch number{m.number.number};
  auto fail = [&reply](const error& e) {
    reply.code = static_cast<uint8_t>(e.code);
    reply.error = e.message;
    return reply;
  };
  if (auto s = check_writer(state, key, m.number); !s) return fail(s.err());
  if (m.all) {
    auto found = state.store->load_all(key, number);
    if (!found) return fail(found.err());
    for (const auto& c : *found)
      if (auto s = check_chunk(c); !s) return fail(s.err());
    reply.chunks.push_back(std::move(*found));
  }
  if (m.about)
    if (auto s = describe_epoch(state, key, number, reply.about); !s) return fail(s.err());
  for (const auto& want : m.tasks) {
    auto& chunks = reply.chunks.emplace_back();
    for (const auto& id : want.operator_ids) {
      auto found = state.store->load(key, number, id, {want.group_begin, want.group_end});
      if (!found) return fail(found.err());
      if (m.checked)
        for (const auto& c : *found)
          if (auto s = check_chunk(c); !s) return fail(s.err());
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
      state.copied_bytes[m.job] += bytes_of(seed->second.chunks);
      self->send(other, seed_message{m.job, seed->second.chunks, {}, m.token, true});
      continue;
    }
    if (state.store->epochs(key).empty()) continue;
    auto all = state.store->load_all(key, state.store->epochs(key).back());
    // Rows that were on their way in an epoch before are not in the ones to come.
    if (all) std::erase_if(*all, [](const state_chunk& c) { return is_edge_state(c.operator_id); });
    if (all) {
      state.copied_bytes[m.job] += bytes_of(*all);
      self->send(other, seed_message{m.job, std::move(*all), {}, m.token, true});
    } else {
      state.damaged.emplace(std::pair(m.job, m.number), all.err());
    }
  }
  known = m.copies;
  for (const auto& other : known)
    if (state.watched.insert(other.address()).second) self->monitor(other);
}

/// A copy is out of reach: what was on its way to it may be lost. It begins anew when it is there
/// again, and epochs that it was to have a part in are not complete.
void lose_copy(store_state& state, const caf::actor_addr& copy) {
  state.watched.erase(copy);
  const error lost{errc::timeout, "the node with the copy is out of reach"};
  for (auto& [job, copies] : state.copies) {
    if (std::erase_if(copies, [&](const store_actor& a) { return a.address() == copy; }) == 0)
      continue;
    auto it = state.under_way.find(job);
    if (it == state.under_way.end()) continue;
    auto durable = state.store->epochs(key_of(job));
    if (durable.empty() || durable.back().value < it->second.number)
      state.damaged.emplace(std::pair(job, it->second.number), lost);
  }
  auto all = std::exchange(state.copying_by_number, {});
  for (auto& [number, c] : all)
    if (c.copy == copy)
      c.answer({lost.message, static_cast<uint8_t>(lost.code)});
    else
      state.copying_by_number.emplace(number, std::move(c));
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
  forget(state.early);
  forget(state.seeds);
  forget(state.taken);
  forget(state.copies);
  forget(state.copied_bytes);
  forget(state.unanswered);
  // What cannot be dropped is only a matter of space.
  for (const auto& key : state.store->jobs())
    if (key.job == job && which(key.node)) (void)state.store->drop(key);
}

/// Whether every chunk of the part's epoch is here. Their bytes are checked when they are used.
bool is_whole(const store_state& state, const std::string& part, const agreed_epoch& e) {
  const auto key = key_of(part);
  // What came later was complete at some nodes only, and never will be.
  (void)state.store->rewind(key, epoch{e.number});
  const auto epochs = state.store->epochs(key);
  if (epochs.empty() || epochs.back().value != e.number || !check_writer(state, key, e))
    return false;
  const auto sound = state.store->newest_sound(key, false);
  return sound && sound->number.value == e.number;
}

/// The part goes on here.
status resume(store_state& state, const std::string& part, const agreed_epoch& e) {
  if (!is_whole(state, part, e))
    return error{errc::not_found,
                 "part " + part + " of epoch " + std::to_string(e.number) + " is not here"};
  WEIR_ASSIGN(auto all, state.store->load_all(key_of(part), epoch{e.number}));
  for (const auto& c : all) WEIR_TRY(check_chunk(c));
  // What it was to begin with as a copy of another node's: it has that.
  state.seeds.erase(part);
  return {};
}

/// A part of an epoch that is kept, from another store, in place of whatever is here of it.
status import_part(store_state& state, import_message& m) {
  if (is_whole(state, m.part, m.number)) return {};
  const auto& about = m.from.about;
  WEIR_ASSIGN(auto plan, decode_plan(std::as_bytes(std::span(about.plan))));
  const epoch number{m.number.number};
  std::vector<state_chunk> all;
  for (auto& list : m.from.chunks)
    for (auto& c : list)
      if (!is_edge_state(c.operator_id) || c.written == number) all.push_back(std::move(c));
  WEIR_ASSIGN(auto chunks, as_import(std::move(all), number));
  snapshot_manifest manifest;
  manifest.key = key_of(m.part);
  manifest.number = number;
  manifest.job_name = plan.name;
  manifest.fingerprint = about.fingerprint;
  manifest.plan.assign(about.plan.begin(), about.plan.end());
  manifest.key_groups = plan.key_groups;
  manifest.mode = static_cast<uint8_t>(plan.mode);
  manifest.started_us = about.began;
  manifest.ended_us = about.ended;
  manifest.finished = about.finished;
  manifest.parts = about.parts;
  note_writer(manifest, m.number.tenure);
  note_operators(manifest, about);
  const auto key = manifest.key;
  WEIR_TRY(state.store->drop(key));
  auto done = state.store->put(key, number, std::move(chunks));
  if (done) done = state.store->commit(std::move(manifest));
  if (!done) state.store->abort(key, number);
  return done;
}

/// A part of savepoint "JOB+N": whether `job` may still need it.
bool is_kept(const store_state& state, const snapshot_key& part, const ledger_job& job) {
  const auto number = parse_int64(std::string_view(part.job).substr(job.id.size() + 1));
  if (number && job.savepoints.contains(static_cast<uint64_t>(*number))) return true;
  if (has_ended(job.state)) return false;
  // Its master may be about to have it noted, unless that tenure is over.
  const auto epochs = state.store->epochs(part);
  const auto manifest = state.store->manifest(part, epochs.back());
  if (!manifest) return false;
  const auto text = manifest->metadata.find(tenure_key);
  const auto tenure = text == manifest->metadata.end() ? std::nullopt : parse_int64(text->second);
  return tenure && static_cast<uint64_t>(*tenure) >= job.token;
}

/// Whether a part that lies here is needed by what the cluster knows.
bool is_needed(const store_state& state, const snapshot_key& part, const ledger_view& known) {
  const auto id = part.job.substr(0, part.job.find('+'));
  const auto job = known.jobs.find(id);
  // One that was heard of in this life may be too new to be known; should it be gone, that is told.
  if (job == known.jobs.end()) return state.tokens.contains(id);
  if (id != part.job) return is_kept(state, part, job->second);
  if (!has_ended(job->second.state)) return true;  // its master says which parts it needs
  if (job->second.newest == 0) return false;
  const auto last = decode_job_manifest(job->second.manifest);
  return !last || std::any_of(last->parts.begin(), last->parts.end(),
                              [&part](const auto& p) { return p.name == part.node; });
}

void sweep(store_state& state, const ledger_view& known) {
  for (const auto& part : state.store->jobs())
    // Jobs of one process are nobody's in the cluster.
    if (!part.node.empty() && !is_needed(state, part, known))
      drop_parts(state, part.job, [&part](const std::string& name) { return name == part.node; });
}

store_actor::behavior_type store_behavior(store_actor::stateful_pointer<store_state> self,
                                          std::shared_ptr<snapshot_store> store) {
  self->state.store = std::move(store);
  auto* state = &self->state;
  self->set_down_handler([state](const caf::down_msg& m) { lose_copy(*state, m.source); });
  auto writer_of = [self](bool relayed) {
    return relayed ? caf::actor_cast<caf::actor_addr>(self->current_sender()) : caf::actor_addr();
  };
  auto take = [self, state](chunks_message& m) {
    if (is_over(*state, m.job, m.token)) return;
    const auto it = state->under_way.find(m.job);
    const auto begun = it == state->under_way.end() ? store_state::begun{} : it->second;
    const store_state::begun of{m.token, m.number};
    if (of < begun) return;
    if (of > begun) return hold_early(*state, std::move(m));
    m.answered = false;  // that was between the task and this store
    for (const auto& other : state->copies[m.job]) {
      state->copied_bytes[m.job] += bytes_of(m.chunks);
      self->send(other, m);
    }
    auto& taken = state->taken[m.job];
    taken.chunks += m.chunks.size();
    taken.bytes += bytes_of(m.chunks);
    stage(*state, m.job, m.number, std::move(m.chunks));
  };
  return {
      [self, take](chunks_message& m) {
        // Also what is not wanted any more: its task may wait all the same.
        const bool answered = m.answered;
        const auto number = m.number, bytes = bytes_of(m.chunks);
        take(m);
        if (const auto& task = self->current_sender(); answered && task)
          self->send(caf::actor_cast<task_actor>(task), stored_atom::value, number, bytes);
      },
      [self, state, take, writer_of](const begin_message& m) {
        if (is_over(*state, m.job, m.token) || is_late(*state, m)) return;
        if (auto seed = state->seeds.find(m.job);
            seed != state->seeds.end() && seed->second.writer != writer_of(m.relayed))
          state->seeds.erase(seed);
        begin(*state, m);
        seed_copies(self, m);
        for (const auto& other : m.copies)
          self->send(other, begin_message{m.job, m.number, m.completed, m.token, {}, true});
        for (auto& chunks : take_early(*state, m.job, {m.token, m.number})) take(chunks);
      },
      [self, state](abort_atom a, const std::string& job, uint64_t number, uint64_t token) {
        if (is_over(*state, job, token)) return;
        state->damaged.erase({job, number});
        state->taken.erase(job);
        if (auto it = state->under_way.find(job);
            it != state->under_way.end() && it->second.number == number)
          state->under_way.erase(it);
        state->store->abort(key_of(job), epoch{number});
        for (const auto& other : state->copies[job]) self->send(other, a, job, number, token);
      },
      [self, state, writer_of](seed_message& m) {
        if (is_over(*state, m.job, m.token)) return;
        const auto writer = writer_of(m.relayed);
        if (auto known = state->seeds.find(m.job);
            m.relayed && known != state->seeds.end() && !known->second.writer)
          return;  // the part begins here, and this is late
        // Epochs that are here stay until the one that begins with this is durable: it may be the
        // only copy that a complete epoch has.
        for (const auto& other : m.copies)
          self->send(other, seed_message{m.job, m.chunks, {}, m.token, true});
        if (!m.relayed) state->copies[m.job] = m.copies;
        state->seeds[m.job] = {std::move(m.chunks), writer};
      },
      [state](keep_atom, const std::string& job, const std::vector<std::string>& parts,
              uint64_t token) {
        // Savepoints have no master.
        if (job.find('+') == std::string::npos && is_over(*state, job, token)) return;
        drop_parts(*state, job, [&parts](const std::string& part) {
          return std::find(parts.begin(), parts.end(), part) == parts.end();
        });
      },
      [state](const sweep_message& m) { sweep(*state, *m.known); },
      [self, state](lost_atom, const caf::actor_addr& copy) {
        if (state->watched.contains(copy)) self->demonitor(copy);
        lose_copy(*state, copy);
      },
      [state](lacks_atom, std::vector<std::string>& parts,
              const std::vector<agreed_epoch>& epochs) {
        size_t at = 0;
        std::erase_if(parts, [&](const std::string& p) {
          const auto e = at < epochs.size() ? epochs[at] : agreed_epoch();
          ++at;
          return is_whole(*state, p, e);
        });
        return std::move(parts);
      },
      [state](import_message& m) { return reply_of(import_part(*state, m)); },
      [state](resume_atom, const std::string& part, const agreed_epoch& e, uint64_t token) {
        if (is_over(*state, part, token)) return is_deposed();
        return reply_of(resume(*state, part, e));
      },
      [self, state](const commit_message& m) -> caf::result<operation_reply> {
        if (is_over(*state, m.job, m.token)) return is_deposed();
        auto here = [self, state](const commit_message& what) {
          // While the copy was written another master may have begun another epoch.
          if (!is_under_way(*state, what))
            return operation_reply{"the epoch was given up", static_cast<uint8_t>(errc::timeout)};
          auto reply = commit(*state, what);
          if (!std::exchange(state->folding, true)) self->send(self, fold_atom::value);
          return reply;
        };
        auto copies = state->copies[m.job];
        if (copies.empty()) return here(m);
        // The copy first, over the same connection that its chunks took.
        auto promise = self->make_response_promise<operation_reply>();
        const auto number = state->next_copying++;
        state->copying_by_number[number] = {
            copies.front().address(), [state, promise, here, m](const operation_reply& r) mutable {
              if (r.error.empty()) {
                state->copied_bytes.erase(m.job);
                state->unanswered.erase(m.job);
                promise.deliver(here(m));
                return;
              }
              const bool lacks = r.code == static_cast<uint8_t>(errc::not_found);
              // Another master's epoch may have this number by now: what is staged is that one's.
              if (is_under_way(*state, m)) {
                state->store->abort(key_of(m.job), epoch{m.number});
                if (lacks) state->copies.erase(m.job);  // it gets the whole with the next epoch
              }
              promise.deliver(
                  operation_reply{"the copy on another node failed: " + r.error,
                                  lacks ? static_cast<uint8_t>(errc::timeout) : r.code});
            }};
        auto answer = [state, number](const operation_reply& r) {
          auto waiting = state->copying_by_number.extract(number);
          if (!waiting.empty()) waiting.mapped().answer(r);
        };
        auto to_copy = m;
        to_copy.chunks = state->taken[m.job].chunks;
        to_copy.bytes = state->taken[m.job].bytes;
        self->request(copies.front(), copy_limit(*state, m.job), std::move(to_copy))
            .then(
                [answer](const operation_reply& r) { answer(r); },
                [state, number, part = m.job, copy = copies.front().address()](const caf::error&) {
                  if (!state->copying_by_number.contains(number)) return;
                  ++state->unanswered[part];
                  // What else was on its way to it may be lost, too: it begins anew.
                  lose_copy(*state, copy);
                });
        return promise;
      },
      [state](pin_atom, const std::string& part, const agreed_epoch& e, uint64_t token) {
        if (is_over(*state, part, token)) return is_deposed();
        return reply_of(pin(*state, part, e, token));
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

store_actor spawn_store(caf::actor_system& system, std::unique_ptr<snapshot_store> store,
                        store_thread where) {
  std::shared_ptr<snapshot_store> shared = std::move(store);
  if (where == store_thread::scheduler) return system.spawn(store_behavior, std::move(shared));
  return system.spawn<caf::detached>(store_behavior, std::move(shared));
}

}  // namespace weir
