// What names and calls mean while an expression is bound: the columns of a schema here, tables,
// aggregates and subqueries in front ends. Asked by the binder, on its thread; one expression after
// the other.
#pragma once

#include <optional>

#include "runtime/expr/node.hpp"
#include "runtime/expr/syntax.hpp"

namespace weir::expr {

class binder;

/// A bound expression and what its node does not say.
struct bound {
  node_ptr n;
  bool unknown = false;  // a literal of quotes or NULL that has no type yet
  bool zoned = false;    // timestamp with time zone in PostgreSQL: AT TIME ZONE turns it to local
};

class scope {
 public:
  virtual ~scope() = default;
  virtual result<bound> column(const syntax&, const binder&) = 0;
  /// A call whose arguments are not bound yet. Nothing: it is a scalar function.
  virtual std::optional<result<bound>> call(const syntax&, binder&) { return {}; }
  virtual result<bound> subquery(const syntax&, binder&);
};

/// The columns of a schema by their names; no aggregates, no subqueries.
class schema_scope final : public scope {
 public:
  explicit schema_scope(const schema& s) : schema_(s) {}
  result<bound> column(const syntax&, const binder&) override;

 private:
  const schema& schema_;
};

}  // namespace weir::expr
