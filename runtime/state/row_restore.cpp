// Restoring a row_table: records of the key groups that this instance owns, oldest chunk first, the
// newest record of a key holds. Fixed records go in batches through the same two-pass lookup as
// rows do; the table is laid out for their number beforehand.
#include <cstring>

#include "runtime/snapshot/records.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

class row_restore {
 public:
  row_restore(row_table& t, std::string_view state)
      : t_(t),
        l_(t.layout_),
        packed_(packed_layout_of(l_)),
        state_(state),
        keys_(batch_max * (1 + l_.key_words)) {}

  status count(std::span<const std::byte> chunk) {
    if (packed_reader::is_packed(chunk)) {
      WEIR_ASSIGN(auto r, packed_reader::open(chunk));
      upserts_ += r.upserts();
      return {};
    }
    WEIR_ASSIGN(auto r, record_reader::open(chunk));
    upserts_ += r.upserts();
    return {};
  }
  void reserve() { t_.index_.reserve(upserts_); }

  status chunk(uint32_t group, chunk_kind kind, std::span<const std::byte> bytes) {
    if (kind == chunk_kind::full) {
      drop_group(group);
    } else {
      full_group_ = 0xffff'ffff;
    }
    last_group_ = group;
    if (packed_reader::is_packed(bytes)) return packed(group, bytes);
    WEIR_ASSIGN(auto r, record_reader::open(bytes));
    if (l_.packed() || r.layout().is_fixed() != l_.fixed() ||
        (l_.fixed() && (r.layout().key_size != l_.record_key_bytes() ||
                        r.layout().value_size != l_.record_value_bytes())))
      return other_shape();
    if (l_.fixed()) {
      fixed(group, r);
      return {};
    }
    status bad;
    auto visited = r.visit(
        [&](std::span<const std::byte> k, std::span<const std::byte> v) {
          if (bad.ok()) bad = variable(group, k, v);
        },
        [&](std::span<const std::byte> k) {
          if (bad.ok()) bad = remove(k);
        });
    WEIR_TRY(std::move(bad));
    return visited;
  }
  void end() {
    t_.durable_ = t_.rows_;
    if (l_.numbered) t_.leave_index();
    t_.arena_.release_freed();
    t_.end_batch();
  }

 private:
  static constexpr size_t batch_max = 512;

  static uint64_t header_of(const std::byte* p) {
    uint32_t mask;
    std::memcpy(&mask, p, 4);
    return uint64_t{mask} << 32;
  }

  status other_shape() const {
    return error(errc::version_mismatch, "state \"" + std::string(state_) +
                                             "\" of the snapshot has records of another shape "
                                             "(the operator changed): start with --fresh");
  }

  // ---- chunks in columns ----

  status packed(uint32_t group, std::span<const std::byte> bytes) {
    WEIR_ASSIGN(auto r, packed_reader::open(bytes));
    if (r.layout() != packed_) return other_shape();
    packed_reader::block b;
    for (;;) {
      WEIR_ASSIGN(const bool more, r.next(b));
      if (!more) return {};
      text_ = b.text;
      if (b.deletes) {
        for (uint32_t i = 0; i < b.rows; ++i) {
          packed_key(b, i, keys_.data());
          remove_key();
        }
      } else {
        packed_rows(group, b);
      }
    }
  }

