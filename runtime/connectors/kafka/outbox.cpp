#include "runtime/connectors/kafka/outbox.hpp"

#include "runtime/connectors/io_lane.hpp"
#include "runtime/connectors/kafka/producer.hpp"

namespace weir {
namespace {

// A piece of the snapshot: large enough that pieces cost nothing, small enough to be filled twice.
constexpr size_t piece_bytes = 512 * 1024;
// At least once: records that wait for librdkafka's queue, behind which no input is taken.
constexpr size_t queued_bytes_max = 8u << 20;
// Exactly once: what is held for the next epoch while the one before is still being written. More
// is taken only when that is done; without it the memory budget is the limit.
constexpr size_t held_bytes_max = 64u << 20;

}  // namespace

// Everything that waits; it may outlive the outbox until what waits has given up.
struct record_outbox::worker {
  kafka_producer::cancel_flag cancel = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<io_executor> executor;  // made when there is something to do
  std::unique_ptr<kafka_producer> producer;
  std::unique_ptr<io_lane> lane;  // the first to go: it waits for what runs
  ~worker() {
    *cancel = true;
    lane.reset();
    if (producer) producer->abandon();
  }
};

record_outbox::record_outbox(options o) : options_(std::move(o)) {}
record_outbox::~record_outbox() {
  close();
}

io_lane& record_outbox::lane() const {
  return *worker_->lane;
}

void record_outbox::open(const operator_context& context, const std::string& name) {
  context_ = context;
  exactly_once_ = options_.settings.exactly_once && context.exactly_once;
  group_ = name + "-" + std::to_string(context.subtask);
  transactional_id_ = exactly_once_ ? group_ : "";
}

// Before the first record that is written, or barrier that is to wait for them.
void record_outbox::begin() {
  if (std::exchange(begun_, true)) return;
  worker_ = std::make_shared<worker>();
  worker_->executor = make_thread_executor(1);
  worker_->lane = std::make_unique<io_lane>(*worker_->executor, context_.wake);
  worker_->producer = std::make_unique<kafka_producer>(options_.table, options_.settings,
                                                       transactional_id_, worker_->cancel);
  lane().submit([producer = worker_->producer.get()] { return producer->open(); });
}

void record_outbox::hold() {
  if (text_.empty()) return;
  if (exactly_once_) {
    held_.push_back(buffer::copy(*context_.memory, std::as_bytes(std::span(text_))));
    held_bytes_ += text_.size();
  } else {
    auto text = std::make_shared<std::string>(std::move(text_));
    lane().submit([producer = worker_->producer.get(), text] { return producer->send(*text); },
                  text->size());
  }
  text_.clear();
}

status record_outbox::filled() {
  begin();
  if (!exactly_once_ || text_.size() >= piece_bytes) hold();
  return failed();
}

bool record_outbox::blocked() const {
  if (!begun_) return false;
  if (!exactly_once_) return lane().holds_more_than(queued_bytes_max);
  return held_bytes_ > held_bytes_max && lane().holds_more_than(0);
}

status record_outbox::failed() const {
  return begun_ ? lane().failed() : status();
}

void record_outbox::snapshot_begin(snapshot_writer& w) {
  if (!options_.lazy) begin();
  hold();
  frozen_ = held_.size();
  frozen_in_ = w.number();
  if (!begun_) return;
  if (!exactly_once_)
    lane().submit([producer = worker_->producer.get()] { return producer->flush(); });
  // Also of the epoch before: its records are written when this one's snapshot counts, and need
  // not be in it.
  barrier_ = lane().last_ticket();
}

result<bool> record_outbox::snapshot_continue(snapshot_writer& w) {
  if (begun_) {
    WEIR_ASSIGN(bool done, lane().done(barrier_));
    if (!done) return false;
  }
  sink_snapshot s;
  s.number = w.number().value;
  s.run = context_.attempt;
  s.subtask = context_.subtask;
  s.transactional_id = group_;
  s.group = group_;
  s.pieces.assign(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(frozen_));
  auto head = s.encode_head();
  w.put(options_.state, no_key_group, chunk_kind::blob,
        buffer::copy(w.memory(), std::as_bytes(std::span(head))));
  for (size_t i = 0; i < std::max(frozen_, named_); ++i)
    w.put(sink_snapshot::piece_state(options_.state, i), no_key_group, chunk_kind::blob,
          i < frozen_ ? held_[i] : buffer::allocate(w.memory(), 0));
  named_ = std::max(frozen_, named_);
  return true;
}

status record_outbox::on_epoch_complete(epoch e) {
  if (frozen_in_ != e) return failed();  // the restored one: restore() has seen to it
  named_ = frozen_;
  if (frozen_ == 0) return failed();
  auto due = std::make_shared<std::vector<buffer_ref>>(
      std::make_move_iterator(held_.begin()),
      std::make_move_iterator(held_.begin() + static_cast<ptrdiff_t>(frozen_)));
  held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(frozen_));
  frozen_ = 0;
  size_t bytes = 0;
  for (const auto& p : *due) bytes += p.size();
  held_bytes_ -= bytes;
  commit_ = lane().submit([producer = worker_->producer.get(), due, group = group_,
                           mark = epoch_mark{context_.attempt, e.value,
                                             0}] { return producer->commit(*due, group, mark); },
                          bytes);
  return failed();
}

result<bool> record_outbox::committed() const {
  if (!begun_) return true;
  return lane().done(commit_);
}

// Writes what an earlier attempt had prepared, unless its transaction was committed.
void record_outbox::recover(sink_snapshot s) {
  const bool own = s.transactional_id == transactional_id_;
  auto due = std::make_shared<sink_snapshot>(std::move(s));
  auto work = [due](kafka_producer& producer) -> status {
    // The producer is open: nobody else's transaction of this id is still undecided.
    WEIR_ASSIGN(auto newest, producer.newest_mark(due->group));
    const size_t written = newest ? newest->written(due->run, due->number, due->pieces.size()) : 0;
    return producer.commit(due->pieces, due->group, {due->run, due->number, written});
  };
  auto cancel = worker_->cancel;
  lane().submit([work, own, due, cancel, producer = worker_->producer.get(),
                 options = options_.table, settings = options_.settings]() -> status {
    if (own) return work(*producer);
    // Of a task that this one inherits from: it ran at another parallelism or mode.
    kafka_producer other(options, settings, due->transactional_id, cancel);
    WEIR_TRY(other.open());
    auto done = work(other);
    other.abandon();
    return done;
  });
}

status record_outbox::restore(const snapshot_reader& reader) {
  WEIR_ASSIGN(auto all, sink_snapshot::read(reader, options_.state));
  if (!options_.lazy) begin();
  for (auto& s : all) {
    if (s.subtask == context_.subtask) named_ = s.pieces.size();
    if (s.subtask % context_.parallelism != context_.subtask || s.pieces.empty()) continue;
    begin();
    recover(std::move(s));
  }
  // A job that had finished must not end before its last records are there.
  if (begun_) commit_ = lane().last_ticket();
  return {};
}

void record_outbox::close() {
  held_.clear();
  if (!worker_) return;
  *worker_->cancel = true;
  begun_ = false;
  auto* io = context_.io;
  // Waiting for the end is not the task's.
  io->submit(io->new_lane(),
             [worker = std::exchange(worker_, nullptr)]() mutable { worker.reset(); });
}

}  // namespace weir
