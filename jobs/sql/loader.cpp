#include "jobs/sql/loader.hpp"

#include <algorithm>
#include <array>

#include "jobs/sql/job.hpp"
#include "jobs/sql/reader.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {
namespace {

/// The name that a CREATE statement defines, also where it does not parse.
std::string defined_name(std::string_view s) {
  std::vector<std::string> words;
  for (size_t i = 0; i < s.size() && words.size() < 8;) {
    if (isspace(static_cast<unsigned char>(s[i]))) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < s.size() && (isalnum(static_cast<unsigned char>(s[end])) || s[end] == '_')) ++end;
    if (end == i) break;
    std::string word;
    for (; i < end; ++i) word += static_cast<char>(tolower(static_cast<unsigned char>(s[i])));
    words.push_back(std::move(word));
  }
  if (words.empty() || words[0] != "create") return {};
  for (size_t i = 1; i + 1 < words.size(); ++i)
    if (words[i] == "table" || words[i] == "view")
      return words[i + 1] == "if" && i + 4 < words.size() ? words[i + 4] : words[i + 1];
  return {};
}

}  // namespace

loader::loader(script& s, const std::string& base_dir, const jobs::job_settings& settings)
    : script_(s), base_dir_(base_dir), settings_(settings) {}

std::optional<jobs::job> loader::run() {
  read();
  return load();
}

void loader::run_statements() {
  settings();
  for (const auto& s : statements_)
    std::visit(
        [this, &s](const auto& what) {
          using type = std::decay_t<decltype(what)>;
          if constexpr (std::is_same_v<type, select_statement>)
            run(what, s.location);
          else if constexpr (std::is_same_v<type, explain_statement>)
            run(what, s);
          else
            run(what);
        },
        s.what);
}

std::optional<jobs::job> loader::load() {
  run_statements();
  add_sinks();
  if (!script_.failed()) add_late_tables();
  if (whole_) {
    check_unread();
    script_.check_unused_settings();
  }
  if (script_.failed()) return {};
  jobs::job made;
  made.explained = std::move(explained_);
  made.snapshot_interval_us = snapshot_interval_us_;
  if (written_.empty()) {
    if (!made.explained.empty()) return made;
    script_.fail_whole("the script has neither INSERT nor SELECT: there is nothing to run");
    return {};
  }
  if (whole_) warn_unused();
  std::string failed_step;
  auto plan = builder_->build(&failed_step);
  if (!plan) {
    fail_step(failed_step, plan.err());
    return {};
  }
  made.plan = std::move(*plan);
  if (whole_) warn_growth(made.plan);
  return made;
}

/// An error of the plan, at the clause that its step comes from.
void loader::fail_step(const std::string& id, const error& e) {
  auto message = e.message;
  const auto named = '"' + id + '"';
  std::optional<uint32_t> location;
  for (const auto* places : {&queries_->locations, &queries_->change_locations})
    for (const auto& [node, at] : *places)
      if (builder_->node({node}).step.id == id) location = at;
  for (const auto& [text, d] : queries_->definitions)
    if (id == "source/" + text)
      for (const auto& o : d.options)
        if (message.find(o.called.text) != std::string::npos) location = o.called.location;
  if (!location) {
    script_.fail_whole(message);
    return;
  }
  // Ids are not what the script calls its parts.
  if (const auto at = message.find(named); at != std::string::npos)
    message.replace(at, named.size(), "this step");
  fail(e.code, message, *location);
}

void loader::read() {
  const auto& text = script_.text();
  for (auto [start, end] : script_.statements()) {
    const auto shift = static_cast<ptrdiff_t>(start);
    const std::string one = text.substr(start, end - start);
    auto fail = [&](const error& e) {
      script_.report(e, start);
      if (auto n = defined_name(one); !n.empty()) unreadable_.insert(std::move(n));
    };
    auto parsed = expr::parsed_text::parse(one, text, shift);
    if (!parsed) {
      fail(parsed.err());
      continue;
    }
    for (expr::json_node s : (*parsed)->statements()) {
      reader r(text, shift, static_cast<uint32_t>(start), types_);
      try {
        auto made = r.read_statement(s["stmt"]);
        if (made) {
          if (const auto* t = std::get_if<create_type>(&made->what))
            types_.emplace(t->called.text, t->type);
          statements_.push_back(std::move(*made));
        } else
          fail(made.err());
      } catch (const simdjson::simdjson_error& e) {  // a shape that nobody expected: ours to mend
        fail({errc::internal, "this statement cannot be read: " + std::string(e.what())});
      }
    }
  }
}

bool loader::settings() {
  planner::plan_settings p;
  p.base_dir = base_dir_;
  p.custom = settings_.custom;
  p.final_output = settings_.final_output;
  p.name = jobs::job_name_of(script_.file());
  p.parallelism = settings_.default_parallelism;
  for (const auto& s : statements_)
    if (const auto* set = std::get_if<set_statement>(&s.what)) apply(*set, p);
  if (settings_.parallelism) p.parallelism = *settings_.parallelism;
  if (settings_.mode) p.mode = *settings_.mode;
  builder_ = std::make_unique<planner::plan_builder>(std::move(p));
  queries_ = std::make_unique<query_binder>(script_, *builder_);
  queries_->unreadable = unreadable_;
  return !script_.failed();
}

