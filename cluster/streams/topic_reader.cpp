#include "cluster/streams/topic_reader.hpp"

#include <algorithm>
#include <set>
#include <thread>

#include "runtime/kafka/protocol/messages/data.hpp"

namespace weir::streams {
namespace {

using kafka::error_code;

// The newest version of Fetch that names topics.
constexpr int16_t fetch_version = 12;
// Batches of a log may be as large as its topic allows.
constexpr uint64_t batch_bytes_max = uint64_t{1} << 30;

std::string where(const std::string& topic, int32_t partition, int64_t offset) {
  return "topic " + topic + ", partition " + std::to_string(partition) + ", offset " +
         std::to_string(offset);
}

/// Which producers' batches are aborted, while a read goes from batch to batch.
class aborted_filter {
 public:
  using list = std::vector<kafka::fetch_response_aborted_transaction>;
  explicit aborted_filter(const std::optional<list>& l) {
    if (l) left_ = *l;
    std::sort(left_.begin(), left_.end(),
              [](const auto& a, const auto& b) { return a.first_offset > b.first_offset; });
  }
  /// Whether the batch's records count. Control batches never do.
  result<bool> keeps(record_batch_view b) {
    while (!left_.empty() && left_.back().first_offset <= b.last_offset()) {
      now_.insert(left_.back().producer_id);
      left_.pop_back();
    }
    if (b.is_control()) {
      WEIR_ASSIGN(const auto marker, read_control_marker(b));
      if (marker.type == control_type::abort) now_.erase(b.producer_id());
      return false;
    }
    return !(b.is_transactional() && now_.contains(b.producer_id()));
  }

