#include "runtime/operators/state_expiry.hpp"

#include "runtime/base/assert.hpp"

namespace weir {

state_expiry::state_expiry(int64_t ttl_us)
    : ttl_us_(ttl_us), step_us_(std::max<int64_t>(1, ttl_us / steps)) {}

void state_expiry::open(const operator_context& c, std::vector<row_table*> tables) {
  if (!on()) return;
  weir_assert(c.time && c.set_processing_timer, "a state_ttl needs a clock and timers");
  weir_assert(tables.size() <= cursors_.size(), "an operator has more tables than cursors");
  context_ = c;
  tables_ = std::move(tables);
  const auto t = c.time->now();
  set_time(t);
  next_pass_ = t + step_us_;
  c.set_processing_timer(next_pass_);
}

void state_expiry::begin_batch() {
  if (on()) set_time(context_.time->now());
}

void state_expiry::set_time(timestamp_us t) {
  stamp_ = std::max(stamp_, t - t % step_us_);
  for (auto* table : tables_) table->set_stamp(stamp_);
}

}  // namespace weir