  void packed_rows(uint32_t group, const packed_reader::block& b) {
    const size_t stride = 1 + l_.key_words, key_columns = packed_.key.size();
    const bool texts = !l_.fixed();
    values_.resize(size_t{b.rows} * l_.value_words);
    if (!texts) {
      for (uint32_t i = 0; i < b.rows; ++i) keys_[i * stride] = b.column(0)[i] << 32;
      for (size_t c = 1; c < key_columns; ++c)
        for (uint32_t i = 0; i < b.rows; ++i) keys_[i * stride + c] = b.column(c)[i];
    } else {
      // Texts stand row by row, those of the key before those of the value.
      for (uint32_t i = 0; i < b.rows; ++i) {
        packed_key(b, i, &keys_[i * stride]);
        uint64_t* value = values_.data() + size_t{i} * l_.value_words;
        packed_part(b, i, key_columns, l_.value_words, l_.value_strings, value);
        if (l_.packed()) {
          bytes_[i] = {text_, value[l_.packed_word]};
          text_ += bytes_[i].size();
        }
      }
    }
    t_.hash(keys_.data(), b.rows, hashes_);
    added_.clear();
    t_.upsert(keys_.data(), hashes_, b.rows, ids_, rows_, added_);
    for (uint32_t i = 0; i < b.rows; ++i) {
      row_table::set_group(rows_[i], group);
      *rows_[i] |= row_table::flag_durable;
      if (l_.numbered) t_.next_number_ = std::max(t_.next_number_, rows_[i][1] + 1);
    }
    if (!texts) {
      for (size_t w = 0; w < l_.value_words; ++w)
        for (uint32_t i = 0; i < b.rows; ++i) rows_[i][stride + w] = b.column(key_columns + w)[i];
      return;
    }
    for (uint32_t i = 0; i < b.rows; ++i) {
      uint64_t* value = values_.data() + size_t{i} * l_.value_words;
      if (l_.packed()) {
        // The bytes are the row's own; what the words hold is their length.
        t_.set_packed(rows_[i], bytes_[i]);
        value[l_.packed_word] = rows_[i][stride + l_.packed_word];
      }
      set_value(rows_[i] + stride, value);
    }
    if (l_.packed()) t_.arena_.release_freed();
  }

  /// The words of a part of row i from the columns that begin at `c`; texts are borrowed.
  void packed_part(const packed_reader::block& b, uint32_t i, size_t c, uint32_t n,
                   const std::vector<uint32_t>& strings, uint64_t* out) {
    uint32_t w = 0;
    for (uint32_t s : strings) {
      for (; w < s; ++w) out[w] = b.column(c++)[i];
      const size_t size = b.column(c++)[i];
      const auto ref = var_ref::borrow({text_, size});
      std::memcpy(out + w, ref.words, 16);
      text_ += size;
      w += 2;
    }
    for (; w < n; ++w) out[w] = b.column(c++)[i];
  }
  void packed_key(const packed_reader::block& b, uint32_t i, uint64_t* out) {
    *out = b.column(0)[i] << 32;
    packed_part(b, i, 1, l_.key_words, l_.key_strings, out + 1);
  }
  /// Values with borrowed strings become a row's own.
  void set_value(uint64_t* to, uint64_t* from) {
    for (uint32_t s : l_.value_strings) {
      var_ref ref;
      std::memcpy(ref.words, from + s, 16);
      t_.arena_.drop(to + s);
      ref = t_.arena_.store(ref);
      std::memcpy(from + s, ref.words, 16);
    }
    if (l_.value_words) std::memcpy(to, from, 8 * l_.value_words);
  }

  // ---- chunks of records ----

  void fixed(uint32_t group, const record_reader& r) {
    const size_t key_bytes = 8 * l_.key_words, value_bytes = 8 * l_.value_words;
    const size_t record = 4 + key_bytes + value_bytes;
    const size_t stride = 1 + l_.key_words;
    const std::byte* p = r.fixed_upserts().data();
    for (uint32_t at = 0; at < r.upserts();) {
      size_t n = std::min<size_t>(batch_max, r.upserts() - at);
      for (size_t i = 0; i < n; ++i) {
        keys_[i * stride] = header_of(p + i * record);
        std::memcpy(&keys_[i * stride + 1], p + i * record + 4, key_bytes);
      }
      t_.hash(keys_.data(), n, hashes_);
      added_.clear();
      t_.upsert(keys_.data(), hashes_, n, ids_, rows_, added_);
      for (size_t i = 0; i < n; ++i) {
        row_table::set_group(rows_[i], group);
        *rows_[i] |= row_table::flag_durable;
        std::memcpy(rows_[i] + stride, p + i * record + 4 + key_bytes, value_bytes);
      }
      p += n * record;
      at += static_cast<uint32_t>(n);
    }
    p = r.fixed_deletes().data();
    for (uint32_t i = 0; i < r.deletes(); ++i, p += 4 + key_bytes) {
      keys_[0] = header_of(p);
      std::memcpy(&keys_[1], p + 4, key_bytes);
      remove_key();
    }
  }

