// Of the rows of a key that stand, the one that came last (top_n_spec::last_arrived): what a table
// with a PRIMARY KEY holds when rows are written one after the other. Rows that may be taken back
// are all kept, since the one before the last comes up again; of appended ones only the last. A row
// that comes again came last. Of upserts only the last one is kept, too, and one that
// is taken back says by its key alone that the key has no row any more. Each row carries the number
// of its arrival, which grows within a key at any parallelism, since a key is one subtask's.
#include <absl/container/btree_set.h>

#include "runtime/operators/top_n.hpp"

namespace weir {
namespace {

class keep_last final : public top_n_operator {
 public:
  keep_last(top_n_spec s, schema_ptr output, std::unique_ptr<partitioned_rows> rows)
      : top_n_operator(std::move(s), std::move(output), std::move(rows)),
        upserts_(spec_.upserts),
        keeps_all_(spec_.input_has_changes && !upserts_) {}

 protected:
  void restore_row(uint32_t id, uint32_t partition) override {
    const auto* row = rows_.row(id);
    arrivals_ = std::max(arrivals_, arrival(row));
    if (rows_.weight(row) > 0) index_.insert({partition, arrival(row), id});
  }

  void add_run(const batch& b) override {
    rows_.find_rows(b);
    auto& r = rows_.at_hand();
    for (uint32_t i = 0; i < r.n; ++i) change(r, i, b.weight(r.at[i]));
  }

  void window(uint32_t partition, std::vector<top_entry>& out) const override {
    if (const auto last = last_of(partition); last != index_.end()) out.push_back({last->id, 0, 1});
  }

  void settle(uint32_t partition) override {
    const auto last = last_of(partition);
    if (last == index_.end()) {
      rows_.partitions().erase(partition);
      return;
    }
    if (keeps_all_) return;
    take_out(index_.lower_bound({partition, INT64_MIN, 0}), last);
  }

  void drop(uint32_t partition, std::vector<uint32_t>& rows) override {
    const auto first = index_.lower_bound({partition, INT64_MIN, 0});
    auto end = first;
    for (; end != index_.end() && end->partition == partition; ++end) rows.push_back(end->id);
    index_.erase(first, end);
    rows_.partitions().erase(partition);
  }

  uint32_t some_row(uint32_t partition) const override {
    const auto last = last_of(partition);
    return last == index_.end() ? row_table::none : last->id;
  }

  /// Rows that came before the last one, and what was taken back before it came.
  bool forget_rows(size_t& budget) override {
    return rows_.sweep_rows(budget, [this](uint32_t id, uint32_t partition) {
      const auto* row = rows_.row(id);
      if (rows_.weight(row) > 0) {
        if (last_of(partition)->id == id) return;
        index_.erase({partition, arrival(row), id});
      }
      rows_.table().erase(id);
    });
  }

  size_t index_bytes() const override { return index_.size() * sizeof(entry) * 4 / 3; }

 private:
  struct entry {
    uint32_t partition;
    int64_t arrival;
    uint32_t id;
    auto operator<=>(const entry&) const = default;
  };
  using set = absl::btree_set<entry>;

  int64_t& arrival(uint64_t* row) const { return rows_.row_value(row); }
  int64_t arrival(const uint64_t* row) const { return rows_.row_value(const_cast<uint64_t*>(row)); }
  set::const_iterator last_of(uint32_t partition) const {
    auto it = index_.upper_bound({partition, INT64_MAX, UINT32_MAX});
    if (it == index_.begin()) return index_.end();
    --it;
    return it->partition == partition ? it : index_.end();
  }

  void take_out(set::const_iterator first, set::const_iterator end) {
    for (auto it = first; it != end; ++it) {
      rows_.table().change(it->id);
      rows_.weight(rows_.row(it->id)) = 0;
      gone(it->id);
    }
    index_.erase(first, end);
  }

  /// What a key's row is from now on, or that it has none.
  void upsert(const partitioned_rows::run& r, uint32_t i, bool stands) {
    auto& weight = rows_.weight(r.rows[i]);
    if (stands) {
      if (weight > 0) index_.erase({r.partitions[i], arrival(r.rows[i]), r.ids[i]});
      weight = 1;
      arrival(r.rows[i]) = ++arrivals_;
      index_.insert({r.partitions[i], arrivals_, r.ids[i]});
      return;
    }
    take_out(index_.lower_bound({r.partitions[i], INT64_MIN, 0}),
             index_.upper_bound({r.partitions[i], INT64_MAX, UINT32_MAX}));
    gone(r.ids[i]);  // it stands for its key
  }

  void change(const partitioned_rows::run& r, uint32_t i, int32_t by) {
    note(r.partitions[i], r.partition_rows[i]);
    if (upserts_) return upsert(r, i, by > 0);
    auto& weight = rows_.weight(r.rows[i]);
    if (weight > 0) index_.erase({r.partitions[i], arrival(r.rows[i]), r.ids[i]});
    weight += by;
    if (by > 0) arrival(r.rows[i]) = ++arrivals_;
    if (weight > 0) index_.insert({r.partitions[i], arrival(r.rows[i]), r.ids[i]});
    if (weight == 0) gone(r.ids[i]);
  }

  const bool upserts_;
  const bool keeps_all_;
  set index_;
  int64_t arrivals_ = 0;
};

}  // namespace

result<operator_ptr> make_keep_last(const top_n_spec& s, const schema_ptr& input, schema_ptr output,
                                    int64_t ttl_us) {
  WEIR_ASSIGN(auto rows, partitioned_rows::make(*input, s.keys, s.order, 0, ttl_us, 1));
  return operator_ptr(new keep_last(s, std::move(output), std::move(rows)));
}

}  // namespace weir
