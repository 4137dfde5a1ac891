// Answers for tools: DescribeTransactions, ListTransactions.
#include <algorithm>
#include <optional>

#include "re2/re2.h"
#include "runtime/kafka/transactions/coordinator.hpp"
#include "runtime/kafka/transactions/coordinator_state.hpp"

namespace weir::kafka {

describe_transactions_response transaction_coordinator::describe(
    const describe_transactions_request& request) const {
  describe_transactions_response out;
  for (const std::string& id : request.transactional_ids) {
    auto& told = out.transaction_states.emplace_back();
    told.transactional_id = id;
    const auto found = s_->transactions.find(id);
    if (!s_->loaded) {
      told.error_code = error_code::coordinator_load_in_progress;
    } else if (id.empty()) {
      told.error_code = error_code::invalid_request;
    } else if (found == s_->transactions.end() ||
               found->second.pending == transaction::step::expire) {
      told.error_code = error_code::transactional_id_not_found;
    } else {
      const transaction_values& now = found->second.now;
      told.producer_id = now.producer_id;
      told.producer_epoch = now.epoch;
      told.transaction_state = to_string(now.state);
      told.transaction_timeout_ms = now.timeout_ms;
      told.transaction_start_time_ms = now.start_ms;
      for (const transaction_partition& p : now.partitions) {
        if (told.topics.empty() || told.topics.back().topic != p.topic)
          told.topics.push_back({p.topic, {}});
        told.topics.back().partitions.push_back(p.partition);
      }
    }
  }
  return out;
}

list_transactions_response transaction_coordinator::list(const list_transactions_request& request,
                                                         int64_t now_ms) const {
  list_transactions_response out;
  if (!s_->loaded) {
    out.error_code = error_code::coordinator_load_in_progress;
    return out;
  }
  std::vector<transaction_state> wanted;
  for (const std::string& name : request.state_filters) {
    std::optional<transaction_state> named;
    if (!is_state_name(name, named))
      out.unknown_state_filters.push_back(name);
    else if (named)
      wanted.push_back(*named);
  }
  std::optional<re2::RE2> pattern;
  if (request.transactional_id_pattern && !request.transactional_id_pattern->empty()) {
    pattern.emplace(*request.transactional_id_pattern, re2::RE2::Quiet);
    if (!pattern->ok()) {
      out.error_code = error_code::invalid_regular_expression;
      return out;
    }
  }
  const auto has = [](const auto& list, const auto& value) {
    return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
  };
  for (const auto& [id, t] : s_->transactions) {
    if (t.pending == transaction::step::expire) continue;
    if (!has(request.producer_id_filters, t.now.producer_id)) continue;
    // A filter of unknown names only matches nothing.
    if (!request.state_filters.empty() && (wanted.empty() || !has(wanted, t.now.state))) continue;
    if (request.duration_filter >= 0 && now_ms - t.now.start_ms <= request.duration_filter)
      continue;
    if (pattern && !re2::RE2::FullMatch(id, *pattern)) continue;
    out.transaction_states.push_back({id, t.now.producer_id, to_string(t.now.state)});
  }
  std::sort(out.transaction_states.begin(), out.transaction_states.end(),
            [](const auto& a, const auto& b) { return a.transactional_id < b.transactional_id; });
  return out;
}

}  // namespace weir::kafka
