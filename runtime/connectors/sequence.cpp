#include "runtime/connectors/sequence.hpp"

#include "runtime/connectors/generated_columns.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/connectors/rate_pacer.hpp"
#include "runtime/connectors/row_builder.hpp"
#include "runtime/connectors/split_codec.hpp"

namespace weir {
namespace {

// Numbers are dealt to the splits in blocks of this many, in turn: a reader that has all splits
// still emits them in order. Part of the position's meaning in snapshots.
constexpr uint64_t block_rows = 8192;
// Fixed and not the job's parallelism, so that a restart at another one finds the same splits.
constexpr int64_t splits_default = 8;

struct sequence_split {
  std::string id;
  uint64_t start = 0;  // two's complement of the first number
  uint64_t total = 0;  // rows of the whole sequence; 0 = without end
  uint64_t index = 0, splits = 1;
  uint64_t emitted = 0;  // rows of this split

  std::string encode() const {
    return payload_writer().u64(start).u64(total).u64(index).u64(splits).u64(emitted).take();
  }
  // Row number (from 0) of this split's row n.
  uint64_t row_number(uint64_t n) const {
    return (n / block_rows * splits + index) * block_rows + n % block_rows;
  }
  // Rows that may be emitted next without leaving the block; 0 = the split has ended.
  uint64_t run() const {
    uint64_t n = block_rows - emitted % block_rows, row = row_number(emitted);
    if (!total) return n;
    return row >= total ? 0 : std::min(n, total - row);
  }
  uint64_t left() const {
    if (!total) return 0;
    uint64_t round = block_rows * splits, full = total / round * block_rows;
    uint64_t rest = total % round, mine = index * block_rows;
    uint64_t all = full + (rest > mine ? std::min(rest - mine, block_rows) : 0);
    return all - std::min(all, emitted);
  }
};

result<sequence_split> decode_split(const source_split& s) {
  payload_reader r(s.payload);
  sequence_split out;
  out.id = s.id;
  out.start = r.u64();
  out.total = r.u64();
  out.index = r.u64();
  out.splits = r.u64();
  out.emitted = r.u64();
  if (!r.at_end() || out.splits == 0 || out.index >= out.splits)
    return {errc::corrupt, "a sequence's position in the snapshot is damaged"};
  return out;
}

class sequence_enumerator final : public split_enumerator {
 public:
  sequence_enumerator(sequence_split first, uint64_t splits) : first_(first), splits_(splits) {}
  result<discovery> discover() override {
    discovery d;
    for (uint64_t i = 0; i < splits_; ++i) {
      auto s = first_;
      s.index = i;
      s.splits = splits_;
      if (i > 0 && s.total && s.left() == 0) break;
      auto id = "sequence:" + std::to_string(i) + "/" + std::to_string(splits_);
      d.splits.push_back({id, id, s.encode(), s.left()});
    }
    return d;
  }

 private:
  sequence_split first_;
  uint64_t splits_;
};

class sequence_reader final : public source_reader {
 public:
  sequence_reader(const source_spec& spec, double rate, generated_columns generated)
      : spec_(spec), generated_(std::move(generated)) {
    if (rate > 0) pacer_.emplace(rate);
  }

  status open(const operator_context& context) override {
    weir_assert(context.memory && (!pacer_ || context.time), "a reader needs its context");
    context_ = context;
    return {};
  }
  status add_split(source_split s) override {
    WEIR_ASSIGN(auto split, decode_split(s));
    splits_.push_back(split);
    return {};
  }

  result<polled> poll(uint32_t max_rows) override {
    polled out;
    if (splits_.empty()) {
      out.what = polled::state::finished;
      return out;
    }
    turn_ %= splits_.size();
    auto& s = splits_[turn_];
    uint64_t n = std::min<uint64_t>(s.run(), std::max(max_rows, 1u));
    if (pacer_ && n > 0) {
      auto now = context_.time->now();
      n = std::min(n, pacer_->due(now));
      out.wake_at = pacer_->due_at(1, now);
      if (n == 0) return out;
    }
    id_ = s.id;
    out.split_id = id_;
    if (n > 0) {
      WEIR_ASSIGN(out.rows, make_rows(s, static_cast<uint32_t>(n)));
      s.emitted += n;
      if (pacer_) pacer_->pay(n);
    }
    out.split_ended = s.run() == 0;
    if (out.split_ended)
      splits_.erase(splits_.begin() + static_cast<ptrdiff_t>(turn_));
    else if (s.emitted % block_rows == 0)
      ++turn_;
    out.wake_at = watermark_none + 1;
    out.what = out.rows          ? polled::state::batch
               : splits_.empty() ? polled::state::finished
                                 : polled::state::pending;
    return out;
  }

