// Kernels that visit the rows of their slot one by one: text, dates, conversions. A function is a
// captureless lambda over plain values,
//   R f(row_scope&, A...)               fixed-width result
//   void f(row_scope&, text_out&, A...) text, bytes or json
// where A is bool, int32_t, int64_t, double, interval_value, std::string_view or decimal_value. It
// is called for rows whose arguments are all present and is inlined into its loop.
#pragma once

#include <tuple>
#include <type_traits>

#include "runtime/column/builder.hpp"
#include "runtime/column/scalar.hpp"
#include "runtime/expr/run.hpp"

namespace weir::expr {

struct decimal_value {
  int128 v = 0;
  uint8_t scale = 0;
};

/// Grows the bytes of a text result; the offsets are the kernel's.
class text_out {
 public:
  text_out(run& r, reg& t) : run_(r), reg_(t) {
    data_ = run_.values<char>(t, 0);
    data_ = room(4096);
  }
  void append(std::string_view s) {
    char* p = room(s.size());
    copy_short(p, s.data(), s.size());
    size_ += s.size();
  }
  void push(char c) {
    *room(1) = c;
    ++size_;
  }
  /// Room for n bytes at the end; added() says how many were written.
  char* room(size_t n) {
    if (size_ + n > capacity_) grow(n);
    return data_ + size_;
  }
  void added(size_t n) { size_ += n; }
  size_t size() const { return size_; }
  /// Forgets what was written after `size`.
  void cut(size_t size) { size_ = size; }
  char* at(size_t i) { return data_ + i; }
  void finish() { reg_.own.values.truncate(size_); }

 private:
  void grow(size_t n);
  run& run_;
  reg& reg_;
  char* data_ = nullptr;
  size_t size_ = 0, capacity_ = 0;
};

/// What a function may ask for and answer besides its result.
class row_scope {
 public:
  row_scope(run& r, const instruction& in) : run_(r), in_(in), scale_(r.type_of(in.target).scale) {}
  void fail(errc code, std::string_view what) {
    run_.fail(in_, index, error(code, std::string(what)));
  }
  void set_null() { null = true; }
  uint8_t result_scale() const { return scale_; }
  type_id result_type() const { return run_.type_of(in_.target).id; }
  /// The instruction's own S, made once and kept between batches.
  template <class S>
  S& state() {
    if (!in_.state) in_.state = std::make_shared<S>();
    return *static_cast<S*>(in_.state.get());
  }
  uint32_t index = 0;
  bool null = false;

 private:
  run& run_;
  const instruction& in_;
  uint8_t scale_;
};

template <class T>
class operand {
 public:
  operand(run& r, uint32_t reg_index) {
    const reg& x = r.at(reg_index);
    values_ = x.c->values.data();
    mask_ = x.constant ? 0 : ~0u;
    scale_ = x.type.scale;
    if constexpr (std::is_same_v<T, std::string_view>) {
      if (x.c->dictionary) {
        codes_ = x.c->values.as<uint32_t>();
        values_ = x.c->dictionary->values.data();
        offsets_ = x.c->dictionary->offsets.as<uint32_t>();
      } else {
        offsets_ = x.c->offsets.as<uint32_t>();
      }
    }
  }
  T operator[](uint32_t i) const {
    i &= mask_;
    if constexpr (std::is_same_v<T, std::string_view>) {
      if (codes_) i = codes_[i];
      return {reinterpret_cast<const char*>(values_) + offsets_[i], offsets_[i + 1] - offsets_[i]};
    } else if constexpr (std::is_same_v<T, decimal_value>) {
      decimal_value d;
      std::memcpy(&d.v, values_ + size_t{i} * 16, 16);
      d.scale = scale_;
      return d;
    } else if constexpr (std::is_same_v<T, bool>) {
      return reinterpret_cast<const uint8_t*>(values_)[i] != 0;
    } else {
      T v;
      std::memcpy(&v, values_ + size_t{i} * sizeof(T), sizeof(T));
      return v;
    }
  }

