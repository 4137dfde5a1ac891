// Reads partitions: takes records that librdkafka has fetched, a batch is of one partition. Records
// of the last batch are kept until the next poll(), for the errors of operators behind it.
#include "runtime/connectors/generated_columns.hpp"
#include "runtime/connectors/kafka/dead_letter_topic.hpp"
#include "runtime/connectors/kafka/kafka.hpp"
#include "runtime/connectors/kafka/message_parts.hpp"
#include "runtime/connectors/kafka/metadata_columns.hpp"
#include "runtime/connectors/kafka/partition_cursor.hpp"
#include "runtime/connectors/kafka/record_chunk.hpp"

namespace weir {
namespace {

// Records taken at once, and those that may wait decoded by none: a few batches.
constexpr size_t take_max = 8192;
// Looks of one poll() while what comes is for no split (records behind a split's end, say).
constexpr int looks_max = 8;
// While nothing comes the consumer is still asked this often for its troubles.
constexpr timestamp_us look_again_us = 1'000'000;

class kafka_reader final : public source_reader {
 public:
  kafka_reader(source_spec spec, kafka_source_settings settings, text_format format,
               generated_columns generated)
      : spec_(std::move(spec)),
        settings_(std::move(settings)),
        format_(std::move(format)),
        generated_(std::move(generated)) {}

  status open(const operator_context& context) override {
    context_ = context;
    weir_assert(context.io && context.files && context.memory, "a reader needs its context");
    metas_.emplace(spec_, *context.memory);
    const auto& values = metas_->value_spec();
    WEIR_ASSIGN(decoder_, make_decoder(format_, values));
    rows_.emplace(*values.columns, values.physical_columns, *context.memory);
    const bool raw = format_.format == text_format::kind::raw;
    chunk_.emplace(format_, raw && values.physical_columns &&
                                values.columns->fields[0].type.id == type_id::string);
    lane_ = context.io->new_lane();
    WEIR_ASSIGN(letters_, letter_outlet::of(spec_, context));
    return {};
  }

  status add_split(source_split s) override {
    auto c = std::make_unique<partition_cursor>();
    WEIR_ASSIGN(c->at, kafka_split::decode(s.payload));
    if (letters_.files) letters_.files->restore(letters_id(c->at.from), c->at.dead_letter_bytes);
    c->split = std::move(s);
    c->read = c->at.next;
    last_topic_ = nullptr;
    if (!c->at.ended()) {
      if (!consumer_) {
        WEIR_ASSIGN(consumer_, kafka_consumer::open(spec_.options, settings_, context_.wake));
      }
      WEIR_TRY(consumer_->start(c->at));
    }
    cursors_.push_back(std::move(c));
    return {};
  }

  result<polled> poll(uint32_t max_rows) override;
  std::vector<source_split> snapshot() const override;
  std::string position() const override { return position_; }
  std::optional<source_record> locate(uint32_t physical_rows, uint32_t row) override {
    if (physical_rows != emitted_rows_.size() || row >= physical_rows) return std::nullopt;
    const auto* m = emitted_rows_[row];
    position_ = place_of(emitted_from_, m->offset);
    return source_record{position_, value_of(*m), key_of(*m), headers_of(*m)};
  }
  dead_letter_topic* letters() override { return letters_.topic.get(); }
  status on_epoch_complete(epoch) override;
  status close() override;

 private:
  static std::string letters_id(const kafka_partition& p) {
    return p.topic + "-" + std::to_string(p.partition);
  }
  result<size_t> pull();
  status hand_to(rd_kafka_message_t*, kafka_message&&);
  partition_cursor* find(const rd_kafka_message_t&);
  status fill(partition_cursor&, uint32_t max_rows);
  status decode_chunk(partition_cursor&);
  void append_metadata(partition_cursor&, uint32_t first);
  status reject(const partition_cursor&, const rd_kafka_message_t&, std::string_view cause);
  result<polled> finish(size_t index);
  result<polled> emit();

  source_spec spec_;
  kafka_source_settings settings_;
  text_format format_;
  generated_columns generated_;
  operator_context context_;
  uint64_t lane_ = 0;
  std::shared_ptr<kafka_consumer> consumer_;
  std::unique_ptr<record_decoder> decoder_;
  std::optional<metadata_columns> metas_;
  std::optional<row_builder> rows_;
  std::optional<record_chunk> chunk_;
  letter_outlet letters_;

