#include "runtime/connectors/kafka/sink_snapshot.hpp"

#include <algorithm>

#include "runtime/connectors/split_codec.hpp"

namespace weir {
namespace {

constexpr uint64_t head_version = 1;
// Far above what memory holds, far below what a damaged number would make us allocate.
constexpr uint64_t pieces_max = 1u << 20;
const error damaged{errc::corrupt, "the state of a Kafka sink in the snapshot is damaged"};

}  // namespace

std::string sink_snapshot::encode_head() const {
  payload_writer w;
  w.u64(head_version).u64(number).text(run).u64(subtask).text(transactional_id).text(group);
  w.u64(pieces.size());
  for (const auto& p : pieces) w.u64(p.size());
  return w.take();
}

namespace {

struct head {
  sink_snapshot of;
  std::vector<uint64_t> piece_bytes;
};

result<head> decode(std::string_view bytes) {
  payload_reader r(bytes);
  head h;
  uint64_t version = r.u64();
  h.of.number = r.u64();
  h.of.run = r.text();
  uint64_t subtask = r.u64();
  h.of.transactional_id = r.text();
  h.of.group = r.text();
  uint64_t count = r.u64();
  if (!r.ok() || version != head_version || subtask > UINT32_MAX || count > pieces_max)
    return damaged;
  h.of.subtask = static_cast<uint32_t>(subtask);
  h.of.pieces.resize(count);
  for (uint64_t i = 0; i < count; ++i) h.piece_bytes.push_back(r.u64());
  if (!r.at_end()) return damaged;
  return h;
}

}  // namespace

result<std::vector<sink_snapshot>> sink_snapshot::read(const snapshot_reader& reader,
                                                       const std::string& head_state) {
  std::vector<head> heads;
  uint64_t newest = 0;
  for (const auto& [subtask, bytes] : reader.blobs(head_state)) {
    WEIR_ASSIGN(auto h, decode({bytes.as<char>(), bytes.size()}));
    newest = std::max(newest, h.of.number);
    heads.push_back(std::move(h));
  }
  // Those of subtasks that a smaller parallelism ended earlier: their records are long committed.
  std::erase_if(heads, [newest](const head& h) { return h.of.number != newest; });
  size_t pieces = 0;
  for (const auto& h : heads) pieces = std::max(pieces, h.of.pieces.size());
  for (size_t i = 0; i < pieces; ++i)
    for (auto& [subtask, bytes] : reader.blobs(piece_state(head_state, i)))
      for (auto& h : heads)
        if (h.of.subtask == subtask && i < h.of.pieces.size()) h.of.pieces[i] = bytes;
  std::vector<sink_snapshot> all;
  for (auto& h : heads) {
    for (size_t i = 0; i < h.of.pieces.size(); ++i)
      if (h.of.pieces[i].size() != h.piece_bytes[i]) return damaged;
    all.push_back(std::move(h.of));
  }
  return all;
}

}  // namespace weir
