#include "actors/coordination/state_topic.hpp"

#include <future>

#include "runtime/kafka/topics/admin/topics.hpp"
#include "runtime/log/record_reader.hpp"

namespace weir {
namespace {

constexpr uint64_t replay_bytes = 4u << 20;
// A partition that does not answer in this time is asked anew, after others had their turn.
constexpr auto replay_timeout = std::chrono::seconds(60);
// So often the end of the node is looked for meanwhile.
constexpr auto stop_look = std::chrono::milliseconds(50);

// Who needs the topic is told to come again rather than held up.
constexpr auto ensure_limit = std::chrono::seconds(1);

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

/// A value that another thread brings; errc::timeout, errc::cancelled.
template <class T>
result<T> wait_for(std::future<T> coming, const std::string& where, const std::atomic<bool>& stop) {
  const auto until = std::chrono::steady_clock::now() + replay_timeout;
  while (coming.wait_for(stop_look) != std::future_status::ready) {
    if (stop) return error{errc::cancelled, "the node stops"};
    if (std::chrono::steady_clock::now() >= until)
      return error{errc::timeout, where + " does not answer"};
  }
  return coming.get();
}

struct log_ends {
  int64_t committed = 0, staged = 0;
  std::optional<error> problem;
};

append_reply no_such_partition(const std::string& topic, int32_t partition) {
  append_reply r;
  r.error = kafka::error_code::unknown_topic_or_partition;
  r.message = topic + " has no partition " + std::to_string(partition);
  return r;
}

}  // namespace

void state_topic::ensure(std::function<void(const kafka::api_error&)> done) {
  if (partitions() > 0) return done({});
  kafka::request_facts facts;
  facts.now_ms = now_ms();
  facts.new_id = kafka::random_uuid;
  facts.nodes = storage_.directory()->nodes();
  topic_change_message m;
  m.limit = ensure_limit;
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

void state_topic::append(const kafka::tenure& t, std::vector<std::byte> batch, append_done done) {
  auto to = storage_.directory()->partition(name_, t.partition);
  if (!to) return done(no_such_partition(name_, t.partition));
  auto owner = std::make_shared<std::vector<std::byte>>(std::move(batch));
  append_message m;
  m.from = append_message::source::own;
  m.leader_epoch = t.epoch;
  m.batch = *owner;
  m.owner = owner;
  m.waiter = std::make_shared<callback_waiter>(std::move(done));
  caf::anon_send(to, std::move(m));
}

void state_topic::confirm(const kafka::tenure& t,
                          std::function<void(kafka::error_code)> done) const {
  auto to = storage_.directory()->partition(name_, t.partition);
  if (!to) return done(kafka::error_code::not_leader_or_follower);
  caf::anon_send(to, leadership_message{t.epoch, std::move(done)});
}

namespace {

result<log_ends> ends_of(const partition_actor& from, const std::string& where,
                         const std::atomic<bool>& stop) {
  auto ends = std::make_shared<std::promise<log_ends>>();
  auto coming = ends->get_future();
  caf::anon_send(from, visit_message{[ends](kafka::partition* p, const error* e) {
                   log_ends found;
                   if (p) {
                     found.committed = p->high_watermark();
                     found.staged = p->log().staged_end_offset();
                   } else {
                     found.problem = *e;
                   }
                   ends->set_value(std::move(found));
                 }});
  return wait_for(std::move(coming), where, stop);
}

/// Tells the visitor what a slice of a segment holds.
status visit_slice(const log_slice& slice, const std::string& where,
                   const state_topic::visitor& v) {
  WEIR_ASSIGN(auto file, slice.file->open());
  std::vector<std::byte> bytes(slice.bytes);
  WEIR_ASSIGN(auto got, file->read(slice.position, bytes));
  if (got != bytes.size()) return error{errc::corrupt, where + " is shorter than its index"};
  record_reader reader;
  std::span<const std::byte> rest(bytes);
  while (!rest.empty()) {
    WEIR_ASSIGN(auto batch, verify_batch(rest, {batch_origin::log, UINT64_MAX}));
    rest = rest.subspan(batch.size_bytes());
    if (batch.is_control()) {
      WEIR_ASSIGN(auto marker, read_control_marker(batch));
      if (marker.type != control_type::other)
        WEIR_TRY(v.on_marker(batch.producer_id(), marker.type == control_type::commit));
      continue;
    }
    WEIR_TRY(reader.open(batch));
    record r;
    for (;;) {
      WEIR_ASSIGN(auto more, reader.next(r));
      if (!more) break;
      WEIR_TRY(v.on_record(r, batch));
    }
  }
  return {};
}

}  // namespace

result<bool> state_topic::replay(const kafka::tenure& t, int64_t& end, const visitor& v,
                                 const std::atomic<bool>& stop) {
  const auto where = name_ + "-" + std::to_string(t.partition);
  auto from = storage_.directory()->partition(name_, t.partition);
  if (!from) return error{errc::not_found, where + " is not on this node"};
  WEIR_ASSIGN(auto ends, ends_of(from, where, stop));
  if (ends.problem) return *ends.problem;
  // A failed write takes back what was staged.
  end = end < 0 ? ends.staged : std::min(end, ends.staged);
  if (ends.committed < end) return false;
  int64_t offset = -1;
  while (offset < end) {
    auto waiter = std::make_shared<promised_fetch>();
    fetch_message m;
    m.query.offset = std::max<int64_t>(offset, 0);
    m.query.bytes_max = replay_bytes;
    m.query.current_leader_epoch = t.epoch;
    m.waiter = waiter;
    auto coming = waiter->answer.get_future();
    caf::anon_send(from, std::move(m));
    WEIR_ASSIGN(auto a, wait_for(std::move(coming), where, stop));
    if (a.error == kafka::error_code::offset_out_of_range && offset < a.log_start_offset) {
      offset = a.log_start_offset;
      continue;
    }
    if (a.error != kafka::error_code::none)
      return error{errc::io, where + " cannot be read: " + std::string(kafka::message_of(a.error))};
    if (a.read.bytes == 0) break;  // compaction left nothing up to the end
    offset = a.read.next_offset;
    for (const auto& slice : a.read.slices) WEIR_TRY(visit_slice(slice, where, v));
  }
  return true;
}

}  // namespace weir
