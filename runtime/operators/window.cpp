// Windows of rows: adds window_start and window_end to each, once per window that it is in, or the
// end of its slice for an aggregate that makes windows of slices. Sessions of rows, which take
// state, are in session_rows.cpp.
#include "runtime/column/builder.hpp"
#include "runtime/column/runs.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/plan/windows.hpp"

namespace weir {
namespace {

/// What both operators know of a batch: the times, and which rows have one that counts.
class time_reader {
 public:
  time_reader(const batch& b, uint32_t column) : c_(*b.columns[column]) {
    values_ = c_.dictionary ? c_.dictionary->data<int64_t>() : c_.data<int64_t>();
    places_ = c_.dictionary ? c_.data<uint32_t>() : nullptr;
  }
  int64_t operator[](uint32_t i) const { return places_ ? values_[places_[i]] : values_[i]; }
  const column& source() const { return c_; }
  bool plain() const { return !places_; }

 private:
  const column& c_;
  const int64_t* values_;
  const uint32_t* places_;
};

std::shared_ptr<column> time_column(uint32_t n, buffer_ref validity, memory_pool& memory) {
  auto c = std::make_shared<column>();
  c->type = type_id::timestamp;
  c->length = n;
  c->values = buffer::allocate(memory, size_t{n} * 8);
  c->validity = std::move(validity);
  return c;
}

bool in_range(int64_t t) {
  return t > -window_time_max && t < window_time_max;
}

/// Whether the times of all physical rows are known to lie in [begin, begin + width), those that do
/// not count too.
bool all_times_within(const time_reader& t, uint32_t n, int64_t begin, int64_t width) {
  return t.plain() &&
         all_within(t.source().data<int64_t>(), n, begin, static_cast<uint64_t>(width));
}

/// The validity of the times; a copy where a time is beyond what windows can have.
buffer_ref window_validity(const time_reader& t, uint32_t n, memory_pool& memory) {
  bool all = true;
  for (uint32_t i = 0; i < n; ++i) all &= in_range(t[i]);
  if (all) return t.source().validity;
  auto bits = buffer::allocate_zero(memory, (n + 7) / 8);
  auto* out = bits.mutable_as<uint8_t>();
  for (uint32_t i = 0; i < n; ++i)
    if (t.source().is_valid(i) && in_range(t[i]))
      out[i >> 3] = static_cast<uint8_t>(out[i >> 3] | 1U << (i & 7));
  return bits;
}

/// Rows to keep of a batch, as a selection. `keep` is asked for physical rows.
template <class Keep>
batch_ptr selected(const batch& b, memory_pool& memory, Keep keep) {
  auto selection = buffer::allocate(memory, size_t{b.rows} * 4);
  auto* out = selection.mutable_as<uint32_t>();
  uint32_t n = 0;
  for (uint32_t i = 0; i < b.rows; ++i) {
    out[n] = b.row(i);
    n += keep(out[n]);
  }
  selection.truncate(size_t{n} * 4);
  return with_selection(b, std::move(selection), n);
}

class tumble_operator final : public stream_operator {
 public:
  tumble_operator(const window_spec& s, schema_ptr output)
      : time_column_(s.time_column), size_(s.shape.size_us), output_(std::move(output)) {}

  status open(const operator_context& c) override {
    memory_ = c.memory;
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    const time_reader t(*in, time_column_);
    const uint32_t n = in->physical_rows;
    auto columns = in->columns;
    if (n > 0 && !all_times_within(t, n, static_cast<int64_t>(window_), size_))
      window_ = window_of(t[0]);
    if (all_times_within(t, n, static_cast<int64_t>(window_), size_)) {
      const auto start = static_cast<int64_t>(window_);
      columns.push_back(starts_.get(start, n, t.source().validity, *memory_));
      const auto end = static_cast<int64_t>(window_ + static_cast<uint64_t>(size_));
      columns.push_back(ends_.get(end, n, t.source().validity, *memory_));
    } else {
      add_bounds(t, n, columns);
    }
    out.emit(with_columns(*in, output_, std::move(columns)));
    return {};
  }

 private:
  uint64_t window_of(int64_t t) const {
    const int64_t rest = t % size_;
    return static_cast<uint64_t>(t) - static_cast<uint64_t>(rest < 0 ? rest + size_ : rest);
  }
  void add_bounds(const time_reader& t, uint32_t n, std::vector<column_ptr>& columns) {
    auto start = time_column(n, t.source().validity, *memory_);
    auto end = time_column(n, t.source().validity, *memory_);
    auto* s = start->values.mutable_as<int64_t>();
    auto* e = end->values.mutable_as<int64_t>();
    // Neighbouring rows are mostly of one window, so a comparison saves most divisions.
    uint64_t size = static_cast<uint64_t>(size_);
    uint64_t open = window_;
    for (uint32_t i = 0; i < n; ++i) {
      const int64_t v = t[i];
      if (static_cast<uint64_t>(v) - open >= size) [[unlikely]]
        open = window_of(v);
      s[i] = static_cast<int64_t>(open);
      e[i] = static_cast<int64_t>(open + size);
    }
    window_ = open;
    columns.push_back(std::move(start));
    columns.push_back(std::move(end));
  }

  uint32_t time_column_;
  int64_t size_;
  schema_ptr output_;
  memory_pool* memory_ = nullptr;
  constant_times starts_, ends_;  // of batches that lie in one window
  uint64_t window_ = 0;           // start of the window of the last row
};

/// Ends of the rows' slices, in the order of the rows.
class slicer {
 public:
  explicit slicer(const window_shape& s)
      : shape_(s), width_(slice_width(s)), end_(slice_end(s, 0)) {}