void loader::apply(const set_statement& s, planner::plan_settings& p) {
  static const std::array<std::string, 6> known{"name", "parallelism",       "key_groups",
                                                "mode", "snapshot_interval", "state_ttl"};
  const auto& name = s.called.text;
  auto number = [&](uint32_t max, uint32_t& out) {
    const auto v = std::strtoull(s.value.c_str(), nullptr, 10);
    if (s.value.empty() || s.value.find_first_not_of("0123456789") != std::string::npos || v < 1 ||
        v > max)
      fail(errc::invalid_argument,
           name + " must be an integer between 1 and " + std::to_string(max), s.value_location);
    else
      out = static_cast<uint32_t>(v);
  };
  if (name == "name") {
    if (s.value.empty())
      fail(errc::invalid_argument, "a job's name cannot be empty", s.value_location);
    else
      p.name = s.value;
  } else if (name == "parallelism") {
    number(plan_parallelism_max, p.parallelism);
  } else if (name == "key_groups") {
    number(plan_key_groups_max, p.key_groups);
  } else if (name == "mode") {
    std::vector<std::string> modes;
    for (auto m :
         {delivery_mode::exactly_once, delivery_mode::at_least_once, delivery_mode::at_most_once}) {
      modes.emplace_back(to_string(m));
      if (s.value == modes.back()) {
        p.mode = m;
        return;
      }
    }
    fail(errc::invalid_argument,
         "mode is exactly-once, at-least-once or at-most-once" + nearest_hint(s.value, modes),
         s.value_location);
  } else if (name == "snapshot_interval") {
    auto us = planner::duration_us(s.value, name);
    if (us && *us < 100'000) us = error(errc::invalid_argument, "snapshot_interval is below 100ms");
    if (us)
      snapshot_interval_us_ = *us;
    else
      fail(us.err().code, us.err().message, s.value_location);
  } else if (name == "state_ttl") {
    if (auto us = planner::state_ttl_us(s.value); !us)
      fail(us.err().code, us.err().message, s.value_location);
  } else {
    fail(errc::unknown_name,
         "unrecognized setting \"" + name + "\"" +
             nearest_hint(name, std::span<const std::string>(known)) +
             " (there are name, parallelism, key_groups, mode, snapshot_interval, state_ttl)",
         s.called.location);
  }
}

/// Other settings are the job's, wherever they stand; this one is of the statements behind it.
void loader::run(const set_statement& s) {
  if (s.called.text != "state_ttl") return;
  if (auto us = planner::state_ttl_us(s.value)) builder_->set_state_ttl(*us);
}

bool loader::define(const name& n, definition d) {
  d.called = n;
  auto [it, fresh] = queries_->definitions.emplace(n.text, std::move(d));
  if (!fresh)
    return fail(errc::already_exists, "relation \"" + n.text + "\" already exists", n.location);
  return true;
}

bool loader::generated_columns(const create_table& t, planner::table_def& def) {
  rows physical;
  schema types;
  for (const auto& c : t.columns)
    if (!c.generated) {
      column_name column;
      column.name = c.called.text;
      column.index = static_cast<uint32_t>(types.size());
      column.zoned = c.zoned;
      physical.columns.push_back(std::move(column));
      types.fields.push_back({c.called.text, c.type});
    }
  bool ok = true;
  for (size_t i = 0; i < t.columns.size(); ++i) {
    const auto& c = t.columns[i];
    if (!c.generated) continue;
    select_scope names(physical, types, "a generated column");
    expr::binder b(script_.text(), names);
    auto value = b.bind(*c.generated);
    if (value) value = b.coerce(std::move(*value), c.type, expr::cast_context::assignment);
    if (!value) {
      script_.report(value.err(), c.generated->location);
      ok = false;
      continue;
    }
    def.columns[i].generated = expr::to_sql(*value->n, types);
    def.columns[i].value = value->n;
  }
  return ok;
}

std::optional<planner::table_def> loader::table_of(const create_table& t, definition& d) {
  planner::table_def def;
  def.name = t.called.text;
  for (const auto& c : t.columns) {
    planner::column_def column;
    column.name = c.called.text;
    column.type = c.type;
    def.columns.push_back(std::move(column));
    d.zoned.push_back(c.zoned);
  }
  for (const auto& key : t.primary_key) def.primary_key.push_back(key.text);
  bool ok = generated_columns(t, def) && constraints(t, d);
  for (const auto& o : t.options) {
    // rate = '${RATE:-}' without --set RATE: as if the option were not there.
    if (o.value.empty() && script_.substituted_at(o.value_location + 1)) continue;
    if (o.called.text == "emit") {
      if (o.value != "final" && o.value != "changes")
        ok = fail(errc::invalid_argument, "emit is 'changes' or 'final'", o.value_location);
      d.final_rows = o.value == "final";
      continue;
    }
    def.options[o.called.text] = o.value;
    // path, dead_letter_path
    if (folder_of_ && o.called.text.ends_with("path"))
      def.options[o.called.text] = resolve_path(folder_of_(t.called.location), o.value);
  }
  if (!def.options.count("connector"))
    ok = fail(errc::invalid_argument,
              "table \"" + def.name + "\" needs WITH (connector = '...'): where its rows are",
              t.called.location);
  if (!ok) return {};
  return def;
}

void loader::run(const create_table& t) {
  if (t.if_not_exists && queries_->definitions.contains(t.called.text)) return;
  definition d;
  d.options = t.options;
  auto def = table_of(t, d);
  d.broken = !def;
  if (def) d.table = std::move(*def);
  if (!define(t.called, std::move(d)) || !t.as) return;
  auto& made = queries_->definitions.at(t.called.text);
  if (made.broken) return;
  made.columns = t.as_columns;
  write(made, t.called, {}, *t.as);
}

void loader::run(const create_view& v) {
  definition d;
  d.is_table = false;
  d.body = v.body;
  d.columns = v.columns;
  if (queries_->definitions.contains(v.called.text)) {
    define(v.called, std::move(d));  // reports it
    return;
  }
  // Bound now, so that its mistakes are reported even when nothing reads it; before it is there,
  // since it cannot read itself.
  context c;
  c.id = v.called.text;
  c.titles = &v.columns;
  auto r = queries_->bind(*v.body, c);
  if (r && !queries_->rename(*r, v.columns, v.called.text, v.called.location)) r.reset();
  d.broken = !r;
  d.bound[false] = std::move(r);
  define(v.called, std::move(d));
}

void loader::run(const insert& i) {
  auto it = queries_->definitions.find(i.into.text);
  if (it != queries_->definitions.end() && it->second.is_table && !it->second.broken) {
    write(it->second, i.into, i.columns, *i.body);
    return;
  }
  std::vector<std::string> tables;
  for (const auto& [text, d] : queries_->definitions)
    if (d.is_table) tables.push_back(text);
  if (it == queries_->definitions.end() && !unreadable_.count(i.into.text))
    fail(errc::unknown_name,
         "relation \"" + i.into.text + "\" does not exist" + nearest_hint(i.into.text, tables),
         i.into.location);
  else if (it != queries_->definitions.end() && !it->second.is_table)
    fail(errc::invalid_argument, "cannot insert into view \"" + i.into.text + "\"",
         i.into.location);
  queries_->bind(*i.body, {});  // for its own mistakes
}

void loader::run(const select_statement& s, uint32_t location) {
  if (bare_select_) {
    fail(errc::unsupported,
         "a second SELECT without INSERT: a job has one standard output; write UNION ALL, or "
         "INSERT INTO a table",
         location);
    queries_->bind(*s.body, {});  // for its own mistakes
    return;
  }
  bare_select_ = true;
  context shown;
  if (settings_.final_output || settings_.ordered_output) shown.ordered = s.body.get();
  auto r = queries_->bind(*s.body, shown);
  if (!r) return;
  planner::table_def out;
  out.name = "stdout";
  out.options = {{"connector", "stdout"}};
  std::set<std::string> taken;
  for (const auto& c : r->columns) {
    planner::column_def column;
    column.name = unique_name(c.name, taken);
    column.type = builder_->schema_of(r->from)->fields[c.index].type;
    out.columns.push_back(std::move(column));
  }
  if (!r->order.empty()) {
    const auto& all = builder_->schema_of(r->from)->fields;
    out.order = r->order;
    out.hidden = static_cast<uint32_t>(all.size() - out.columns.size());
    for (size_t i = out.columns.size(); i < all.size(); ++i)
      out.columns.push_back({unique_name(all[i].name, taken), all[i].type});
  }
  written_.push_back({std::move(out), {r->from}, location});
}

/// Nobody asks a table that is neither read nor written what its options are.
void loader::check_unread() {
  for (const auto& [text, d] : queries_->definitions) {
    if (!d.is_table || d.used || d.broken) continue;
    const auto& connector = d.table.options.at("connector");
    auto source = check_options(connector, d.table.options, false);
    if (source) source = planner::check_time_options(d.table);
    if (source || check_options(connector, d.table.options, true)) continue;
    const auto& m = source.err().message;
    auto location = blamed(d, m, d.called.location);
    if (location == d.called.location)
      for (const auto& o : d.options)
        if (o.called.text == "connector") location = o.called.location;
    fail(source.err().code, m, location);
  }
}

void loader::warn_unused() {
  for (const auto& [text, d] : queries_->definitions)
    if (!d.used)
      script_.warn(d.called.location, std::string(d.is_table ? "table" : "view") + " \"" + text +
                                          "\" is used by nothing");
}

}  // namespace weir::sql

namespace weir::jobs {

std::optional<job> read_sql(const std::string& text, const std::string& file,
                            const std::string& base_dir, const job_settings& s,
                            std::vector<diagnostic>& out) {
  sql::script script(text, file, s.set);
  std::optional<job> made;
  if (!script.failed()) made = sql::loader(script, base_dir, s).run();
  out = script.take_diagnostics();
  return made;
}

}  // namespace weir::jobs
