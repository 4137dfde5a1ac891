// INSERT: a query's rows into a table.
#include <algorithm>

#include "jobs/plan/lookups.hpp"
#include "jobs/sql/loader.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/connectors/source.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {
namespace {

expr::node_ptr null_of(const data_type& type) {
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::literal;
  n->type = type;
  n->literal = scalar::of_null(type);
  return n;
}

}  // namespace

/// Which column of the table each column of the query goes to.
std::optional<std::vector<uint32_t>> loader::insert_targets(const definition& d,
                                                            const std::vector<name>& columns) {
  const auto& all = d.table.columns;
  std::vector<uint32_t> out;
  if (columns.empty()) {
    for (uint32_t i = 0; i < all.size(); ++i)
      if (!all[i].value) out.push_back(i);
    return out;
  }
  bool ok = true;
  std::vector<std::string> names;
  for (const auto& c : all) names.push_back(c.name);
  for (const auto& c : columns) {
    auto it = std::find(names.begin(), names.end(), c.text);
    const auto i = static_cast<uint32_t>(it - names.begin());
    if (it == names.end())
      ok = fail(errc::unknown_name,
                "column \"" + c.text + "\" of relation \"" + d.table.name + "\" does not exist" +
                    nearest_hint(c.text, names),
                c.location);
    else if (all[i].value)
      ok = fail(errc::invalid_argument,
                "cannot insert into column \"" + c.text + "\": it is generated", c.location);
    else if (std::find(out.begin(), out.end(), i) != out.end())
      ok = fail(errc::already_exists, "column \"" + c.text + "\" specified more than once",
                c.location);
    out.push_back(i);
  }
  if (!ok) return {};
  return out;
}

namespace {

/// What a column has that is not written.
expr::node_ptr default_of(const definition& d, uint32_t column) {
  const bool known = column < d.defaults.size() && d.defaults[column];
  return known ? d.defaults[column] : null_of(d.table.columns[column].type);
}

}  // namespace

std::optional<rows> loader::arranged(rows in, const definition& d,
                                     const std::vector<uint32_t>& targets) {
  const auto& all = d.table.columns;
  std::vector<planner::named_expr> columns;
  schema physical;
  bool plain = targets.size() == all.size();
  for (uint32_t i = 0; i < all.size(); ++i) {
    auto from = std::find(targets.begin(), targets.end(), i);
    const auto k = static_cast<uint32_t>(from - targets.begin());
    plain = plain && k == i;
    columns.push_back({all[i].name, from == targets.end()
                                        ? default_of(d, i)
                                        : planner::column_ref(*builder_->schema_of(in.from), k)});
    if (!all[i].value) physical.fields.push_back({all[i].name, all[i].type});
  }
  if (plain) return in;
  // Generated columns read the others, by their place among those.
  std::vector<expr::node_ptr> given;
  for (uint32_t i = 0; i < all.size(); ++i)
    if (!all[i].value) given.push_back(columns[i].value);
  auto substituted = [&given](auto&& self, const expr::node_ptr& n) -> expr::node_ptr {
    if (n->kind == expr::node_kind::column) return given[n->column];
    auto copy = std::make_shared<expr::node>(*n);
    for (auto& a : copy->args) a = self(self, a);
    return copy;
  };
  for (uint32_t i = 0; i < all.size(); ++i)
    if (all[i].value) columns[i].value = substituted(substituted, all[i].value);
  rows out;
  for (uint32_t i = 0; i < all.size(); ++i) {
    column_name c;
    c.name = all[i].name;
    c.index = i;
    out.columns.push_back(std::move(c));
  }
  auto made = builder_->project(in.from, std::move(columns),
                                queries_->named("sink/" + d.table.name + "/arranged"));
  if (!made) return fail(made.err().code, made.err().message, d.called.location), std::nullopt;
  out.from = *made;
  return out;
}

