// Kernels over every physical row: one templated loop per function, operands either a column or one
// constant. An operation is a struct with
//   static R apply(A, B)          never traps; any value where it has no result
// and, when it may fail, `using fallible = void` and
//   static M bad(A, B, R)         negative where it failed
//   static error why(A, B)        what failed
#pragma once

#include "runtime/column/scalar.hpp"
#include "runtime/expr/run.hpp"

namespace weir::expr {

/// Values of a column. int128 may be aligned to 8 bytes only (foreign memory).
template <class T>
struct vector_operand {
  const std::byte* p;
  T operator[](size_t i) const noexcept {
    if constexpr (sizeof(T) == 16) {
      T v;
      std::memcpy(&v, p + i * sizeof(T), sizeof(T));
      return v;
    } else {
      return reinterpret_cast<const T*>(p)[i];
    }
  }
};
template <class T>
struct constant_operand {
  T v;
  T operator[](size_t) const noexcept { return v; }
};

template <class T>
vector_operand<T> vector_of(run& r, uint32_t reg_index) {
  return {r.col(reg_index).values.data()};
}
template <class T>
constant_operand<T> constant_of(run& r, uint32_t reg_index) {
  T v;
  std::memcpy(&v, r.col(reg_index).values.data(), sizeof(T));
  return {v};
}

/// Calls f with each argument as a vector or constant operand; two constants do not occur (the
/// compiler of programs spreads one of them).
template <class A, class B, class F>
void with_operands(run& r, const instruction& in, F&& f) {
  if (r.at(in.args[1]).constant) {
    f(vector_of<A>(r, in.args[0]), constant_of<B>(r, in.args[1]));
  } else if (r.at(in.args[0]).constant) {
    f(constant_of<A>(r, in.args[0]), vector_of<B>(r, in.args[1]));
  } else {
    f(vector_of<A>(r, in.args[0]), vector_of<B>(r, in.args[1]));
  }
}

template <class Op>
concept may_fail = requires {
  typename Op::fallible;
};

template <class Op, class R, class A, class B>
void dense2(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  R* __restrict out = r.values<R>(t, r.rows);
  size_t n = r.rows;
  with_operands<A, B>(r, in, [&](auto a, auto b) {
    if constexpr (may_fail<Op>) {
      decltype(Op::bad(A{}, B{}, R{})) bad = 0;
      for (size_t i = 0; i < n; ++i) {
        R v = Op::apply(a[i], b[i]);
        bad |= Op::bad(a[i], b[i], v);
        out[i] = v;
      }
      if (bad < 0) [[unlikely]] {
        r.for_each_row(in, [&](uint32_t i) {
          if (Op::bad(a[i], b[i], out[i]) < 0 && r.args_valid(in, i))
            r.fail(in, i, Op::why(a[i], b[i]));
        });
      }
    } else {
      for (size_t i = 0; i < n; ++i) out[i] = Op::apply(a[i], b[i]);
    }
  });
  r.strict_validity(in);
  r.publish(t);
}

template <class Op, class R, class A>
void dense1(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  R* __restrict out = r.values<R>(t, r.rows);
  size_t n = r.rows;
  auto a = vector_of<A>(r, in.args[0]);
  if constexpr (may_fail<Op>) {
    decltype(Op::bad(A{}, R{})) bad = 0;
    for (size_t i = 0; i < n; ++i) {
      R v = Op::apply(a[i]);
      bad |= Op::bad(a[i], v);
      out[i] = v;
    }
    if (bad < 0) [[unlikely]] {
      r.for_each_row(in, [&](uint32_t i) {
        if (Op::bad(a[i], out[i]) < 0 && r.args_valid(in, i)) r.fail(in, i, Op::why(a[i]));
      });
    }
  } else {
    for (size_t i = 0; i < n; ++i) out[i] = Op::apply(a[i]);
  }
  r.strict_validity(in);
  r.publish(t);
}

}  // namespace weir::expr
