#include "actors/data/credit_budget.hpp"

#include <algorithm>
#include <utility>

#include "runtime/base/assert.hpp"

namespace weir {

void credit_budget::arrived(uint64_t connection, end e, uint64_t bytes) {
  auto& c = channels_[e];
  c.connection = connection;
  c.bytes += bytes;
  connections_[connection] += bytes;
  in_flight_ += bytes;
}

bool credit_budget::over(uint64_t connection) const {
  return in_flight_ > limits_.node_bytes || in_flight(connection) > limits_.connection_bytes;
}

uint64_t credit_budget::in_flight(uint64_t connection) const {
  auto it = connections_.find(connection);
  return it == connections_.end() ? 0 : it->second;
}

void credit_budget::subtract(channel& c, uint64_t bytes) {
  weir_assert(bytes <= c.bytes, "no more is taken of a channel than has arrived");
  c.bytes -= bytes;
  in_flight_ -= bytes;
  auto it = connections_.find(c.connection);
  if ((it->second -= bytes) == 0) connections_.erase(it);
}

std::vector<credit_budget::grant> credit_budget::consumed(uint64_t connection, end e,
                                                          uint64_t sender, credit x) {
  std::vector<grant> out;
  auto it = channels_.find(e);
  if (it == channels_.end() || it->second.connection != connection) return out;
  auto& c = it->second;
  c.sender = sender;
  subtract(c, x.bytes);
  const bool held = c.held.batches != 0;
  c.held.bytes += x.bytes;
  c.held.batches += x.batches;
  if (c.bytes == 0 || !over(connection)) {
    out.push_back({connection, e, sender, std::exchange(c.held, {})});
    if (held) std::erase(held_, e);
    if (c.bytes == 0) channels_.erase(it);
  } else if (!held) {
    held_.push_back(e);
  }
  release(out);
  return out;
}

void credit_budget::release(std::vector<grant>& out) {
  for (auto it = held_.begin(); it != held_.end() && in_flight_ <= limits_.node_bytes;) {
    auto& c = channels_.at(*it);
    if (over(c.connection)) {
      ++it;
      continue;
    }
    out.push_back({c.connection, *it, c.sender, std::exchange(c.held, {})});
    it = held_.erase(it);
  }
}

template <class F>
std::vector<credit_budget::grant> credit_budget::forget(F which) {
  for (auto it = channels_.begin(); it != channels_.end();) {
    if (!which(*it)) {
      ++it;
      continue;
    }
    subtract(it->second, it->second.bytes);
    std::erase(held_, it->first);
    it = channels_.erase(it);
  }
  std::vector<grant> out;
  release(out);
  return out;
}

std::vector<credit_budget::grant> credit_budget::forget_task(uint64_t task) {
  return forget([task](const auto& c) { return c.first.task == task; });
}

std::vector<credit_budget::grant> credit_budget::forget_connection(uint64_t connection) {
  return forget([connection](const auto& c) { return c.second.connection == connection; });
}

}  // namespace weir