/// The rows as the table has them, with the casts of an assignment. `named`: by INSERT's list.
std::optional<rows> loader::assigned(rows in, const definition& d, std::vector<uint32_t> targets,
                                     const name& into, bool named) {
  const auto given = in.columns.size(), wanted = targets.size();
  if (given > wanted || (given < wanted && named)) {
    fail(errc::type_mismatch,
         given > wanted ? "INSERT has more expressions than target columns"
                        : "INSERT has more target columns than expressions",
         given > wanted ? in.columns[wanted].location : into.location);
    return {};
  }
  // Without a list of columns the rest of them has its default, as in PostgreSQL.
  targets.resize(given);
  std::vector<data_type> types;
  for (auto i : targets) types.push_back(d.table.columns[i].type);
  auto what = [&](size_t i, const data_type& have) {
    const auto& k = d.table.columns[targets[i]];
    return "column \"" + k.name + "\" is of type " + to_string(k.type) +
           " but expression is of type " + to_string(have) + "; write CAST(... AS " +
           to_string(k.type) + ")";
  };
  bool plain = true;
  for (size_t i = 0; i < given; ++i)
    plain = plain && !in.columns[i].literal &&
            builder_->schema_of(in.from)->fields[in.columns[i].index].type == types[i];
  if (plain) return arranged(std::move(in), d, targets);
  auto r = queries_->coerced(std::move(in), types, expr::cast_context::assignment,
                             queries_->named("sink/" + d.table.name + "/types"), what);
  if (!r) return {};
  return arranged(std::move(*r), d, targets);
}

namespace {

/// Where one row is chosen that is the newest by some time, as who knows no as-of join may write
/// it.
std::string newest_hint(const planner::plan_builder& plan, planner::relation r) {
  const auto& n = plan.node(r);
  const auto& order = n.top.order;
  if (n.top.limit != 1 || order.empty() || !order[0].descending) return {};
  const auto& by = plan.schema_of(n.inputs[0])->fields[order[0].column];
  if (by.type.id != type_id::timestamp) return {};
  return ", or, for the newest row of a table at the event time of each row of another, write an "
         "as-of join (docs/sql.md)";
}

}  // namespace

bool loader::takes(const rows& r, const planner::table_def& t, uint32_t location) {
  const auto changing = builder_->changing_step(r.from);
  if (!changing) return true;
  const auto& connector = t.options.at("connector");
  auto traits = traits_of(connector);
  if (!traits || traits->takes_changes || is_change_format(t.options))
    return true;  // what is wrong is said by the sink itself
  auto at = queries_->change_locations.find(changing->node);
  using kind = planner::logical_node::kind;
  const auto& node = builder_->node(*changing);
  const auto what = node.what;
  std::string why = std::string("this ") + (what == kind::join ? "join" : "aggregate") +
                    " updates rows that it has emitted as more input arrives; group by a window "
                    "(TUMBLE and its window_start)";
  if (what == kind::top_n)
    why =
        "which rows are the first changes as more input arrives; choose them within a window (with "
        "its window_end among the keys of DISTINCT ON or PARTITION BY)" +
        newest_hint(*builder_, *changing);
  if (what == kind::over)
    why =
        "values of this window function change as more input arrives; order it by the input's "
        "event time, ascending, or have a window's window_end among the keys of PARTITION BY";
  const auto& read =
      what == kind::top_n && node.top.upserts ? builder_->node(node.inputs[0]) : node;
  if (read.what == kind::scan)
    why = "rows of table \"" + read.table.name + "\" (" + read.table.options.at("format") +
          ") are changed and taken back by later ones; read a format that only appends";
  if (const auto known = queries_->change_reasons.find(changing->node);
      known != queries_->change_reasons.end())
    why = known->second;
  return fail(errc::unsupported,
              "table \"" + t.name + "\" (" + connector + ") only appends rows, but " + why +
                  ", or give the table the option emit = 'final' for the rows that stand when "
                  "bounded input ends, or use a table that takes changes (stdout, or format = "
                  "'debezium_json')",
              at == queries_->change_locations.end() ? location : at->second);
}

