// top_n of row_number over rows that are only appended: each partition has a short sorted list of
// its best rows. Most rows are worse than the last one, which costs a lookup and a comparison. The
// rows themselves are packed; lists have their sort words, so only ties look into them.
#include <cstring>

#include "runtime/operators/top_n.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {
namespace {

class top_n_append final : public top_n_operator {
 public:
  top_n_append(top_n_spec s, schema_ptr output, std::unique_ptr<partitioned_rows> rows)
      : top_n_operator(std::move(s), std::move(output), std::move(rows)),
        keep_(static_cast<uint32_t>(last_)) {}

 protected:
  void restore_row(uint32_t id, uint32_t partition) override {
    const uint64_t word = rows_.order().word(std::as_const(rows_).row(id));
    auto& l = list_of(rows_.partitions().row(partition));
    if (l.size < keep_) insert(l, place_of(l, word, id), word, id);
  }

  void add_run(const batch& b) override {
    auto& r = rows_.at_hand();
    rows_.choose([&](uint32_t i) {
      if (b.weights && b.weight(r.at[i]) <= 0) return false;
      const auto& l = list_of(r.partition_rows[i]);
      return l.size < keep_ || r.words[i] <= l.last;
    });
    if (r.n == 0) return;
    rows_.find_rows(b);
    for (uint32_t i = 0; i < r.n; ++i) enter(r, i);
    // Rows of a batch that come several times.
    if (b.weights) enter_again(b);
    lists_.release_freed();
  }

  void drop(uint32_t partition, std::vector<uint32_t>& rows) override {
    auto* row = rows_.partitions().row(partition);
    auto& l = list_of(row);
    for (uint32_t i = 0; i < l.size; ++i) rows.push_back(entries(l)[i].id);
    if (l.capacity) lists_.free_later(l.entries, l.capacity * sizeof(entry));
    lists_.release_freed();
    rows_.partitions().erase(partition);
  }

  void window(uint32_t partition, std::vector<top_entry>& out) const override {
    const auto& l = list_of(rows_.partition_row(partition));
    const auto* e = entries(l);
    for (auto i = static_cast<uint32_t>(spec_.offset); i < l.size; ++i)
      out.push_back({e[i].id, spec_.with_number ? int64_t{i} + 1 : 0, 1, e[i].word});
  }
  uint32_t some_row(uint32_t partition) const override {
    const auto& l = list_of(rows_.partition_row(partition));
    return l.size == 0 ? row_table::none : entries(l)[0].id;
  }
  size_t index_bytes() const override { return lists_.reserved(); }

 private:
  struct entry {
    uint64_t word;
    uint32_t id;
  };
  /// What a partition's value words hold.
  struct list {
    uint32_t size, capacity;
    char* entries;
    uint64_t last;  // word of the last entry
  };
  static_assert(sizeof(list) == 3 * 8);

  list& list_of(uint64_t* partition_row) const {
    return *reinterpret_cast<list*>(rows_.partition_value(partition_row));
  }
  const list& list_of(const uint64_t* partition_row) const {
    return list_of(const_cast<uint64_t*>(partition_row));
  }
  const uint64_t* row(uint32_t id) const { return std::as_const(rows_).row(id); }
  static entry* entries(const list& l) { return reinterpret_cast<entry*>(l.entries); }

  /// Where a row belongs; equal ones stand together.
  uint32_t place_of(const list& l, uint64_t word, uint32_t id) const {
    const auto* e = entries(l);
    uint32_t low = 0, high = l.size;
    while (low < high) {
      const uint32_t middle = (low + high) / 2;
      const auto& m = e[middle];
      const bool before =
          m.word != word ? m.word < word : rows_.order().compare(row(m.id), row(id)) < 0;
      if (before)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
  void insert(list& l, uint32_t at, uint64_t word, uint32_t id) {
    if (l.size == l.capacity) grow(l);
    auto* e = entries(l);
    std::memmove(e + at + 1, e + at, (l.size - at) * sizeof(entry));
    e[at] = {word, id};
    ++l.size;
    l.last = e[l.size - 1].word;
  }
  void grow(list& l) {
    const auto capacity = std::min(std::max(4u, l.capacity * 2), keep_);
    char* bigger = lists_.allocate(capacity * sizeof(entry));
    if (l.size) std::memcpy(bigger, l.entries, l.size * sizeof(entry));
    if (l.capacity) lists_.free_later(l.entries, l.capacity * sizeof(entry));
    l.entries = bigger;
    l.capacity = capacity;
  }

  void enter(const partitioned_rows::run& r, uint32_t i) {
    auto& l = list_of(r.partition_rows[i]);
    const uint32_t at = place_of(l, r.words[i], r.ids[i]);
    if (at == keep_) {
      gone(r.ids[i]);
      return;
    }
    note(r.partitions[i], r.partition_rows[i]);
    if (l.size == keep_) gone(entries(l)[--l.size].id);
    insert(l, at, r.words[i], r.ids[i]);
  }

  /// The rows of the run once more for each that their weight counts besides the first.
  void enter_again(const batch& b) {
    auto& r = rows_.at_hand();
    for (int32_t n = 2; r.n > 0; ++n) {
      rows_.choose([&](uint32_t i) { return b.weight(r.at[i]) >= n; });
      if (r.n == 0) return;
      rows_.find_rows(b);
      for (uint32_t i = 0; i < r.n; ++i) enter(r, i);
    }
  }

  const uint32_t keep_;
  var_arena lists_;
};

}  // namespace

result<operator_ptr> make_append_top_n(const top_n_spec& s, const schema_ptr& input,
                                       schema_ptr output, int64_t ttl_us) {
  WEIR_ASSIGN(auto rows, partitioned_rows::make(*input, s.keys, s.order, 3, ttl_us, 0, true));
  return operator_ptr(new top_n_append(s, std::move(output), std::move(rows)));
}

}  // namespace weir
