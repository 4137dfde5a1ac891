// Finds windows whose count is far from what their key had before: for every key (an airport), and
// by default for every hour of the day apart, it keeps the running mean and variance of `n` and
// emits the rows that deviate by more than `threshold` standard deviations once `min_samples`
// counts are known. The row itself counts only afterwards.
//
// Input, by key `origin`: origin text, window_start timestamp, n bigint, one row per window.
// Output: origin, window_start, n, expected (the mean so far), score ((n - mean) / deviation).
//
// Counts wait in state until event time has passed the end of their window and are taken in order
// of time; so results depend neither on the order in which windows arrive nor on batches, snapshots
// or parallelism. tests/sdk/anomaly_reference.py computes the same independently.
#include <weir/operator.hpp>

#include <cmath>

namespace {

/// Mean and variance by Welford's method (Technometrics 4(3), 1962).
struct running_stats {
  int64_t count = 0;
  double mean = 0;
  double m2 = 0;  // sum of squared differences from the mean

  void add(double x) {
    ++count;
    double delta = x - mean;
    mean += delta / static_cast<double>(count);
    m2 += delta * (x - mean);
  }
  double deviation() const {
    return count > 1 ? std::sqrt(m2 / static_cast<double>(count - 1)) : 0;
  }
};

class anomaly_detector : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    d.parameter<double>("threshold", 3.0, "standard deviations from the mean");
    d.parameter<int64_t>("min_samples", 5, "counts to know before judging");
    d.parameter<bool>("by_hour", true, "apart for every hour of the day (UTC)");
    d.parameter<weir::duration>("window", std::chrono::hours(1), "length of the input's windows");
    // Quiet hours hardly vary: without a floor every change there would be an anomaly.
    d.parameter<double>("min_deviation", 1.0, "smallest standard deviation to divide by");
    d.input().bind<std::string_view>("origin");
    d.input().bind<int64_t>("window_start");
    d.input().bind<int64_t>("n");
    d.output(
         "origin text, window_start timestamp, n bigint, expected double precision, "
         "score double precision")
        .event_time("window_start");
  }

  void open(weir::context& ctx) override {
    const auto& in = ctx.input();
    if (ctx.key_columns() != std::vector<uint32_t>{in.index("origin")})
      throw weir::error("the key must be origin");
    window_start_ = in.bind<int64_t>("window_start");
    n_ = in.bind<int64_t>("n");
    threshold_ = ctx.parameter<double>("threshold");
    min_samples_ = ctx.parameter<int64_t>("min_samples");
    by_hour_ = ctx.parameter<bool>("by_hour");
    window_ = ctx.parameter<weir::duration>("window").count();
    min_deviation_ = ctx.parameter<double>("min_deviation");
    windows_ = ctx.counter("windows");
    anomalies_ = ctx.counter("anomalies");
  }

  void process_batch(weir::context& ctx, const weir::batch& in, weir::emitter&) override {
    auto start = in.column(window_start_);
    auto n = in.column(n_);
    for (auto row : ctx.rows(in)) {
      if (start.is_null(row) || n.is_null(row)) continue;
      if (in.weight(row) > 0)
        waiting_.put(start[row], n[row]);
      else if (waiting_.get(start[row]) == n[row])  // taken back before it was judged
        waiting_.remove(start[row]);
      ctx.set_event_timer(start[row] + window_);
    }
  }

  void on_timer(weir::context& ctx, const weir::timer& t, weir::emitter& out) override {
    int64_t start = t.time - window_;
    auto n = waiting_.get(start);
    if (!n) return;
    waiting_.remove(start);
    windows_.add();
    int32_t hour = by_hour_ ? hour_of_day(start) : -1;
    running_stats s = stats_.get_or(hour, {});
    if (s.count >= min_samples_) {
      double deviation = std::max(s.deviation(), min_deviation_);
      double score = (static_cast<double>(*n) - s.mean) / deviation;
      if (std::abs(score) > threshold_) {
        anomalies_.add();
        out.row()
            .set(0, ctx.key<std::string_view>())
            .set(1, start)
            .set(2, *n)
            .set(3, s.mean)
            .set(4, score);
      }
    }
    s.add(static_cast<double>(*n));
    stats_.put(hour, s);
  }

 private:
  static int32_t hour_of_day(int64_t t) {
    constexpr int64_t hour = 3'600'000'000, day = 24 * hour;
    return static_cast<int32_t>(((t % day + day) % day) / hour);
  }

  weir::map_state<int64_t, int64_t> waiting_{*this, "waiting"};    // n by window_start
  weir::map_state<int32_t, running_stats> stats_{*this, "stats"};  // by hour of day
  weir::column_ref<int64_t> window_start_, n_;
  double threshold_ = 0, min_deviation_ = 0;
  int64_t min_samples_ = 0, window_ = 0;
  bool by_hour_ = true;
  weir::counter windows_, anomalies_;
};

}  // namespace

WEIR_EXPORT_OPERATOR(anomaly_detector, "anomaly_detector")
