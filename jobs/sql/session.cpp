#include "jobs/sql/session.hpp"

#include <algorithm>
#include <set>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/reader.hpp"
#include "jobs/sql/window_calls.hpp"
#include "runtime/expr/catalog.hpp"
#include "runtime/expr/syntax.hpp"

namespace weir::sql {

using expr::has_key;
using expr::text_at;

namespace {

std::string quoted(const std::string& s, char quote) {
  std::string out(1, quote);
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == quote) out += quote;
    if (s.compare(i, 2, "${") == 0) out += '$';  // it is read again, and no key by then
    out += s[i];
  }
  return out + quote;
}

/// CREATE TABLE of what CREATE TABLE ... AS has made.
std::string definition_of(const std::string& name, const sink_spec& s) {
  std::string columns, options;
  for (const auto& f : s.columns->fields)
    columns += (columns.empty() ? "" : ", ") + quoted(f.name, '"') + ' ' + to_string(f.type);
  for (const auto& [key, value] : s.options)
    options += (options.empty() ? "" : ", ") + quoted(key, '"') + " = " + quoted(value, '\'');
  return "CREATE TABLE " + quoted(name, '"') + " (" + columns + ") WITH (" + options + ")";
}

/// Tags as PostgreSQL's clients show them, by the statement's node.
constexpr std::pair<std::string_view, const char*> tags[] = {
    {"CreateStmt", "CREATE TABLE"}, {"CreateTableAsStmt", "CREATE TABLE AS"},
    {"ViewStmt", "CREATE VIEW"},    {"VariableSetStmt", "SET"},
    {"InsertStmt", "INSERT"},       {"SelectStmt", "SELECT"},
    {"ExplainStmt", "EXPLAIN"},     {"CompositeTypeStmt", "CREATE TYPE"},
};

size_t lines_in(const std::string& s) {
  return static_cast<size_t>(std::count(s.begin(), s.end(), '\n'));
}

}  // namespace

/// The kept statements and a new one as a script.
struct session::attempt {
  attempt(const session& s, const std::vector<kept>& before, const std::string& statement,
          const place& p)
      : text(text_of(before)),
        lines(lines_in(text)),
        where(p),
        all(text + statement, p.file, s.settings_.set),
        load(all, s.base_dir_, s.settings_) {
    load.expect_more();
    if (all.failed()) return;
    ranges = all.statements();
    for (const auto& k : before) folders.push_back(k.folder);
    folders.push_back(p.folder);
    load.set_folders([this](uint32_t location) {
      for (size_t i = 0; i < ranges.size() && i < folders.size(); ++i)
        if (location < ranges[i].second) return folders[i];
      return std::string();  // the job's
    });
  }
  static std::string text_of(const std::vector<kept>& before) {
    std::string out;
    for (const auto& k : before) out += k.text + ";\n";
    return out;
  }
  /// At their places in the new statement's file.
  void report(std::vector<jobs::diagnostic>& out) {
    for (auto& d : all.take_diagnostics()) {
      if (d.line > lines)
        d.line = static_cast<uint32_t>(d.line - lines + where.line - 1);
      else
        d.line = 0;  // of the session as a whole
      out.push_back(std::move(d));
    }
  }

  std::string text;
  size_t lines;
  const place& where;
  script all;
  loader load;
  std::vector<std::pair<size_t, size_t>> ranges;
  std::vector<std::string> folders;
};

/// DROP TABLE and DROP VIEW.
struct session::dropped {
  explicit dropped(expr::json_node body) {
    const auto type = text_at(body, "removeType");
    what = type == "OBJECT_TABLE" ? "table" : type == "OBJECT_VIEW" ? "view" : "";
    if (body["missing_ok"].get(missing_ok)) missing_ok = false;
    simdjson::dom::array objects;
    if (!body["objects"].get(objects))
      for (expr::json_node o : objects)
        if (has_key(o, "List")) {
          auto parts = names_of(o["List"]["items"]);
          names.push_back(parts.empty() ? std::string() : parts.back());
        }
  }
  std::string what;  // "table", "view"; empty: something else
  bool missing_ok = false;
  std::vector<std::string> names;
};

session::session(std::string base_dir, jobs::job_settings s)
    : base_dir_(std::move(base_dir)), settings_(std::move(s)) {}

std::optional<std::vector<relation_info>> session::relations_of(
    const std::vector<kept>& statements, std::vector<jobs::diagnostic>& out) const {
  const place nowhere;
  attempt a(*this, statements, "", nowhere);
  std::optional<std::vector<relation_info>> found;
  if (!a.all.failed()) found = a.load.relations();
  if (!found) a.report(out);
  return found;
}

