// x IN (constants): sets are built on first use from the literals of the node.
#include <absl/container/flat_hash_set.h>

#include "runtime/expr/code.hpp"

namespace weir::expr {
namespace {

// Up to this many constants a comparison each is faster than a hash lookup.
constexpr size_t compare_each_max = 8;

template <class T>
struct constant_set {
  std::vector<T> few;
  absl::flat_hash_set<T> many;
  bool has_null = false;
};

template <class T>
const constant_set<T>& set_of(const instruction& in) {
  if (!in.state) {
    auto s = std::make_shared<constant_set<T>>();
    const node& n = *in.origin;
    for (size_t i = 1; i < n.args.size(); ++i) {
      const scalar& v = n.args[i]->literal;
      if (v.null) {
        s->has_null = true;
      } else if constexpr (std::is_same_v<T, std::string>) {
        s->many.insert(v.s);
      } else {
        s->many.insert(static_cast<T>(v.i));
      }
    }
    if constexpr (!std::is_same_v<T, std::string>)
      if (s->many.size() <= compare_each_max) s->few.assign(s->many.begin(), s->many.end());
    in.state = s;
  }
  return *static_cast<const constant_set<T>*>(in.state.get());
}

// Not found among constants with a null among them is unknown.
void apply_null(run& r, const instruction& in, const uint8_t* found) {
  uint64_t* valid = r.strict_validity_own(in);
  for (size_t w = 0; w < bitmap_words(r.rows); ++w)
    valid[w] &= pack_bytes(found + w * 64, r.rows - w * 64);
}

template <class T>
void in_numbers(run& r, const instruction& in) {
  const auto& set = set_of<T>(in);
  reg& t = r.at(in.target);
  uint8_t* __restrict out = r.values<uint8_t>(t, r.rows);
  const T* x = r.col(in.args[0]).data<T>();
  if (!set.few.empty() || set.many.empty()) {
    std::memset(out, 0, r.rows);
    for (T c : set.few)
      for (uint32_t i = 0; i < r.rows; ++i) out[i] |= x[i] == c;
  } else {
    for (uint32_t i = 0; i < r.rows; ++i) out[i] = set.many.contains(x[i]);
  }
  if (set.has_null)
    apply_null(r, in, out);
  else
    r.strict_validity(in);
  r.publish(t);
}

void in_text(run& r, const instruction& in) {
  const auto& set = set_of<std::string>(in);
  reg& t = r.at(in.target);
  uint8_t* out = r.values<uint8_t>(t, r.rows);
  std::memset(out, 0, r.rows);
  operand<std::string_view> x(r, in.args[0]);
  r.for_each_row(in, [&](uint32_t i) {
    auto v = x[i];
    out[i] = set.many.contains(absl::string_view(v.data(), v.size()));
  });
  if (set.has_null)
    apply_null(r, in, out);
  else
    r.strict_validity(in);
  r.publish(t);
}

}  // namespace

kernel kernel_in(type_id t) {
  switch (t) {
    case type_id::int32:
    case type_id::date:
      return in_numbers<int32_t>;
    case type_id::int64:
    case type_id::timestamp:
      return in_numbers<int64_t>;
    case type_id::string:
    case type_id::bytes:
      return in_text;
    default:
      return nullptr;
  }
}

}  // namespace weir::expr
