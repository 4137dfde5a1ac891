#include "runtime/flow/task_snapshot.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/column/codec.hpp"

namespace weir {
namespace {

constexpr std::string_view edge_prefix = "edge:";
constexpr std::string_view watermark_state = "task.watermark";

/// In front of each batch of a blob; a multiple of 8 bytes, so that the batch stays aligned.
struct batch_head {
  uint64_t from_subtask = 0;
  uint64_t bytes = 0;
};

}  // namespace

bool is_edge_state(std::string_view operator_id) noexcept {
  return operator_id.starts_with(edge_prefix);
}

std::string edge_state_id(const std::string& edge_key) {
  return "edge:" + edge_key;
}

class task_snapshot::operator_writer final : public snapshot_writer {
 public:
  operator_writer(task_snapshot& s, std::string id) : snapshot_(s), id_(std::move(id)) {}
  epoch number() const override { return snapshot_.number_; }
  memory_pool& memory() override { return snapshot_.pool_; }
  void put(std::string_view state, uint32_t group, chunk_kind kind, buffer_ref bytes) override {
    snapshot_.add({id_, std::string(state), group, snapshot_.subtask_, kind, std::move(bytes),
                   snapshot_.number_, std::nullopt});
  }

 private:
  task_snapshot& snapshot_;
  std::string id_;
};

task_snapshot::task_snapshot(epoch e, memory_pool& pool, uint32_t subtask, timestamp_us now)
    : began_us(now), number_(e), pool_(pool), subtask_(subtask) {}

task_snapshot::~task_snapshot() = default;

snapshot_writer& task_snapshot::writer(const std::string& id) {
  auto& w = writers_[id];
  if (!w) w = std::make_unique<operator_writer>(*this, id);
  return *w;
}

void task_snapshot::add(state_chunk c) {
  bytes_held_ += c.bytes.size();
  bytes_total_ += c.bytes.size() + 1;  // an empty chunk is progress too
  chunks_.push_back(std::move(c));
}

std::vector<state_chunk> task_snapshot::take_chunks() {
  bytes_held_ = 0;
  return std::exchange(chunks_, {});
}

void task_snapshot::put_watermark(const std::string& key, timestamp_us t) {
  auto b = buffer::copy(pool_, std::as_bytes(std::span(&t, 1)));
  writer(key).put(watermark_state, no_key_group, chunk_kind::blob, std::move(b));
}

void task_snapshot::add_outgoing(std::vector<in_flight> rows) {
  std::move(rows.begin(), rows.end(), std::back_inserter(outgoing_));
}

void task_snapshot::add_incoming(std::vector<in_flight> rows) {
  std::move(rows.begin(), rows.end(), std::back_inserter(incoming_));
}

status task_snapshot::write_in_flight(const std::vector<std::string>& edge_keys) {
  WEIR_TRY(encode(outgoing_, edge_keys, outgoing_state));
  return encode(incoming_, edge_keys, incoming_state);
}

status task_snapshot::encode(const std::vector<in_flight>& rows,
                             const std::vector<std::string>& edge_keys,
                             std::string_view direction) {
  // One blob per edge: the batches one after the other, each behind its sender and length.
  std::map<uint32_t, std::vector<std::byte>> by_edge;
  for (const auto& r : rows) {
    auto& out = by_edge[r.edge];
    // The store has its own checksums.
    WEIR_ASSIGN(auto message, encode_batch(r.rows, pool_, {.checksum = false}));
    batch_head head{r.from_subtask, message.bytes};
    auto at = out.size();
    out.resize(at + sizeof head + message.bytes);
    std::memcpy(out.data() + at, &head, sizeof head);
    message.copy_to(out.data() + at + sizeof head);
  }
  for (const auto& [edge, bytes] : by_edge)
    writer(edge_state_id(edge_keys[edge]))
        .put(direction, no_key_group, chunk_kind::blob, buffer::copy(pool_, bytes));
  return {};
}

task_restore::task_restore(std::vector<state_chunk> chunks) {
  std::map<std::string, std::vector<state_chunk>> by_operator;
  for (auto& c : chunks) {
    newest_ = std::max(newest_, c.written);
    by_operator[c.operator_id].push_back(std::move(c));
  }
  for (auto& [id, list] : by_operator) {
    if (is_edge_state(id)) {
      // A blob stays in the store until the next one; rows in flight belong to one epoch only.
      std::erase_if(list, [this](const state_chunk& c) { return c.written != newest_; });
    }
    readers_[id] = std::make_unique<chunk_list_reader>(std::move(list), id);
  }
}

task_restore::~task_restore() = default;

const snapshot_reader* task_restore::reader(const std::string& id) const {
  auto it = readers_.find(id);
  return it == readers_.end() ? nullptr : it->second.get();
}

timestamp_us task_restore::watermark(const std::string& key) const {
  const auto* r = reader(key);
  if (!r) return watermark_none;
  timestamp_us low = watermark_none;
  bool first = true;
  for (const auto& [subtask, bytes] : r->blobs(watermark_state)) {
    timestamp_us t = watermark_none;
    if (bytes.size() == sizeof t) std::memcpy(&t, bytes.data(), sizeof t);
    low = first ? t : std::min(low, t);
    first = false;
  }
  return low;
}

namespace {

/// The batches of one blob that the old senders of `subtask` had sent over the edge.
status read_in_flight(const buffer_ref& blob, const output_edge_spec& edge, uint32_t subtask,
                      memory_pool& pool, std::vector<in_flight>& found) {
  auto owner = std::make_shared<buffer_ref>(blob);
  for (auto rest = blob.bytes(); !rest.empty();) {
    batch_head head;
    if (rest.size() >= sizeof head) std::memcpy(&head, rest.data(), sizeof head);
    if (rest.size() < sizeof head || rest.size() - sizeof head < head.bytes)
      return {errc::corrupt, "the snapshot's rows in flight are cut short"};
    auto message = rest.subspan(sizeof head, head.bytes);
    rest = rest.subspan(sizeof head + head.bytes);
    if (head.from_subtask % edge.senders != subtask) continue;
    WEIR_ASSIGN(auto rows, decode_batch(message, owner, edge.type, pool));
    found.push_back({edge.edge, std::move(rows), subtask});
  }
  return {};
}

}  // namespace

result<std::vector<in_flight>> task_restore::in_flight_rows(
    const std::vector<output_edge_spec>& edges, const std::vector<std::string>& edge_keys,
    uint32_t subtask, memory_pool& pool) const {
  std::vector<in_flight> found;
  for (const auto& e : edges) {
    const auto* r = reader(edge_state_id(edge_keys[e.edge]));
    if (!r) continue;
    // What had reached a receiver was sent before what still waited at its sender.
    for (auto state : {task_snapshot::incoming_state, task_snapshot::outgoing_state})
      for (const auto& [writer, blob] : r->blobs(state))
        WEIR_TRY(read_in_flight(blob, e, subtask, pool, found));
  }
  std::reverse(found.begin(), found.end());  // taken from the back
  return found;
}

}  // namespace weir