std::optional<session::answer> session::take(const std::string& statement, const place& where,
                                             std::vector<jobs::diagnostic>& out) {
  attempt a(*this, kept_, statement, where);
  auto failed = [&]() -> std::optional<answer> {
    a.report(out);
    return {};
  };
  if (a.all.failed()) return failed();
  answer made;
  made.folder = where.folder;
  std::string_view kind;
  std::string defines;
  if (!a.ranges.empty()) {
    const auto [begin, end] = a.ranges.back();
    const auto one = a.all.text().substr(begin, end - begin);
    // What does not parse is reported by the loader.
    if (auto parsed = expr::parsed_text::parse(one, a.all.text(), static_cast<ptrdiff_t>(begin)))
      for (expr::json_node s : (*parsed)->statements()) {
        const expr::json_node node = s["stmt"];
        simdjson::dom::object o;
        if (node.get(o) || o.begin() == o.end()) continue;
        const auto field = *o.begin();
        const expr::json_node body = field.value;
        if (field.key == std::string_view("DropStmt")) {
          auto done = drop(dropped(body));
          if (done) return std::move(*done);
          out.push_back({where.file, where.line, 1, done.err().message, false,
                         statement.substr(0, statement.find('\n'))});
          return {};
        }
        for (const auto& [name, tag] : tags)
          if (name == field.key) kind = name, made.tag = tag;
        if (kind == "CreateStmt") defines = text_at(body["relation"], "relname");
        if (kind == "ViewStmt") defines = text_at(body["view"], "relname");
        if (kind == "CreateTableAsStmt") defines = text_at(body["into"]["rel"], "relname");
      }
  }
  if (kind == "CreateStmt" || kind == "ViewStmt" || kind == "VariableSetStmt" ||
      kind == "CompositeTypeStmt") {
    auto relations = a.load.relations();
    if (!relations) return failed();
    kept_.push_back({statement, where.folder, defines, kind == "CreateStmt"});
    relations_ = std::move(*relations);
    return made;
  }
  auto job = a.load.run();
  if (!job) return failed();
  if (kind == "ExplainStmt") {
    for (const auto& text : job->explained) made.text += text;
    return made;
  }
  if (kind == "CreateTableAsStmt")
    for (const auto& n : job->plan.operators)
      if (const auto* sink = std::get_if<sink_spec>(&n.spec); sink && n.id == "sink/" + defines)
        made.keep = definition_of(defines, *sink);
  made.job = std::move(*job);
  return made;
}

void session::ran(const answer& a) {
  if (a.keep.empty()) return;
  std::vector<jobs::diagnostic> problems;
  auto more = kept_;
  more.push_back({a.keep, a.folder, "", true});
  auto relations = relations_of(more, problems);
  if (!relations) return;  // it cannot be read, as a sink's options may have it
  for (const auto& r : *relations)
    if (std::none_of(relations_.begin(), relations_.end(),
                     [&r](const relation_info& old) { return old.name == r.name; }))
      more.back().defines = r.name;
  kept_ = std::move(more);
  relations_ = std::move(*relations);
}

result<session::answer> session::drop(const dropped& d) {
  auto fail = [](const std::string& message) { return error(errc::invalid_argument, message); };
  if (d.what.empty()) return fail("this DROP is not supported; there are DROP TABLE and DROP VIEW");
  const bool table = d.what == "table";
  auto rest = kept_;
  for (const auto& name : d.names) {
    auto it = std::find_if(rest.begin(), rest.end(),
                           [&name](const kept& k) { return !name.empty() && k.defines == name; });
    if (it == rest.end()) {
      if (d.missing_ok) continue;
      return fail(d.what + " \"" + name + "\" does not exist");
    }
    if (it->is_table != table)
      return fail("\"" + name + "\" is not a " + d.what + "; write DROP " +
                  (table ? "VIEW" : "TABLE"));
    rest.erase(it);
  }
  std::vector<jobs::diagnostic> problems;
  auto relations = relations_of(rest, problems);
  if (!relations)
    return fail("a view depends on it: " +
                (problems.empty() ? std::string("drop that first") : problems[0].message));
  kept_ = std::move(rest);
  relations_ = std::move(*relations);
  answer made;
  made.tag = table ? "DROP TABLE" : "DROP VIEW";
  return made;
}

std::vector<std::string> function_names() {
  std::set<std::string> all;
  for (auto name : expr::catalog::get().names()) all.emplace(name);
  all.insert(expr::json_aggregates.begin(), expr::json_aggregates.end());
  for (const auto& names : {planner::aggregate_names(), own_window_functions(),
                            row_function_names(), window_functions()})
    all.insert(names.begin(), names.end());
  return {all.begin(), all.end()};
}

}  // namespace weir::sql
