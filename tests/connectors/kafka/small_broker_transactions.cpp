// The small broker's transactions: fenced by producer epochs, ended by control records.
#include <span>

#include "runtime/base/crc32c.hpp"
#include "small_broker.hpp"
#include "wire.hpp"

namespace weir::test {
namespace {

// A record batch (version 2) of one record that says how a transaction has ended.
std::string control_batch(int64_t base, int64_t producer, int16_t epoch, bool commit) {
  wire_writer body;
  body.i16(0x30).i32(0).i64(0).i64(0).i64(producer).i16(epoch).i32(-1).i32(1);
  wire_writer record;  // attributes, time and offset deltas; key; value; no headers
  record.i8(0).i8(0).i8(0).i8(8).i16(0).i16(commit ? 1 : 0).i8(12).i16(0).i32(0).i8(0);
  body.i8(static_cast<int8_t>(record.out.size() * 2)).out += record.out;
  wire_writer batch;
  batch.i64(base).i32(static_cast<int32_t>(body.out.size() + 9)).i32(0).i8(2);
  batch.i32(
      static_cast<int32_t>(crc32c(std::as_bytes(std::span(body.out.data(), body.out.size())))));
  return batch.out + body.out;
}

}  // namespace

void small_broker::on_init_producer(wire_reader& in, wire_writer& out) {
  auto id = in.text();
  (void)in.i32();  // timeout
  if (failure_) {
    out.i32(0).i16(failure_).i64(-1).i16(-1);
    return;
  }
  if (id.empty()) {
    out.i32(0).i16(0).i64(next_producer_++).i16(0);
    return;
  }
  auto [it, fresh] = transactions_.try_emplace(id);
  auto& t = it->second;
  if (fresh) {
    t.producer = next_producer_++;
  } else {
    // Fences whoever had it, and aborts what was open.
    if (t.ongoing) finish(t, false);
    ++t.epoch;
  }
  out.i32(0).i16(0).i64(t.producer).i16(t.epoch);
}

int16_t small_broker::check(const std::string& id, int64_t producer, int16_t epoch) {
  auto it = transactions_.find(id);
  if (it == transactions_.end() || it->second.producer != producer) return invalid_producer_mapping;
  return it->second.epoch == epoch ? int16_t{0} : invalid_producer_epoch;
}

void small_broker::on_add_partitions(wire_reader& in, wire_writer& out) {
  auto id = in.text();
  auto producer = in.i64();
  auto error = check(id, producer, in.i16());
  if (failure_) error = failure_;
  auto topics = in.i32();
  out.i32(0).i32(topics);
  while (topics-- > 0) {
    auto topic = in.text();
    auto partitions = in.i32();
    out.text(topic).i32(partitions);
    while (partitions-- > 0) {
      auto index = in.i32();
      if (!error) {
        transactions_[id].ongoing = true;
        transactions_[id].partitions.insert({topic, index});
      }
      out.i32(index).i16(error);
    }
  }
}

void small_broker::on_add_offsets(wire_reader& in, wire_writer& out) {
  auto id = in.text();
  auto producer = in.i64();
  auto error = check(id, producer, in.i16());
  if (failure_) error = failure_;
  if (!error) transactions_[id].ongoing = true;
  out.i32(0).i16(error);
}

void small_broker::on_txn_offset_commit(wire_reader& in, wire_writer& out) {
  auto id = in.text();
  auto group = in.text();
  auto producer = in.i64();
  auto error = check(id, producer, in.i16());
  if (failure_) error = failure_;
  auto topics = in.i32();
  out.i32(0).i32(topics);
  while (topics-- > 0) {
    auto topic = in.text();
    auto partitions = in.i32();
    out.text(topic).i32(partitions);
    while (partitions-- > 0) {
      auto index = in.i32();
      auto offset = in.i64();
      auto text = in.text();
      if (!error) transactions_[id].offsets[group][{topic, index}] = {offset, text};
      out.i32(index).i16(error);
    }
  }
}

void small_broker::on_end_transaction(wire_reader& in, wire_writer& out) {
  auto id = in.text();
  auto producer = in.i64();
  auto error = check(id, producer, in.i16());
  if (failure_) error = failure_;
  bool commit = in.i8() != 0;
  if (!error) finish(transactions_[id], commit);
  out.i32(0).i16(error);
}

void small_broker::finish(transaction& t, bool commit) {
  for (const auto& [topic, index] : t.partitions) {
    auto* p = find(topic, index);
    auto open = p ? p->open.find(t.producer) : std::map<int64_t, int64_t>::iterator();
    if (!p || open == p->open.end()) continue;
    if (!commit) p->aborts.push_back({t.producer, open->second, p->next});
    p->open.erase(open);
    p->batches.push_back(
        {p->next, p->next, 0, control_batch(p->next, t.producer, t.epoch, commit)});
    ++p->next;
  }
  if (commit)
    for (const auto& [group, offsets] : t.offsets)
      for (const auto& [where, c] : offsets) groups_[group][where] = c;
  t.partitions.clear();
  t.offsets.clear();
  t.ongoing = false;
  grown_.notify_all();
}

}  // namespace weir::test