 private:
  const std::byte* values_ = nullptr;
  const uint32_t* offsets_ = nullptr;
  const uint32_t* codes_ = nullptr;
  uint32_t mask_ = ~0u;
  uint8_t scale_ = 0;
};

template <class F>
struct function_traits : function_traits<decltype(&F::operator())> {};
template <class C, class R, class... A>
struct function_traits<R (C::*)(row_scope&, A...) const> {
  using result = R;
  using args = std::tuple<A...>;
  static constexpr bool text = false;
};
template <class C, class R, class... A>
struct function_traits<R (C::*)(row_scope&, text_out&, A...) const> {
  using result = R;
  using args = std::tuple<A...>;
  static constexpr bool text = true;
};

/// A free function as a type, for catalog::row(): wrap<f>{}.
template <auto f>
struct wrap;
template <class R, class... A, R (*f)(A...)>
struct wrap<f> {
  R operator()(A... a) const { return f(a...); }
};

/// Validity of the arguments while the rows are visited, and of the result afterwards.
class row_validity {
 public:
  row_validity(run& r, const instruction& in) : run_(r), in_(in) {
    r.strict_validity(in);
    const auto& v = r.at(in.target).own.validity;
    bits_ = v ? v.as<uint8_t>() : nullptr;
  }
  bool operator()(uint32_t i) const { return !bits_ || (bits_[i >> 3] >> (i & 7) & 1) != 0; }
  bool dense() const { return bits_ == nullptr; }
  void set_null(uint32_t i) {
    if (!own_) {
      own_ = run_.strict_validity_own(in_);
      bits_ = reinterpret_cast<const uint8_t*>(own_);
    }
    own_[i >> 6] &= ~(uint64_t{1} << (i & 63));
  }

 private:
  run& run_;
  const instruction& in_;
  const uint8_t* bits_ = nullptr;
  uint64_t* own_ = nullptr;
};

template <class R>
struct storage_of {
  using type = R;
};
template <>
struct storage_of<bool> {
  using type = uint8_t;
};

template <class F, class Tuple, size_t... I>
void row_loop(run& r, const instruction& in, F f, std::index_sequence<I...>) {
  using traits = function_traits<F>;
  reg& t = r.at(in.target);
  std::tuple<operand<std::tuple_element_t<I, Tuple>>...> args{
      operand<std::tuple_element_t<I, Tuple>>(r, in.args[I])...};
  row_validity valid(r, in);
  row_scope at(r, in);
  if constexpr (traits::text) {
    uint32_t* offsets = r.offsets(t);
    text_out out(r, t);
    uint32_t next = 0;
    r.for_each_row(in, [&](uint32_t i) {
      while (next <= i) offsets[next++] = static_cast<uint32_t>(out.size());
      if (!valid(i)) return;
      at.index = i;
      size_t before = out.size();
      f(at, out, std::get<I>(args)[i]...);
      if (at.null) {
        at.null = false;
        out.cut(before);
        valid.set_null(i);
      }
    });
    while (next <= r.rows) offsets[next++] = static_cast<uint32_t>(out.size());
    out.finish();
  } else {
    using R = typename storage_of<typename traits::result>::type;
    R* values = r.values<R>(t, r.rows);
    if (!valid.dense() || !r.slot(in.slot).all)
      std::memset(static_cast<void*>(values), 0, sizeof(R) * r.rows);
    r.for_each_row(in, [&](uint32_t i) {
      if (!valid(i)) return;
      at.index = i;
      values[i] = f(at, std::get<I>(args)[i]...);
      if (at.null) {
        at.null = false;
        valid.set_null(i);
      }
    });
  }
  r.publish(t);
}

template <class F>
void row_kernel(run& r, const instruction& in) {
  using args = typename function_traits<F>::args;
  row_loop<F, args>(r, in, F{}, std::make_index_sequence<std::tuple_size_v<args>>{});
}

}  // namespace weir::expr
