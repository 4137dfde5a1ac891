#include "runtime/kafka/quotas/client_quotas.hpp"

#include <algorithm>
#include <cmath>

namespace weir::kafka {
namespace {

using form = quota_name::form;

const std::optional<double>& rate_of(const quota_rates& r, quota_kind kind) {
  return kind == quota_kind::produce ? r.produce : r.fetch;
}

/// Who shares the bucket: names are set off by their lengths.
std::string bucket_key(quota_kind kind, std::string_view level, std::string_view user,
                       std::string_view client_id) {
  std::string key(kind == quota_kind::produce ? "p" : "f");
  key += level;
  key += std::to_string(user.size());
  key += ':';
  key += user;
  key += client_id;
  return key;
}

}  // namespace

void client_quotas::set(quota_map q) {
  std::lock_guard lock(mutex_);
  quotas_ = std::move(q);
  // Changed rates begin anew.
  buckets_.clear();
  limited_.store(!quotas_.empty() || otherwise_.produce || otherwise_.fetch);
}

quota_map client_quotas::get() const {
  std::lock_guard lock(mutex_);
  return quotas_;
}

std::optional<client_quotas::found> client_quotas::find(quota_kind kind, std::string_view user,
                                                        std::string_view client_id) const {
  const quota_name u{form::named, std::string(user)}, any_user{form::by_default, {}};
  const quota_name c{form::named, std::string(client_id)}, any_client{form::by_default, {}};
  const quota_name none;
  // Kafka's order, the most specific first. A default gives each of its names a bucket of its own.
  const struct {
    const char* level;
    quota_entity entity;
    bool by_user, by_client;
  } order[] = {
      {"uc", {u, c}, true, true},
      {"ud", {u, any_client}, true, true},
      {"u-", {u, none}, true, false},
      {"dc", {any_user, c}, true, true},
      {"dd", {any_user, any_client}, true, true},
      {"d-", {any_user, none}, true, false},
      {"-c", {none, c}, false, true},
      {"-d", {none, any_client}, false, true},
  };
  for (const auto& o : order) {
    auto it = quotas_.find(o.entity);
    if (it == quotas_.end()) continue;
    if (const auto& rate = rate_of(it->second, kind))
      return found{*rate, bucket_key(kind, o.level, o.by_user ? user : std::string_view(),
                                     o.by_client ? client_id : std::string_view())};
  }
  if (const auto& rate = rate_of(otherwise_, kind))
    return found{*rate, bucket_key(kind, "--", {}, client_id)};
  return std::nullopt;
}

int32_t client_quotas::charge(quota_kind kind, std::string_view user, std::string_view client_id,
                              uint64_t bytes, int64_t now_us) {
  if (!limited_.load(std::memory_order_relaxed) || bytes == 0) return 0;
  std::lock_guard lock(mutex_);
  auto quota = find(kind, user, client_id);
  if (!quota) return 0;
  if (buckets_.size() >= buckets_max && !buckets_.contains(quota->key)) {
    forget_full(now_us);
    // Too many who owe: the others share one.
    if (buckets_.size() >= buckets_max) quota->key.clear();
  }
  auto [it, is_new] = buckets_.try_emplace(quota->key, bucket{quota->rate, now_us});
  auto& b = it->second;
  const double seconds = static_cast<double>(std::max<int64_t>(0, now_us - b.at_us)) / 1e6;
  b.balance = std::min(quota->rate, b.balance + quota->rate * seconds);
  b.at_us = std::max(b.at_us, now_us);
  b.balance -= static_cast<double>(bytes);
  if (b.balance >= 0) return 0;
  // What is waited for is not charged again: a longer debt than the longest wait is let off.
  b.balance = std::max(b.balance, -quota->rate * throttle_ms_max / 1000);
  return static_cast<int32_t>(std::ceil(-b.balance / quota->rate * 1000));
}

void client_quotas::forget_full(int64_t now_us) {
  // Who was not seen for a second and owed less than what came in since is as good as new. Rates
  // are not known here; debts are at most throttle_ms_max long.
  constexpr int64_t full_after_us = int64_t{throttle_ms_max + 1000} * 1000;
  std::erase_if(buckets_, [&](const auto& b) { return now_us - b.second.at_us >= full_after_us; });
}

}  // namespace weir::kafka
