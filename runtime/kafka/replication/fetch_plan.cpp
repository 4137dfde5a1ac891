#include "runtime/kafka/replication/fetch_plan.hpp"

#include <algorithm>

namespace weir::kafka {

fetch_plan::fetch_plan(fetch_plan_options o)
    : options_(o), tokens_(static_cast<int64_t>(o.throttle_bytes_per_s)) {}

void fetch_plan::set_busy(entry& e, bool busy) {
  if (e.busy == busy) return;
  e.busy = busy;
  busy ? ++busy_ : --busy_;
}

void fetch_plan::follow(const fetch_position& at) {
  auto [it, fresh] = partitions_.try_emplace(at.id);
  entry& e = it->second;
  if (fresh) e.place = order_.insert(order_.end(), at.id);
  if (e.at.leader_epoch != at.leader_epoch) e.errors = 0;
  e.at = at;
  e.serial = next_serial_++;
  e.not_before_ms = 0;
  // What it was told may have come when it was of another epoch, or had something under way.
  e.told_high_watermark = e.told_log_start = -1;
  set_busy(e, false);
}

void fetch_plan::follow_later(const fetch_position& at, int64_t now_ms) {
  follow(at);
  back_off(partitions_.at(at.id), now_ms);
}

void fetch_plan::forget(const log_id& id) {
  auto it = partitions_.find(id);
  if (it == partitions_.end()) return;
  set_busy(it->second, false);
  order_.erase(it->second.place);
  partitions_.erase(it);
}

void fetch_plan::back_off(entry& e, int64_t now_ms) {
  const int64_t pause = fetch_backoff_first_ms << std::min(e.errors, 20);
  e.not_before_ms = now_ms + std::min(pause, options_.backoff_ms_max);
  ++e.errors;
}

/// A second's worth may be saved up; what was overdrawn is waited for.
void fetch_plan::refill(int64_t now_ms) {
  const auto rate = static_cast<int64_t>(options_.throttle_bytes_per_s);
  constexpr int64_t passed_max_ms = 3'600'000;  // the first time, and so that nothing overflows
  const int64_t passed = std::clamp<int64_t>(now_ms - refilled_ms_, 0, passed_max_ms);
  if (rate == 0 || passed * rate < 1000) return;
  tokens_ = std::min(rate, tokens_ + passed * rate / 1000);
  refilled_ms_ = now_ms;
}

std::optional<fetch_plan::planned> fetch_plan::next_request(int64_t now_ms) {
  refill(now_ms);
  planned out;
  fetch_request& r = out.request;
  bool held_back = false;
  for (const log_id& id : order_) {
    const entry& e = partitions_.at(id);
    if (e.busy) continue;
    if (e.not_before_ms > now_ms || throttled(e)) {
      held_back = true;
      continue;
    }
    uuid topic;
    topic.bytes = id.topic;
    if (r.topics.empty() || r.topics.back().topic_id != topic)
      r.topics.emplace_back().topic_id = topic;
    fetch_request::partition_data p;
    p.partition = id.partition;
    p.current_leader_epoch = e.at.leader_epoch;
    p.fetch_offset = e.at.offset;
    p.last_fetched_epoch = e.at.last_epoch;
    p.log_start_offset = e.at.log_start;
    p.partition_max_bytes = options_.partition_bytes_max;
    r.topics.back().partitions.push_back(std::move(p));
    out.asked.emplace_back(id, e.serial);
  }
  if (out.asked.empty()) return std::nullopt;
  r.replica_state = {options_.self, options_.incarnation};
  r.max_wait_ms = busy_ > 0   ? std::min(options_.wait_ms_max, fetch_wait_busy_ms)
                  : held_back ? static_cast<int32_t>(std::clamp<int64_t>(next_ms(now_ms) - now_ms,
                                                                         1, options_.wait_ms_max))
                              : options_.wait_ms_max;
  r.min_bytes = options_.bytes_min;
  r.max_bytes = options_.response_bytes_max;
  r.session_id = 0;
  r.session_epoch = -1;  // without a session
  return out;
}

int64_t fetch_plan::next_ms(int64_t now_ms) const {
  int64_t next = INT64_MAX;
  for (const auto& [id, e] : partitions_) {
    if (e.busy) continue;
    int64_t at = std::max(e.not_before_ms, now_ms);
    if (throttled(e)) {
      const auto rate = static_cast<int64_t>(options_.throttle_bytes_per_s);
      at = std::max(at, refilled_ms_ + (1 - tokens_) * 1000 / rate + 1);
    }
    next = std::min(next, at);
  }
  return next;
}

std::vector<fetched_partition> fetch_plan::take(const planned& sent, const fetch_response& answer,
                                                int64_t now_ms) {
  std::vector<fetched_partition> out;
  std::map<log_id, uint64_t> asked(sent.asked.begin(), sent.asked.end());
  for (const auto& t : answer.responses) {
    for (const auto& p : t.partitions) {
      const log_id id{t.topic_id.bytes, p.partition_index};
      auto it = partitions_.find(id);
      auto was = asked.find(id);
      // Not asked for, or its position is another one by now.
      if (it == partitions_.end() || was == asked.end() || it->second.serial != was->second)
        continue;
      entry& e = it->second;
      fetched_partition f;
      f.id = id;
      f.leader_epoch = e.at.leader_epoch;
      f.offset = e.at.offset;
      f.error = p.error_code;
      f.high_watermark = p.high_watermark;
      f.log_start = p.log_start_offset;
      if (p.diverging_epoch.epoch >= 0)
        f.diverging = epoch_end{p.diverging_epoch.epoch, p.diverging_epoch.end_offset};
      if (f.error == error_code::none) {
        e.errors = 0;
        if (!f.diverging && !p.records.null) f.batches = p.records.bytes;
        if (options_.throttle_bytes_per_s > 0 && !e.at.in_sync)
          tokens_ -= static_cast<int64_t>(f.batches.size());
      } else if (f.error != error_code::offset_out_of_range) {
        back_off(e, now_ms);
      }
      const bool busy =
          f.diverging || !f.batches.empty() || f.error == error_code::offset_out_of_range;
      const bool moved =
          f.error == error_code::none &&
          (f.high_watermark != e.told_high_watermark || f.log_start != e.told_log_start);
      if (busy) {
        set_busy(e, true);
        order_.splice(order_.end(), order_, e.place);
      }
      if (f.error == error_code::none) {
        e.told_high_watermark = f.high_watermark;
        e.told_log_start = f.log_start;
      }
      if (busy || moved || f.error != error_code::none) out.push_back(std::move(f));
    }
  }
  return out;
}

}  // namespace weir::kafka
