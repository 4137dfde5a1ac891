// What a script says about itself instead of running: EXPLAIN, state that grows, what it defines.
#include "jobs/plan/explain.hpp"

#include <algorithm>

#include "jobs/plan/growth.hpp"
#include "jobs/sql/loader.hpp"

namespace weir::sql {
namespace {

/// A type as people write it.
std::string sql_type(const data_type& type, bool zoned) {
  return zoned ? "timestamptz" : to_string(type);
}

}  // namespace

std::optional<std::vector<relation_info>> loader::relations() {
  read();
  run_statements();
  if (script_.failed()) return {};
  std::vector<relation_info> out;
  for (const auto& [text, d] : queries_->definitions) {
    relation_info r;
    r.name = text;
    r.is_table = d.is_table;
    if (d.is_table) {
      r.options = d.table.options;
      for (size_t i = 0; i < d.table.columns.size(); ++i) {
        const auto& c = d.table.columns[i];
        const auto& keys = d.table.primary_key;
        auto event_time = r.options.find("event_time");
        std::string note = c.generated.empty() ? "" : "generated as " + c.generated;
        if (event_time != r.options.end() && event_time->second == c.name)
          note += note.empty() ? "event time" : "; event time";
        if (std::find(keys.begin(), keys.end(), c.name) != keys.end())
          note += note.empty() ? "key" : "; key";
        r.columns.push_back({c.name, sql_type(c.type, d.zoned[i]), std::move(note)});
      }
    } else if (auto bound = d.bound.find(false); bound != d.bound.end() && bound->second) {
      const auto types = builder_->schema_of(bound->second->from);
      for (const auto& c : bound->second->columns)
        if (!c.hidden)
          r.columns.push_back({c.name, sql_type(types->fields[c.index].type, c.zoned), ""});
    }
    out.push_back(std::move(r));
  }
  return out;
}

/// The plan of the statement alone, over what the script has defined before it. It is bound apart
/// from the job, so that the job's operators keep their ids.
void loader::run(const explain_statement& e, const statement& at) {
  loader alone(script_, base_dir_, settings_);
  alone.whole_ = false;
  alone.folder_of_ = folder_of_;
  alone.unreadable_ = unreadable_;
  for (const auto& s : statements_) {
    if (&s == &at) break;
    if (const auto* t = std::get_if<create_table>(&s.what); t && t->as) {
      statement plain = s;
      std::get<create_table>(plain.what).as.reset();
      alone.statements_.push_back(std::move(plain));
    } else if (t || std::holds_alternative<create_view>(s.what) ||
               std::holds_alternative<set_statement>(s.what)) {
      alone.statements_.push_back(s);
    }
  }
  alone.statements_.push_back(*e.body);
  auto job = alone.load();
  for (const auto& [text, d] : alone.queries_->definitions)
    if (auto mine = queries_->definitions.find(text); d.used && mine != queries_->definitions.end())
      mine->second.used = true;
  if (!job) return;
  using format = explain_statement::format;
  explained_.push_back(e.as == format::json  ? planner::explain_json(job->plan)
                       : e.as == format::dot ? planner::explain_dot(job->plan)
                                             : planner::explain_text(job->plan));
}

void loader::warn_growth(const physical_plan& plan) {
  for (const auto& g : planner::growing_states(plan)) {
    const auto& id = plan.operators[g.op.value].id;
    auto location = written_[0].location;
    bool exact = false;  // else a part of the step: "aggregate/partial"
    for (const auto* places : {&queries_->locations, &queries_->change_locations})
      for (const auto& [node, at] : *places) {
        const auto& step = builder_->node({node}).step.id;
        if (id == step || (!exact && id.starts_with(step + '/'))) location = at;
        exact |= id == step;
      }
    script_.advise(location, g.what + "; to bound it, " + g.bound_by);
  }
}

}  // namespace weir::sql
