#include "runtime/operators/exchange.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

#include "runtime/base/assert.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/operators/row_append.hpp"

namespace weir {
namespace {

/// A column of the batch that grows for one target. While all its values are of one dictionary
/// that batch after batch refers to, it has their places in it.
class open_column {
 public:
  open_column(data_type type, memory_pool& pool) : values_(type, pool), pool_(&pool) {}

  /// `shared`: the column's dictionary is that of the batch before, too.
  void append(const column& from, std::span<const uint32_t> rows, bool shared) {
    if (shared && values_.length() == 0 && !dictionary_) {
      dictionary_ = from.dictionary;
      if (!places_) places_.emplace(type_id::int32, *pool_);
    }
    if (dictionary_ && dictionary_ == from.dictionary) return append_places(*places_, from, rows);
    if (dictionary_) spell_out();
    append_rows(values_, from, rows);
  }
  /// Bytes of texts.
  size_t bytes() const {
    return fixed_width(values_.type().id) != 0 || dictionary_ ? 0 : values_.bytes();
  }
  column_ptr finish() { return dictionary_ ? finish_places() : values_.finish(); }

 private:
  column_ptr finish_places() {
    auto c = std::make_shared<column>(*places_->finish());
    c->type = values_.type();
    c->dictionary = std::move(dictionary_);
    dictionary_ = nullptr;
    return c;
  }
  void spell_out() {
    const auto c = finish_places();
    std::vector<uint32_t> all(c->length);
    std::iota(all.begin(), all.end(), 0);
    append_rows(values_, *c, all);
  }

  column_builder values_;
  std::optional<column_builder> places_;
  column_ptr dictionary_;
  memory_pool* pool_;
};

/// The batch that grows for one target.
struct open_batch {
  std::vector<open_column> columns;
  std::vector<int32_t> weights;  // empty while all are +1
  uint32_t rows = 0;
  size_t bytes = 0;
};

}  // namespace

struct exchange_partitioner::impl {
  exchange_kind kind;
  std::vector<uint32_t> keys;
  schema_ptr type;
  uint32_t targets;
  uint32_t subtask;
  uint32_t key_groups;
  memory_pool& pool;

  std::vector<uint16_t> target_of_group;
  std::vector<open_batch> open;
  std::vector<std::vector<uint32_t>> indices;  // per target: physical rows of the batch at hand
  uint32_t next = 0;                           // rebalance: whose turn it is
  size_t fixed_row_bytes = 0;
  std::vector<column_ptr> dictionaries;  // by column: of the batch before
  std::vector<uint8_t> shared;           // by column: the batch at hand has that one, too

  /// Texts are handed on as places in a dictionary where many batches refer to the same one; those
  /// of a batch's own would only be spelled out when the next one comes.
  void note_dictionaries(const batch& b) {
    for (size_t c = 0; c < b.columns.size(); ++c) {
      if (!is_varlen(type->fields[c].type.id)) continue;
      const auto& d = b.columns[c]->dictionary;
      shared[c] = d && d == dictionaries[c];
      dictionaries[c] = d;
    }
  }
  void begin(open_batch& b) {
    if (b.columns.empty())
      for (const auto& f : type->fields) b.columns.emplace_back(f.type, pool);
  }

  void append(open_batch& b, const batch& from, std::span<const uint32_t> rows) {
    for (size_t c = 0; c < b.columns.size(); ++c)
      b.columns[c].append(*from.columns[c], rows, shared[c] != 0);
    if (from.weights || !b.weights.empty()) {
      b.weights.resize(b.rows, 1);
      for (uint32_t r : rows) b.weights.push_back(from.weight(r));
    }
    b.rows += static_cast<uint32_t>(rows.size());
    b.bytes = fixed_row_bytes * b.rows;
    for (const auto& c : b.columns) b.bytes += c.bytes();
  }

  void close(uint32_t target, const output_fn& out) {
    open_batch& b = open[target];
    if (b.rows == 0) return;
    std::vector<column_ptr> columns;
    columns.reserve(b.columns.size());
    for (auto& c : b.columns) columns.push_back(c.finish());
    buffer_ref weights;
    if (!b.weights.empty())
      weights = buffer::copy(pool, std::as_bytes(std::span<const int32_t>(b.weights)));
    auto made = make_batch(type, std::move(columns), std::move(weights), b.rows);
    b.weights.clear();
    b.rows = 0;
    b.bytes = 0;
    out(target, std::move(made));
  }

  /// `rows` in order to one target, handing out each batch that becomes full.
  void add_rows(uint32_t target, const batch& from, std::span<const uint32_t> rows,
                const output_fn& out) {
    open_batch& b = open[target];
    begin(b);
    // Long strings fill a batch before its rows do: look at its bytes now and then.
    constexpr size_t step = 1024;
    while (!rows.empty()) {
      size_t n = std::min({rows.size(), size_t{batch_rows_target - b.rows}, step});
      append(b, from, rows.first(n));
      rows = rows.subspan(n);
      if (b.rows >= batch_rows_target || b.bytes >= batch_bytes_target) close(target, out);
    }
  }

