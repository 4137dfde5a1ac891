#include "cluster/meta/service/command_lanes.hpp"

#include <algorithm>

namespace weir::meta {

command_lanes::command_lanes(size_t lanes) : lanes_(lanes) {
  for (auto& l : lanes_) l.client = kafka::random_uuid();
}

void command_lanes::submit(command what, uint64_t until_ms, done finished) {
  queue_.push_back({std::move(what), until_ms, std::move(finished)});
}

std::vector<command_lanes::attempt> command_lanes::due(uint64_t now_ms) {
  std::vector<attempt> out;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    auto& l = lanes_[i];
    if (l.busy && !l.sent && now_ms >= l.until_ms)
      end(l, error{errc::timeout,
                   "the cluster's metadata does not answer: is a majority of its "
                   "voters up? it may have happened"});
    if (!l.busy) {
      if (queue_.empty()) continue;
      auto w = std::move(queue_.front());
      queue_.pop_front();
      l.busy = true;
      l.sent = false;
      l.next_ms = now_ms;
      l.until_ms = w.until_ms;
      l.finished = std::move(w.finished);
      l.bytes = encode_request({l.client, ++l.number, std::move(w.what)});
    }
    if (l.sent || now_ms < l.next_ms) continue;
    l.sent = true;
    out.push_back({i, l.number, l.bytes});
  }
  return out;
}

void command_lanes::outcome(const attempt& a, std::optional<result<answer>> r, uint64_t now_ms) {
  auto& l = lanes_[a.lane];
  if (!l.busy || l.number != a.number) return;
  if (r) return end(l, std::move(*r));
  l.sent = false;
  l.next_ms = now_ms + retry_ms;
}

void command_lanes::end(lane& l, result<answer> r) {
  l.busy = false;
  l.bytes.clear();
  auto finished = std::exchange(l.finished, nullptr);
  if (finished) finished(std::move(r));
}

void command_lanes::stop() {
  const error stopped{errc::cancelled, "the node stops"};
  for (auto& l : lanes_)
    if (l.busy) end(l, stopped);
  for (auto& w : std::exchange(queue_, {})) w.finished(stopped);
}

uint64_t command_lanes::next_ms() const {
  uint64_t next = UINT64_MAX;
  for (const auto& l : lanes_) {
    if (l.busy && !l.sent) next = std::min(next, l.next_ms);
    if (!l.busy && !queue_.empty()) return 0;
  }
  return next;
}

}  // namespace weir::meta
