// Connectors kafka and topic as sinks, exactly once: an epoch's records are kept in its snapshot,
// and written in one transaction when the epoch is complete. librdkafka cannot finish a transaction
// of a process that is gone, so the transaction holds a mark of its epoch: who continues from a
// snapshot looks for it, after fencing the task before, and writes what the mark does not cover.
// Records are never in a transaction while they wait for an epoch, so none hangs, and readers are
// not held up by snapshots. At least once: records leave at once, a barrier waits for their
// acknowledgement. What waits runs on the sink's own thread, in the order of one lane.
#include "runtime/connectors/io_lane.hpp"
#include "runtime/connectors/kafka/kafka.hpp"
#include "runtime/connectors/kafka/producer.hpp"
#include "runtime/connectors/kafka/record_encoder.hpp"
#include "runtime/connectors/kafka/sink_snapshot.hpp"
#include "runtime/connectors/options.hpp"

namespace weir {
namespace {

// A piece of the snapshot: large enough that pieces cost nothing, small enough to be filled twice.
constexpr size_t piece_bytes = 512 * 1024;
// At least once: records that wait for librdkafka's queue, behind which the sink takes no input.
constexpr size_t queued_bytes_max = 8u << 20;
// Exactly once: what is held for the next epoch while the one before is still being written. More
// is taken only when that is done; without it the memory budget is the limit.
constexpr size_t held_bytes_max = 64u << 20;

// Everything that waits; it may outlive the sink until what waits has given up.
struct sink_thread {
  kafka_producer::cancel_flag cancel = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<io_executor> executor = make_thread_executor(1);
  std::unique_ptr<kafka_producer> producer;
  std::unique_ptr<io_lane> lane;  // the first to go: it waits for what runs
  ~sink_thread() {
    *cancel = true;
    lane.reset();
    if (producer) producer->abandon();
  }
};

class kafka_sink final : public stream_operator {
 public:
  kafka_sink(option_map options, kafka_sink_settings settings, record_encoder encoder)
      : options_(std::move(options)),
        settings_(std::move(settings)),
        encoder_(std::move(encoder)) {}

  status open(const operator_context& context) override {
    weir_assert(context.io && context.memory, "a sink needs its context");
    context_ = context;
    exactly_once_ = settings_.exactly_once && context.exactly_once;
    group_ = id_of(context.subtask);
    transactional_id_ = exactly_once_ ? id_of(context.subtask) : "";
    thread_ = std::make_shared<sink_thread>();
    thread_->lane = std::make_unique<io_lane>(*thread_->executor, context.wake);
    thread_->producer =
        std::make_unique<kafka_producer>(options_, settings_, transactional_id_, thread_->cancel);
    return {};
  }

  status restore(const snapshot_reader&) override;
  status process_batch(uint16_t, const batch_ptr&, collector&) override;
  result<bool> drain(collector&) override {
    WEIR_TRY(lane().failed());
    return false;
  }
  bool blocked() const override {
    if (!exactly_once_) return lane().holds_more_than(queued_bytes_max);
    return held_bytes_ > held_bytes_max && lane().holds_more_than(0);
  }
  status snapshot_begin(snapshot_writer&) override;
  result<bool> snapshot_continue(snapshot_writer&, size_t) override;
  status on_epoch_complete(epoch) override;
  status on_epoch_aborted(epoch) override {
    frozen_ = 0;  // they are the next epoch's
    return {};
  }
  bool committed() const override {
    auto done = lane().done(commit_);
    // A task that only waits for this hears of the failure by a timer.
    if (!done && context_.set_processing_timer && context_.time)
      context_.set_processing_timer(context_.time->now());
    return done && *done;
  }
  status on_processing_time(timestamp_us, collector&) override { return lane().failed(); }
  status close() override {
    if (!thread_) return {};
    *thread_->cancel = true;
    auto* io = context_.io;
    // Waiting for the end is not the task's.
    io->submit(io->new_lane(),
               [thread = std::exchange(thread_, nullptr)]() mutable { thread.reset(); });
    held_.clear();
    return {};
  }

 private:
  io_lane& lane() const { return *thread_->lane; }
  std::string id_of(uint32_t subtask) const {
    const auto& given = settings_.transactional_id;
    return (given.empty() ? "weir-" + context_.job + "-" + context_.operator_id : given) + "-" +
           std::to_string(subtask);
  }
  void begin();
  void hold();
  void recover(sink_snapshot);

  option_map options_;
  kafka_sink_settings settings_;
  record_encoder encoder_;
  operator_context context_;
  bool exactly_once_ = true;
  bool begun_ = false;
  std::string transactional_id_, group_;
  std::shared_ptr<sink_thread> thread_;