  column_ptr operator()(const time_reader& t, uint32_t n, memory_pool& memory) {
    if (n > 0 && in_range(t[0]) && !all_times_within(t, n, end_ - width_, width_))
      end_ = slice_end(shape_, t[0]);
    if (in_range(end_ - width_) && in_range(end_ - 1) &&
        all_times_within(t, n, end_ - width_, width_))
      return ends_.get(end_, n, t.source().validity, memory);
    auto c = time_column(n, window_validity(t, n, memory), memory);
    auto* e = c->values.mutable_as<int64_t>();
    // As in tumble: one comparison for most rows.
    const auto width = static_cast<uint64_t>(width_);
    int64_t end = end_;
    for (uint32_t i = 0; i < n; ++i) {
      const int64_t v = t[i];
      if (static_cast<uint64_t>(end) - 1 - static_cast<uint64_t>(v) >= width) [[unlikely]]
        if (in_range(v)) end = slice_end(shape_, v);
      e[i] = end;
    }
    end_ = end;
    return c;
  }

 private:
  window_shape shape_;
  int64_t width_;
  int64_t end_;
  constant_times ends_;  // of batches that lie in one slice
};

class slice_operator final : public stream_operator {
 public:
  slice_operator(const window_spec& s, schema_ptr output)
      : spec_(s), output_(std::move(output)), slicer_(s.shape) {}

  status open(const operator_context& c) override {
    memory_ = c.memory;
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    auto ends = slicer_(time_reader(*in, spec_.time_column), in->physical_rows, *memory_);
    const auto* e = ends->data<int64_t>();
    const column& c = *ends;
    auto columns = in->columns;
    columns.push_back(ends);
    auto rows = with_columns(*in, output_, std::move(columns));
    if (has_holes(spec_.shape))
      rows = selected(*rows, *memory_, [&](uint32_t r) {
        return !c.is_valid(r) || last_window_end(spec_.shape, e[r]) >= e[r];
      });
    out.emit(std::move(rows));
    return {};
  }

 private:
  window_spec spec_;
  schema_ptr output_;
  slicer slicer_;
  memory_pool* memory_ = nullptr;
};

/// Hops and cumulating windows of rows: each batch is given once for the rows' first windows, once
/// for their second ones and so on, with its columns shared.
class expand_operator final : public stream_operator {
 public:
  expand_operator(const window_spec& s, schema_ptr output)
      : spec_(s), output_(std::move(output)), slicer_(s.shape), count_(windows_per_row(s.shape)) {}

  status open(const operator_context& c) override {
    memory_ = c.memory;
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector&) override {
    in_ = in;
    ends_ = slicer_(time_reader(*in, spec_.time_column), in->physical_rows, *memory_);
    at_ = 0;
    return {};
  }

  result<bool> drain(collector& out) override {
    if (!in_) return false;
    const batch& in = *in_;
    const uint32_t n = in.physical_rows;
    const column& slices = *ends_;
    const auto* slice = slices.data<int64_t>();
    auto start = time_column(n, slices.validity, *memory_);
    auto end = time_column(n, slices.validity, *memory_);
    auto* s = start->values.mutable_as<int64_t>();
    auto* e = end->values.mutable_as<int64_t>();
    for (uint32_t i = 0; i < n; ++i) {
      e[i] = first_window_end(spec_.shape, slice[i]) + at_ * spec_.shape.step_us;
      s[i] = window_start(spec_.shape, e[i]);
    }
    auto columns = in.columns;
    columns.push_back(std::move(start));
    columns.push_back(std::move(end));
    auto rows = with_columns(in, output_, std::move(columns));
    rows = selected(*rows, *memory_, [&](uint32_t r) {
      if (!slices.is_valid(r)) return at_ == 0;
      return e[r] <= last_window_end(spec_.shape, slice[r]);
    });
    if (rows->rows > 0) out.emit(std::move(rows));
    if (++at_ < count_) return true;
    in_.reset();
    ends_.reset();
    return false;
  }

 private:
  window_spec spec_;
  schema_ptr output_;
  slicer slicer_;
  int64_t count_;
  memory_pool* memory_ = nullptr;
  batch_ptr in_;  // on its way out
  column_ptr ends_;
  int64_t at_ = 0;  // which of each row's windows is next
};

}  // namespace

// In session_rows.cpp.
result<operator_ptr> make_session_rows(const window_spec&, const schema_ptr& input,
                                       schema_ptr output);

result<operator_ptr> make_window(const window_spec& s, const schema_ptr& input, schema_ptr output) {
  if (s.time_column >= input->size() || input->fields[s.time_column].type.id != type_id::timestamp)
    return error(errc::type_mismatch, "a window needs a timestamp column");
  if (auto problem = problem_of(s.shape); !problem.empty())
    return error(errc::invalid_argument, problem);
  if (output->size() != input->size() + (s.slices ? 1 : 2))
    return error(errc::type_mismatch, "a window adds two columns to its input, a slice one");
  if (s.slices) return operator_ptr(new slice_operator(s, std::move(output)));
  switch (s.shape.kind) {
    case window_kind::tumble:
      return operator_ptr(new tumble_operator(s, std::move(output)));
    case window_kind::hop:
    case window_kind::cumulate:
      return operator_ptr(new expand_operator(s, std::move(output)));
    case window_kind::session:
      break;
  }
  return make_session_rows(s, input, std::move(output));
}

}  // namespace weir