void loader::write(definition& d, const name& into, const std::vector<name>& columns,
                   const query& body) {
  d.used = true;
  const bool any_columns = d.table.columns.empty();
  auto targets = insert_targets(d, columns);
  std::vector<data_type> types;
  for (auto i : targets.value_or(std::vector<uint32_t>{})) types.push_back(d.table.columns[i].type);
  context c;
  c.final_rows = d.final_rows;
  if (d.final_rows) c.ordered = &body;  // rows leave once, by then in order
  std::vector<expr::node_ptr> defaults;
  for (auto i : targets.value_or(std::vector<uint32_t>{})) defaults.push_back(default_of(d, i));
  if (targets && !any_columns) {
    c.wanted = &types;
    c.defaults = &defaults;
  }
  auto r = queries_->bind(body, c);
  if (!r || !targets) return;
  auto table = d.table;
  if (any_columns) {
    if (!queries_->rename(*r, d.columns, d.called.text, into.location)) return;
    std::set<std::string> taken;
    for (const auto& k : r->columns) {
      planner::column_def column;
      column.name = unique_name(k.name, taken);
      column.type = builder_->schema_of(r->from)->fields[k.index].type;
      table.columns.push_back(std::move(column));
    }
  } else {
    r = assigned(std::move(*r), d, std::move(*targets), into, !columns.empty());
    if (!r) return;
    for (auto& k : table.columns) k.generated.clear(), k.value.reset();  // computed already
  }
  if (d.final_rows && builder_->emits_changes(r->from)) {
    auto settled = builder_->settle(r->from, queries_->named("sink/" + d.table.name + "/final"));
    if (!settled) return fail(settled.err().code, settled.err().message, into.location), void();
    r->from = *settled;
  }
  if (!d.constraints.empty()) {
    std::vector<uint32_t> places;
    for (const auto& k : r->columns) places.push_back(k.index);
    auto checked = queries_->constrained(
        r->from, places, d, queries_->named("sink/" + d.table.name + "/checked"), into.location);
    if (!checked) return;
    r->from = *checked;
  }
  if (!takes(*r, table, into.location)) return;
  auto known = std::find_if(written_.begin(), written_.end(),
                            [&table](const written& w) { return w.table.name == table.name; });
  if (known == written_.end()) {
    written_.push_back({std::move(table), {}, into.location});
    known = std::prev(written_.end());
  }
  known->from.push_back(r->from);
}

/// Several INSERTs into one table are one sink over their union: two would each take the folder of
/// a file for its own.
void loader::add_sinks() {
  for (auto& w : written_) {
    auto from = w.from[0];
    if (w.from.size() > 1) {
      auto all = builder_->unite(w.from, queries_->named("sink/" + w.table.name + "/union"));
      if (!all) {
        fail(all.err().code, all.err().message, w.location);
        continue;
      }
      from = *all;
    }
    auto done = builder_->sink_by_position(from, w.table);
    if (done) continue;
    auto it = queries_->definitions.find(w.table.name);
    const auto& m = done.err().message;
    fail(done.err().code, m,
         it == queries_->definitions.end() ? w.location : blamed(it->second, m, w.location));
  }
}

/// Rows that come too late for the windows over a table with the option late_table.
void loader::add_late_tables() {
  auto& all = queries_->definitions;
  auto find = [&](const std::string& name) -> result<planner::table_def> {
    auto it = all.find(name);
    std::vector<std::string> tables;
    for (const auto& [text, d] : all)
      if (d.is_table) tables.push_back(text);
    if (it == all.end() || !it->second.is_table)
      return {errc::unknown_name, "option late_table names \"" + name + "\", which is no table" +
                                      nearest_hint(name, tables)};
    if (std::any_of(written_.begin(), written_.end(),
                    [&name](const written& w) { return w.table.name == name; }))
      return {errc::unsupported, "option late_table names \"" + name +
                                     "\", which an INSERT writes, too: give late rows a table of "
                                     "their own"};
    it->second.used = true;
    auto table = it->second.table;
    for (auto& k : table.columns) k.generated.clear(), k.value.reset();  // they come computed
    return table;
  };
  auto done = builder_->add_late_tables(find);
  if (done) return;
  const auto& m = done.err().message;
  for (const auto& [text, d] : all)
    for (const auto& o : d.options)
      if (o.called.text == "late_table" &&
          (m.find("late_table of \"" + text + '"') == 0 ||
           m.find("late_table names \"" + o.value + '"') != std::string::npos)) {
        fail(done.err().code, m, o.value_location);
        return;
      }
  script_.fail_whole(m);
}

}  // namespace weir::sql