 private:
  list left_;  // the next one last
  std::set<int64_t> now_;
};

}  // namespace

void topic_reader::add(int32_t partition, int64_t offset, std::optional<int64_t> end) {
  positions_[partition] = {offset, end, -1, -1};
}

bool topic_reader::finished() const noexcept {
  return std::all_of(positions_.begin(), positions_.end(),
                     [](const auto& p) { return p.second.finished(); });
}

std::map<int32_t, int64_t> topic_reader::positions() const {
  std::map<int32_t, int64_t> out;
  for (const auto& [p, at] : positions_) out[p] = at.offset;
  return out;
}

int64_t topic_reader::high_watermark(int32_t partition) const {
  auto it = positions_.find(partition);
  return it == positions_.end() ? -1 : it->second.high_watermark;
}

result<bool> topic_reader::poll(int32_t wait_ms, const record_visitor& visit) {
  bytes_ = 0;
  away_ = {};
  broken_ = false;
  std::map<int32_t, kafka::fetch_request> by_leader;
  for (const auto& [p, at] : positions_) {
    if (at.finished()) continue;
    const auto index = static_cast<size_t>(p);
    const int32_t leader = index < topic_.partitions.size() ? topic_.partitions[index].leader : -1;
    auto& q = by_leader[leader];
    if (q.topics.empty()) {
      q.max_wait_ms = wait_ms;
      q.min_bytes = 1;
      q.max_bytes = options_.fetch_bytes_max;
      q.isolation_level = options_.read_committed ? 1 : 0;
      q.topics.emplace_back().topic = topic_.name;
    }
    auto& one = q.topics.front().partitions.emplace_back();
    one.partition = p;
    one.fetch_offset = at.offset;
    one.partition_max_bytes = options_.partition_bytes_max;
  }
  // With several leaders the wait is shared, so that none delays the others for long.
  for (auto& [leader, q] : by_leader) {
    q.max_wait_ms = wait_ms / static_cast<int32_t>(by_leader.size());
    // A round that begins with another partition gives each its turn at the bound of the fetch.
    auto& partitions = q.topics.front().partitions;
    std::rotate(partitions.begin(),
                partitions.begin() + static_cast<ptrdiff_t>(round_ % partitions.size()),
                partitions.end());
    auto go_on = fetch(q, visit);
    if (!go_on && is_of_transport(go_on.err())) {
      away_ = go_on.err();
      broken_ = true;
    } else if (!go_on || !*go_on) {
      return go_on;
    }
  }
  ++round_;
  if (!away_) {
    WEIR_TRY(find_leaders());
    return true;
  }
  away_since_.reset();
  if (bytes_ == 0) pass_over_nothing();
  return true;
}

result<bool> topic_reader::fetch(const kafka::fetch_request& q, const record_visitor& visit) {
  WEIR_ASSIGN(auto* node, brokers_.leader(topic_, q.topics.front().partitions.front().partition));
  WEIR_ASSIGN(auto answer, node->request(q, fetch_version));
  WEIR_TRY(check(answer.error_code, "topic " + topic_.name));
  for (const auto& t : answer.responses)
    for (const auto& p : t.partitions) {
      WEIR_ASSIGN(const bool go_on, take(p, visit));
      if (!go_on) return false;
    }
  return true;
}

/// Before the next round; an error when leaders have been away for too long.
status topic_reader::find_leaders() {
  const auto now = std::chrono::steady_clock::now();
  if (!away_since_) away_since_ = now;
  if (now - *away_since_ >= std::chrono::milliseconds(options_.retry_ms)) return away_;
  std::this_thread::sleep_for(retry_pause);
  if (broken_ && !brokers_.reconnect()) return {};
  auto newer = brokers_.topic(topic_.name);
  if (!newer) return is_of_transport(newer.err()) ? status() : status(newer.err());
  if (newer->id != topic_.id)
    return error{errc::not_found, "topic " + topic_.name + " was deleted and made anew"};
  topic_ = std::move(*newer);
  return {};
}

/// Damage at the end of what is read leaves offsets without a batch: nothing is sent for them.
void topic_reader::pass_over_nothing() {
  for (auto& [p, at] : positions_)
    if (at.end && at.readable_end >= *at.end) at.offset = std::max(at.offset, *at.end);
}

result<bool> topic_reader::take(const kafka::fetch_response_partition& p,
                                const record_visitor& visit) {
  auto it = positions_.find(p.partition_index);
  if (it == positions_.end()) return true;
  auto& at = it->second;
  const auto here = [&] { return where(topic_.name, p.partition_index, at.offset); };
  if (p.error_code == error_code::offset_out_of_range)
    return refused(p.error_code, here(),
                   "no such record; the log begins at " + std::to_string(p.log_start_offset) +
                       " and ends at " + std::to_string(p.high_watermark));
  if (kafka::is_retriable(p.error_code) && p.error_code != error_code::corrupt_message) {
    away_ = refused(p.error_code, here());
    return true;
  }
  WEIR_TRY(check(p.error_code, here()));
  at.high_watermark = p.high_watermark;
  at.readable_end = options_.read_committed ? p.last_stable_offset : p.high_watermark;
  aborted_filter filter(options_.read_committed ? p.aborted_transactions : std::nullopt);
  auto rest = p.records.null ? kafka::bytes_view() : p.records.bytes;
  bytes_ += rest.size();
  while (rest.size() >= record_batch_header_bytes && !at.finished()) {
    auto shape = peek_batch(rest);
    if (!shape) return shape.err().at(here());
    // The last batch of an answer may be cut off.
    if (shape->size_bytes() > rest.size()) break;
    auto batch = verify_batch(rest, {batch_origin::log, batch_bytes_max});
    if (!batch) return batch.err().at(here());
    rest = rest.subspan(batch->size_bytes());
    auto keeps = filter.keeps(*batch);
    if (!keeps) return keeps.err().at(here());
    if (*keeps) {
      WEIR_ASSIGN(const bool go_on, take(p.partition_index, at, *batch, visit));
      if (!go_on) return false;
    }
    at.offset = std::max(at.offset, batch->next_offset());
  }
  // What a transaction's end or compaction left empty is passed over by the batches' own offsets.
  return true;
}

result<bool> topic_reader::take(int32_t partition, position& at, record_batch_view batch,
                                const record_visitor& visit) {
  const auto here = where(topic_.name, partition, batch.base_offset());
  if (auto s = records_.open(batch); !s) return s.err().at(here);
  record r;
  for (;;) {
    auto more = records_.next(r);
    if (!more) return more.err().at(here);
    if (!*more) return true;
    if (r.offset < at.offset) continue;  // the batch begins before what was asked for
    if (at.end && r.offset >= *at.end) {
      at.offset = *at.end;
      return true;
    }
    at.offset = r.offset + 1;
    if (!visit(partition, r)) return false;
  }
}

result<std::optional<int64_t>> first_record_time(brokers& b, const topic_facts& t,
                                                 int32_t partition, int64_t offset) {
  // One batch is enough, unless it is a transaction's end: then a few more.
  constexpr int tries = 4;
  topic_reader_options o;
  o.read_committed = false;
  o.partition_bytes_max = o.fetch_bytes_max = 1;  // the first batch always comes whole
  topic_reader reader(b, t, o);
  reader.add(partition, offset);
  std::optional<int64_t> found;
  for (int i = 0; i < tries && !found; ++i) {
    WEIR_ASSIGN(const bool go_on, reader.poll(0, [&found](int32_t, const record& r) {
      found = r.timestamp_ms;
      return false;
    }));
    if (!go_on) break;
  }
  return found;
}

}  // namespace weir::streams