  void remove_key() {
    uint32_t h;
    t_.hash(keys_.data(), 1, &h);
    uint32_t id = t_.find(keys_.data(), h);
    if (id != row_table::none) t_.remove(id);
  }

  /// Reads words with strings from `bytes` into `out`; strings are borrowed.
  static bool read_part(std::span<const std::byte>& bytes, uint32_t n,
                        const std::vector<uint32_t>& strings, uint64_t* out) {
    uint32_t w = 0;
    auto words = [&](uint32_t count) {
      if (bytes.size() < 8 * size_t{count}) return false;
      if (count) std::memcpy(out + w, bytes.data(), 8 * size_t{count});
      bytes = bytes.subspan(8 * size_t{count});
      w += count;
      return true;
    };
    for (uint32_t s : strings) {
      if (!words(s - w) || bytes.size() < 4) return false;
      uint32_t size;
      std::memcpy(&size, bytes.data(), 4);
      bytes = bytes.subspan(4);
      if (bytes.size() < size) return false;
      auto ref = var_ref::borrow({reinterpret_cast<const char*>(bytes.data()), size});
      std::memcpy(out + w, ref.words, 16);
      bytes = bytes.subspan(size);
      w += 2;
    }
    return words(n - w) && bytes.empty();
  }
  status read_key(std::span<const std::byte> k) {
    if (k.size() < 4) return damaged();
    keys_[0] = header_of(k.data());
    k = k.subspan(4);
    if (!read_part(k, l_.key_words, l_.key_strings, &keys_[1])) return damaged();
    return {};
  }
  status damaged() const {
    return error(errc::corrupt,
                 "state \"" + std::string(state_) + "\" has a record whose parts do not fit");
  }

  status variable(uint32_t group, std::span<const std::byte> k, std::span<const std::byte> v) {
    WEIR_TRY(read_key(k));
    value_.resize(l_.value_words);
    if (!read_part(v, l_.value_words, l_.value_strings, value_.data())) return damaged();
    t_.hash(keys_.data(), 1, hashes_);
    added_.clear();
    t_.upsert(keys_.data(), hashes_, 1, ids_, rows_, added_);
    uint64_t* row = rows_[0];
    row_table::set_group(row, group);
    *row |= row_table::flag_durable;
    set_value(row + 1 + l_.key_words, value_.data());
    return {};
  }
  status remove(std::span<const std::byte> k) {
    WEIR_TRY(read_key(k));
    remove_key();
    return {};
  }
  /// Full chunks replace what came before of their group. Readers skip that already, so the scan
  /// is for readers that do not.
  void drop_group(uint32_t group) {
    if (full_group_ == group) return;  // a further part of the same full set
    full_group_ = group;
    if (last_group_ != group) return;  // nothing of the group came before
    for (uint32_t id = 0; id < t_.rows_used_; ++id)
      if (t_.alive(id) && row_table::group(t_.row(id)) == group) t_.remove(id);
  }

  row_table& t_;
  const row_layout& l_;
  const packed_layout packed_;
  std::string_view state_;
  size_t upserts_ = 0;
  uint32_t full_group_ = 0xffff'ffff;
  uint32_t last_group_ = 0xffff'ffff;
  std::vector<uint64_t> keys_, value_, values_;
  std::string_view bytes_[packed_reader::block_rows_max];
  const char* text_ = nullptr;  // where the next text of the block begins
  uint32_t hashes_[batch_max];
  uint32_t ids_[batch_max];
  uint64_t* rows_[batch_max];
  std::vector<uint32_t> added_;
};

status row_table::restore(const snapshot_reader& in, std::string_view state,
                          key_group_range range) {
  weir_assert(rows_used_ == 0, "state is restored into a table that has rows");
  indexed_ = true;
  auto work = std::make_unique<row_restore>(*this, state);
  WEIR_TRY(in.keyed(state, range, [&](uint32_t, chunk_kind, std::span<const std::byte> bytes) {
    return work->count(bytes);
  }));
  work->reserve();
  WEIR_TRY(in.keyed(state, range, [&](uint32_t g, chunk_kind k, std::span<const std::byte> bytes) {
    return work->chunk(g, k, bytes);
  }));
  work->end();
  return {};
}

}  // namespace weir
