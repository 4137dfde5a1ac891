#include "actors/messages.hpp"

#include <cstring>

#include "runtime/flow/split_list.hpp"

namespace weir {

std::vector<char> flatten(const std::vector<state_chunk>& chunks) {
  std::string out;
  for (const auto& c : chunks) {
    put_text(out, c.operator_id);
    put_text(out, c.state);
    uint32_t head[6] = {c.key_group,
                        c.subtask,
                        static_cast<uint32_t>(c.kind),
                        0,
                        static_cast<uint32_t>(c.written.value),
                        static_cast<uint32_t>(c.written.value >> 32)};
    put_text(out, {reinterpret_cast<const char*>(head), sizeof head});
    put_text(out, {c.bytes.as<char>(), c.bytes.size()});
  }
  return {out.begin(), out.end()};
}

bool unflatten(const std::vector<char>& flat, std::vector<state_chunk>& chunks) {
  static memory_pool wire_pool;
  std::string_view in(flat.data(), flat.size());
  chunks.clear();
  while (!in.empty()) {
    state_chunk c;
    std::string head, bytes;
    if (!get_text(in, c.operator_id) || !get_text(in, c.state) || !get_text(in, head) ||
        !get_text(in, bytes) || head.size() != 24)
      return false;
    uint32_t h[6];
    std::memcpy(h, head.data(), sizeof h);
    if (h[2] > static_cast<uint32_t>(chunk_kind::blob)) return false;
    c.key_group = h[0];
    c.subtask = h[1];
    c.kind = static_cast<chunk_kind>(h[2]);
    c.written = epoch{h[4] | static_cast<uint64_t>(h[5]) << 32};
    c.bytes = buffer::copy(wire_pool, std::as_bytes(std::span(bytes)));
    chunks.push_back(std::move(c));
  }
  return true;
}

}  // namespace weir
