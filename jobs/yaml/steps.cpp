// The verbs of a step: each binds its expressions and adds to the plan.
#include <algorithm>
#include <set>

#include "jobs/plan/aggregate_text.hpp"
#include "jobs/yaml/loader.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/expr/syntax.hpp"

namespace weir::jobs {

using planner::step_options;

namespace {

std::vector<std::string> names_of(const schema& s) {
  std::vector<std::string> out;
  for (const auto& f : s.fields) out.push_back(f.name);
  return out;
}

}  // namespace

expr::node_ptr loader::bind(const YAML::Node& where, const std::string& text, const schema& in) {
  auto bound = expr::bind(text, in);
  if (bound.ok()) return *bound;
  if (auto p = expr::position_of(bound.err(), text))
    doc_.error(where, p->first, p->second);
  else
    doc_.error(where, bound.err().message);
  return nullptr;
}

expr::node_ptr loader::bind(const YAML::Node& text, const schema& in) {
  return bind(text, doc_.text(text), in);
}

expr::node_ptr loader::column(const YAML::Node& name, const schema& in) {
  auto text = doc_.text(name);
  if (auto i = in.find(text)) return planner::column_ref(in, *i);
  doc_.error(name, "there is no column \"" + text + "\"" + nearest_hint(text, names_of(in)) +
                       "; give an expression as {name: expression}");
  return nullptr;
}

std::optional<loader::relation> loader::where(relation in, const YAML::Node& text, step_options o) {
  auto predicate = bind(text, *builder_->schema_of(in));
  if (!predicate) return {};
  return take(text, builder_->filter(in, std::move(predicate), std::move(o)));
}

std::optional<loader::relation> loader::flat_map(relation in, const YAML::Node& n, step_options o) {
  planner::flat_map_def f;
  YAML::Node argument;
  bool ok = true;
  for (auto function : {"split", "words", "lines", "unnest"}) {
    if (!n[function]) continue;
    if (argument.IsScalar()) {
      doc_.error(n[function], "give one of split, words, lines and unnest, not several");
      ok = false;
    }
    f.function = function;
    argument.reset(n[function]);
  }
  if (f.function.empty()) {
    doc_.error(n, "a flat_map needs one of split, words, lines and unnest");
    return {};
  }
  if (n["delimiter"]) f.delimiter = doc_.text(n["delimiter"]);
  if ((f.function == "split") != !f.delimiter.empty()) {
    doc_.error(n["delimiter"] ? n["delimiter"] : n, f.function == "split"
                                                        ? "split needs the property \"delimiter\""
                                                        : "only split has a delimiter");
    ok = false;
  }
  f.outer = n["outer"] && doc_.text(n["outer"]) == "true";
  f.ordinality = n["ordinality"] && doc_.text(n["ordinality"]) == "true";
  f.argument = bind(argument, *builder_->schema_of(in));
  f.output_name = doc_.text(n["as"]);
  if (!f.argument || !ok) return {};
  return take(n["as"], builder_->flat_map(in, std::move(f), std::move(o)));
}

std::optional<loader::relation> loader::window(relation in, const YAML::Node& n, step_options o) {
  const auto type = builder_->schema_of(in);
  if (n["on"]) {
    auto on = column(n["on"], *type);
    if (!on) return {};
    if (type->event_time != on->column) {
      doc_.error(n["on"], type->event_time
                              ? "the window must be on the event-time column, \"" +
                                    type->fields[*type->event_time].name +
                                    "\": watermarks say when its windows end"
                              : "the rows have no event time; name the table's timestamp column "
                                "with the option event_time");
      return {};
    }
  }
  auto def = window_shape_of(n);
  if (!def) return {};
  if (n["key"]) {
    def->keys.emplace();
    auto add = [&](const YAML::Node& name) {
      auto c = column(name, *type);
      if (c) def->keys->push_back(c->column);
      return c != nullptr;
    };
    bool ok = true;
    if (n["key"].IsSequence())
      for (const auto& name : n["key"]) ok &= add(name);
    else
      ok = add(n["key"]);
    if (!ok) return {};
  }
  const auto kind = to_string(def->shape.kind);
  return take(n[kind], builder_->window(in, std::move(*def), std::move(o)));
}

/// Kind and sizes; nothing when it reported an error, or the structure's check did.
std::optional<planner::window_def> loader::window_shape_of(const YAML::Node& n) {
  struct window_type {
    window_kind kind;
    const char* step;
  };
  static constexpr window_type types[] = {{window_kind::tumble, nullptr},
                                          {window_kind::hop, "slide"},
                                          {window_kind::cumulate, "step"},
                                          {window_kind::session, nullptr}};
  const window_type* found = nullptr;
  for (const auto& t : types) {
    const std::string name = to_string(t.kind);
    if (!n[name]) continue;
    if (found) {
      doc_.error(n[name], "give one of tumble, hop, cumulate and session, not several");
      return {};
    }
    found = &t;
  }
  if (!found) {
    doc_.error(n, "a window needs one of tumble, hop, cumulate and session");
    return {};
  }
  bool ok = true;
  for (const char* step : {"slide", "step"}) {
    const bool wanted = found->step && std::string_view(found->step) == step;
    if (wanted == bool(n[step])) continue;
    const std::string kind = to_string(found->kind);
    doc_.error(n[step] ? n[step] : n[kind],
               wanted ? kind + " needs the property \"" + step + "\""
                      : std::string("only ") +
                            (step == std::string_view("slide") ? "hop" : "cumulate") + " has a " +
                            step);
    ok = false;
  }
  if (n["key"] && found->kind != window_kind::session) {
    doc_.error(n["key"], "only session has a key of its own");
    ok = false;
  }
  if (!ok) return {};
  planner::window_def def;
  def.shape.kind = found->kind;
  auto size = planner::duration_us(doc_.text(n[to_string(found->kind)]), "size");
  if (!size.ok()) return {};  // reported with the structure
  def.shape.size_us = *size;
  if (found->step) {
    auto step = planner::duration_us(doc_.text(n[found->step]), found->step);
    if (!step.ok()) return {};
    def.shape.step_us = *step;
  }
  return def;
}

std::optional<std::vector<planner::named_expr>> loader::keys(relation in, const YAML::Node& n) {
  std::vector<planner::named_expr> out;
  const auto type = builder_->schema_of(in);
  bool ok = true;
  auto add = [&out, &ok](std::string name, expr::node_ptr value) {
    ok &= value != nullptr;
    out.push_back({std::move(name), std::move(value)});
  };
  if (n.IsScalar()) add(doc_.text(n), column(n, *type));
  if (n.IsSequence())
    for (const auto& item : n) add(doc_.text(item), column(item, *type));
  if (n.IsMap())
    for (const auto& item : n) add(item.first.Scalar(), bind(item.second, *type));
  if (!ok) return {};
  return out;
}

std::optional<loader::relation> loader::aggregate(relation in, const YAML::Node& step,
                                                  step_options o) {
  const auto type = builder_->schema_of(in);
  planner::aggregate_def def;
  def.final_only = step["emit"] && doc_.text(step["emit"]) == "final";
  bool ok = true;
  if (step["key"]) {
    auto k = keys(in, step["key"]);
    if (k)
      def.keys = std::move(*k);
    else
      ok = false;
  }
  // A text is one call, or an expression over calls, which is computed behind the aggregate.
  struct output {
    std::string name;
    expr::node_ptr rest;
    std::string call;
  };
  schema key_types;
  for (const auto& k : def.keys) key_types.fields.push_back({k.name, k.value->type});
  // Behind a window its bounds are keys too; the builder adds them in this order.
  const auto& from = builder_->node(in);
  if (in.port == 0 && from.window_start && from.window_end)
    for (auto w : {*from.window_start, *from.window_end})
      if (std::none_of(def.keys.begin(), def.keys.end(), [w](const planner::named_expr& k) {
            return planner::bare_column(k.value) == w;
          }))
        key_types.fields.push_back(type->fields[w]);
  std::vector<output> outputs;
  bool computed = false;
  for (const auto& a : step["aggregate"]) {
    planner::bound_aggregate bound;
    auto text = doc_.text(a.second);
    if (auto e = planner::bind_aggregates(text, *type, key_types,
                                          static_cast<uint32_t>(def.calls.size()), bound)) {
      doc_.error(a.second, e->offset, e->cause.message);
      ok = false;
      continue;
    }
    if (!bound.rest) bound.calls[0].name = a.first.Scalar();
    computed |= bound.rest != nullptr;
    outputs.push_back({a.first.Scalar(), bound.rest, bound.calls[0].name});
    for (auto& c : bound.calls) def.calls.push_back(std::move(c));
  }
  if (!ok) return {};
  const auto id = o.id;
  const auto parallelism = o.parallelism;
  auto r = take(step["aggregate"], builder_->aggregate(in, std::move(def), std::move(o)));
  if (!r || !computed) return r;
  const auto result_type = builder_->schema_of(*r);
  std::vector<planner::named_expr> columns;
  for (uint32_t i = 0; i < builder_->node(*r).columns.size(); ++i)
    columns.push_back({result_type->fields[i].name, planner::column_ref(*result_type, i)});
  for (const auto& out : outputs)
    columns.push_back(
        {out.name,
         out.rest ? out.rest : planner::column_ref(*result_type, *result_type->find(out.call))});
  return take(step["aggregate"],
              builder_->project(*r, std::move(columns), {id + "/result", "", parallelism}));
}

std::optional<loader::relation> loader::custom(const std::vector<relation>& in,
                                               const YAML::Node& step, step_options o) {
  const auto n = step["operator"];
  planner::custom_def c;
  c.library = doc_.text(n["library"]);
  c.class_name = doc_.text(n["class"]);
  if (n["parameters"])
    for (const auto& p : n["parameters"])
      c.parameters[p.first.Scalar()] = p.second.IsNull() ? "" : doc_.text(p.second);
  if (step["key"]) {
    auto k = keys(in[0], step["key"]);
    if (!k) return {};
    for (const auto& key : *k) {
      if (!planner::bare_column(key.value)) {
        doc_.error(step["key"], "an operator's key is made of columns; compute \"" + key.name +
                                    "\" in a select before it");
        return {};
      }
      c.keys.push_back(builder_->schema_of(in[0])->fields[key.value->column].name);
    }
  }
  return take(n, builder_->custom(in, std::move(c), std::move(o)));
}

std::optional<loader::relation> loader::select(relation in, const YAML::Node& n, step_options o) {
  const auto type = builder_->schema_of(in);
  std::vector<planner::named_expr> columns;
  bool ok = true;
  auto add = [&columns, &ok](std::string name, expr::node_ptr value) {
    ok &= value != nullptr;
    columns.push_back({std::move(name), std::move(value)});
  };
  auto add_map = [this, &add, &type](const YAML::Node& map) {
    for (const auto& item : map) add(item.first.Scalar(), bind(item.second, *type));
  };
  if (n.IsMap()) add_map(n);
  if (n.IsSequence())
    for (const auto& item : n) {
      if (item.IsMap()) {
        add_map(item);
      } else if (doc_.text(item) == "*") {
        for (uint32_t i = 0; i < type->size(); ++i)
          add(type->fields[i].name, planner::column_ref(*type, i));
      } else {
        add(doc_.text(item), column(item, *type));
      }
    }
  if (!ok) return {};
  return take(n, builder_->project(in, std::move(columns), std::move(o)));
}

}  // namespace weir::jobs
