// libraft calls us: storage, network, time, the machine.
#include "cluster/meta/raft/core.hpp"
#include "runtime/base/assert.hpp"

namespace weir::meta {

// Plain functions for libraft's tables. Nothing may be thrown through its C frames.
struct hooks {
  using core = consensus_node::core;
  static core& of(raft_io* io) { return *static_cast<core*>(io->impl); }
  static core& of(raft_fsm* fsm) { return *static_cast<core*>(fsm->data); }

  static int init(raft_io*, raft_id, const char*) { return 0; }
  static void close(raft_io* io, raft_io_close_cb cb) { of(io).close_cb_ = cb; }
  static int load(raft_io* io, raft_term* term, raft_id* vote, raft_snapshot** snapshot,
                  raft_index* first, raft_entry* entries[], size_t* n) {
    return of(io).io_load(term, vote, snapshot, first, entries, n);
  }
  static int start(raft_io* io, unsigned, raft_io_tick_cb tick, raft_io_recv_cb recv) {
    of(io).tick_cb_ = tick;
    of(io).recv_cb_ = recv;
    return 0;
  }
  // Done by consensus_node::bootstrap, on the store itself.
  static int bootstrap(raft_io*, const raft_configuration*) { return RAFT_CANTBOOTSTRAP; }
  static int recover(raft_io*, const raft_configuration*) { return RAFT_CANTBOOTSTRAP; }
  static int set_term(raft_io* io, raft_term term) {
    of(io).vote_step() = {term, 0};
    return 0;
  }
  static int set_vote(raft_io* io, raft_id id) {
    of(io).vote_step().voted_for = id;
    return 0;
  }
  static int send(raft_io* io, raft_io_send* req, const raft_message* m, raft_io_send_cb cb) {
    return of(io).io_send(req, m, cb);
  }
  static int append(raft_io* io, raft_io_append* req, const raft_entry entries[], unsigned n,
                    raft_io_append_cb cb) {
    return of(io).io_append(req, entries, n, cb);
  }
  static int truncate(raft_io* io, raft_index index) { return of(io).io_truncate(index); }
  static int snapshot_put(raft_io* io, unsigned trailing, raft_io_snapshot_put* req,
                          const raft_snapshot* s, raft_io_snapshot_put_cb cb) {
    return of(io).io_snapshot_put(trailing, req, s, cb);
  }
  static int snapshot_get(raft_io* io, raft_io_snapshot_get* req, raft_io_snapshot_get_cb cb) {
    core& c = of(io);
    c.on_sent_.push_back([&c, req, cb](int status) {
      status == 0 ? c.send_snapshot(req, cb) : cb(req, nullptr, status);
    });
    return 0;
  }
  static raft_time time(raft_io* io) { return of(io).now_; }
  static int random(raft_io* io, int low, int high) { return of(io).io_random(low, high); }

