#include "runtime/connectors/lookup_table.hpp"

#include "runtime/base/assert.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/io/executor.hpp"
#include "runtime/operators/key_codec.hpp"

namespace weir {
namespace {

// A reader that has nothing this many times in a row, although it need not wait, never will.
constexpr size_t idle_polls_max = 1'000'000;
constexpr uint32_t encode_run = 512;

/// The columns by which newer rows replace older ones; none: rows are what the table holds.
std::vector<uint32_t> newest_by(const source_spec& table) {
  std::vector<uint32_t> out;
  const auto option = table.options.find(std::string(newest_by_option));
  if (option == table.options.end()) return out;
  for (std::string_view rest = option->second; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const auto column = table.columns->find(rest.substr(0, end));
    weir_assert(column, "a source reads its table's PRIMARY KEY");
    out.push_back(*column);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

}  // namespace

/// A reading is on the executor already, so what its reader hands over is done at once; but not
/// what the reader leaves behind when it is closed, on the task's thread.
class lookup_io final : public io_executor {
 public:
  explicit lookup_io(io_executor& real) : real_(real) {}
  void submit(uint64_t lane, std::function<void()> work) override {
    closing ? real_.submit(lane, std::move(work)) : work();
  }
  uint64_t new_lane() override { return real_.new_lane(); }
  bool closing = false;

 private:
  io_executor& real_;
};

bool matches_nothing(const uint64_t* key, const key_codec& codec,
                     const std::vector<bool>& null_safe) {
  for (size_t k = 0; k < codec.size(); ++k)
    if (codec.null_of(k).is_set(key) && !(k < null_safe.size() && null_safe[k])) return true;
  return false;
}

lookup_loader::lookup_loader(const lookup_spec& s, const operator_context& c)
    : spec_(s), context_(c) {
  // Whoever reads calls again by itself.
  context_.wake = [] {};
  context_.set_processing_timer = [](timestamp_us) {};
  io_ = std::make_unique<lookup_io>(*c.io);
  context_.io = io_.get();
  if (auto keys = newest_by(spec_.table); !keys.empty())
    newest_.emplace(spec_.table.columns, std::move(keys), *context_.memory);
  spec_.table.options.erase(std::string(newest_by_option));  // the source has no such option
}
lookup_loader::~lookup_loader() = default;

status lookup_loader::begin() {
  if (!compute_) {
    WEIR_ASSIGN(auto p, expr::program::compile(spec_.columns, spec_.table.columns));
    compute_.emplace(std::move(p));
  }
  if (spec_.filter && !filter_) {
    WEIR_ASSIGN(auto p, expr::program::compile({spec_.filter}, spec_.table.columns));
    filter_.emplace(std::move(p));
  }
  std::vector<source_split> splits;
  if (growing_) {
    WEIR_ASSIGN(auto added, growing_->discover_behind(splits_));
    if (added.anew) WEIR_TRY(open_anew());
    splits = std::move(added.splits);
  } else {
    WEIR_ASSIGN(enumerator_, make_enumerator(spec_.table, *context_.files, 1));
    WEIR_ASSIGN(auto found, enumerator_->discover());
    if (!found.bounded) return {errc::unsupported, "a table that never ends cannot be looked up"};
    // Files of upserts are read anew each time, like others.
    if (newest_) growing_ = dynamic_cast<growing_enumerator*>(enumerator_.get());
    WEIR_TRY(open_anew());
    splits = std::move(found.splits);
  }
  for (const auto& s : splits) {
    std::erase_if(splits_, [&s](const source_split& other) { return other.id == s.id; });
    splits_.push_back(s);
    WEIR_TRY(reader_->add_split(s));
  }
  reading_ = !splits.empty();
  return {};
}

/// Forgets what was read.
status lookup_loader::open_anew() {
  parts_.clear();
  splits_.clear();
  if (newest_) newest_->clear();
  table_.reset();
  if (reader_) WEIR_TRY(reader_->close());
  WEIR_ASSIGN(reader_, make_reader(spec_.table));
  return reader_->open(context_);
}

/// Appends what the filter leaves of a batch, as the rows that are looked up.
status lookup_loader::keep(const batch_ptr& in) {
  batch_ptr kept = in;
  if (filter_) {
    buffer_ref selection;
    uint32_t rows = 0;
    WEIR_TRY(filter_->filter(*in, *context_.memory, selection, rows));
    if (rows == 0) return {};
    if (selection) kept = with_selection(*in, std::move(selection), rows);
  }
  std::vector<column_ptr> out;
  WEIR_TRY(compute_->evaluate(*kept, *context_.memory, out));
  batch b;
  b.type = spec_.rows;
  b.columns = std::move(out);
  b.rows = kept->rows;
  b.physical_rows = kept->physical_rows;
  b.selection = kept->selection;
  parts_.push_back(compact(std::make_shared<const batch>(std::move(b)), *context_.memory));
  return {};
}

/// Whether all of the splits is read.
result<bool> lookup_loader::read_rows() {
  for (size_t idle = 0; idle < idle_polls_max;) {
    WEIR_ASSIGN(auto p, reader_->poll(batch_rows_target));
    idle = p.rows || p.split_ended ? 0 : idle + 1;
    if (p.rows && p.rows->rows > 0) WEIR_TRY(newest_ ? newest_->add(p.rows) : keep(p.rows));
    if (p.what == polled::state::finished) return true;
    const bool at_once = p.rows || p.wake_at <= watermark_none + 1;
    if (growing_ && !at_once) return false;
  }
  return {errc::internal, "the table's reader waits for something"};
}

result<table_ptr> lookup_loader::read() {
  if (!reading_) WEIR_TRY(begin());
  if (reading_) {
    WEIR_ASSIGN(const bool all, read_rows());
    if (!all) return table_ptr();
    reading_ = false;
  }
  if (newest_) {
    if (table_ && !newest_->changed()) return table_;
    WEIR_ASSIGN(const auto rows, newest_->merge());
    if (rows) WEIR_TRY(keep(rows));
  }
  if (!growing_) WEIR_TRY(std::exchange(reader_, nullptr)->close());
  return finish();
}

void lookup_loader::close() {
  io_->closing = growing_ != nullptr;  // a file's reader leaves nothing behind
  if (reader_) (void)std::exchange(reader_, nullptr)->close();
  newest_.reset();
  parts_.clear();
  table_.reset();
}

batch_ptr lookup_loader::null_row() const {
  std::vector<column_ptr> columns;
  for (const auto& f : spec_.rows->fields) {
    column_builder b(f.type, *context_.memory);
    b.append_null();
    columns.push_back(b.finish());
  }
  return make_batch(spec_.rows, std::move(columns));
}

result<table_ptr> lookup_loader::finish() {
  auto t = std::make_shared<loaded_table>();
  auto parts = std::exchange(parts_, {});
  parts.push_back(null_row());
  t->rows = concat(parts, *context_.memory);
  if (t->rows->rows >= loaded_table::none)
    return error(errc::unsupported, "the table has more than four billion rows");
  t->count = t->rows->rows - 1;
  row_layout layout;
  std::vector<data_type> types;
  std::vector<column_ptr> keys;
  for (auto k : spec_.table_keys) {
    types.push_back(spec_.rows->fields[k].type);
    keys.push_back(t->rows->columns[k]);
  }
  WEIR_ASSIGN(auto codec, key_codec::make(std::move(types), layout));
  layout.add_value(type_id::int64);
  t->index.emplace(layout, context_.memory);
  t->next.assign(t->count, loaded_table::none);
  add_keys(*t, codec, keys);
  t->index->end_batch();
  if (newest_) table_ = t;
  return table_ptr(std::move(t));
}

void lookup_loader::add_keys(loaded_table& t, const key_codec& codec,
                             const std::vector<column_ptr>& keys) const {
  const size_t stride = 1 + codec.words();
  std::vector<uint64_t> encoded(encode_run * stride);
  uint32_t at[encode_run], hashes[encode_run], ids[encode_run];
  uint64_t* places[encode_run];
  std::vector<uint32_t> added;
  // From the end, so that rows of a key are found in the table's order.
  for (uint32_t end = t.count; end > 0;) {
    const uint32_t begin = end - std::min(end, encode_run), n = end - begin;
    for (uint32_t i = 0; i < n; ++i) at[i] = begin + i;
    codec.encode(keys, at, n, encoded.data());
    t.index->hash(encoded.data(), n, hashes);
    added.clear();
    t.index->upsert(encoded.data(), hashes, n, ids, places, added);
    std::vector<bool> fresh(n);
    for (uint32_t i : added) fresh[i] = true;
    for (uint32_t i = 0; i < n; ++i)
      if (fresh[i]) *t.value(ids[i]) = loaded_table::none;
    for (uint32_t i = n; i-- > 0;) {
      if (matches_nothing(&encoded[i * stride], codec, spec_.null_safe)) continue;
      auto* first = t.value(ids[i]);
      t.next[begin + i] = static_cast<uint32_t>(*first);
      *first = begin + i;
    }
    end = begin;
  }
}

}  // namespace weir
