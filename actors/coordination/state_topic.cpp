#include "actors/coordination/state_topic.hpp"

#include <sys/random.h>

#include <future>

#include "runtime/kafka/topics/admin/topics.hpp"
#include "runtime/log/record_reader.hpp"

namespace weir {
namespace {

constexpr uint64_t replay_bytes = 4u << 20;
// A partition that does not answer at the start is damaged beyond use: said, not waited for.
constexpr auto replay_timeout = std::chrono::seconds(60);

class callback_waiter final : public append_waiter {
 public:
  explicit callback_waiter(append_done f) : done_(std::move(f)) {}
  void appended(uint32_t, append_reply r) override { done_(std::move(r)); }

 private:
  append_done done_;
};

class promised_fetch final : public fetch_waiter {
 public:
  void fetched(uint32_t, kafka::fetch_answer a) override { answer.set_value(std::move(a)); }
  bool gone() const override { return false; }
  std::promise<kafka::fetch_answer> answer;
};

append_reply no_such_partition(const std::string& topic, int32_t partition) {
  append_reply r;
  r.error = kafka::error_code::unknown_topic_or_partition;
  r.message = topic + " has no partition " + std::to_string(partition);
  return r;
}

}  // namespace

kafka::uuid random_uuid() {
  kafka::uuid u;
  size_t have = 0;
  while (have < u.bytes.size()) {
    auto n = ::getrandom(u.bytes.data() + have, u.bytes.size() - have, 0);
    if (n > 0) have += static_cast<size_t>(n);
  }
  u.bytes[6] = static_cast<uint8_t>((u.bytes[6] & 0x0f) | 0x40);
  u.bytes[8] = static_cast<uint8_t>((u.bytes[8] & 0x3f) | 0x80);
  return u;
}

void state_topic::ensure(std::function<void(const kafka::api_error&)> done) {
  if (partitions() > 0) return done({});
  kafka::request_facts facts;
  facts.now_ms = now_ms();
  facts.new_id = random_uuid;
  topic_change_message m;
  m.commands.push_back(kafka::internal_topic(name_, node_, facts));
  m.done = [done = std::move(done)](const kafka::api_error& e) {
    // Two who need it at the same time both ask for it.
    if (e.code == kafka::error_code::topic_already_exists) return done({});
    done(e);
  };
  caf::anon_send(storage_.topics(), std::move(m));
}

int32_t state_topic::partitions() const {
  auto t = storage_.directory()->catalog().find(name_);
  return t ? static_cast<int32_t>(t->partitions.size()) : 0;
}

void state_topic::append(int32_t partition, std::vector<std::byte> batch, append_done done) {
  auto to = storage_.directory()->partition(name_, partition);
  if (!to) return done(no_such_partition(name_, partition));
  auto owner = std::make_shared<std::vector<std::byte>>(std::move(batch));
  append_message m;
  m.from = append_message::source::own;
  m.batch = *owner;
  m.owner = owner;
  m.waiter = std::make_shared<callback_waiter>(std::move(done));
  caf::anon_send(to, std::move(m));
}

void state_topic::append_marker(int32_t partition, const marker_message& marker, append_done done) {
  auto to = storage_.directory()->partition(name_, partition);
  if (!to) return done(no_such_partition(name_, partition));
  auto m = marker;
  m.waiter = std::make_shared<callback_waiter>(std::move(done));
  caf::anon_send(to, std::move(m));
}

status state_topic::replay(const visitor& v) {
  auto directory = storage_.directory();
  auto topic = directory->catalog().find(name_);
  if (!topic) return {};
  for (int32_t i = 0; i < static_cast<int32_t>(topic->partitions.size()); ++i)
    WEIR_TRY(replay_partition(i, directory->partition(topic->id, i), v));
  return {};
}

status state_topic::replay_partition(int32_t number, const partition_actor& from,
                                     const visitor& v) {
  auto where = name_ + "-" + std::to_string(number);
  record_reader reader;
  int64_t offset = -1;
  for (;;) {
    auto waiter = std::make_shared<promised_fetch>();
    fetch_message m;
    m.query.offset = std::max<int64_t>(offset, 0);
    m.query.bytes_max = replay_bytes;
    m.waiter = waiter;
    auto coming = waiter->answer.get_future();
    caf::anon_send(from, std::move(m));
    if (coming.wait_for(replay_timeout) != std::future_status::ready)
      return error{errc::timeout, where + " does not answer"};
    auto a = coming.get();
    if (a.error == kafka::error_code::offset_out_of_range && offset < a.log_start_offset) {
      offset = a.log_start_offset;
      continue;
    }
    if (a.error != kafka::error_code::none)
      return error{errc::io, where + " cannot be read: " + std::string(kafka::message_of(a.error))};
    if (a.read.bytes == 0) return {};
    offset = a.read.next_offset;
    for (const auto& slice : a.read.slices) {
      WEIR_ASSIGN(auto file, slice.file->open());
      std::vector<std::byte> bytes(slice.bytes);
      WEIR_ASSIGN(auto got, file->read(slice.position, bytes));
      if (got != bytes.size()) return error{errc::corrupt, where + " is shorter than its index"};
      std::span<const std::byte> rest(bytes);
      while (!rest.empty()) {
        WEIR_ASSIGN(auto batch, verify_batch(rest, {batch_origin::log, UINT64_MAX}));
        rest = rest.subspan(batch.size_bytes());
        if (batch.is_control()) {
          WEIR_ASSIGN(auto marker, read_control_marker(batch));
          if (marker.type != control_type::other)
            WEIR_TRY(v.on_marker(number, batch.producer_id(), marker.type == control_type::commit));
          continue;
        }
        WEIR_TRY(reader.open(batch));
        record r;
        for (;;) {
          WEIR_ASSIGN(auto more, reader.next(r));
          if (!more) break;
          WEIR_TRY(v.on_record(number, r, batch));
        }
      }
    }
  }
}

}  // namespace weir
