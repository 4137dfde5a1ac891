#include "runtime/operators/over_frames.hpp"

#include <bit>
#include <cmath>
#include <cstring>

namespace weir {
namespace {

using bound = over_frame::bound;
using unit = over_frame::unit;

/// Whether a value is within a distance of another, as far as one side goes: PostgreSQL's in_range
/// functions. `below`: base - offset is meant, else base + offset; `less`: value <= that, else >=.
class distance {
 public:
  distance(type_id t, const scalar& offset) : type_(t), offset_(offset) {}

  bool in_range(const uint64_t* value, const uint64_t* base, bool below, bool less) const {
    if (type_ == type_id::float64) {
      const auto v = std::bit_cast<double>(*value), b = std::bit_cast<double>(*base);
      if (v != v) return b != b || !less;
      if (b != b) return less;
      if (std::isinf(offset_.d) && std::isinf(b) && (below ? b > 0 : b < 0)) return true;
      const double edge = below ? b - offset_.d : b + offset_.d;
      return less ? v <= edge : v >= edge;
    }
    const int128 off = type_ == type_id::decimal ? offset_.dec : static_cast<int128>(offset_.i);
    const int128 edge = below ? wide(base) - off : wide(base) + off;
    return less ? wide(value) <= edge : wide(value) >= edge;
  }

 private:
  int128 wide(const uint64_t* w) const {
    if (type_ != type_id::decimal) return static_cast<int64_t>(*w);
    int128 v;
    std::memcpy(&v, w, 16);
    return v;
  }
  type_id type_;
  const scalar& offset_;
};

uint32_t clamped(int64_t at, size_t n) {
  return static_cast<uint32_t>(std::clamp<int64_t>(at, 0, static_cast<int64_t>(n)));
}
int64_t count_of(const scalar& s) {
  return std::min<int64_t>(s.i, UINT32_MAX);
}

/// The side of a frame that a distance bounds. Rows stand in order, so each bound only moves on.
void find_distances(const over_frame& f, bool start, sorted_rows rows, const peer_groups& peers,
                    const row_column& column, const order_term& order, std::vector<uint32_t>& out) {
  const bool preceding = (start ? f.start : f.end) == bound::preceding;
  const distance d(column.type, start ? f.start_offset : f.end_offset);
  // Descending, what precedes is larger.
  const bool below = preceding != order.descending, less = !start != order.descending;
  uint32_t at = 0;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    if (column.is_null(rows[i])) {
      out[i] = start ? peers.begin(i) : peers.end(i);  // NULLs are at no distance from one another
      continue;
    }
    for (; at < rows.size(); ++at) {
      bool inside = !order.nulls_first;  // as seen from the start: NULLs at the end are not passed
      if (!column.is_null(rows[at]))
        inside = d.in_range(column.value(rows[at]), column.value(rows[i]), below, less);
      else if (!start)
        inside = order.nulls_first;
      if (start == inside) break;
    }
    out[i] = at;
  }
}

void find_side(const over_frame& f, bool start, sorted_rows rows, const peer_groups& peers,
               const row_column& column, const order_term& order, std::vector<uint32_t>& out) {
  const size_t n = rows.size();
  out.resize(n);
  const auto b = start ? f.start : f.end;
  const auto& offset = start ? f.start_offset : f.end_offset;
  if (b == bound::unbounded_preceding || b == bound::unbounded_following) {
    std::fill(out.begin(), out.end(),
              b == bound::unbounded_preceding ? 0 : static_cast<uint32_t>(n));
    return;
  }
  if (b == bound::current_row) {
    for (uint32_t i = 0; i < n; ++i)
      out[i] = f.in == unit::rows ? i + !start : start ? peers.begin(i) : peers.end(i);
    return;
  }
  const int64_t by = (b == bound::preceding ? -1 : 1) * count_of(offset);
  switch (f.in) {
    case unit::rows:
      for (uint32_t i = 0; i < n; ++i) out[i] = clamped(int64_t{i} + by + !start, n);
      break;
    case unit::groups: {
      const size_t groups = peers.begins.size() - 1;
      for (uint32_t i = 0; i < n; ++i)
        out[i] = peers.begins[clamped(int64_t{peers.of[i]} + by + !start, groups)];
      break;
    }
    case unit::range:
      find_distances(f, start, rows, peers, column, order, out);
      break;
  }
}

}  // namespace

void peer_groups::find(sorted_rows rows, const row_order& order) {
  of.resize(rows.size());
  begins.clear();
  for (uint32_t i = 0; i < rows.size(); ++i) {
    if (i == 0 || order.compare_terms(rows[i - 1], rows[i]) != 0) begins.push_back(i);
    of[i] = static_cast<uint32_t>(begins.size() - 1);
  }
  begins.push_back(static_cast<uint32_t>(rows.size()));
}

row_column row_column::of(uint32_t column, const schema& s, const key_codec& codec) {
  return {1 + codec.word_of(column), codec.null_of(column), s.fields[column].type.id};
}

void find_frames(const over_frame& f, sorted_rows rows, const peer_groups& peers,
                 const row_column& column, const order_term& order, std::vector<uint32_t>& begin,
                 std::vector<uint32_t>& end) {
  find_side(f, true, rows, peers, column, order, begin);
  find_side(f, false, rows, peers, column, order, end);
}

}  // namespace weir
