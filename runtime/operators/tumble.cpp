// Tumbling windows: adds window_start and window_end to each row. Windows are aligned to the epoch.
// A row without a time gets NULL for both.
#include "runtime/column/builder.hpp"
#include "runtime/operators/builtin.hpp"

namespace weir {
namespace {

class tumble_operator final : public stream_operator {
 public:
  tumble_operator(const tumble_spec& s, schema_ptr output)
      : time_column_(s.time_column), size_(s.size_us), output_(std::move(output)) {}

  status open(const operator_context& c) override {
    memory_ = c.memory;
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    const column& time = *in->columns[time_column_];
    const uint32_t n = in->physical_rows;
    auto start = std::make_shared<column>();
    auto end = std::make_shared<column>();
    for (auto* c : {start.get(), end.get()}) {
      c->type = type_id::timestamp;
      c->length = n;
      c->values = buffer::allocate(*memory_, size_t{n} * 8);
      c->validity = time.validity;
    }
    const auto* t = time.data<int64_t>();
    auto* s = start->values.mutable_as<int64_t>();
    auto* e = end->values.mutable_as<int64_t>();
    // Neighbouring rows are mostly of one window, so a comparison saves most divisions.
    uint64_t size = static_cast<uint64_t>(size_);
    uint64_t open = window_;
    for (uint32_t i = 0; i < n; ++i) {
      int64_t v =
          time.dictionary ? time.dictionary->data<int64_t>()[time.data<uint32_t>()[i]] : t[i];
      if (static_cast<uint64_t>(v) - open >= size) [[unlikely]] {
        int64_t rest = v % size_;
        open = static_cast<uint64_t>(v) - static_cast<uint64_t>(rest < 0 ? rest + size_ : rest);
      }
      s[i] = static_cast<int64_t>(open);
      e[i] = static_cast<int64_t>(open + size);
    }
    window_ = open;
    auto columns = in->columns;
    columns.push_back(std::move(start));
    columns.push_back(std::move(end));
    out.emit(with_columns(*in, output_, std::move(columns)));
    return {};
  }

 private:
  uint32_t time_column_;
  int64_t size_;
  schema_ptr output_;
  memory_pool* memory_ = nullptr;
  uint64_t window_ = 0;  // start of the window of the last row
};

}  // namespace

result<operator_ptr> make_tumble(const tumble_spec& s, const schema_ptr& input, schema_ptr output) {
  if (s.time_column >= input->size() || input->fields[s.time_column].type.id != type_id::timestamp)
    return error(errc::type_mismatch, "a window needs a timestamp column");
  if (s.size_us <= 0) return error(errc::invalid_argument, "a window's size must be positive");
  if (output->size() != input->size() + 2)
    return error(errc::type_mismatch, "a window adds two columns to its input");
  return operator_ptr(new tumble_operator(s, std::move(output)));
}

}  // namespace weir