  std::string text_;              // encoded, in no piece yet
  std::vector<buffer_ref> held_;  // pieces that no transaction holds, in order
  size_t held_bytes_ = 0;
  size_t frozen_ = 0;  // the first ones: of the epoch that is not decided yet
  epoch frozen_in_;
  size_t named_ = 0;  // pieces that the store has of this subtask
  uint64_t barrier_ = 0, commit_ = 0;
};

// Before the first row or barrier.
void kafka_sink::begin() {
  if (std::exchange(begun_, true)) return;
  lane().submit([producer = thread_->producer.get()] { return producer->open(); });
}

void kafka_sink::hold() {
  if (text_.empty()) return;
  if (context_.metrics)
    context_.metrics->bytes_out.fetch_add(text_.size(), std::memory_order_relaxed);
  if (exactly_once_) {
    held_.push_back(buffer::copy(*context_.memory, std::as_bytes(std::span(text_))));
    held_bytes_ += text_.size();
  } else {
    auto text = std::make_shared<std::string>(std::move(text_));
    lane().submit([producer = thread_->producer.get(), text] { return producer->send(*text); },
                  text->size());
  }
  text_.clear();
}

status kafka_sink::process_batch(uint16_t, const batch_ptr& b, collector&) {
  begin();
  WEIR_ASSIGN(uint64_t written, encoder_.encode(text_, *b));
  if (context_.metrics) context_.metrics->rows_out.fetch_add(written, std::memory_order_relaxed);
  if (!exactly_once_ || text_.size() >= piece_bytes) hold();
  return lane().failed();
}

status kafka_sink::snapshot_begin(snapshot_writer& w) {
  begin();
  hold();
  frozen_ = held_.size();
  frozen_in_ = w.number();
  if (!exactly_once_)
    lane().submit([producer = thread_->producer.get()] { return producer->flush(); });
  // Also of the epoch before: its records are written when this one's snapshot counts, and need
  // not be in it.
  barrier_ = lane().last_ticket();
  return {};
}

result<bool> kafka_sink::snapshot_continue(snapshot_writer& w, size_t) {
  WEIR_ASSIGN(bool done, lane().done(barrier_));
  if (!done) return false;
  sink_snapshot s;
  s.number = w.number().value;
  s.run = context_.attempt;
  s.subtask = context_.subtask;
  s.transactional_id = id_of(context_.subtask);
  s.group = group_;
  s.pieces.assign(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(frozen_));
  auto head = s.encode_head();
  w.put(sink_snapshot::head_state, no_key_group, chunk_kind::blob,
        buffer::copy(w.memory(), std::as_bytes(std::span(head))));
  for (size_t i = 0; i < std::max(frozen_, named_); ++i)
    w.put(sink_snapshot::piece_state(i), no_key_group, chunk_kind::blob,
          i < frozen_ ? held_[i] : buffer::allocate(w.memory(), 0));
  named_ = std::max(frozen_, named_);
  return true;
}

status kafka_sink::on_epoch_complete(epoch e) {
  if (frozen_in_ != e) return lane().failed();  // the restored one: restore() has seen to it
  named_ = frozen_;
  if (frozen_ == 0) return lane().failed();
  auto due = std::make_shared<std::vector<buffer_ref>>(
      std::make_move_iterator(held_.begin()),
      std::make_move_iterator(held_.begin() + static_cast<ptrdiff_t>(frozen_)));
  held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(frozen_));
  frozen_ = 0;
  size_t bytes = 0;
  for (const auto& p : *due) bytes += p.size();
  held_bytes_ -= bytes;
  commit_ = lane().submit([producer = thread_->producer.get(), due, group = group_,
                           mark = epoch_mark{context_.attempt, e.value,
                                             0}] { return producer->commit(*due, group, mark); },
                          bytes);
  return lane().failed();
}

// Writes what an earlier attempt had prepared, unless its transaction was committed.
void kafka_sink::recover(sink_snapshot s) {
  const bool own = s.transactional_id == transactional_id_;
  auto due = std::make_shared<sink_snapshot>(std::move(s));
  auto work = [due](kafka_producer& producer) -> status {
    // The producer is open: nobody else's transaction of this id is still undecided.
    WEIR_ASSIGN(auto newest, producer.newest_mark(due->group));
    const size_t written = newest ? newest->written(due->run, due->number, due->pieces.size()) : 0;
    return producer.commit(due->pieces, due->group, {due->run, due->number, written});
  };
  auto cancel = thread_->cancel;
  lane().submit([work, own, due, cancel, producer = thread_->producer.get(), options = options_,
                 settings = settings_]() -> status {
    if (own) return work(*producer);
    // Of a task that this one inherits from: the sink ran at another parallelism or mode.
    kafka_producer other(options, settings, due->transactional_id, cancel);
    WEIR_TRY(other.open());
    auto done = work(other);
    other.abandon();
    return done;
  });
}

status kafka_sink::restore(const snapshot_reader& reader) {
  WEIR_ASSIGN(auto all, sink_snapshot::read(reader));
  begin();
  for (auto& s : all) {
    if (s.subtask == context_.subtask) named_ = s.pieces.size();
    if (s.subtask % context_.parallelism != context_.subtask || s.pieces.empty()) continue;
    recover(std::move(s));
  }
  // A job that had finished must not end before its last records are there.
  commit_ = lane().last_ticket();
  return {};
}

}  // namespace

result<std::unique_ptr<stream_operator>> make_kafka_sink(const sink_spec& spec) {
  WEIR_ASSIGN(auto settings, kafka_sink_settings_of(spec.options));
  WEIR_ASSIGN(auto encoder, record_encoder::of(spec, settings));
  return std::unique_ptr<stream_operator>(
      std::make_unique<kafka_sink>(spec.options, std::move(settings), std::move(encoder)));
}

}  // namespace weir
