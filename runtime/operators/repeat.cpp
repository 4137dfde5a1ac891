// Repeats rows as often as a column says, by their weights: what INTERSECT ALL and EXCEPT ALL need.
#include "runtime/column/builder.hpp"
#include "runtime/operators/builtin.hpp"

namespace weir {
namespace {

class repeat_operator final : public stream_operator {
 public:
  repeat_operator(uint32_t count_column, schema_ptr output)
      : count_column_(count_column), output_(std::move(output)) {}

  status open(const operator_context& c) override {
    memory_ = c.memory;
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    const column& counts = *in->columns[count_column_];
    auto selection = buffer::allocate(*memory_, size_t{in->rows} * 4);
    auto weights = buffer::allocate(*memory_, size_t{in->physical_rows} * 4);
    auto* selected = selection.mutable_as<uint32_t>();
    auto* w = weights.mutable_as<int32_t>();
    uint32_t n = 0;
    bool all_one = true;
    for (uint32_t i = 0; i < in->rows; ++i) {
      const uint32_t r = in->row(i);
      if (!counts.is_valid(r)) continue;
      const int64_t count = counts.dictionary
                                ? counts.dictionary->data<int64_t>()[counts.data<uint32_t>()[r]]
                                : counts.data<int64_t>()[r];
      if (count <= 0) continue;
      int64_t weight;
      if (__builtin_mul_overflow(count, int64_t{in->weight(r)}, &weight) ||
          weight != static_cast<int32_t>(weight))
        return error(errc::overflow,
                     "a row comes " + std::to_string(count) + " times, more than a batch can say");
      w[r] = static_cast<int32_t>(weight);
      all_one &= weight == 1;
      selected[n++] = r;
    }
    if (n == 0) return {};
    selection.truncate(size_t{n} * 4);
    batch b = *in;
    b.type = output_;
    b.columns.erase(b.columns.begin() + count_column_);
    b.rows = n;
    b.selection = n == b.physical_rows ? buffer_ref{} : std::move(selection);
    b.weights = all_one ? buffer_ref{} : std::move(weights);
    out.emit(std::make_shared<const batch>(std::move(b)));
    return {};
  }

 private:
  uint32_t count_column_;
  schema_ptr output_;
  memory_pool* memory_ = nullptr;
};

}  // namespace

result<operator_ptr> make_repeat(const repeat_spec& s, const schema_ptr& input, schema_ptr output) {
  if (s.count_column >= input->size() || input->fields[s.count_column].type.id != type_id::int64)
    return error(errc::invalid_argument, "a repeat needs a bigint column that says how often");
  return operator_ptr(new repeat_operator(s.count_column, std::move(output)));
}

}  // namespace weir
