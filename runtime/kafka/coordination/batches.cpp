#include "runtime/kafka/coordination/batches.hpp"

#include <map>
#include <tuple>

namespace weir::kafka {
namespace {

// What tells entries of a request apart. An answer has the same entries at the same places: what is
// asked for two epochs of one producer is not confused.
auto entry_key(const marker_item& i) {
  return std::make_tuple(i.producer_id, i.producer_epoch, i.commit, i.coordinator_epoch);
}
auto entry_key(const verify_item& i) {
  return std::make_tuple(i.transactional_id, i.producer_id, i.producer_epoch);
}

/// The entry of each item, by first appearance.
template <class Item>
std::vector<size_t> entries_of(const std::vector<Item>& items) {
  std::map<decltype(entry_key(items.front())), size_t> known;
  std::vector<size_t> out;
  out.reserve(items.size());
  for (const auto& i : items)
    out.push_back(known.try_emplace(entry_key(i), known.size()).first->second);
  return out;
}

using answers = std::map<std::tuple<size_t, std::string, int32_t>, error_code>;

template <class Item>
std::vector<error_code> pick(const std::vector<Item>& items, const answers& told,
                             error_code missing) {
  const auto entries = entries_of(items);
  std::vector<error_code> out;
  out.reserve(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    auto it = told.find({entries[i], items[i].topic, items[i].partition});
    out.push_back(it == told.end() ? missing : it->second);
  }
  return out;
}

}  // namespace

write_txn_markers_request markers_request(const std::vector<marker_item>& items) {
  write_txn_markers_request out;
  const auto entries = entries_of(items);
  for (size_t n = 0; n < items.size(); ++n) {
    const auto& i = items[n];
    if (entries[n] == out.markers.size()) {
      auto& m = out.markers.emplace_back();
      m.producer_id = i.producer_id;
      m.producer_epoch = i.producer_epoch;
      m.transaction_result = i.commit;
      m.coordinator_epoch = i.coordinator_epoch;
    }
    auto& topics = out.markers[entries[n]].topics;
    if (topics.empty() || topics.back().name != i.topic) topics.push_back({i.topic, {}});
    topics.back().partition_indexes.push_back(i.partition);
  }
  return out;
}

std::vector<error_code> markers_answer(const std::vector<marker_item>& items,
                                       const write_txn_markers_response& response) {
  answers told;
  for (size_t n = 0; n < response.markers.size(); ++n)
    for (const auto& t : response.markers[n].topics)
      for (const auto& p : t.partitions)
        told.insert_or_assign({n, t.name, p.partition_index}, p.error_code);
  return pick(items, told, error_code::request_timed_out);
}

add_partitions_to_txn_request verify_request(const std::vector<verify_item>& items, bool add) {
  add_partitions_to_txn_request out;
  const auto entries = entries_of(items);
  for (size_t n = 0; n < items.size(); ++n) {
    const auto& i = items[n];
    if (entries[n] == out.transactions.size()) {
      auto& t = out.transactions.emplace_back();
      t.transactional_id = i.transactional_id;
      t.producer_id = i.producer_id;
      t.producer_epoch = i.producer_epoch;
      t.verify_only = !add;
    }
    auto& topics = out.transactions[entries[n]].topics;
    if (topics.empty() || topics.back().name != i.topic) topics.push_back({i.topic, {}});
    topics.back().partitions.push_back(i.partition);
  }
  return out;
}

std::vector<error_code> verify_answer(const std::vector<verify_item>& items,
                                      const add_partitions_to_txn_response& response) {
  answers told;
  for (size_t n = 0; n < response.results_by_transaction.size(); ++n)
    for (const auto& t : response.results_by_transaction[n].topic_results)
      for (const auto& p : t.results_by_partition)
        told.insert_or_assign({n, t.name, p.partition_index}, p.partition_error_code);
  return pick(items, told,
              response.error_code != error_code::none ? response.error_code
                                                      : error_code::request_timed_out);
}

}  // namespace weir::kafka
