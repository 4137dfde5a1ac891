// The interfaces of all actors, declared together. One comment per message says who sends it and
// what it means. Every request has a finite timeout and an error branch at its sender.
#pragma once

#include <caf/all.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/job_manifest.hpp"
#include "actors/messages.hpp"

namespace weir {

using start_atom = caf::atom_constant<caf::atom("start")>;
using run_atom = caf::atom_constant<caf::atom("run")>;
using wake_atom = caf::atom_constant<caf::atom("wake")>;
using timer_atom = caf::atom_constant<caf::atom("timer")>;
using report_atom = caf::atom_constant<caf::atom("report")>;
using stop_atom = caf::atom_constant<caf::atom("stop")>;
using cancel_atom = caf::atom_constant<caf::atom("cancel")>;
using describe_atom = caf::atom_constant<caf::atom("describe")>;
using wait_atom = caf::atom_constant<caf::atom("wait")>;
using begin_atom = caf::atom_constant<caf::atom("begin")>;
using abort_atom = caf::atom_constant<caf::atom("abort")>;
using fold_atom = caf::atom_constant<caf::atom("fold")>;
using drop_atom = caf::atom_constant<caf::atom("drop")>;
using list_atom = caf::atom_constant<caf::atom("list")>;
using latest_atom = caf::atom_constant<caf::atom("latest")>;
using load_atom = caf::atom_constant<caf::atom("load")>;
using ended_atom = caf::atom_constant<caf::atom("ended")>;
using close_atom = caf::atom_constant<caf::atom("close")>;
using fence_atom = caf::atom_constant<caf::atom("fence")>;
using keep_atom = caf::atom_constant<caf::atom("keep")>;
using refresh_atom = caf::atom_constant<caf::atom("refresh")>;
using quiesce_atom = caf::atom_constant<caf::atom("quiesce")>;
using savepoint_atom = caf::atom_constant<caf::atom("savepoint")>;
using pin_atom = caf::atom_constant<caf::atom("pin")>;
using logs_atom = caf::atom_constant<caf::atom("logs")>;
using lacks_atom = caf::atom_constant<caf::atom("lacks")>;
using resume_atom = caf::atom_constant<caf::atom("resume")>;
using stored_atom = caf::atom_constant<caf::atom("stored")>;
using lost_atom = caf::atom_constant<caf::atom("lost")>;

struct ledger_view;
struct cut_off_message;
struct adopt_message;
struct adopted_task;
struct adopt_reply;
struct connect_message;
struct deploy_message;
struct deploy_reply;
struct commit_message;
struct operation_reply;
struct begin_message;
struct seed_message;
struct submit_message;
struct submit_reply;
struct cluster_report;
struct load_message;
struct load_reply;
struct latest_reply;
struct discovered_message;
struct call_message;
struct sweep_message;
struct import_message;
struct hello_message;
struct job_request;
struct job_answer;

/// One parallel instance of a chain of operators. Owns a stream_task; one actor per task, never per
/// key or record. Spawned by its node, driven by its job master and by other tasks.
using task_actor = caf::typed_actor<
    // Task -> task: rows, watermarks, barriers of one channel, in order. Of a task of another
    // process the exchange of rows (actors/data) says it.
    caf::reacts_to<stream_message>,
    // Task -> task, back: permission to send more.
    caf::reacts_to<credit_message>,
    // Exchange of rows: what another process's tasks send is lost from here on.
    caf::reacts_to<cut_off_message>,
    // Job master: the other ends of its channels and the state to restore. Answered by a
    // task_event (opened or failed).
    caf::reacts_to<connect_message>,
    // Job master: every task is open, work may begin. The token of its tenure.
    caf::reacts_to<start_atom, uint64_t>,
    // Node: the job has a new master, to whom the task belongs from now on; what becomes of the
    // epochs that it knows is in the message. Answers how it stands.
    caf::replies_to<adopt_message>::with<adopted_task>,
    // Job master -> source task: start the barrier of an epoch.
    caf::reacts_to<trigger_message>,
    // Job master: the epoch is durable, or was given up.
    caf::reacts_to<epoch_outcome>,
    // Its store: so many bytes of chunks of this epoch are taken; there is room for more.
    caf::reacts_to<stored_atom, uint64_t, uint64_t>,
    // Job master -> source task: splits to read.
    caf::reacts_to<splits_message>,
    // Job master -> source task: no unread split holds event time back any more.
    caf::reacts_to<release_watermark_message>,
    // Itself: more work; its operators' other threads: something to look at; a timer.
    caf::reacts_to<run_atom>, caf::reacts_to<wake_atom>, caf::reacts_to<timer_atom, int64_t>,
    // Job master: counters.
    caf::replies_to<report_atom>::with<task_report>,
    // Job master: end now; answers with the last counters, also when the token is over (then the
    // task goes on).
    caf::replies_to<stop_atom, uint64_t>::with<task_report>>;

/// One job: deployment, barriers, completion of snapshots, restarts. Owns a job_coordinator.
using job_actor = caf::typed_actor<
    // Tasks: what happened.
    caf::reacts_to<task_event>,
    // Itself: a timer; an enumerator's result from the I/O executor.
    caf::reacts_to<timer_atom, int64_t>, caf::reacts_to<discovered_message>,
    // Itself: look again for the nodes that have the snapshot.
    caf::reacts_to<load_atom>,
    // Anyone: the state of the job as of the last round of reports, which this also starts anew.
    caf::replies_to<describe_atom>::with<job_report>,
    // Anyone: answered when the job has ended.
    caf::replies_to<wait_atom>::with<job_report>,
    // Anyone: a last epoch, commits, the end. cancel: at once.
    caf::reacts_to<stop_atom>, caf::reacts_to<cancel_atom>,
    // Anyone: an epoch begins now; answered with its number when it is complete. `true`: it is kept
    // until somebody drops it.
    caf::replies_to<savepoint_atom, bool>::with<job_answer>,
    // Anyone: what the master has said last, oldest first.
    caf::replies_to<logs_atom>::with<job_answer>,
    // Its keeper: the nodes have changed.
    caf::reacts_to<refresh_atom>,
    // Itself: an answer of the ledger, as a call.
    caf::reacts_to<call_message>>;

/// The snapshot store of a node (single writer of an LMDB environment); detached, it may block.
using store_actor = caf::typed_actor<
    // Tasks: parts of their share of an epoch; told when they are taken. Stores: copies.
    caf::reacts_to<chunks_message>,
    // Job master: an epoch of an attempt begins, or is given up (number, token).
    caf::reacts_to<begin_message>, caf::reacts_to<abort_atom, std::string, uint64_t, uint64_t>,
    // Job master: what the tasks here were restored from; the first epoch of this part of the job
    // starts from it. Copied on like chunks.
    caf::reacts_to<seed_message>,
    // Job master, keeper: only these parts of the job are needed from now on (token).
    caf::reacts_to<keep_atom, std::string, std::vector<std::string>, uint64_t>,
    // Its keeper: what the cluster knows; parts that nobody needs by this go.
    caf::reacts_to<sweep_message>,
    // Its keeper: there is a new connection to the node of this store; what was on its way by the
    // one before is lost, also where nobody here has noticed.
    caf::reacts_to<lost_atom, caf::actor_addr>,
    // Its keeper: which of these parts it does not have, whole, as of these epochs.
    caf::replies_to<lacks_atom, std::vector<std::string>,
                    std::vector<agreed_epoch>>::with<std::vector<std::string>>,
    // Its keeper: a part of an epoch that is kept, as another store gave it.
    caf::replies_to<import_message>::with<operation_reply>,
    // Job master: tasks are to go on with this part here, as of this complete epoch (part, epoch,
    // token). errc::not_found: it is not here, whole.
    caf::replies_to<resume_atom, std::string, agreed_epoch, uint64_t>::with<operation_reply>,
    // Job master: make this node's part of the epoch durable.
    caf::replies_to<commit_message>::with<operation_reply>,
    // Job master: this part of a complete epoch is set aside as a job of its own (savepoint_job()),
    // untouched by what comes later (part, epoch, token).
    caf::replies_to<pin_atom, std::string, agreed_epoch, uint64_t>::with<operation_reply>,
    // Job master: what a restart continues from.
    caf::replies_to<latest_atom, std::string>::with<latest_reply>,
    // Job master, task, keeper: chunks to restore.
    caf::replies_to<load_message>::with<load_reply>,
    // Itself: fold old epochs while nothing else is to do.
    caf::reacts_to<fold_atom>>;

/// A process: spawns and monitors the tasks that run on it.
using node_actor = caf::typed_actor<
    // Job master: spawn these tasks of a plan (not started yet). The job's tasks of older tenures
    // end.
    caf::replies_to<deploy_message>::with<deploy_reply>,
    // Job master that has just begun: the job's tasks here are its own from now on; answers which
    // there are and how they stand. Masters before it are refused from then on.
    caf::replies_to<adopt_message>::with<adopt_reply>,
    // Job master that is to place tasks of this job: threads that run tasks here, bytes that these
    // may hold, and the number of other jobs' tasks.
    caf::replies_to<load_atom, std::string>::with<uint32_t, uint64_t, uint32_t>,
    // Job master, keeper: the job's tasks of tenures before this one, and of this one those of
    // earlier attempts, are over: they end.
    caf::reacts_to<fence_atom, std::string, uint64_t, uint32_t>,
    // Its own keeper: the cluster has given this node up: all tasks end.
    caf::reacts_to<close_atom>,
    // Itself: a library that tasks need is here, or cannot be had, as a call.
    caf::reacts_to<call_message>>;

/// Keeps this node's share of the cluster's jobs: connections to the actors of all nodes that live,
/// and the masters of those jobs whose leases this node holds. One per node, driven by the ledger.
using job_keeper_actor = caf::typed_actor<
    // Another node's keeper that has connected: who it is; answered with the same.
    caf::replies_to<hello_message>::with<hello_message>,
    // The ledger: its view has changed.
    caf::reacts_to<refresh_atom>,
    // Itself: time to look again; an answer of the ledger or of the I/O executor, as a call.
    caf::reacts_to<timer_atom>, caf::reacts_to<call_message>,
    // A job's master here: it has ended.
    caf::reacts_to<ended_atom, job_report>,
    // HTTP listener: a job to run; everything else that is done with one; all nodes and jobs.
    caf::replies_to<submit_message>::with<submit_reply>,
    caf::replies_to<job_request>::with<job_answer>,
    caf::replies_to<list_atom>::with<cluster_report>,
    // Its own process, which ends: jobs take a snapshot and are handed on; answered when done.
    caf::replies_to<close_atom>::with<operation_reply>,
    // The whole cluster is about to stop: jobs take a last snapshot and are not taken up again by
    // these processes. `false`: from a client, to be told to all nodes.
    caf::replies_to<quiesce_atom, bool>::with<operation_reply>>;

struct adopt_message {
  std::string job;
  uint64_t token = 0;
  uint64_t completed = 0;  // the newest complete epoch: newer ones were given up
  job_actor master;
};
struct adopted_task {
  uint32_t task = 0, attempt = 0;
  bool runs = false;  // it was started and has not failed; else nothing below is told
  std::string store_job;
  task_actor handle;
  uint64_t opened_from = 0;  // epoch
  uint64_t newest = 0;       // epoch: task_standing
  bool ended = false;
  // Sources: source_standing.
  std::vector<std::string> handed;
  std::string given;  // split_list.hpp
  uint64_t newest_order = 0;
  std::string stream;
  bool reads = false, waiting = false, told_last = false, held = false;
};
struct adopt_reply {
  std::string error;
  uint8_t code = 0;
  std::vector<adopted_task> tasks;
};
struct task_state_request {
  uint32_t task = 0;
  std::vector<std::string> operator_ids;
  uint32_t group_begin = 0, group_end = 0;
};
struct connect_message {
  uint32_t attempt = 0;
  uint64_t token = 0;
  job_actor master;
  store_actor store;
  std::string store_job;              // key of the job, or of this node's part of it
  std::vector<uint32_t> channels;     // of the task, both directions
  std::vector<task_actor> receivers;  // the other end of each
  std::vector<std::string> places;    // where its process takes rows (actors/data); empty: here
  uint64_t from = 0;                  // the epoch that it continues from; 0: none
  task_state_request keyed;           // of which `store` has the keyed state, in store_job
  std::vector<state_chunk> restored;  // the rest
};
struct deploy_message {
  std::string job;
  std::string run;  // tells this master's deployments from those of earlier processes
  uint64_t token = 0;
  uint32_t attempt = 0;
  std::vector<char> plan;  // encode_plan()
  std::vector<uint32_t> tasks;
  uint64_t window_bytes = 0;
  uint32_t window_batches = 0;
  int64_t alignment_limit_us = 0;
};
struct deploy_reply {
  std::string error;  // empty: all were spawned
  uint8_t code = 0;
  std::vector<task_actor> tasks;  // in the order of the request
};
struct operator_entry {
  std::string id, name;
  uint32_t parallelism = 1;
  uint64_t state_fingerprint = 0;
};
struct commit_message {
  std::string job;
  std::string plan_name;
  uint64_t fingerprint = 0;
  uint32_t key_groups = 0;
  uint8_t mode = 0;
  std::vector<operator_entry> operators;
  std::vector<char> plan;
  uint64_t number = 0;
  int64_t began = 0, ended = 0;
  bool finished = false;
  std::map<std::string, std::string> split_pools;
  std::vector<std::string> parts;  // of which the epoch consists; empty: only this store's
  uint64_t token = 0;
  /// To a copy: what it was sent of the epoch; UINT64_MAX: not told.
  uint64_t chunks = UINT64_MAX, bytes = UINT64_MAX;
};
struct begin_message {
  std::string job;  // "job", or "job@part"
  uint64_t number = 0;
  agreed_epoch completed;  // the newest complete one; what was written after it is forgotten
  uint64_t token = 0;
  std::vector<store_actor> copies;  // stores that get a copy of everything
  bool relayed = false;             // by the store that writes the part, to one with a copy
};
struct seed_message {
  std::string job;
  std::vector<state_chunk> chunks;  // load_all() of the parts that the tasks come from
  std::vector<store_actor> copies;  // that get it too
  uint64_t token = 0;
  bool relayed = false;  // as begin_message's
};
/// Between two keepers.
struct hello_message {
  int32_t id = -1;
  uint64_t epoch = 0;  // of the node
  std::string name;
  uint32_t pid = 0;
  node_actor node;
  store_actor store;
  job_keeper_actor keeper;
  std::string rows;  // where its tasks get rows from others: data_exchange::address()
};
struct job_request {
  enum class verb : uint8_t {
    describe,
    stop,
    cancel,
    savepoint,
    logs,
    remove,
    examine_savepoint,  // what a job would start from
    drop_savepoint
  };
  verb what = verb::describe;
  std::string job;         // id or name
  bool forwarded = false;  // by another node's keeper: answer or refuse, do not ask on
  uint64_t epoch = 0;      // of savepoints; examine: 0 for the newest
};
struct job_answer {
  std::string error;  // empty: done
  uint8_t code = 0;   // errc; timeout: the job's master is away at the moment
  job_report report;
  uint64_t epoch = 0;              // savepoint, examine
  std::vector<std::string> lines;  // logs
  // examine
  std::vector<char> plan;              // encode_plan() of the job that made it
  std::vector<std::string> in_flight;  // edges (edge_keys()) with rows that were on their way
};
/// Local: a connection to another process is over.
struct cut_off_message {
  uint8_t code = 0;  // errc
  std::string text;
};
/// Local.
struct sweep_message {
  std::shared_ptr<const ledger_view> known;
};
/// Local: runs in the actor that gets it.
struct call_message {
  std::function<void()> run;
};
struct submit_message {
  std::vector<char> plan;
  int64_t snapshot_interval_us = 1'000'000;
  std::string origin;  // it starts from an epoch of this job: its id
  uint64_t origin_epoch = 0;
};
struct submit_reply {
  std::string error;
  uint8_t code = 0;
  std::string id;
};
struct node_report {
  std::string name, http, kafka;
  uint32_t pid = 0;
  bool alive = true;
  bool coordinates = false;  // leads the metadata
  bool draining = false;
};
struct cluster_report {
  std::vector<node_report> nodes;
  std::vector<job_report> jobs;
};

struct operation_reply {
  std::string error;  // empty: done
  uint8_t code = 0;
};
struct load_message {
  std::string job;
  bool all = false;      // also every chunk of the part
  bool about = false;    // also what latest_reply says about the epoch
  bool checked = false;  // errc::corrupt when any of it is damaged; else who restores it finds out
  agreed_epoch number;
  std::vector<task_state_request> tasks;
};
struct latest_reply {
  std::string error;
  uint8_t code = 0;
  bool found = false;
  uint64_t number = 0;
  bool finished = false;
  uint64_t fingerprint = 0;
  std::vector<char> plan;
  std::map<std::string, std::string> split_pools;
  std::map<std::string, std::string> begun_splits;  // by operator id: split_list.hpp
  std::vector<operator_entry> operators;            // whose state the epoch has
  std::vector<std::string> warnings;                // damaged epochs that were passed over
  std::vector<std::string> parts;  // of which the epoch consists, when several nodes have it
  int64_t began = 0, ended = 0;    // the epoch
};
struct load_reply {
  std::string error;
  uint8_t code = 0;
  std::vector<std::vector<state_chunk>> chunks;  // per task of the request
  latest_reply about;
};
/// Local.
struct import_message {
  std::string part;
  agreed_epoch number;
  load_reply from;  // all chunks of the part, and what the epoch is
};
/// Local to the job master's process.
struct discovered_message {
  uint32_t source = 0;
  uint32_t attempt = 0;
  std::shared_ptr<result<discovery>> found;
};

template <class I>
typename I::result_type inspect(I& f, adopt_message& x) {
  return f(caf::meta::type_name("adopt"), x.job, x.token, x.completed, x.master);
}
template <class I>
typename I::result_type inspect(I& f, adopted_task& x) {
  return f(caf::meta::type_name("adopted_task"), x.task, x.attempt, x.runs, x.store_job, x.handle,
           x.opened_from, x.newest, x.ended, x.handed, x.given, x.newest_order, x.stream, x.reads,
           x.waiting, x.told_last, x.held);
}
template <class I>
typename I::result_type inspect(I& f, adopt_reply& x) {
  return f(caf::meta::type_name("adopt_reply"), x.error, x.code, x.tasks);
}
template <class I>
typename I::result_type inspect(I& f, connect_message& x) {
  flat_chunks restored{x.restored};
  return f(caf::meta::type_name("connect"), x.attempt, x.token, x.master, x.store, x.store_job,
           x.channels, x.receivers, x.places, x.from, x.keyed, restored);
}
template <class I>
typename I::result_type inspect(I& f, deploy_message& x) {
  return f(caf::meta::type_name("deploy"), x.job, x.run, x.token, x.attempt, x.plan, x.tasks,
           x.window_bytes, x.window_batches, x.alignment_limit_us);
}
template <class I>
typename I::result_type inspect(I& f, deploy_reply& x) {
  return f(caf::meta::type_name("deploy_reply"), x.error, x.code, x.tasks);
}
template <class I>
typename I::result_type inspect(I& f, operator_entry& x) {
  return f(caf::meta::type_name("operator_entry"), x.id, x.name, x.parallelism,
           x.state_fingerprint);
}
template <class I>
typename I::result_type inspect(I& f, commit_message& x) {
  return f(caf::meta::type_name("commit"), x.job, x.plan_name, x.fingerprint, x.key_groups, x.mode,
           x.operators, x.plan, x.number, x.began, x.ended, x.finished, x.split_pools, x.parts,
           x.token, x.chunks, x.bytes);
}
template <class I>
typename I::result_type inspect(I& f, agreed_epoch& x) {
  return f(caf::meta::type_name("agreed_epoch"), x.number, x.tenure);
}
template <class I>
typename I::result_type inspect(I& f, begin_message& x) {
  return f(caf::meta::type_name("begin"), x.job, x.number, x.completed, x.token, x.copies,
           x.relayed);
}
template <class I>
typename I::result_type inspect(I& f, seed_message& x) {
  flat_chunks chunks{x.chunks};
  return f(caf::meta::type_name("seed"), x.job, x.token, x.copies, x.relayed, chunks);
}
template <class I>
typename I::result_type inspect(I& f, submit_message& x) {
  return f(caf::meta::type_name("submit"), x.plan, x.snapshot_interval_us, x.origin,
           x.origin_epoch);
}
template <class I>
typename I::result_type inspect(I& f, submit_reply& x) {
  return f(caf::meta::type_name("submit_reply"), x.error, x.code, x.id);
}
template <class I>
typename I::result_type inspect(I& f, node_report& x) {
  return f(caf::meta::type_name("node_report"), x.name, x.http, x.kafka, x.pid, x.alive,
           x.coordinates, x.draining);
}
template <class I>
typename I::result_type inspect(I& f, cluster_report& x) {
  return f(caf::meta::type_name("cluster_report"), x.nodes, x.jobs);
}
template <class I>
typename I::result_type inspect(I& f, operation_reply& x) {
  return f(caf::meta::type_name("operation_reply"), x.error, x.code);
}
template <class I>
typename I::result_type inspect(I& f, task_state_request& x) {
  return f(caf::meta::type_name("task_state_request"), x.task, x.operator_ids, x.group_begin,
           x.group_end);
}
template <class I>
typename I::result_type inspect(I& f, load_message& x) {
  return f(caf::meta::type_name("load"), x.job, x.all, x.about, x.checked, x.number, x.tasks);
}
template <class I>
typename I::result_type inspect(I& f, latest_reply& x) {
  return f(caf::meta::type_name("latest_reply"), x.error, x.code, x.found, x.number, x.finished,
           x.fingerprint, x.plan, x.split_pools, x.begun_splits, x.operators, x.warnings, x.parts,
           x.began, x.ended);
}
template <class I>
typename I::result_type inspect(I& f, load_reply& x) {
  std::vector<std::vector<char>> flat;
  if constexpr (I::reads_state)
    for (const auto& c : x.chunks) flat.push_back(flatten(c));
  auto load = [&]() -> caf::error {
    if constexpr (I::writes_state) {
      x.chunks.resize(flat.size());
      for (size_t i = 0; i < flat.size(); ++i)
        if (!unflatten(flat[i], x.chunks[i])) return caf::sec::invalid_argument;
    }
    return caf::none;
  };
  return f(caf::meta::type_name("load_reply"), x.error, x.code, x.about, flat,
           caf::meta::load_callback(load));
}
template <class I>
typename I::result_type inspect(I& f, hello_message& x) {
  return f(caf::meta::type_name("hello"), x.id, x.epoch, x.name, x.pid, x.node, x.store, x.keeper,
           x.rows);
}
template <class I>
typename I::result_type inspect(I& f, job_request& x) {
  return f(caf::meta::type_name("job_request"), x.what, x.job, x.forwarded, x.epoch);
}
template <class I>
typename I::result_type inspect(I& f, job_answer& x) {
  return f(caf::meta::type_name("job_answer"), x.error, x.code, x.report, x.epoch, x.lines, x.plan,
           x.in_flight);
}

}  // namespace weir