  std::vector<std::unique_ptr<partition_cursor>> cursors_;
  size_t turn_ = 0;
  std::vector<kafka_message> taken_;
  const rd_kafka_topic_t* last_topic_ = nullptr;  // of the record that came last,
  int32_t last_partition_ = -1;
  partition_cursor* last_cursor_ = nullptr;  // and whose it was

  // The batch under construction, all of one partition.
  std::vector<kafka_message> decoding_;
  std::vector<const rd_kafka_message_t*> row_messages_;
  std::vector<bad_record> bad_;
  std::string letters_text_;  // lines, or the topic's records
  uint64_t errors_ = 0, bytes_ = 0;

  // A finished batch; held until its dead letters are durable.
  struct held_batch {
    batch_ptr rows;
    size_t cursor = 0;
    int64_t next = 0;
    bool ended = false;
    uint64_t dead_letter_bytes = 0;
  };
  std::optional<held_batch> held_;
  std::vector<kafka_message> emitted_;  // of the batch that was emitted last
  std::vector<const rd_kafka_message_t*> emitted_rows_;
  kafka_partition emitted_from_;
  std::string emitted_id_, position_;
  std::vector<std::pair<kafka_partition, int64_t>> ended_;  // splits, and where
  /// Positions as of the last snapshot(): the group hears of them when its epoch is complete.
  mutable std::vector<std::pair<kafka_partition, int64_t>> snapshotted_;
};

partition_cursor* kafka_reader::find(const rd_kafka_message_t& m) {
  if (m.rkt == last_topic_ && m.partition == last_partition_) return last_cursor_;
  last_topic_ = m.rkt;
  last_partition_ = m.partition;
  last_cursor_ = nullptr;
  std::string_view name = m.rkt ? rd_kafka_topic_name(m.rkt) : "";
  for (auto& c : cursors_)
    if (c->at.from.partition == m.partition && c->at.from.topic == name) last_cursor_ = c.get();
  return last_cursor_;
}

status kafka_reader::hand_to(rd_kafka_message_t* m, kafka_message&& owned) {
  auto* c = find(*m);
  if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (c) c->seen_end = m->offset;
    return {};
  }
  if (m->err) {
    position_ = c ? place_of(c->at.from, c->read) : std::string("reading");
    return failure_at(position_, consumer_->client(), *m);
  }
  if (!c) return {};  // of a split that has ended
  if (c->past_end || (c->at.end != kafka_split::never && m->offset >= c->at.end))
    c->past_end = true;
  else
    c->waiting.push_back(std::move(owned));
  return {};
}

// Takes what has been fetched; how many records and events that were.
result<size_t> kafka_reader::pull() {
  if (!consumer_) return size_t{0};
  taken_.clear();
  WEIR_ASSIGN(size_t n, consumer_->take(take_max, taken_));
  if (auto failed = consumer_->commit_failed()) return *failed;
  for (auto& m : taken_) WEIR_TRY(hand_to(m.get(), std::move(m)));
  taken_.clear();
  return n;
}

// One bad record, after the policy.
status kafka_reader::reject(const partition_cursor& c, const rd_kafka_message_t& m,
                            std::string_view cause) {
  auto at = place_of(c.at.from, m.offset);
  if (spec_.on_error == error_policy::fail) {
    position_ = at;
    return {errc::parse, at + ": " + std::string(cause)};
  }
  ++errors_;
  if (!letters_.keeps()) return {};
  dead_letters::letter l;
  l.position = at;
  l.cause = cause;
  l.raw = value_of(m);
  l.key = key_of(m);
  const auto headers = headers_of(m);
  l.headers = headers;
  letters_.append(letters_text_, l);
  return {};
}

void kafka_reader::append_metadata(partition_cursor& c, uint32_t first) {
  const auto& changes = rows_->changes();
  const auto& messages = chunk_->messages();
  const bool raw = format_.format == text_format::kind::raw && rows_->width();
  metas_->reserve(rows_->rows());
  for (uint32_t r = first; r < rows_->rows(); ++r) {
    const auto* m = messages[changes.empty() ? r - first : changes[r].record];
    metas_->append(r, *m, c.at.from.topic);
    if (raw && !m->payload) (*rows_)[0].set_null(r);
    row_messages_.push_back(m);
  }
}

// Decodes the chunk into rows; bad records go where the policy says.
status kafka_reader::decode_chunk(partition_cursor& c) {
  if (chunk_->empty()) return {};
  const uint32_t first = rows_->rows();
  bad_.clear();
  chunk_->finish(bad_);
  if (bad_.empty()) decoder_->decode(chunk_->window(), chunk_->records(), *rows_, bad_);
  // A record may show its next problem only when the others are gone.
  while (!bad_.empty()) {
    std::stable_sort(bad_.begin(), bad_.end(),
                     [](const auto& a, const auto& b) { return a.index < b.index; });
    for (size_t i = 0; i < bad_.size(); ++i)
      if (i == 0 || bad_[i].index != bad_[i - 1].index)
        WEIR_TRY(reject(c, *chunk_->messages()[bad_[i].index], bad_[i].cause));
    chunk_->take_out(bad_);
    bad_.clear();
    if (chunk_->empty()) return {};
    decoder_->decode(chunk_->window(), chunk_->records(), *rows_, bad_);
  }
  append_metadata(c, first);
  return {};
}

// Rows of `c` up to a batch.
status kafka_reader::fill(partition_cursor& c, uint32_t max_rows) {
  while (!c.waiting.empty() && rows_->rows() < max_rows &&
         rows_->bytes() + metas_->bytes() < batch_bytes_target &&
         letters_text_.size() < batch_bytes_target) {
    chunk_->clear();
    const uint32_t room = max_rows - rows_->rows();
    for (uint32_t n = 0; n < room && !c.waiting.empty() && !chunk_->full(); ++n) {
      auto m = std::move(c.waiting.front());
      c.waiting.pop_front();
      c.read = m->offset + 1;
      bytes_ += m->len + m->key_len;
      auto why = metas_->problem(*m);
      if (why.empty()) why = chunk_->add(m.get()).value_or("");
      if (!why.empty()) WEIR_TRY(reject(c, *m, why));
      decoding_.push_back(std::move(m));
    }
    WEIR_TRY(decode_chunk(c));
  }
  return {};
}

result<polled> kafka_reader::finish(size_t index) {
  auto& c = *cursors_[index];
  held_batch held{nullptr, index, c.read, c.ended(), c.at.dead_letter_bytes};
  if (uint32_t rows = rows_->rows()) {
    position_ = place_of(c.at.from, decoding_.back()->offset);
    buffer_ref weights;
    if (const auto& changes = rows_->changes(); !changes.empty()) {
      weights = buffer::allocate(*context_.memory, size_t{rows} * 4);
      for (uint32_t r = 0; r < rows; ++r) weights.mutable_as<int32_t>()[r] = changes[r].weight;
    } else if (settings_.looked_up || format_.format == text_format::kind::upsert) {
      weights = buffer::allocate(*context_.memory, size_t{rows} * 4);
      for (uint32_t r = 0; r < rows; ++r)
        weights.mutable_as<int32_t>()[r] = row_messages_[r]->payload ? 1 : -1;
    }
    std::vector<expr::row_error> errors;
    WEIR_ASSIGN(held.rows, generated_.finish(metas_->finish(rows_->finish(), rows), rows,
                                             *context_.memory, errors));
    for (const auto& e : errors) WEIR_TRY(reject(c, *row_messages_[e.row], e.cause.message));
    if (weights) {
      auto weighted = std::make_shared<batch>(*held.rows);
      weighted->weights = std::move(weights);
      held.rows = std::move(weighted);
    }
    if (held.rows->rows == 0) held.rows.reset();
  }
  if (letters_.topic && !letters_text_.empty()) {
    // With the positions that emit() moves: one epoch has both.
    WEIR_TRY(letters_.topic->add(letters_text_));
  } else if (!letters_text_.empty()) {
    held.dead_letter_bytes += letters_text_.size();
    letters_.files->write(letters_id(c.at.from), c.at.dead_letter_bytes, std::move(letters_text_));
  }
  letters_text_.clear();
  held_ = std::move(held);
  return emit();
}

result<polled> kafka_reader::emit() {
  polled out;
  if (letters_.files) {
    WEIR_ASSIGN(bool durable, letters_.files->done());
    if (!durable) return out;
  }
  auto held = *std::exchange(held_, std::nullopt);
  auto& c = *cursors_[held.cursor];
  c.at.next = held.next;
  c.at.dead_letter_bytes = held.dead_letter_bytes;
  if (context_.metrics) {
    context_.metrics->bytes_in.fetch_add(std::exchange(bytes_, 0), std::memory_order_relaxed);
    auto& counter =
        letters_.keeps() ? context_.metrics->dead_letters : context_.metrics->errors_skipped;
    counter.fetch_add(std::exchange(errors_, 0), std::memory_order_relaxed);
  }
  emitted_ = std::exchange(decoding_, {});
  emitted_rows_ = std::exchange(row_messages_, {});
  emitted_from_ = c.at.from;
  emitted_id_ = c.split.id;
  out.split_id = emitted_id_;
  out.rows = std::move(held.rows);
  out.split_ended = held.ended;
  if (held.ended) {
    if (consumer_)
      context_.io->submit(lane_,
                          [consumer = consumer_, from = c.at.from] { consumer->stop(from); });
    last_topic_ = nullptr;
    ended_.emplace_back(c.at.from, c.at.end);
    cursors_.erase(cursors_.begin() + static_cast<ptrdiff_t>(held.cursor));
  }
  if (out.rows) {
    out.what = polled::state::batch;
  } else if (cursors_.empty()) {
    out.what = polled::state::finished;
  } else {
    out.what = polled::state::pending;
    out.wake_at = watermark_none + 1;  // at once: there may be more
  }
  return out;
}

result<polled> kafka_reader::poll(uint32_t max_rows) {
  max_rows = std::max(max_rows, 1u);
  if (held_) return emit();
  emitted_rows_.clear();
  emitted_.clear();
  polled out;
  if (cursors_.empty()) {
    out.what = polled::state::finished;
    return out;
  }
  for (int look = 0; look < looks_max; ++look) {
    for (size_t tried = 0; tried < cursors_.size(); ++tried) {
      size_t index = (turn_ + tried) % cursors_.size();
      auto& c = *cursors_[index];
      if (!c.waiting.empty()) WEIR_TRY(fill(c, max_rows));
      // Debezium's tombstones leave no row, but the position moves.
      if (rows_->rows() || errors_ || c.ended() || !decoding_.empty()) {
        turn_ = index + 1;
        return finish(index);
      }
    }
    WEIR_ASSIGN(size_t n, pull());
    if (n == 0) break;  // only then wake() follows
    if (look + 1 == looks_max) {
      out.wake_at = watermark_none + 1;
      return out;
    }
  }
  if (context_.time) out.wake_at = context_.time->now() + look_again_us;
  return out;
}

std::vector<source_split> kafka_reader::snapshot() const {
  std::vector<source_split> out;
  snapshotted_ = ended_;
  for (const auto& c : cursors_) {
    auto s = c->split;
    s.payload = c->at.encode();
    if (c->at.end != kafka_split::never) s.weight = c->at.records_left();
    out.push_back(std::move(s));
    if (c->at.next >= 0) snapshotted_.emplace_back(c->at.from, c->at.next);
  }
  return out;
}

status kafka_reader::on_epoch_complete(epoch) {
  if (settings_.group.empty() || !consumer_ || snapshotted_.empty()) return {};
  return consumer_->commit(std::exchange(snapshotted_, {}));
}

status kafka_reader::close() {
  held_.reset();
  emitted_rows_.clear();
  row_messages_.clear();
  emitted_.clear();
  decoding_.clear();
  taken_.clear();
  cursors_.clear();
  letters_.files.reset();
  if (letters_.topic) letters_.topic->close();
  if (!consumer_) return {};
  consumer_->silence();
  // The last reference goes where waiting is allowed.
  context_.io->submit(lane_, [consumer = std::move(consumer_)] { consumer->finish_commits(); });
  consumer_.reset();
  return {};
}

}  // namespace

result<std::unique_ptr<source_reader>> make_kafka_reader(const source_spec& spec) {
  WEIR_ASSIGN(auto settings, kafka_source_settings_of(spec.options));
  auto with_format = spec;
  with_format.options.try_emplace("format", "json");
  WEIR_ASSIGN(auto format, text_format_of(with_format));
  WEIR_ASSIGN(auto generated, generated_columns::open(spec));
  return std::unique_ptr<source_reader>(std::make_unique<kafka_reader>(
      with_format, std::move(settings), std::move(format), std::move(generated)));
}

}  // namespace weir
