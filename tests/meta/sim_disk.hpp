// A log store in memory for the simulation. What write() was told is durable; a lying disk says so
// and loses its last writes at a crash, to see that the simulation notices. Not thread-safe.
#pragma once

#include "cluster/meta/raft/store.hpp"

namespace weir::meta {

class sim_disk final : public log_store {
 public:
  explicit sim_disk(bool lies = false) : lies_(lies) {}

  result<stored_log> load() override { return seen_; }
  result<snapshot_record> snapshot() override {
    if (!seen_.snapshot) return {errc::not_found, "no snapshot yet"};
    return *seen_.snapshot;
  }
  status write(const write_batch& batch) override {
    for (const auto& step : batch) std::visit([this](const auto& s) { apply(s); }, step);
    if (!broken_.empty()) return {errc::internal, broken_};
    constexpr uint64_t lie_length = 8;  // writes between two that a lying disk does make durable
    if (lies_ && ++writes_ % lie_length == 0) durable_ = seen_;
    return {};
  }
  void crash() {
    if (lies_) seen_ = durable_;
  }

 private:
  void apply(const put_vote& v) {
    if (v.term < seen_.term ||
        (v.term == seen_.term && seen_.voted_for != 0 && v.voted_for != seen_.voted_for))
      broken_ = "a term or vote is taken back";
    seen_.term = v.term;
    seen_.voted_for = v.voted_for;
  }
  void apply(const put_entries& p) {
    if (p.first != seen_.first + seen_.entries.size()) broken_ = "entries leave a gap";
    seen_.entries.insert(seen_.entries.end(), p.entries.begin(), p.entries.end());
  }
  void apply(const drop_from& d) {
    if (d.first < seen_.first) broken_ = "more is dropped than there is";
    if (d.first - seen_.first < seen_.entries.size()) seen_.entries.resize(d.first - seen_.first);
  }
  void apply(const put_snapshot& s) {
    if (seen_.snapshot && seen_.snapshot->index >= s.snapshot.index)
      broken_ = "an older snapshot replaces a newer one";
    seen_.snapshot = s.snapshot;
    if (s.keep_from == 0) {
      seen_.entries.clear();
      seen_.first = s.snapshot.index + 1;
    } else if (s.keep_from > seen_.first) {
      const auto n = static_cast<std::ptrdiff_t>(
          std::min<size_t>(s.keep_from - seen_.first, seen_.entries.size()));
      seen_.entries.erase(seen_.entries.begin(), seen_.entries.begin() + n);
      seen_.first += static_cast<log_index>(n);
    }
  }

  stored_log seen_, durable_;
  bool lies_ = false;
  uint64_t writes_ = 0;
  std::string broken_;
};

}  // namespace weir::meta