  static int apply(raft_fsm* fsm, const raft_buffer* buf, void** result) {
    *result = nullptr;
    return of(fsm).fsm_apply(buf);
  }
  static int take(raft_fsm* fsm, raft_buffer* bufs[], unsigned* n) {
    return of(fsm).fsm_snapshot(bufs, n);
  }
  static int restore(raft_fsm* fsm, raft_buffer* buf) { return of(fsm).fsm_restore(buf); }
};

void consensus_node::core::install_hooks() {
  io_.version = 1;
  io_.impl = this;
  io_.init = hooks::init;
  io_.close = hooks::close;
  io_.load = hooks::load;
  io_.start = hooks::start;
  io_.bootstrap = hooks::bootstrap;
  io_.recover = hooks::recover;
  io_.set_term = hooks::set_term;
  io_.set_vote = hooks::set_vote;
  io_.send = hooks::send;
  io_.append = hooks::append;
  io_.truncate = hooks::truncate;
  io_.snapshot_put = hooks::snapshot_put;
  io_.snapshot_get = hooks::snapshot_get;
  io_.time = hooks::time;
  io_.random = hooks::random;
  fsm_.version = 1;
  fsm_.data = this;
  fsm_.apply = hooks::apply;
  fsm_.snapshot = hooks::take;
  fsm_.restore = hooks::restore;
}

namespace {

raft_snapshot* to_library(const snapshot_record& s) {
  auto* out = raft_new<raft_snapshot>();
  out->index = s.index;
  out->term = s.term;
  raft_configuration_init(&out->configuration);
  for (const auto& m : s.servers)
    raft_configuration_add(&out->configuration, m.id, m.address.c_str(), static_cast<int>(m.role));
  out->configuration_index = s.servers_index;
  out->bufs = raft_new<raft_buffer>();
  out->n_bufs = 1;
  out->bufs[0] = {raft_copy(s.data), s.data.size()};
  return out;
}

configuration from_library(const raft_configuration& c) {
  configuration out;
  for (unsigned i = 0; i < c.n; ++i)
    out.push_back(
        {c.servers[i].id, c.servers[i].address, static_cast<server_role>(c.servers[i].role)});
  return out;
}

}  // namespace

int consensus_node::core::io_load(raft_term* term, raft_id* vote, raft_snapshot** snapshot,
                                  raft_index* first, raft_entry** entries, size_t* n) {
  *term = loaded_.term;
  *vote = loaded_.voted_for;
  *snapshot = loaded_.snapshot ? to_library(*loaded_.snapshot) : nullptr;
  *first = loaded_.first;
  *n = loaded_.entries.size();
  *entries = *n ? raft_new<raft_entry>(*n) : nullptr;
  for (size_t i = 0; i < *n; ++i) {
    const log_entry& e = loaded_.entries[i];
    raft_entry& out = (*entries)[i];
    out.term = e.term;
    out.type = static_cast<unsigned short>(e.type);
    out.buf = {raft_copy(e.data), e.data.size()};
    out.batch = nullptr;
  }
  return 0;
}

// Term and vote open every batch: what is written belongs to them.
write_batch& consensus_node::core::steps() {
  if (batch_.empty())
    batch_.emplace_back(std::in_place_type<put_vote>,
                        put_vote{raft_.current_term, raft_.voted_for});
  return batch_;
}

put_vote& consensus_node::core::vote_step() {
  return std::get<put_vote>(steps().front());
}

int consensus_node::core::io_send(raft_io_send* req, const raft_message* m, raft_io_send_cb cb) {
  if (cb) on_sent_.push_back([req, cb](int status) { cb(req, status); });
  // A follower that does not know its leader answers nobody.
  if (m->server_id == 0 || !m->server_address) return 0;
  peer_message out;
  out.cluster = options_.cluster;
  out.from = options_.id;
  out.to = m->server_id;
  out.address = options_.address;
  switch (m->type) {
    case RAFT_IO_APPEND_ENTRIES: {
      append_entries b{m->append_entries.prev_log_index,
                       m->append_entries.prev_log_term,
                       m->append_entries.leader_commit,
                       {}};
      for (unsigned i = 0; i < m->append_entries.n_entries; ++i) {
        const raft_entry& e = m->append_entries.entries[i];
        b.entries.push_back({e.term, static_cast<entry_type>(e.type),
                             e.type == RAFT_BARRIER ? std::string() : std::string(view_of(e.buf))});
      }
      out.term = m->append_entries.term;
      out.body = std::move(b);
      break;
    }
    case RAFT_IO_APPEND_ENTRIES_RESULT: {
      append_result b{m->append_entries_result.rejected, m->append_entries_result.last_log_index};
      out.term = m->append_entries_result.term;
      if (input_.appending && input_.term < out.term) {
        // The answer to a leader of the past: with index 0 libraft's refusal reads as consent.
        b.rejected = std::max<log_index>(b.rejected, 1);
      } else if (input_.appending && b.rejected == 0) {
        // libraft tells its last entry, which may be of an older term and not the leader's.
        b.last_index = std::min(b.last_index, input_.last);
      }
      out.body = b;
      break;
    }
    case RAFT_IO_REQUEST_VOTE:
      out.term = m->request_vote.term;
      out.body = request_vote{m->request_vote.candidate_id, m->request_vote.last_log_index,
                              m->request_vote.last_log_term, m->request_vote.disrupt_leader,
                              m->request_vote.pre_vote};
      break;
    case RAFT_IO_REQUEST_VOTE_RESULT:
      out.term = m->request_vote_result.term;
      // libraft refuses a pre-vote under the asker's term, so two candidates with terms apart would
      // never come together.
      if (m->request_vote_result.pre_vote == raft_tribool_true &&
          !m->request_vote_result.vote_granted)
        out.term = std::max<log_term>(out.term, raft_.current_term);
      out.body = vote_result{m->request_vote_result.vote_granted,
                             m->request_vote_result.pre_vote == raft_tribool_true};
      break;
    case RAFT_IO_INSTALL_SNAPSHOT: {
      const auto& s = m->install_snapshot;
      out.term = s.term;
      out.body = install_snapshot{{s.last_index, s.last_term, from_library(s.conf), s.conf_index,
                                   std::string(view_of(s.data))}};
      break;
    }
    case RAFT_IO_TIMEOUT_NOW:
      out.term = m->timeout_now.term;
      out.body = timeout_now{m->timeout_now.last_log_index, m->timeout_now.last_log_term};
      break;
    default:
      return 0;
  }
  messages_.push_back({out.to, m->server_address, encode_message(out)});
  return 0;
}

int consensus_node::core::io_append(raft_io_append* req, const raft_entry* entries, unsigned n,
                                    raft_io_append_cb cb) {
  put_entries step;
  step.first = raft_last_index(&raft_) - n + 1;
  for (unsigned i = 0; i < n; ++i) {
    const raft_entry& e = entries[i];
    auto type = static_cast<entry_type>(e.type);
    // A barrier's bytes mean nothing, and libraft does not set them.
    step.entries.push_back(
        {e.term, type, type == entry_type::barrier ? std::string() : std::string(view_of(e.buf))});
    if (type != entry_type::change) continue;
    auto c = decode_configuration(step.entries.back().data);
    if (!c) return RAFT_MALFORMED;
    configurations_.insert_or_assign(step.first + i, std::move(*c));
  }
  steps().emplace_back(std::in_place_type<put_entries>, std::move(step));
  on_durable_.push_back([req, cb](int status) { cb(req, status); });
  return 0;
}

int consensus_node::core::io_truncate(raft_index index) {
  steps().emplace_back(std::in_place_type<drop_from>, drop_from{index});
  auto gone = configurations_.lower_bound(index);
  if (gone == configurations_.end()) return 0;
  weir_assert(gone != configurations_.begin(), "a committed configuration is never taken back");
  configurations_.erase(gone, configurations_.end());
  adopt_configuration();
  return 0;
}

// libraft's own way back needs the entry of the earlier configuration, which may be compacted, and
// is not taken after a restart.
void consensus_node::core::adopt_configuration() {
  const auto& [index, servers] = *configurations_.rbegin();
  raft_configuration_close(&raft_.configuration);
  raft_configuration_init(&raft_.configuration);
  for (const auto& m : servers)
    raft_configuration_add(&raft_.configuration, m.id, m.address.c_str(), static_cast<int>(m.role));
  raft_.configuration_index = index;
}

const configuration& consensus_node::core::configuration_at(log_index index, log_index* at) const {
  auto it = configurations_.upper_bound(index);
  weir_assert(it != configurations_.begin(), "a snapshot has a configuration");
  --it;
  *at = it->first;
  return it->second;
}

int consensus_node::core::io_snapshot_put(unsigned trailing, raft_io_snapshot_put* req,
                                          const raft_snapshot* s, raft_io_snapshot_put_cb cb) {
  put_snapshot step;
  step.snapshot.index = s->index;
  step.snapshot.term = s->term;
  for (unsigned i = 0; i < s->n_bufs; ++i) step.snapshot.data += view_of(s->bufs[i]);
  if (trailing == 0) {  // from the leader: it replaces the log
    step.snapshot.servers = from_library(s->configuration);
    step.snapshot.servers_index = s->configuration_index;
    configurations_.clear();
  } else {
    // libraft gives its present configuration here, which may not be committed yet.
    step.snapshot.servers = configuration_at(s->index, &step.snapshot.servers_index);
    step.keep_from = s->index > trailing ? s->index - trailing + 1 : 1;
    configurations_.erase(configurations_.begin(),
                          configurations_.upper_bound(step.snapshot.servers_index));
  }
  configurations_.insert_or_assign(step.snapshot.servers_index, step.snapshot.servers);
  steps().emplace_back(std::in_place_type<put_snapshot>, std::move(step));
  // libraft forgets the list of an installation that fails.
  raft_buffer* list = trailing == 0 ? s->bufs : nullptr;
  on_durable_.push_back([req, cb, list](int status) {
    cb(req, status);
    if (status != 0) raft_free(list);
  });
  return 0;
}

void consensus_node::core::send_snapshot(raft_io_snapshot_get* req, raft_io_snapshot_get_cb cb) {
  auto s = store_.snapshot();
  if (!s) {
    if (s.err().code != errc::not_found) fail(s.err());
    return cb(req, nullptr, RAFT_IOERR);
  }
  cb(req, to_library(*s), 0);
}

int consensus_node::core::io_random(int low, int high) {
  return low + static_cast<int>(random_() % static_cast<uint64_t>(std::max(1, high - low)));
}

int consensus_node::core::fsm_apply(const raft_buffer* buf) {
  const log_index index = raft_.last_applied + 1;
  auto reply = machine_.apply(index, view_of(*buf));
  if (!reply) {
    fail(reply.err().at("entry " + std::to_string(index) + " of the metadata's log"));
    return RAFT_MALFORMED;
  }
  if (auto it = in_flight_.find(index); it != in_flight_.end()) {
    replies_.push_back({it->second, proposal_outcome::done, std::move(*reply)});
    in_flight_.erase(it);
  }
  return 0;
}

int consensus_node::core::fsm_snapshot(raft_buffer** bufs, unsigned* n) {
  std::string bytes = machine_.snapshot();
  *bufs = raft_new<raft_buffer>();
  (*bufs)[0] = {raft_copy(bytes), bytes.size()};
  *n = 1;
  return 0;
}

int consensus_node::core::fsm_restore(raft_buffer* buf) {
  status s = machine_.restore(view_of(*buf));
  if (!s) {
    fail(s.err().at("snapshot of the metadata's log"));
    return RAFT_MALFORMED;
  }
  raft_free(buf->base);
  return 0;
}

}  // namespace weir::meta
