// The join of a step: its rows with those of another table or step.
#include "jobs/plan/joins.hpp"
#include "jobs/yaml/loader.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/expr/binder.hpp"

namespace weir::jobs {
namespace {

/// Columns of both sides, by name or side.name.
class both_sides final : public expr::scope {
 public:
  struct side {
    std::string name;
    const schema& type;
  };
  both_sides(side left, side right) : left_(std::move(left)), right_(std::move(right)) {}

  result<expr::bound> column(const expr::syntax& s, const expr::binder& b) override {
    const auto l = find(left_, s), r = find(right_, s);
    if (l && r)
      return b.fail(errc::invalid_argument,
                    "both sides have a column \"" + s.name + "\"; write " + left_.name + '.' +
                        s.name + " or " + right_.name + '.' + s.name,
                    s.location);
    auto n = std::make_shared<expr::node>();
    n->kind = expr::node_kind::column;
    n->location = s.location;
    if (l) {
      n->type = left_.type.fields[*l].type;
      n->column = *l;
    } else if (r) {
      n->type = right_.type.fields[*r].type;
      n->column = static_cast<uint32_t>(left_.type.size()) + *r;
    } else {
      std::vector<std::string> names;
      for (const auto* of : {&left_, &right_})
        for (const auto& f : of->type.fields)
          if (s.qualifier.empty() || s.qualifier == of->name) names.push_back(f.name);
      const bool no_side =
          !s.qualifier.empty() && s.qualifier != left_.name && s.qualifier != right_.name;
      return b.fail(errc::unknown_name,
                    no_side ? "\"" + s.qualifier + "\" is no side of the join; they are " +
                                  left_.name + " and " + right_.name
                            : "there is no column \"" + s.name + "\"" + nearest_hint(s.name, names),
                    s.location);
    }
    return expr::bound{std::move(n)};
  }

 private:
  static std::optional<uint32_t> find(const side& in, const expr::syntax& s) {
    if (!s.qualifier.empty() && s.qualifier != in.name) return {};
    return in.type.find(s.name);
  }
  side left_, right_;
};

result<expr::node_ptr> bind_condition(const std::string& text, both_sides& names) {
  WEIR_ASSIGN(const auto syntax, expr::parse_expression(text));
  expr::binder b(text, names);
  WEIR_ASSIGN(auto bound, b.bind(syntax));
  WEIR_ASSIGN(bound, b.coerce(std::move(bound), type_id::boolean, expr::cast_context::implicit));
  return bound.n;
}

}  // namespace

std::optional<loader::relation> loader::join(relation left, const std::string& left_name,
                                             const YAML::Node& n, planner::step_options o) {
  const auto right = find(n["with"]);
  if (!right) return {};
  static constexpr std::pair<const char*, join_kind> kinds[] = {
      {"inner", join_kind::inner}, {"left", join_kind::left}, {"right", join_kind::right},
      {"full", join_kind::full},   {"semi", join_kind::semi}, {"anti", join_kind::anti}};
  auto kind = join_kind::inner;
  for (const auto& [name, k] : kinds)
    if (n["kind"] && doc_.text(n["kind"]) == name) kind = k;
  expr::node_ptr condition;
  if (n["on"]) {
    const auto l = builder_->schema_of(left), r = builder_->schema_of(*right);
    both_sides names({left_name, *l}, {doc_.text(n["with"]), *r});
    const auto text = doc_.text(n["on"]);
    auto bound = bind_condition(text, names);
    if (!bound) {
      if (auto p = expr::position_of(bound.err(), text))
        doc_.error(n["on"], p->first, p->second);
      else
        doc_.error(n["on"], bound.err().message);
      return {};
    }
    condition = *bound;
  }
  return take(n["with"], builder_->join(left, *right, kind, std::move(condition), std::move(o)));
}

}  // namespace weir::jobs
