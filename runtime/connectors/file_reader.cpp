#include "runtime/connectors/file_reader.hpp"

#include "runtime/connectors/file_partitions.hpp"
#include "runtime/connectors/generated_columns.hpp"
#include "runtime/connectors/kafka/dead_letter_topic.hpp"
#include "runtime/connectors/split_cursor.hpp"
#include "runtime/connectors/stdin_blocks.hpp"

namespace weir {
namespace {

constexpr uint64_t record_bytes_max_default = 16u << 20;
constexpr uint64_t record_bytes_max_limit = 1u << 30;  // places in a window are 32 bits wide
// Splits read at the same time: while one is parsed the next one's first blocks are read. Upserts
// mean something in their order only.
constexpr size_t open_ranges_max = 2, open_upserts_max = 1;

// Where the rows of a batch came from, for the errors of expressions over them.
struct row_origins {
  struct origin {
    uint32_t first_row;
    buffer_ref memory;      // holds the window's bytes; its masks serve the next window
    const char* data;       // the window's first byte,
    uint64_t offset, line;  // and its place
  };
  std::vector<origin> windows;
  std::vector<record_range> records;  // per row
  std::string path;

  const origin& of(uint32_t row) const {
    size_t i = windows.size() - 1;
    while (windows[i].first_row > row) --i;
    return windows[i];
  }
  void clear() {
    windows.clear();
    records.clear();
  }
};

class file_reader final : public source_reader {
 public:
  file_reader(source_spec spec, partitioned_source partitions, text_format format,
              uint64_t record_bytes_max, int64_t poll_interval_us, generated_columns generated)
      : spec_(std::move(spec)),
        partitions_(std::move(partitions)),
        format_(std::move(format)),
        record_bytes_max_(record_bytes_max),
        poll_interval_us_(poll_interval_us),
        generated_(std::move(generated)) {}

  status open(const operator_context& context) override {
    context_ = context;
    weir_assert(context.io && context.files && context.memory, "a reader needs its context");
    const auto& held = partitions_.in_files();
    rows_.emplace(*held.columns, held.physical_columns, *context.memory);
    WEIR_ASSIGN(letters_, letter_outlet::of(spec_, context));
    return {};
  }

  status add_split(source_split s) override {
    WEIR_ASSIGN(auto split, file_split::decode(s.payload));
    if (letters_.files) letters_.files->restore(s.id, split.dead_letter_bytes);
    waiting_.push_back({std::move(s), std::move(split)});
    return open_more();
  }

  result<polled> poll(uint32_t max_rows) override;

  std::vector<source_split> snapshot() const override {
    std::vector<source_split> out;
    for (const auto& c : cursors_) out.push_back(c->marked());
    for (const auto& w : waiting_) out.push_back(w.first);
    return out;
  }
  std::string position() const override { return position_; }
  std::optional<source_record> locate(uint32_t physical_rows, uint32_t row) override {
    if (physical_rows != emitted_.records.size() || row >= physical_rows) return std::nullopt;
    const auto& o = emitted_.of(row);
    const auto& r = emitted_.records[row];
    position_ = place_of(emitted_.path, o.data, r.begin, o.offset, o.line);
    return source_record{position_, std::string_view(o.data + r.begin, r.end - r.begin),
                         std::nullopt, ""};
  }
  dead_letter_topic* letters() override { return letters_.topic.get(); }
  status close() override {
    cursors_.clear();
    waiting_.clear();
    emitted_.clear();
    letters_.files.reset();
    if (letters_.topic) letters_.topic->close();
    return {};
  }

 private:
  status open_more();
  result<bool> fill(split_cursor&, uint32_t max_rows, bool& nothing_yet);
  status decode_chunk(split_cursor&);
  status reject(split_cursor&, uint32_t begin, uint32_t end, const char* window, uint64_t offset,
                uint64_t line, std::string_view cause);
  result<polled> finish(size_t index, bool ended);
  result<polled> emit();