  std::vector<source_split> snapshot() const override {
    std::vector<source_split> out;
    for (const auto& s : splits_) out.push_back({s.id, s.id, s.encode(), s.left()});
    return out;
  }
  std::string position() const override { return place_of(last_); }
  std::optional<source_record> locate(uint32_t physical_rows, uint32_t row) override {
    if (physical_rows != last_rows_) return std::nullopt;
    last_ = first_ + row;
    return source_record{position(), std::nullopt};
  }

 private:
  /// Rows of VALUES, and the one of a SELECT without FROM, were not written as a sequence.
  std::string place_of(int64_t n) const {
    const std::string_view id = context_.operator_id;
    const bool unnamed =
        id.starts_with("source/(") && (id.ends_with(" row)") || id.ends_with(" rows)"));
    return (unnamed ? "row " : "sequence at ") + std::to_string(n);
  }
  result<batch_ptr> make_rows(const sequence_split& s, uint32_t n) {
    std::vector<column_ptr> columns;
    uint64_t first = s.start + s.row_number(s.emitted);
    first_ = static_cast<int64_t>(first);
    last_rows_ = n;
    last_ = static_cast<int64_t>(first + n - 1);
    if (spec_.physical_columns) {
      column_filler filler(type_id::int64, *context_.memory);
      filler.reserve(n);
      auto* values = filler.fixed<int64_t>();
      for (uint32_t i = 0; i < n; ++i) values[i] = static_cast<int64_t>(first + i);
      columns.push_back(filler.finish(n));
    }
    WEIR_ASSIGN(auto rows, generated_.finish_or_skip(
                               std::move(columns), n, context_, spec_.on_error, [this](uint32_t r) {
                                 return place_of(first_ + static_cast<int64_t>(r));
                               }));
    return rows->rows ? rows : batch_ptr();
  }

  source_spec spec_;
  std::optional<rate_pacer> pacer_;
  generated_columns generated_;
  operator_context context_;
  std::vector<sequence_split> splits_;
  size_t turn_ = 0;
  std::string id_;
  int64_t first_ = 0, last_ = 0;  // of the last batch
  uint32_t last_rows_ = 0;
};

constexpr const char* one_bigint = "connector sequence has one column, of type bigint";

/// What the options ask for, before it is split.
struct sequence_plan {
  sequence_split range;
  int64_t splits = 1;
};
result<sequence_plan> whole_sequence(const option_map& options) {
  WEIR_ASSIGN(int64_t start, option_int(options, "start", 1));
  WEIR_ASSIGN(double rate, option_rate(options, "rate", 0));
  sequence_plan w;
  WEIR_ASSIGN(w.splits, option_int(options, "splits", rate > 0 ? 1 : splits_default));
  if (rate > 0 && w.splits != 1)
    return {errc::invalid_argument, "option splits is 1 for a sequence with a rate"};
  if (w.splits > 65536) return {errc::invalid_argument, "option splits: at most 65536"};
  w.range.start = static_cast<uint64_t>(start);
  if (!option_present(options, "end")) return w;
  WEIR_ASSIGN(int64_t end, option_int(options, "end", 0));
  if (end < start)
    return {errc::invalid_argument, "option end = '" + std::to_string(end) +
                                        "': the sequence starts behind it, at " +
                                        std::to_string(start)};
  w.range.total = static_cast<uint64_t>(end) - w.range.start + 1;
  if (w.range.total == 0)
    return {errc::invalid_argument, "option end: the sequence is longer than 2^64 - 1"};
  return w;
}

}  // namespace

status check_sequence_table(const schema& physical, const option_map& options) {
  if (physical.size() != 1 || physical.fields[0].type.id != type_id::int64)
    return {errc::invalid_argument, one_bigint};
  WEIR_ASSIGN(auto whole, whole_sequence(options));
  return {};
}

result<std::unique_ptr<split_enumerator>> make_sequence_enumerator(const source_spec& spec) {
  WEIR_ASSIGN(auto whole, whole_sequence(spec.options));
  return std::unique_ptr<split_enumerator>(
      std::make_unique<sequence_enumerator>(whole.range, static_cast<uint64_t>(whole.splits)));
}

result<std::unique_ptr<source_reader>> make_sequence_reader(const source_spec& spec) {
  if (spec.physical_columns > 1 ||
      (spec.physical_columns == 1 && spec.columns->fields[0].type.id != type_id::int64))
    return {errc::invalid_argument, one_bigint};
  if (spec.on_error == error_policy::dead_letter)
    return {errc::unsupported,
            "connector sequence has no bytes for dead letters; use skip or fail"};
  WEIR_ASSIGN(double rate, option_rate(spec.options, "rate", 0));
  WEIR_ASSIGN(auto generated, generated_columns::open(spec));
  return std::unique_ptr<source_reader>(
      std::make_unique<sequence_reader>(spec, rate, std::move(generated)));
}

}  // namespace weir