CAF_BEGIN_TYPE_ID_BLOCK(weir, first_custom_type_id)
CAF_ADD_TYPE_ID(weir, (weir::trigger_message))
CAF_ADD_TYPE_ID(weir, (weir::epoch_outcome))
CAF_ADD_TYPE_ID(weir, (weir::splits_message))
CAF_ADD_TYPE_ID(weir, (weir::release_watermark_message))
CAF_ADD_TYPE_ID(weir, (weir::task_event))
CAF_ADD_TYPE_ID(weir, (weir::task_report))
CAF_ADD_TYPE_ID(weir, (weir::operator_report))
CAF_ADD_TYPE_ID(weir, (weir::chunks_message))
CAF_ADD_TYPE_ID(weir, (weir::job_report))
CAF_ADD_TYPE_ID(weir, (weir::connect_message))
CAF_ADD_TYPE_ID(weir, (weir::deploy_message))
CAF_ADD_TYPE_ID(weir, (weir::deploy_reply))
CAF_ADD_TYPE_ID(weir, (weir::commit_message))
CAF_ADD_TYPE_ID(weir, (weir::operation_reply))
CAF_ADD_TYPE_ID(weir, (weir::operator_entry))
CAF_ADD_TYPE_ID(weir, (weir::task_state_request))
CAF_ADD_TYPE_ID(weir, (weir::load_message))
CAF_ADD_TYPE_ID(weir, (weir::load_reply))
CAF_ADD_TYPE_ID(weir, (weir::latest_reply))
CAF_ADD_TYPE_ID(weir, (weir::begin_message))
CAF_ADD_TYPE_ID(weir, (weir::seed_message))
CAF_ADD_TYPE_ID(weir, (weir::submit_message))
CAF_ADD_TYPE_ID(weir, (weir::submit_reply))
CAF_ADD_TYPE_ID(weir, (weir::node_report))
CAF_ADD_TYPE_ID(weir, (weir::cluster_report))
CAF_ADD_TYPE_ID(weir, (weir::task_actor))
CAF_ADD_TYPE_ID(weir, (weir::job_actor))
CAF_ADD_TYPE_ID(weir, (weir::store_actor))
CAF_ADD_TYPE_ID(weir, (weir::node_actor))
CAF_ADD_TYPE_ID(weir, (weir::hello_message))
CAF_ADD_TYPE_ID(weir, (weir::job_request))
CAF_ADD_TYPE_ID(weir, (weir::job_answer))
CAF_ADD_TYPE_ID(weir, (weir::job_keeper_actor))
CAF_ADD_TYPE_ID(weir, (weir::adopt_message))
CAF_ADD_TYPE_ID(weir, (weir::adopted_task))
CAF_ADD_TYPE_ID(weir, (weir::adopt_reply))
CAF_ADD_TYPE_ID(weir, (weir::agreed_epoch))
CAF_END_TYPE_ID_BLOCK(weir)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::stream_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::credit_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::cut_off_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::discovered_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::call_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::sweep_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::import_message)
