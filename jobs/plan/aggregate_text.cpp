#include "jobs/plan/aggregate_text.hpp"

#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/expr/binder.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir::planner {
namespace {

using expr::binder;
using expr::bound;
using expr::syntax;

bool is_aggregate(const syntax& s) {
  return s.kind == expr::syntax_kind::function && find_aggregate(s.name).has_value();
}
bool has_aggregate(const syntax& s) {
  return is_aggregate(s) || std::any_of(s.args.begin(), s.args.end(), has_aggregate);
}

bound column_of(const data_type& type, uint32_t index, uint32_t location) {
  return {expr::make_column(type, index, location), false, false};
}

/// Keys outside of aggregates, columns of the input inside.
class step_scope final : public expr::scope {
 public:
  step_scope(const schema& input, const schema& keys, uint32_t first, bound_aggregate& out)
      : input_(input), keys_(keys), inside_(input), first_(first), out_(out) {}

  result<bound> column(const syntax& s, const binder& b) override {
    if (in_call_) return inside_.column(s, b);
    if (auto i = keys_.find(s.name); i && s.qualifier.empty())
      return column_of(keys_.fields[*i].type, *i, s.location);
    if (input_.find(s.name))
      return b.fail(errc::invalid_argument,
                    "column \"" + s.name + "\" must be a key or be used in an aggregate",
                    s.location);
    std::vector<std::string> names;
    for (const auto& f : keys_.fields) names.push_back(f.name);
    return b.fail(errc::unknown_name,
                  "column \"" + s.name + "\" does not exist" + nearest_hint(s.name, names),
                  s.location);
  }

  std::optional<result<bound>> call(const syntax& s, binder& b) override {
    if (!is_aggregate(s)) return {};
    return aggregate(s, b);
  }

 private:
  result<bound> aggregate(const syntax& s, binder& b) {
    if (in_call_)
      return b.fail(errc::unsupported, "an aggregate cannot contain another: " + s.name,
                    s.location);
    in_call_ = true;
    auto made = bind_aggregate(s, b);
    in_call_ = false;
    if (!made) return std::move(made).err();
    const auto k = first_ + static_cast<uint32_t>(out_.calls.size());
    made->name = '@' + std::to_string(k);
    out_.calls.push_back(std::move(*made));
    const auto& call = out_.calls.back();
    auto column = column_of(call.type, static_cast<uint32_t>(keys_.size()) + k, s.location);
    WEIR_ASSIGN(column.n, made_of_items(s, call, std::move(column.n), b));
    return column;
  }

  const schema& input_;
  const schema& keys_;
  expr::schema_scope inside_;
  bool in_call_ = false;
  uint32_t first_;
  bound_aggregate& out_;
};

text_error located(const error& e, std::string_view text) {
  if (auto p = expr::position_of(e, text)) return {p->first, {e.code, p->second}};
  return {0, e};
}

}  // namespace

std::optional<text_error> bind_aggregates(std::string_view text, const schema& input,
                                          const schema& keys, uint32_t first_call,
                                          bound_aggregate& out) {
  auto s = expr::parse_expression(text);
  if (!s) return located(s.err(), text);
  if (!has_aggregate(*s))
    return text_error{begin_of(*s),
                      {errc::invalid_argument, "expected an aggregate such as count(*) or sum(x)"}};
  step_scope names(input, keys, first_call, out);
  binder b(text, names);
  auto tree = b.bind(*s);
  if (!tree) return located(tree.err(), text);
  if (!is_aggregate(*s) || tree->n->kind != expr::node_kind::column)
    out.rest = b.settle(std::move(*tree)).n;
  return {};
}

}  // namespace weir::planner