  void scatter_hash(const batch& b) {
    auto hashes = hash_keys(b, keys, pool);
    const auto* h = hashes.as<uint64_t>();
    for (auto& list : indices) list.clear();
    const auto* to = target_of_group.data();
    if (targets == 2) {
      // Both lists are written without a branch: which target follows is as random as the keys.
      auto& a = indices[0];
      auto& z = indices[1];
      a.resize(b.rows + 1);  // the one that is behind is written once past its end
      z.resize(b.rows + 1);
      uint32_t* pa = a.data();
      uint32_t* pz = z.data();
      for (uint32_t i = 0; i < b.rows; ++i) {
        uint32_t r = b.row(i), t = to[group_of_hash(h[i], key_groups)];
        *pa = r;
        *pz = r;
        pa += 1 - t;
        pz += t;
      }
      a.resize(static_cast<size_t>(pa - a.data()));
      z.resize(static_cast<size_t>(pz - z.data()));
      return;
    }
    for (uint32_t i = 0; i < b.rows; ++i)
      indices[to[group_of_hash(h[i], key_groups)]].push_back(b.row(i));
  }
};

exchange_partitioner::exchange_partitioner(exchange_kind kind, std::vector<uint32_t> keys,
                                           schema_ptr type, uint32_t targets, uint32_t subtask,
                                           uint32_t key_groups, memory_pool& pool)
    : impl_(new impl{kind,
                     std::move(keys),
                     std::move(type),
                     targets,
                     subtask,
                     key_groups,
                     pool,
                     {},
                     {},
                     {},
                     {},
                     0,
                     {},
                     {}}) {
  weir_assert(targets > 0, "an exchange without targets");
  impl_->open.resize(targets);
  impl_->indices.resize(targets);
  impl_->next = subtask % targets;
  impl_->dictionaries.resize(impl_->type->size());
  impl_->shared.resize(impl_->type->size());
  for (uint32_t g = 0; g < key_groups; ++g)
    impl_->target_of_group.push_back(
        static_cast<uint16_t>(subtask_of_group(key_groups, targets, g)));
  for (const auto& f : impl_->type->fields) {
    size_t width = fixed_width(f.type.id);
    impl_->fixed_row_bytes += width ? width : 4;
  }
}
exchange_partitioner::~exchange_partitioner() = default;
exchange_partitioner::exchange_partitioner(exchange_partitioner&&) noexcept = default;

status exchange_partitioner::add(const batch_ptr& b, const output_fn& out) {
  if (b->rows == 0) return {};
  impl& s = *impl_;
  switch (s.kind) {
    case exchange_kind::forward:
      out(s.subtask % s.targets, b);
      return {};
    case exchange_kind::broadcast:
      for (uint32_t t = 0; t < s.targets; ++t) out(t, b);
      return {};
    case exchange_kind::rebalance:
      // Whole batches take turns; small ones are gathered first, so that a slow trickle still
      // travels in full batches.
      s.note_dictionaries(*b);
      if (s.open[s.next].rows == 0 && b->rows >= batch_rows_target / 2 && !b->selection) {
        out(s.next, b);
        s.next = (s.next + 1) % s.targets;
        return {};
      }
      s.indices[0].resize(b->rows);
      for (uint32_t i = 0; i < b->rows; ++i) s.indices[0][i] = b->row(i);
      s.add_rows(s.next, *b, s.indices[0], out);
      if (s.open[s.next].rows == 0) s.next = (s.next + 1) % s.targets;
      return {};
    case exchange_kind::hash:
      if (s.targets == 1) {
        out(0, b);
        return {};
      }
      s.note_dictionaries(*b);
      s.scatter_hash(*b);
      for (uint32_t t = 0; t < s.targets; ++t) s.add_rows(t, *b, s.indices[t], out);
      return {};
  }
  return {};
}

status exchange_partitioner::flush(const output_fn& out) {
  for (uint32_t t = 0; t < impl_->targets; ++t) impl_->close(t, out);
  if (impl_->kind == exchange_kind::rebalance) impl_->next = (impl_->next + 1) % impl_->targets;
  return {};
}

bool exchange_partitioner::holds_rows() const noexcept {
  return std::any_of(impl_->open.begin(), impl_->open.end(),
                     [](const open_batch& b) { return b.rows != 0; });
}

size_t exchange_partitioner::held_bytes() const noexcept {
  size_t n = 0;
  for (const auto& b : impl_->open) n += b.bytes;
  return n;
}

}  // namespace weir
