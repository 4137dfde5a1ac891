#include "runtime/flow/chain.hpp"

#include <algorithm>

#include "runtime/base/units.hpp"

namespace weir {

/// Hands an operator's output to the next one. emit() cannot return an error, so the first failure
/// is kept in the chain and ends the pass.
class chain_runner::link final : public collector {
 public:
  link(chain_runner& c, size_t next) : chain_(c), next_(next) {}
  void emit(batch_ptr rows, uint16_t port) override {
    if (chain_.failed_ || rows->rows == 0) return;
    auto& m = *chain_.members_[next_ - 1].context.metrics;
    m.rows_out.fetch_add(rows->rows, std::memory_order_relaxed);
    auto s = next_ < chain_.members_.size() && port == 0 ? chain_.enter(next_, 0, rows)
                                                         : chain_.output_(rows, port);
    if (!s && !chain_.failed_) chain_.failed_ = std::move(s).err();
  }

 private:
  chain_runner& chain_;
  size_t next_;
};

chain_runner::chain_runner(std::vector<member> members, const clock& c, output_fn out)
    : members_(std::move(members)), clock_(c), output_(std::move(out)) {
  for (size_t i = 0; i < members_.size(); ++i)
    links_.push_back(std::make_unique<link>(*this, i + 1));
  backlogs_.resize(members_.size());
}

chain_runner::~chain_runner() = default;

error chain_runner::blame(size_t i, const error& e) const {
  const auto& c = members_[i].context;
  std::string who = "operator '" + c.operator_id + "'";
  if (e.message.find(who) != std::string::npos) return e;
  return e.at(who + " (subtask " + std::to_string(c.subtask) + ")");
}

status chain_runner::open() {
  for (size_t i = 0; i < members_.size(); ++i) {
    auto& m = members_[i];
    m.context.row_errors = m.errors.get();
    if (m.errors)
      if (auto s = m.errors->open(m.context); !s) return blame(i, s.err());
    if (auto s = m.op->open(m.context); !s) return blame(i, s.err());
  }
  return {};
}

status chain_runner::restore(
    const std::function<const snapshot_reader*(const std::string& operator_id)>& reader_of) {
  for (size_t i = 0; i < members_.size(); ++i)
    if (const auto* reader = reader_of(members_[i].context.operator_id)) {
      if (auto s = members_[i].op->restore(*reader); !s) return blame(i, s.err());
      if (!members_[i].errors) continue;
      if (auto s = members_[i].errors->restore(*reader); !s) return blame(i, s.err());
    }
  return {};
}

void chain_runner::begin() {
  for (auto& m : members_)
    if (m.errors) m.errors->begin();
}

status chain_runner::enter(size_t i, uint16_t port, const batch_ptr& rows) {
  auto& b = backlogs_[i];
  if (b.drains && b.input.empty()) {
    // A second batch within one call: an operator gets no input while it still has output.
    WEIR_ASSIGN(b.drains, drain(i));
  }
  if (!b.drains && b.input.empty()) return process(i, port, rows);
  b.input.push_back(rows);
  return {};
}

result<bool> chain_runner::drain(size_t i) {
  auto more = members_[i].op->drain(*links_[i]);
  if (!more) return blame(i, more.err());
  if (failed_) return *failed_;
  return *more;
}

status chain_runner::process(size_t i, uint16_t port, const batch_ptr& rows) {
  backlogs_[i].drains = true;
  auto& m = *members_[i].context.metrics;
  m.rows_in.fetch_add(rows->rows, std::memory_order_relaxed);
  m.batches_in.fetch_add(1, std::memory_order_relaxed);
  int64_t outer = std::exchange(child_ns_, 0);
  int64_t begin = clock_.monotonic_ns();
  auto s = members_[i].op->process_batch(port, rows, *links_[i]);
  int64_t took = clock_.monotonic_ns() - begin;
  m.busy_ns.fetch_add(static_cast<uint64_t>(std::max<int64_t>(0, took - child_ns_)),
                      std::memory_order_relaxed);
  child_ns_ = outer + took;
  if (!s) return blame(i, s.err());
  return {};
}

status chain_runner::begin_batch(uint16_t port, const batch_ptr& rows) {
  weir_assert(pass_ == pass_kind::none, "a pass over the chain is under way");
  pass_ = pass_kind::batch;
  at_ = 0;
  child_ns_ = 0;
  if (members_.empty()) return output_(rows, 0);
  WEIR_TRY(enter(0, port, rows));
  if (failed_) return *failed_;
  return {};
}

void chain_runner::begin_watermark(timestamp_us t) {
  weir_assert(pass_ == pass_kind::none, "a pass over the chain is under way");
  pass_ = pass_kind::watermark;
  time_ = t;
  at_ = 0;
}

void chain_runner::begin_before_barrier() {
  weir_assert(pass_ == pass_kind::none, "a pass over the chain is under way");
  pass_ = pass_kind::before_barrier;
  at_ = 0;
}

void chain_runner::begin_approach() {
  weir_assert(pass_ == pass_kind::none, "a pass over the chain is under way");
  pass_ = pass_kind::approach;
  approach_more_ = false;
  at_ = 0;
}

void chain_runner::begin_input_end(uint16_t port) {
  weir_assert(pass_ == pass_kind::none, "a pass over the chain is under way");
  pass_ = pass_kind::input_end;
  ended_port_ = port;
  at_ = 0;
}

void chain_runner::begin_idle() {
  weir_assert(pass_ == pass_kind::none, "a pass over the chain is under way");
  pass_ = pass_kind::idle;
  at_ = 0;
}

void chain_runner::begin_processing_time(timestamp_us t) {
  weir_assert(pass_ == pass_kind::none, "a pass over the chain is under way");
  pass_ = pass_kind::processing_time;
  time_ = t;
  at_ = 0;
}

status chain_runner::call(size_t i) {
  auto& op = *members_[i].op;
  auto& out = *links_[i];
  switch (pass_) {
    case pass_kind::watermark:
      // What an operator gathered before belongs before the watermark.
      WEIR_TRY(op.before_barrier(out));
      return op.on_watermark(time_, out);
    case pass_kind::approach: {
      WEIR_ASSIGN(bool more, op.approach_barrier(out));
      approach_more_ = approach_more_ || more;
      return {};
    }
    case pass_kind::before_barrier:
      return op.before_barrier(out);
    case pass_kind::idle:
      return op.on_idle(out);
    case pass_kind::input_end:
      return i == 0 ? op.on_input_end(ended_port_, out) : status();
    case pass_kind::processing_time:
      return op.on_processing_time(time_, out);
    case pass_kind::batch:
    case pass_kind::none:
      break;
  }
  return {};
}

/// One step of the last operator that is not done, so that output never piles up between two; false
/// when all are done.
result<bool> chain_runner::step_behind() {
  for (size_t i = members_.size(); i-- > 0;) {
    auto& b = backlogs_[i];
    if (b.drains) {
      WEIR_ASSIGN(b.drains, drain(i));
      // Its last output, too, may have given the next one something to do.
      bool gave =
          i + 1 < members_.size() && (backlogs_[i + 1].drains || !backlogs_[i + 1].input.empty());
      if (b.drains || gave) return true;
    }
    if (b.input.empty()) continue;
    auto rows = std::move(b.input.front());
    b.input.pop_front();
    WEIR_TRY(process(i, 0, rows));
    if (failed_) return *failed_;
    return true;
  }
  return false;
}

result<bool> chain_runner::step() {
  if (pass_ == pass_kind::none) return false;
  child_ns_ = 0;
  WEIR_ASSIGN(bool more, step_behind());
  if (more) return true;
  if (pass_ == pass_kind::batch || at_ >= members_.size()) {
    pass_ = pass_kind::none;
    return false;
  }
  auto& m = *members_[at_].context.metrics;
  child_ns_ = 0;
  int64_t begin = clock_.monotonic_ns();
  backlogs_[at_].drains = true;
  if (auto s = call(at_); !s) return blame(at_, s.err());
  m.busy_ns.fetch_add(
      static_cast<uint64_t>(std::max<int64_t>(0, clock_.monotonic_ns() - begin - child_ns_)),
      std::memory_order_relaxed);
  if (failed_) return *failed_;
  if (pass_ == pass_kind::watermark) time_ = members_[at_].op->output_watermark(time_);
  ++at_;
  return true;
}

size_t chain_runner::held_rows() const {
  size_t n = 0;
  for (const auto& m : members_) n += m.op->held_rows();
  return n;
}

bool chain_runner::blocked() const {
  return std::any_of(members_.begin(), members_.end(), [](const member& m) {
    return m.op->blocked() || (m.errors && m.errors->blocked());
  });
}

status chain_runner::snapshot_begin(
    const std::function<snapshot_writer&(const std::string&)>& writer_of) {
  snapshot_at_ = 0;
  for (size_t i = 0; i < members_.size(); ++i) {
    auto& writer = writer_of(members_[i].context.operator_id);
    if (auto s = members_[i].op->snapshot_begin(writer); !s) return blame(i, s.err());
    if (members_[i].errors) members_[i].errors->snapshot_begin(writer);
  }
  return {};
}

result<bool> chain_runner::snapshot_continue(
    const std::function<snapshot_writer&(const std::string&)>& writer_of, size_t budget) {
  while (snapshot_at_ < members_.size()) {
    auto& m = members_[snapshot_at_];
    auto done = m.op->snapshot_continue(writer_of(m.context.operator_id), budget);
    if (!done) return blame(snapshot_at_, done.err());
    if (!*done) return false;
    if (m.errors) {
      auto kept = m.errors->snapshot_continue(writer_of(m.context.operator_id));
      if (!kept) return blame(snapshot_at_, kept.err());
      if (!*kept) return false;
    }
    ++snapshot_at_;
  }
  return true;
}

status chain_runner::epoch_complete(epoch e) {
  for (size_t i = 0; i < members_.size(); ++i) {
    if (auto s = members_[i].op->on_epoch_complete(e); !s) return blame(i, s.err());
    if (!members_[i].errors) continue;
    if (auto s = members_[i].errors->on_epoch_complete(e); !s) return blame(i, s.err());
  }
  return {};
}

status chain_runner::epoch_aborted(epoch e) {
  for (size_t i = 0; i < members_.size(); ++i) {
    if (auto s = members_[i].op->on_epoch_aborted(e); !s) return blame(i, s.err());
    if (members_[i].errors) members_[i].errors->on_epoch_aborted();
  }
  return {};
}

result<bool> chain_runner::committed() const {
  for (size_t i = 0; i < members_.size(); ++i) {
    const auto& m = members_[i];
    if (!m.op->committed()) return false;
    if (!m.errors) continue;
    auto done = m.errors->committed();
    if (!done) return blame(i, done.err());
    if (!*done) return false;
  }
  return true;
}

status chain_runner::close() {
  status first;
  for (size_t i = 0; i < members_.size(); ++i) {
    if (auto s = members_[i].op->close(); !s && first) first = blame(i, s.err());
    if (members_[i].errors) members_[i].errors->close();
  }
  return first;
}

size_t chain_runner::state_bytes() const {
  size_t n = 0;
  for (const auto& m : members_) {
    const size_t mine = m.op->state_bytes();
    m.context.metrics->state_bytes.store(mine, std::memory_order_relaxed);
    n += mine;
  }
  return n;
}

std::string chain_runner::describe_state() const {
  std::vector<std::pair<size_t, std::string>> sizes;
  for (const auto& m : members_)
    if (size_t n = m.op->state_bytes()) sizes.emplace_back(n, m.context.operator_id);
  std::sort(sizes.rbegin(), sizes.rend());
  std::string text;
  for (const auto& [n, id] : sizes) text += (text.empty() ? "" : ", ") + id + " " + format_size(n);
  return text;
}

}  // namespace weir
