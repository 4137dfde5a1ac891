#include "actors/placement_rules.hpp"

#include <algorithm>
#include <numeric>

namespace weir::placing {
namespace {

constexpr uint32_t full_capacity = 1000;

std::vector<size_t> usable_of(const std::vector<uint32_t>& capacity) {
  std::vector<size_t> out;
  for (size_t n = 0; n < capacity.size(); ++n)
    if (capacity[n] != 0) out.push_back(n);
  return out;
}

/// Index of the usable node with this id; the number of nodes: there is none.
size_t index_of(const std::vector<node>& nodes, const std::vector<uint32_t>& capacity, int32_t id) {
  for (size_t n = 0; n < nodes.size() && id >= 0; ++n)
    if (nodes[n].id == id && capacity[n] != 0) return n;
  return nodes.size();
}

/// Whether `a` things at capacity `ca` are less than `b` at `cb`.
bool less_loaded(uint64_t a, uint32_t ca, uint64_t b, uint32_t cb) {
  return a * cb < b * ca;
}

}  // namespace

const char* to_string(reason r) noexcept {
  switch (r) {
    case reason::stays:
      return "it was there";
    case reason::copy:
      return "the copy of its state is there";
    case reason::leaders:
      return "partitions that it reads are led there";
    case reason::load:
      return "that node has the least load";
  }
  return "";
}

std::vector<uint32_t> capacities(const std::vector<node>& nodes) {
  uint64_t cpus = 1, memory = 1;
  for (const auto& n : nodes) {
    if (!n.usable) continue;
    cpus = std::max<uint64_t>(cpus, n.cpus);
    memory = std::max(memory, n.memory);
  }
  std::vector<uint32_t> out;
  for (const auto& n : nodes) {
    const auto by_cpu = n.cpus == 0 ? full_capacity : uint64_t{n.cpus} * full_capacity / cpus;
    // Through kibibytes: no overflow.
    const auto by_memory =
        n.memory == 0 ? full_capacity
                      : (n.memory >> 10) * full_capacity / std::max<uint64_t>(memory >> 10, 1);
    out.push_back(n.usable ? static_cast<uint32_t>(
                                 std::max<uint64_t>(1, std::min<uint64_t>(by_cpu, by_memory)))
                           : 0);
  }
  return out;
}

std::vector<choice> place_slots(const std::vector<node>& nodes, uint32_t count,
                                const std::vector<int32_t>& before,
                                const std::vector<std::pair<int32_t, int32_t>>& copies,
                                size_t first) {
  const auto capacity = capacities(nodes);
  const auto usable = usable_of(capacity);
  if (usable.empty()) return {};
  std::vector<uint32_t> had(nodes.size(), 0);
  uint32_t known = 0;
  for (uint32_t s = 0; s < count && s < before.size(); ++s)
    if (size_t n = index_of(nodes, capacity, before[s]); n < nodes.size()) {
      ++had[n];
      ++known;
    }
  // Who has state of slots, or copies of what nodes had that are gone.
  auto wished = had;
  for (uint32_t s = 0; s < count && s < before.size(); ++s)
    for (const auto& [writer, holder] : copies)
      if (writer >= 0 && writer == before[s] && index_of(nodes, capacity, writer) == nodes.size())
        if (size_t n = index_of(nodes, capacity, holder); n < nodes.size()) ++wished[n];
  // How many each node should have.
  std::vector<uint32_t> wanted(nodes.size(), 0);
  for (uint32_t s = 0; s < count; ++s) {
    size_t best = nodes.size();
    for (size_t i = 0; i < usable.size(); ++i) {
      const size_t n = usable[(first + i) % usable.size()];
      if (best == nodes.size()) {
        best = n;
        continue;
      }
      const auto mine = wanted[n] + 1, its = wanted[best] + 1;
      if (less_loaded(mine, capacity[n], its, capacity[best])) best = n;
      if (less_loaded(its, capacity[best], mine, capacity[n]) || n == best) continue;
      // Alike: who had more, so that less moves; then who has less of other jobs.
      const auto more_n = wished[n] > wanted[n] ? 1 : 0,
                 more_best = wished[best] > wanted[best] ? 1 : 0;
      if (more_n != more_best
              ? more_n > more_best
              : less_loaded(nodes[n].tasks, capacity[n], nodes[best].tasks, capacity[best]))
        best = n;
    }
    ++wanted[best];
  }
  // One slot more or less is not worth a move, a node without any is.
  const bool as_it_was = known == count && std::all_of(usable.begin(), usable.end(), [&](size_t n) {
                           const auto most = std::max(had[n], wanted[n]),
                                      least = std::min(had[n], wanted[n]);
                           return most - least <= 1 && (had[n] != 0 || wanted[n] == 0);
                         });
  if (as_it_was) wanted = had;
  std::vector<choice> out(count, {nodes.size(), reason::load});
  auto take = [&](uint32_t slot, size_t n, reason why) {
    if (n >= nodes.size() || wanted[n] == 0) return false;
    --wanted[n];
    out[slot] = {n, why};
    return true;
  };
  for (uint32_t s = 0; s < count && s < before.size(); ++s)
    take(s, index_of(nodes, capacity, before[s]), reason::stays);
  // Of a node that is gone: where the copy of its part is, nothing has to be read from elsewhere.
  // That is worth twice a fair share, of which others get less.
  const auto share =
      (count + static_cast<uint32_t>(usable.size()) - 1) / static_cast<uint32_t>(usable.size());
  auto overload = [&](uint32_t slot, size_t n) {
    const auto has =
        std::count_if(out.begin(), out.end(), [n](const choice& c) { return c.node == n; });
    const auto most = std::max_element(wanted.begin(), wanted.end());
    if (n >= nodes.size() || has >= 2 * share || *most == 0) return;
    --*most;
    out[slot] = {n, reason::copy};
  };
  for (uint32_t s = 0; s < count && s < before.size(); ++s)
    for (const auto& [writer, holder] : copies)
      if (out[s].node == nodes.size() && writer == before[s] && writer >= 0) {
        const auto n = index_of(nodes, capacity, holder);
        const bool gone = index_of(nodes, capacity, writer) == nodes.size();
        if (!take(s, n, reason::copy) && gone) overload(s, n);
      }
  for (uint32_t s = 0; s < count; ++s)
    for (size_t i = 0; i < usable.size() && out[s].node == nodes.size(); ++i)
      take(s, usable[(first + s + i) % usable.size()], reason::load);
  return out;
}

uint32_t read_locally(const std::vector<node>& nodes, const std::vector<size_t>& tasks,
                      const std::vector<int32_t>& leaders) {
  if (tasks.empty()) return 0;
  const auto share = (leaders.size() + tasks.size() - 1) / tasks.size();
  uint32_t local = 0;
  for (size_t n = 0; n < nodes.size(); ++n) {
    const auto led = static_cast<uint64_t>(std::count(leaders.begin(), leaders.end(), nodes[n].id));
    const auto there = static_cast<uint64_t>(std::count(tasks.begin(), tasks.end(), n));
    local += static_cast<uint32_t>(std::min<uint64_t>(led, there * share));
  }
  return local;
}

std::vector<choice> place_beside(const std::vector<node>& nodes, uint32_t count,
                                 const std::vector<int32_t>& leaders,
                                 const std::vector<int32_t>& before) {
  const auto capacity = capacities(nodes);
  const auto usable = usable_of(capacity);
  if (usable.empty() || count == 0) return {};
  std::vector<uint64_t> led(nodes.size(), 0);
  for (auto id : leaders)
    if (size_t n = index_of(nodes, capacity, id); n < nodes.size()) ++led[n];
  const auto all_led = std::accumulate(led.begin(), led.end(), uint64_t{0});
  // Tasks that are of use beside partitions, dealt out one after the other to who has the most
  // partitions for each of its tasks.
  std::vector<uint32_t> wanted(nodes.size(), 0);
  const auto beside = std::min<uint64_t>(
      count, leaders.empty() ? 0 : (all_led * count + leaders.size() - 1) / leaders.size());
  for (uint64_t i = 0; i < std::min(beside, all_led); ++i) {
    size_t best = nodes.size();
    for (size_t n : usable)
      if (led[n] > wanted[n] &&
          (best == nodes.size() || led[n] * (wanted[best] + 1) > led[best] * (wanted[n] + 1)))
        best = n;
    if (best == nodes.size()) break;
    ++wanted[best];
  }
  std::vector<uint32_t> by_load(nodes.size(), 0);
  for (auto placed = std::accumulate(wanted.begin(), wanted.end(), uint32_t{0}); placed < count;
       ++placed) {
    size_t best = usable.front();
    auto load = [&](size_t n) { return uint64_t{nodes[n].tasks} + wanted[n] + by_load[n] + 1; };
    for (size_t n : usable)
      if (less_loaded(load(n), capacity[n], load(best), capacity[best])) best = n;
    ++by_load[best];
  }
  std::vector<size_t> old;
  for (uint32_t t = 0; t < count && t < before.size(); ++t)
    if (size_t n = index_of(nodes, capacity, before[t]); n < nodes.size()) old.push_back(n);
  if (old.size() == count) {
    std::vector<size_t> fresh;
    for (size_t n = 0; n < nodes.size(); ++n) fresh.insert(fresh.end(), wanted[n] + by_load[n], n);
    if (read_locally(nodes, fresh, leaders) <=
        read_locally(nodes, old, leaders) + leaders.size() / 10) {
      std::vector<choice> out;
      for (auto n : old) out.push_back({n, reason::stays});
      return out;
    }
  }
  std::vector<choice> out(count, {nodes.size(), reason::load});
  auto take = [&](uint32_t task, size_t n, std::vector<uint32_t>& left, reason why) {
    if (out[task].node != nodes.size() || n >= nodes.size() || left[n] == 0) return;
    --left[n];
    out[task] = {n, why};
  };
  for (auto* left : {&wanted, &by_load})
    for (uint32_t t = 0; t < count && t < before.size(); ++t)
      take(t, index_of(nodes, capacity, before[t]), *left, reason::stays);
  for (uint32_t t = 0; t < count; ++t) {
    for (size_t n : usable) take(t, n, wanted, reason::leaders);
    for (size_t n : usable) take(t, n, by_load, reason::load);
  }
  return out;
}

}  // namespace weir::placing
