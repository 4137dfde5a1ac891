#include "runtime/connectors/paced_reader.hpp"

#include <algorithm>
#include <cmath>

namespace weir {
namespace {

// Rows become due in steps of this much time: smooth to the eye, and few wake-ups.
constexpr timestamp_us step_us = 10'000;
// A reader that was held up makes up for at most this much.
constexpr timestamp_us backlog_us_max = 1'000'000;

class paced_reader final : public source_reader {
 public:
  paced_reader(std::unique_ptr<source_reader> inner, double rate)
      : inner_(std::move(inner)), rate_(rate) {}

  status open(const operator_context& c) override {
    time_ = c.time;
    rate_ /= c.parallelism;
    since_ = time_->now();
    return inner_->open(c);
  }
  status add_split(source_split s) override { return inner_->add_split(std::move(s)); }

  result<polled> poll(uint32_t max_rows) override {
    timestamp_us now = time_->now();
    // A row may take longer to become due than what is made up for.
    since_ = std::max(since_, now - std::max(backlog_us_max, row_us()));
    auto due = static_cast<double>(now - since_) * rate_ / 1e6;
    if (due < 1) {
      polled p;
      p.wake_at = since_ + std::max(step_us, row_us());
      return p;
    }
    auto allowed = static_cast<uint32_t>(std::min<double>(due, max_rows));
    WEIR_ASSIGN(auto p, inner_->poll(allowed));
    // A batch may be larger than was asked for: what is too much delays the next one.
    if (p.rows) since_ += static_cast<timestamp_us>(p.rows->rows * 1e6 / rate_);
    return p;
  }
  std::vector<source_split> snapshot() const override { return inner_->snapshot(); }
  std::string position() const override { return inner_->position(); }
  std::optional<source_record> locate(uint32_t physical_rows, uint32_t row) override {
    return inner_->locate(physical_rows, row);
  }
  dead_letter_topic* letters() override { return inner_->letters(); }
  status on_epoch_complete(epoch e) override { return inner_->on_epoch_complete(e); }
  status close() override { return inner_->close(); }

 private:
  /// How long a row takes to become due.
  timestamp_us row_us() const { return static_cast<timestamp_us>(std::ceil(1e6 / rate_)); }

  std::unique_ptr<source_reader> inner_;
  double rate_;
  const clock* time_ = nullptr;
  timestamp_us since_ = 0;  // rows up to here were handed out
};

}  // namespace

std::unique_ptr<source_reader> make_paced_reader(std::unique_ptr<source_reader> inner,
                                                 double rows_per_second) {
  return std::make_unique<paced_reader>(std::move(inner), rows_per_second);
}

}  // namespace weir
