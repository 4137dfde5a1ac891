// The small broker's partitions: records in, records out.
#include <algorithm>
#include <chrono>

#include "small_broker.hpp"
#include "wire.hpp"

namespace weir::test {
namespace {

// Places in a record batch (version 2).
constexpr size_t at_attributes = 21, at_max_time = 35, at_producer = 43, at_epoch = 51,
                 at_sequence = 53, at_count = 57;

}  // namespace

int64_t small_broker::partition::stable() const {
  int64_t s = next;
  for (const auto& [producer, first] : open) s = std::min(s, first);
  return s;
}

int16_t small_broker::append(partition& p, const std::string& topic, int32_t index,
                             std::string records, const std::string& transactional_id,
                             int64_t& base) {
  const auto attributes = peek<int16_t>(records, at_attributes);
  const auto producer = peek<int64_t>(records, at_producer);
  const auto epoch = peek<int16_t>(records, at_epoch);
  const auto first = peek<int32_t>(records, at_sequence), count = peek<int32_t>(records, at_count);
  if (attributes & 0x10) {
    if (auto bad = check(transactional_id, producer, epoch)) return bad;
    auto& t = transactions_[transactional_id];
    if (!t.ongoing || !t.partitions.contains({topic, index})) return invalid_txn_state;
    p.open.try_emplace(producer, p.next);
  }
  if (producer >= 0) {
    auto& s = p.sequences[producer];
    if (s.epoch != epoch) s = {epoch, -1};
    if (first + count - 1 <= s.last) return duplicate_sequence;
    if (first != s.last + 1) return out_of_order_sequence;
    s.last = first + count - 1;
  }
  base = p.next;
  stored_batch b{base, base + count - 1, peek<int64_t>(records, at_max_time), std::move(records)};
  wire_writer offset;
  offset.i64(base);
  b.bytes.replace(0, 8, offset.out);
  p.next += count;
  p.batches.push_back(std::move(b));
  return 0;
}

void small_broker::on_produce(wire_reader& in, wire_writer& out) {
  auto transactional_id = in.text();
  (void)in.i16(), (void)in.i32();  // acks, timeout
  auto topics = in.i32();
  out.i32(topics);
  while (topics-- > 0) {
    auto topic = in.text();
    auto partitions = in.i32();
    out.text(topic).i32(partitions);
    while (partitions-- > 0) {
      auto index = in.i32();
      auto records = in.bytes();
      int64_t base = -1;
      int16_t error = failure_;
      auto* p = find(topic, index);
      if (!error)
        error = p ? append(*p, topic, index, std::move(records), transactional_id, base)
                  : unknown_topic;
      out.i32(index).i16(error).i64(base).i64(-1);
    }
  }
  out.i32(0);
  grown_.notify_all();
}

void small_broker::on_fetch(wire_reader& in, wire_writer& out) {
  (void)in.i32();  // replica
  auto wait = std::chrono::milliseconds(in.i32());
  (void)in.i32();  // bytes at least
  const int64_t bytes_max = in.i32();
  const bool committed = in.i8() == 1;
  struct wanted {
    std::string topic;
    int32_t index;
    int64_t offset, bytes_max;
  };
  std::vector<std::vector<wanted>> all(static_cast<size_t>(in.i32()));
  for (auto& topic : all) {
    auto name = in.text();
    topic.resize(static_cast<size_t>(in.i32()));
    for (auto& w : topic) {
      auto index = in.i32();
      auto offset = in.i64();
      w = {name, index, offset, in.i32()};
    }
  }
  std::unique_lock lock(m_);
  auto something = [&] {
    if (stopping_) return true;
    for (const auto& topic : all)
      for (const auto& w : topic) {
        auto* p = find(w.topic, w.index);
        if (!p || w.offset > p->next || w.offset < (committed ? p->stable() : p->next)) return true;
      }
    return false;
  };
  grown_.wait_for(lock, wait, something);
  int64_t total = 0;
  out.i32(0).i32(static_cast<int32_t>(all.size()));
  for (const auto& topic : all) {
    out.text(topic.empty() ? "" : topic[0].topic).i32(static_cast<int32_t>(topic.size()));
    for (const auto& w : topic) {
      auto* p = find(w.topic, w.index);
      const bool outside = p && (w.offset > p->next || w.offset < 0);
      out.i32(w.index).i16(!p ? unknown_topic : outside ? offset_out_of_range : int16_t{0});
      out.i64(p ? p->next : -1).i64(p ? p->stable() : -1);
      std::string records;
      int64_t last = -1;
      if (p && !outside) {
        const int64_t end = committed ? p->stable() : p->next;
        auto it = std::lower_bound(p->batches.begin(), p->batches.end(), w.offset,
                                   [](const stored_batch& b, int64_t o) { return b.last < o; });
        for (; it != p->batches.end() && it->base < end; ++it) {
          const auto size = static_cast<int64_t>(records.size() + it->bytes.size());
          if (!records.empty() && (size > w.bytes_max || total + size > bytes_max)) break;
          records += it->bytes;
          last = it->last;
        }
      }
      std::vector<aborted> aborts;
      if (p && committed)
        for (const auto& a : p->aborts)
          if (a.last >= w.offset && a.first <= last) aborts.push_back(a);
      out.i32(static_cast<int32_t>(aborts.size()));
      for (const auto& a : aborts) out.i64(a.producer).i64(a.first);
      out.bytes(records);
      total += static_cast<int64_t>(records.size());
    }
  }
}

void small_broker::on_list_offsets(wire_reader& in, wire_writer& out) {
  (void)in.i32();
  const bool committed = in.i8() == 1;
  auto topics = in.i32();
  out.i32(0).i32(topics);
  while (topics-- > 0) {
    auto topic = in.text();
    auto partitions = in.i32();
    out.text(topic).i32(partitions);
    while (partitions-- > 0) {
      auto index = in.i32();
      auto time = in.i64();
      auto* p = find(topic, index);
      int64_t offset = -1;
      if (p && time == -1) offset = committed ? p->stable() : p->next;
      if (p && time == -2) offset = 0;
      if (p && time >= 0)
        for (const auto& b : p->batches)
          if (offset < 0 && b.max_time >= time) offset = b.base;
      out.i32(index).i16(p ? int16_t{0} : unknown_topic).i64(-1).i64(offset);
    }
  }
}

}  // namespace weir::test
