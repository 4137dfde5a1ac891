// Three-valued logic, tests for null, the choice among computed values (CASE), and constants spread
// over rows.
#include <algorithm>

#include "runtime/expr/code.hpp"
#include "runtime/expr/dense.hpp"
#include "runtime/expr/make_node.hpp"
#include "runtime/expr/nested.hpp"

namespace weir::expr {
namespace {

uint64_t ones(size_t left) {
  return left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
}
uint64_t valid_word(const column& c, size_t w, size_t rows) {
  return c.validity ? load_word(c.validity.data(), w, rows) : ones(rows - w * 64);
}
// 64 bits -> bytes 0 or 1.
void unpack_bits(uint64_t bits, uint8_t* out, size_t left) {
  if (left >= 64) {
    for (int i = 0; i < 8; ++i, bits >>= 8) {
      uint64_t v = _pdep_u64(bits & 0xff, 0x0101010101010101);
      std::memcpy(out + i * 8, &v, 8);
    }
    return;
  }
  for (size_t i = 0; i < left; ++i) out[i] = bits >> i & 1;
}

// A known false (AND) or true (OR) decides, whatever the other side is. Values under nulls are
// free, so the value is always the plain operation; only the validity needs care.
template <bool is_and>
void logic2(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  uint8_t* __restrict out = r.values<uint8_t>(t, r.rows);
  const column& a = r.col(in.args[0]);
  const column& b = r.col(in.args[1]);
  const auto* x = a.data<uint8_t>();
  const auto* y = b.data<uint8_t>();
  for (size_t i = 0; i < r.rows; ++i) out[i] = is_and ? x[i] & y[i] : x[i] | y[i];
  if (!a.validity && !b.validity) {
    r.no_nulls(t);
  } else {
    uint64_t* valid = r.validity(t);
    for (size_t w = 0; w < bitmap_words(r.rows); ++w) {
      size_t left = r.rows - w * 64;
      uint64_t va = valid_word(a, w, r.rows), vb = valid_word(b, w, r.rows);
      uint64_t pa = pack_bytes(x + w * 64, left), pb = pack_bytes(y + w * 64, left);
      valid[w] = is_and ? (va & vb) | (va & ~pa) | (vb & ~pb) : (va & vb) | (va & pa) | (vb & pb);
    }
  }
  r.publish(t);
}

struct not_op {
  static uint8_t apply(uint8_t a) { return a ^ 1; }
};

/// True, unless the condition is false: then the row is wrong in the way that the text says.
void check(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  std::memset(r.values<uint8_t>(t, r.rows), 1, r.rows);
  const reg& condition = r.at(in.args[0]);
  const reg& message = r.at(in.args[1]);
  const auto* holds = condition.c->data<uint8_t>();
  r.for_each_row(in, [&](uint32_t row) {
    const uint32_t i = condition.constant ? 0 : row;
    if (holds[i] != 0 || !condition.c->is_valid(i)) return;
    r.fail(in, row,
           {errc::invalid_argument, std::string(message.c->view(message.constant ? 0 : row))});
  });
  r.no_nulls(t);
  r.publish(t);
}

enum class test { null, not_null, is_true, not_true, is_false, not_false };
template <test kind>
void test_kernel(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  uint8_t* out = r.values<uint8_t>(t, r.rows);
  const column& a = r.col(in.args[0]);
  for (size_t w = 0; w < bitmap_words(r.rows); ++w) {
    size_t left = r.rows - w * 64;
    uint64_t v = valid_word(a, w, r.rows);
    if constexpr (kind == test::is_true || kind == test::not_true)
      v &= pack_bytes(a.data<uint8_t>() + w * 64, left);
    if constexpr (kind == test::is_false || kind == test::not_false)
      v &= ~pack_bytes(a.data<uint8_t>() + w * 64, left);
    if constexpr (kind == test::null || kind == test::not_true || kind == test::not_false) v = ~v;
    unpack_bits(v, out + w * 64, left);
  }
  r.no_nulls(t);
  r.publish(t);
}

// args: a = b (computed strictly), a, b.
void not_distinct(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  uint8_t* out = r.values<uint8_t>(t, r.rows);
  const column& eq = r.col(in.args[0]);
  const reg& a = r.at(in.args[1]);
  const reg& b = r.at(in.args[2]);
  auto word = [&](const reg& x, size_t w) {
    if (!x.constant) return valid_word(*x.c, w, r.rows);
    return x.c->is_valid(0) ? ones(r.rows - w * 64) : 0;
  };
  for (size_t w = 0; w < bitmap_words(r.rows); ++w) {
    size_t left = r.rows - w * 64;
    uint64_t va = word(a, w), vb = word(b, w);
    uint64_t e = pack_bytes(eq.data<uint8_t>() + w * 64, left);
    unpack_bits((va & vb & e) | (~va & ~vb), out + w * 64, left);
  }
  r.no_nulls(t);
  r.publish(t);
}

// choose: args are condition, value, condition, value, ..., else value. Conditions are vectors.
template <class T>
void choose_fixed(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  T* __restrict out = r.values<T>(t, r.rows);
  auto each = [&](uint32_t arg, auto&& f) {
    if (r.at(arg).constant)
      f(constant_of<T>(r, arg));
    else
      f(vector_of<T>(r, arg));
  };
  size_t n = r.rows;
  each(in.args.back(), [&](auto v) {
    for (size_t i = 0; i < n; ++i) out[i] = v[i];
  });
  for (size_t k = in.args.size() - 1; k >= 2; k -= 2) {
    const column& cond = r.col(in.args[k - 2]);
    const auto* c = cond.data<uint8_t>();
    each(in.args[k - 1], [&](auto v) {
      if (!cond.validity) {
        for (size_t i = 0; i < n; ++i) out[i] = c[i] ? v[i] : out[i];
      } else {
        for (size_t i = 0; i < n; ++i) out[i] = c[i] && cond.is_valid(i) ? v[i] : out[i];
      }
    });
  }
}

void choose_validity(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  bool nullable = false;
  for (size_t k = 1; k < in.args.size(); k += 2)
    nullable |= static_cast<bool>(r.col(in.args[k]).validity);
  nullable |= static_cast<bool>(r.col(in.args.back()).validity);
  if (!nullable) return r.no_nulls(t);
  uint64_t* out = r.validity(t);
  auto word = [&](uint32_t arg, size_t w) {
    const reg& x = r.at(arg);
    if (!x.constant) return valid_word(*x.c, w, r.rows);
    return x.c->is_valid(0) ? ones(r.rows - w * 64) : 0;
  };
  for (size_t w = 0; w < bitmap_words(r.rows); ++w) {
    uint64_t v = word(in.args.back(), w);
    for (size_t k = in.args.size() - 1; k >= 2; k -= 2) {
      const column& cond = r.col(in.args[k - 2]);
      uint64_t c =
          pack_bytes(cond.data<uint8_t>() + w * 64, r.rows - w * 64) & valid_word(cond, w, r.rows);
      v = (v & ~c) | (word(in.args[k - 1], w) & c);
    }
    out[w] = v;
  }
}

// Text: which argument each row takes, then one pass that copies.
void choose_text(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  std::vector<operand<std::string_view>> values;
  for (size_t k = 1; k < in.args.size(); k += 2) values.emplace_back(r, in.args[k]);
  values.emplace_back(r, in.args.back());
  uint32_t* offsets = r.offsets(t);
  text_out out(r, t);
  uint32_t next = 0;
  r.for_each_row(in, [&](uint32_t i) {
    while (next <= i) offsets[next++] = static_cast<uint32_t>(out.size());
    size_t chosen = 0;
    for (; chosen + 1 < values.size(); ++chosen) {
      const column& cond = r.col(in.args[chosen * 2]);
      if (cond.data<uint8_t>()[i] && cond.is_valid(i)) break;
    }
    uint32_t arg = chosen + 1 < values.size() ? in.args[chosen * 2 + 1] : in.args.back();
    if (r.is_valid(arg, i)) out.append(values[chosen][i]);
  });
  while (next <= r.rows) offsets[next++] = static_cast<uint32_t>(out.size());
  out.finish();
}

void choose(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  switch (fixed_width(t.type.id)) {
    case 0:
      if (is_nested(t.type.id)) return choose_nested(r, in);
      choose_text(r, in);
      break;
    case 1:
      choose_fixed<uint8_t>(r, in);
      break;
    case 4:
      choose_fixed<uint32_t>(r, in);
      break;
    case 8:
      choose_fixed<uint64_t>(r, in);
      break;
    default:
      choose_fixed<unsigned __int128>(r, in);
  }
  choose_validity(r, in);
  r.publish(t);
}

// One constant -> a vector of it.
void spread(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  if (is_nested(t.type.id)) return spread_nested(r, in);
  const column& c = r.col(in.args[0]);
  size_t width = fixed_width(t.type.id);
  if (width == 0) {
    uint32_t* offsets = r.offsets(t);
    text_out out(r, t);
    for (uint32_t i = 0; i < r.rows; ++i) {
      offsets[i] = static_cast<uint32_t>(out.size());
      if (c.is_valid(0)) out.append(c.view(0));
    }
    offsets[r.rows] = static_cast<uint32_t>(out.size());
    out.finish();
  } else {
    auto* out = r.values<std::byte>(t, r.rows * width);
    for (uint32_t i = 0; i < r.rows; ++i) std::memcpy(out + i * width, c.values.data(), width);
  }
  if (c.is_valid(0)) {
    r.no_nulls(t);
  } else {
    std::memset(r.validity(t), 0, bitmap_words(r.rows) * 8);
  }
  r.publish(t);
}

}  // namespace

const kernel kernel_spread = spread;
const kernel kernel_choose = choose;
const kernel kernel_not_distinct = not_distinct;

void register_logic(catalog& c) {
  constexpr auto b = type_id::boolean;
  constexpr auto free = flag_infallible | flag_non_strict;
  c.add("and", {b, b}, b, logic2<true>, free);
  c.add("or", {b, b}, b, logic2<false>, free);
  c.add(check_function, {b, type_id::string}, b, check, flag_any | flag_non_strict);
  c.add("not", {b}, b, dense1<not_op, uint8_t, uint8_t>, flag_infallible);
  c.add("is true", {b}, b, test_kernel<test::is_true>, free);
  c.add("is not true", {b}, b, test_kernel<test::not_true>, free);
  c.add("is false", {b}, b, test_kernel<test::is_false>, free);
  c.add("is not false", {b}, b, test_kernel<test::not_false>, free);
  for (auto t :
       {type_id::boolean, type_id::int32, type_id::int64, type_id::float64, type_id::decimal,
        type_id::string, type_id::bytes, type_id::date, type_id::timestamp, type_id::interval,
        type_id::json, type_id::list, type_id::struct_}) {
    c.add("is null", {t}, b, test_kernel<test::null>, free);
    c.add("is not null", {t}, b, test_kernel<test::not_null>, free);
  }
}

}  // namespace weir::expr
