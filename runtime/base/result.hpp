// Expected failures: result<T> holds a value or an error with a documented code and a message that
// says what, where and what to do. Plain values; safe on any thread. Exceptions are for user code
// only and never cross an actor's handler.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "runtime/base/assert.hpp"

namespace weir {

enum class errc : uint8_t {
  invalid_argument,  // a caller's or user's value is outside its documented range
  parse,             // text or bytes do not have the expected form
  unknown_name,      // a column, function, option, connector ... does not exist
  type_mismatch,     // an expression or column has another type than is needed
  overflow,          // a number does not fit its type
  division_by_zero,  //
  io,                // the operating system refused a read, write, rename ...
  no_space,          // ENOSPC or EDQUOT: free space and retry
  not_found,         // a file, job, epoch, key ... is absent
  already_exists,    //
  corrupt,           // a checksum or structure does not match: named in the message
  version_mismatch,  // written by another format, ABI or job
  locked,            // another process holds it (its pid is in the message)
  budget_exceeded,   // state is over the memory budget
  unsupported,       // named, and refused rather than ignored
  user_code,         // a custom operator threw or returned an error
  cancelled,         // stopped on purpose
  timeout,           //
  internal,          // a bug of ours, found where an assertion would be too harsh
};

const char* to_string(errc) noexcept;

struct error {
  errc code = errc::internal;
  std::string message;
  error() = default;
  error(errc c, std::string m) : code(c), message(std::move(m)) {}
  /// "MESSAGE (CODE)", for logs.
  std::string text() const;
  /// The same error with "PREFIX: " in front of its message: where it happened.
  error at(std::string_view prefix) const&;
};

template <class T>
class [[nodiscard]] result {
 public:
  using value_type = T;
  result(T value) : v_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  result(error e) : v_(std::in_place_index<1>, std::move(e)) {}      // NOLINT
  result(errc c, std::string message) : v_(std::in_place_index<1>, error(c, std::move(message))) {}
  template <class U>
  requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
           !std::is_same_v<std::remove_cvref_t<U>, error> &&
           !std::is_same_v<std::remove_cvref_t<U>, result>) result(U&& u)
      : v_(std::in_place_index<0>, std::forward<U>(u)) {}  // NOLINT

  bool ok() const noexcept { return v_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  T& value() & { return check(), *std::get_if<0>(&v_); }
  const T& value() const& { return check(), *std::get_if<0>(&v_); }
  T&& value() && { return check(), std::move(*std::get_if<0>(&v_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const error& err() const& {
    weir_assert(!ok(), "err() of a result that holds a value");
    return *std::get_if<1>(&v_);
  }
  error&& err() && {
    weir_assert(!ok(), "err() of a result that holds a value");
    return std::move(*std::get_if<1>(&v_));
  }

 private:
  void check() const { weir_assert(ok(), "value() of a result that holds an error"); }
  std::variant<T, error> v_;
};

template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;
  result() = default;
  result(error e) : e_(std::move(e)) {}  // NOLINT
  result(errc c, std::string message) : e_(error(c, std::move(message))) {}
  bool ok() const noexcept { return !e_; }
  explicit operator bool() const noexcept { return ok(); }
  const error& err() const& {
    weir_assert(e_.has_value(), "err() of a result that holds a value");
    return *e_;
  }
  error&& err() && {
    weir_assert(e_.has_value(), "err() of a result that holds a value");
    return std::move(*e_);
  }

 private:
  std::optional<error> e_;
};

using status = result<void>;

}  // namespace weir

#define WEIR_CONCAT_(a, b) a##b
#define WEIR_CONCAT(a, b) WEIR_CONCAT_(a, b)
/// Returns the error of a status or result from the enclosing function.
#define WEIR_TRY(expr)                                    \
  do {                                                    \
    if (auto weir_try_ = (expr); !weir_try_) [[unlikely]] \
      return std::move(weir_try_).err();                  \
  } while (false)
/// WEIR_ASSIGN(auto x, f()): x = the value, or returns the error.
#define WEIR_ASSIGN(decl, expr) WEIR_ASSIGN_(decl, expr, WEIR_CONCAT(weir_assign_, __LINE__))
#define WEIR_ASSIGN_(decl, expr, tmp) \
  auto tmp = (expr);                  \
  if (!tmp) [[unlikely]]              \
    return std::move(tmp).err();      \
  decl = std::move(tmp).value()