  source_spec spec_;
  partitioned_source partitions_;
  text_format format_;
  uint64_t record_bytes_max_;
  int64_t poll_interval_us_;
  generated_columns generated_;
  operator_context context_;
  std::optional<row_builder> rows_;
  letter_outlet letters_;

  std::deque<std::pair<source_split, file_split>> waiting_;
  std::vector<std::unique_ptr<split_cursor>> cursors_;
  size_t turn_ = 0;

  // The batch under construction, all of one split.
  std::vector<record_range> records_, good_;
  std::vector<bad_record> bad_;
  row_origins origins_;
  std::string letters_text_;  // lines, or the topic's records
  uint64_t errors_ = 0;

  // A finished batch; held until its dead letters are durable.
  struct held_batch {
    batch_ptr rows;
    size_t cursor = 0;
    bool ended = false;
    uint64_t dead_letter_bytes = 0;  // of the split, once the batch is emitted
  };
  std::optional<held_batch> held_;
  row_origins emitted_;  // of the batch that was emitted last
  std::string emitted_id_, position_;
};

status file_reader::open_more() {
  auto ranges = std::count_if(cursors_.begin(), cursors_.end(), [](const auto& c) {
    return c->split().what == file_split::kind::range;
  });
  while (!waiting_.empty()) {
    auto& [s, split] = waiting_.front();
    if (split.what == file_split::kind::range) {
      const auto most =
          format_.format == text_format::kind::upsert ? open_upserts_max : open_ranges_max;
      if (static_cast<size_t>(ranges) >= most) return {};
      ++ranges;
    }
    WEIR_ASSIGN(auto decoder, make_decoder(format_, partitions_.in_files()));
    auto opening = std::make_shared<file_opening>();
    std::unique_ptr<block_stream> stream;
    if (split.what == file_split::kind::standard_input) {
      stream = make_stdin_stream(*context_.memory, context_.wake);
    } else {
      auto maker = split.what == file_split::kind::range
                       ? make_range_blocks(*context_.files, split, opening)
                       : make_tail_blocks(*context_.files, split, opening);
      stream = std::make_unique<block_stream>(
          std::move(maker), *context_.io, context_.io->new_lane(), *context_.memory, context_.wake);
    }
    if (split.what != file_split::kind::range) stream->limit_ahead(1);
    if (split.end != file_split::to_the_end)
      stream->limit_ahead(std::min<uint64_t>(blocks_ahead, split.bytes_left() / block_bytes + 1));
    cursor_config config{format_, s.id, s.ordered_by, record_bytes_max_};
    auto cursor =
        std::make_unique<split_cursor>(std::move(config), std::move(split), std::move(decoder),
                                       std::move(stream), opening, *context_.memory);
    cursor->stream().prefetch();
    cursors_.push_back(std::move(cursor));
    waiting_.pop_front();
  }
  return {};
}

// One bad record, after the policy.
status file_reader::reject(split_cursor& c, uint32_t begin, uint32_t end, const char* window,
                           uint64_t offset, uint64_t line, std::string_view cause) {
  auto at = place_of(c.split().path, window, begin, offset, line);
  if (spec_.on_error == error_policy::fail) {
    position_ = at;
    std::string hint;
    if (format_.format == text_format::kind::csv && !format_.header && offset + begin == 0)
      hint = "; if this is a header line, set header = true";
    return {errc::parse, at + ": " + std::string(cause) + hint};
  }
  ++errors_;
  dead_letters::letter l;
  l.position = at;
  l.cause = cause;
  l.raw = std::string_view(window + begin, end - begin);
  letters_.append(letters_text_, l);
  return {};
}

// Decodes records_ into rows_; bad ones go where the policy says.
status file_reader::decode_chunk(split_cursor& c) {
  const auto& window = c.window();
  uint32_t first = rows_->rows();
  bad_.clear();
  c.decoder().decode(window, records_, *rows_, bad_);
  auto* decoded = &records_;
  // Columns are checked one after the other, and fields before values: a record may show its next
  // problem only when the others are gone.
  while (!bad_.empty()) {
    std::stable_sort(bad_.begin(), bad_.end(),
                     [](const auto& a, const auto& b) { return a.index < b.index; });
    good_.clear();
    size_t next = 0;
    for (uint32_t i = 0; i < decoded->size(); ++i) {
      const auto& r = (*decoded)[i];
      if (next == bad_.size() || bad_[next].index != i) {
        good_.push_back(r);
        continue;
      }
      WEIR_TRY(reject(c, r.begin, r.end, window.data, c.window_offset(), c.window_line(),
                      bad_[next].cause));
      while (next < bad_.size() && bad_[next].index == i) ++next;
    }
    records_.swap(good_);
    bad_.clear();
    c.decoder().decode(window, records_, *rows_, bad_);
  }
  if (origins_.windows.empty() || origins_.windows.back().data != window.data)
    origins_.windows.push_back(
        {first, window.memory, window.data, c.window_offset(), c.window_line()});
  const auto& changes = rows_->changes();
  if (changes.empty())
    origins_.records.insert(origins_.records.end(), records_.begin(), records_.end());
  else
    for (uint32_t r = first; r < rows_->rows(); ++r)
      origins_.records.push_back(records_[changes[r].record]);
  return {};
}

// Adds rows of `c` to the batch. True when the split has ended.
result<bool> file_reader::fill(split_cursor& c, uint32_t max_rows, bool& nothing_yet) {
  while (rows_->rows() < max_rows && rows_->bytes() < batch_bytes_target) {
    uint32_t wanted = std::min(max_rows - rows_->rows(), records_per_chunk);
    WEIR_ASSIGN(auto got, c.next(wanted, records_));
    if (got == split_cursor::got::end) return true;
    if (got == split_cursor::got::bad) {
      const auto& b = c.bad();
      WEIR_TRY(reject(c, b.begin, b.end, b.window->data, b.offset, b.line, b.cause));
      if (letters_text_.size() > batch_bytes_target) break;
      continue;
    }
    if (got != split_cursor::got::records) {
      nothing_yet = got == split_cursor::got::nothing_yet;
      return false;
    }
    WEIR_TRY(decode_chunk(c));
    if (letters_text_.size() > batch_bytes_target) break;
  }
  return false;
}

result<polled> file_reader::finish(size_t index, bool ended) {
  auto& c = *cursors_[index];
  held_batch held{nullptr, index, ended, c.dead_letter_bytes()};
  if (uint32_t rows = rows_->rows()) {
    position_ =
        c.where(c.window(), c.place() ? c.place() - 1 : 0, c.window_offset(), c.window_line());
    std::vector<expr::row_error> errors;
    buffer_ref weights;
    if (const auto& changes = rows_->changes(); !changes.empty()) {
      weights = buffer::allocate(*context_.memory, size_t{rows} * 4);
      for (uint32_t r = 0; r < rows; ++r) weights.mutable_as<int32_t>()[r] = changes[r].weight;
    }
    auto columns = rows_->finish();
    if (partitions_.any()) {
      WEIR_ASSIGN(auto values, partitions_.values_of(c.split().path));
      columns = partitions_.with_values(std::move(columns), values, rows, *context_.memory);
    }
    WEIR_ASSIGN(held.rows, generated_.finish(std::move(columns), rows, *context_.memory, errors));
    for (const auto& e : errors) {
      const auto& o = origins_.of(e.row);
      const auto& r = origins_.records[e.row];
      WEIR_TRY(reject(c, r.begin, r.end, o.data, o.offset, o.line, e.cause.message));
    }
    if (weights) {
      auto weighted = std::make_shared<batch>(*held.rows);
      weighted->weights = std::move(weights);
      held.rows = std::move(weighted);
    }
    if (held.rows->rows == 0) held.rows.reset();
  }
  if (letters_.topic && !letters_text_.empty()) {
    // With the position that emit() moves: one epoch has both.
    WEIR_TRY(letters_.topic->add(letters_text_));
  } else if (!letters_text_.empty()) {
    held.dead_letter_bytes += letters_text_.size();
    letters_.files->write(c.id(), c.dead_letter_bytes(), std::move(letters_text_));
  }
  letters_text_.clear();
  held_ = std::move(held);
  return emit();
}

result<polled> file_reader::emit() {
  polled out;
  if (letters_.files) {
    WEIR_ASSIGN(bool durable, letters_.files->done());
    if (!durable) return out;
  }
  auto held = *std::exchange(held_, std::nullopt);
  auto& c = *cursors_[held.cursor];
  uint64_t bytes = c.mark();
  c.set_dead_letter_bytes(held.dead_letter_bytes);
  if (context_.metrics) {
    context_.metrics->bytes_in.fetch_add(bytes, std::memory_order_relaxed);
    auto& counter =
        letters_.keeps() ? context_.metrics->dead_letters : context_.metrics->errors_skipped;
    counter.fetch_add(errors_, std::memory_order_relaxed);
  }
  errors_ = 0;
  std::swap(emitted_, origins_);
  emitted_.path = c.split().path;
  origins_.clear();
  emitted_id_ = c.id();
  out.split_id = emitted_id_;
  out.rows = std::move(held.rows);
  out.split_ended = held.ended;
  if (held.ended) {
    cursors_.erase(cursors_.begin() + static_cast<ptrdiff_t>(held.cursor));
    WEIR_TRY(open_more());
  }
  if (out.rows) {
    out.what = polled::state::batch;
  } else if (cursors_.empty() && waiting_.empty()) {
    out.what = polled::state::finished;
  } else {
    out.what = polled::state::pending;
    out.wake_at = watermark_none + 1;  // at once: there may be more
  }
  return out;
}

result<polled> file_reader::poll(uint32_t max_rows) {
  max_rows = std::max(max_rows, 1u);
  if (held_) return emit();
  polled out;
  if (cursors_.empty() && waiting_.empty()) {
    out.what = polled::state::finished;
    return out;
  }
  bool any_nothing_yet = false;
  for (size_t tried = 0; tried < cursors_.size(); ++tried) {
    size_t index = (turn_ + tried) % cursors_.size();
    auto& c = *cursors_[index];
    bool nothing_yet = false;
    WEIR_ASSIGN(bool ended, fill(c, max_rows, nothing_yet));
    if (rows_->rows() || ended || errors_) {
      // Ranges one after the other; tails take turns.
      turn_ = c.split().what == file_split::kind::range && !ended ? index : index + 1;
      if (ended && c.split().what == file_split::kind::range) turn_ = index;
      return finish(index, ended);
    }
    any_nothing_yet |= nothing_yet;
  }
  if (any_nothing_yet && context_.time) out.wake_at = context_.time->now() + poll_interval_us_;
  return out;
}

}  // namespace

result<std::unique_ptr<source_reader>> make_file_reader(const source_spec& spec) {
  WEIR_ASSIGN(auto format, text_format_of(spec));
  WEIR_ASSIGN(auto partitions, partitioned_source::open(spec));
  WEIR_TRY([&]() -> status {
    auto d = make_decoder(format, partitions.in_files());
    return d ? status() : status(std::move(d).err());
  }());
  WEIR_ASSIGN(uint64_t max, option_size(spec.options, "record_size_max", record_bytes_max_default));
  if (max > record_bytes_max_limit)
    return {errc::invalid_argument, "option record_size_max: at most 1GiB"};
  WEIR_ASSIGN(int64_t interval, option_duration(spec.options, "poll_interval", 50'000));
  WEIR_ASSIGN(auto generated, generated_columns::open(spec));
  return std::unique_ptr<source_reader>(std::make_unique<file_reader>(
      spec, std::move(partitions), std::move(format), max, interval, std::move(generated)));
}

}  // namespace weir
