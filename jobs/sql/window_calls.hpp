// Window functions of one SELECT: bound as its expressions are, computed when its groups are there.
// Lives while the SELECT is bound; one thread.
#pragma once

#include <map>
#include <vector>

#include "jobs/sql/ast.hpp"
#include "runtime/expr/binder.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::sql {

/// A call with what it reads, as trees over what the select list reads.
struct window_call {
  struct key {
    expr::node_ptr value;
    bool descending = false, nulls_first = false;
  };
  over_call call;  // without columns
  expr::node_ptr argument, otherwise, filter;
  std::vector<expr::node_ptr> partition;
  std::vector<key> order;
  uint32_t location = 0;
};

class window_calls {
 public:
  /// Call k reads as column first + k until its result has a place.
  static constexpr uint32_t first = uint32_t{1} << 29;

  /// `defined`: the WINDOW clause.
  explicit window_calls(const std::vector<expr::window_syntax>& defined) : defined_(defined) {}

  /// A call with OVER.
  result<expr::bound> bind(const syntax&, expr::binder&);
  /// One more key of every partition.
  void partition_by(const expr::node_ptr& key) {
    for (auto& w : all_) w.partition.push_back(key);
  }
  const std::vector<window_call>& all() const noexcept { return all_; }

 private:
  result<expr::window_syntax> resolved(const expr::window_syntax&, const expr::binder&,
                                       size_t known) const;
  status bind_window(const expr::window_syntax&, expr::binder&, window_call&);
  status bind_frame(const expr::window_syntax&, expr::binder&, window_call&);
  status bind_own(const syntax&, expr::binder&, over_function, window_call&);
  status bind_aggregate(const syntax&, expr::binder&, window_call&, aggregate_call& of);
  status bind_values(const syntax&, expr::binder&, window_call&);
  result<scalar> frame_offset(const syntax&, const char* which, expr::window_syntax::unit,
                              expr::binder&, const window_call&);

  const std::vector<expr::window_syntax>& defined_;
  std::vector<window_call> all_;
};

/// Of a name that is only a window function (row_number, lag, ...).
std::optional<over_function> find_window_function(std::string_view name);
std::vector<std::string> own_window_functions();

}  // namespace weir::sql
