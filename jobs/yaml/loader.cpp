#include "jobs/yaml/loader.hpp"

#include "jobs/plan/aggregate_text.hpp"
#include "jobs/plan/growth.hpp"
#include "jobs/yaml/structure.hpp"
#include "runtime/base/nearest.hpp"

namespace weir::jobs {
namespace {

using planner::step_options;

/// The option or column of a table that a message is about, as far as it names one.
YAML::Node blamed(const YAML::Node& table, const std::string& message) {
  for (auto part : {"with", "columns", "generated"}) {
    if (!table[part]) continue;
    for (const auto& entry : table[part]) {
      const auto& name = entry.first.Scalar();
      const bool option = std::string_view(part) == "with";
      if (option ? message.rfind("option " + name + ' ', 0) == 0 ||
                       message.find("has no option " + name) != std::string::npos ||
                       message.rfind(name + " of table ", 0) == 0
                 : message.find("two columns \"" + name + '"') != std::string::npos)
        return entry.first;
    }
  }
  return table["with"];
}

uint32_t number(const std::string& text) {
  return static_cast<uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
}

}  // namespace

loader::loader(document& d, const std::string& base_dir, const job_settings& s)
    : doc_(d), base_dir_(base_dir), settings_(s) {}

std::optional<physical_plan> loader::run() {
  const auto& root = doc_.root();
  const bool sound = check_object(doc_, root, job_type);
  if (!root.IsMap()) return {};
  builder_ = std::make_unique<planner::plan_builder>(plan_settings(root));
  if (root["state_ttl"] && root["state_ttl"].IsScalar())
    state_ttl_us_ = state_ttl(root["state_ttl"]);
  if (root["tables"] && root["tables"].IsMap()) read_tables(root["tables"]);
  if (root["steps"] && root["steps"].IsSequence()) read_steps(root["steps"]);
  if (root["sinks"] && root["sinks"].IsSequence()) read_sinks(root["sinks"]);
  if (sound && !doc_.failed()) add_late_tables();
  doc_.check_unused_settings();
  if (!sound || doc_.failed()) return {};
  for (const auto& name : order_) {
    const auto& n = names_.at(name);
    if (!n.used)
      doc_.warn(n.where, std::string(n.is_table ? "table" : "step") + " \"" + name +
                             "\" is used by nothing");
  }
  auto plan = builder_->build();
  if (!plan.ok()) {
    doc_.error(plan.err().message);
    return {};
  }
  for (const auto& g : planner::growing_states(*plan)) {
    const auto& id = plan->operators[g.op.value].id;
    auto step = names_.find(id.substr(0, id.find('/')));
    doc_.advise(step == names_.end() ? root : step->second.where,
                g.what + "; to bound it, " + g.bound_by);
  }
  return std::move(*plan);
}

planner::plan_settings loader::plan_settings(const YAML::Node& root) {
  planner::plan_settings p;
  p.base_dir = base_dir_;
  p.custom = settings_.custom;
  p.final_output = settings_.final_output;
  p.name = job_name_of(doc_.file());
  // Only values of the right shape are read here; others are reported already.
  auto scalar = [&root, this](const char* name) -> std::string {
    auto n = root[name];
    return n && n.IsScalar() ? doc_.text(n) : "";
  };
  if (auto name = scalar("name"); !name.empty()) p.name = name;
  p.parallelism = settings_.default_parallelism;
  if (auto n = number(scalar("parallelism"))) p.parallelism = n;
  if (settings_.parallelism) p.parallelism = *settings_.parallelism;
  if (auto n = number(scalar("key_groups"))) p.key_groups = n;
  auto mode = scalar("mode");
  for (auto m : {delivery_mode::at_least_once, delivery_mode::at_most_once})
    if (mode == to_string(m)) p.mode = m;
  if (settings_.mode) p.mode = *settings_.mode;
  return p;
}

int64_t loader::state_ttl(const YAML::Node& n) {
  auto us = planner::state_ttl_us(doc_.text(n));
  if (us) return *us;
  doc_.error(n, us.err().message);
  return 0;
}

void loader::read_tables(const YAML::Node& tables) {
  for (const auto& entry : tables) {
    if (!entry.first.IsScalar()) {
      doc_.error(entry.first, "expected the name of a table");
      continue;
    }
    const auto name = entry.first.Scalar();
    named t;
    t.is_table = true;
    t.where = entry.first;
    t.table = entry.second;
    t.broken = !check_object(doc_, entry.second, table_type);
    if (names_.emplace(name, std::move(t)).second) order_.push_back(name);
  }
}

std::optional<planner::table_def> loader::table_of(const std::string& name, const YAML::Node& n) {
  planner::table_def t;
  t.name = name;
  bool ok = true;
  const auto errors_before = doc_.errors();
  schema physical;
  for (const auto& c : n["columns"] ? n["columns"] : YAML::Node(YAML::NodeType::Map)) {
    auto type = parse_type(doc_.text(c.second));
    if (!type.ok()) {
      doc_.error(c.second, type.err().message);
      ok = false;
      continue;
    }
    t.columns.push_back({c.first.Scalar(), *type, ""});
    physical.fields.push_back({c.first.Scalar(), *type});
  }
  if (!ok) return {};
  for (const auto& g : n["generated"] ? n["generated"] : YAML::Node(YAML::NodeType::Map)) {
    auto value = bind(g.second, physical);
    if (value)
      t.columns.push_back({g.first.Scalar(), value->type, doc_.text(g.second)});
    else
      ok = false;
  }
  for (const auto& o : n["with"]) {
    auto value = o.second.IsNull() ? "" : doc_.text(o.second);
    // `rate: ${RATE:-}` without --set RATE: as if the option were not there.
    if (value.empty() && o.second.IsScalar() && !o.second.Scalar().empty()) continue;
    t.options[o.first.Scalar()] = std::move(value);
  }
  if (!t.options.count("connector")) {
    doc_.error(n["with"], "a table needs the option connector");
    ok = false;
  }
  if (!ok || doc_.errors() != errors_before) return {};
  return t;
}

std::vector<std::string> loader::readable_names() const {
  return order_;
}

std::optional<loader::relation> loader::find(const YAML::Node& where) {
  auto name = doc_.text(where);
  std::string side;
  auto it = names_.find(name);
  if (auto dot = name.rfind('.'); it == names_.end() && dot != std::string::npos) {
    side = name.substr(dot + 1);
    it = names_.find(name.substr(0, dot));
  }
  if (it == names_.end()) {
    doc_.error(where, "there is no table or step \"" + name + "\" before this one" +
                          nearest_hint(name, readable_names()));
    return {};
  }
  auto& n = it->second;
  n.used = true;
  if (n.broken) return {};
  if (n.is_table && !n.value) {
    n.broken = true;  // until it works
    auto table = table_of(it->first, n.table);
    if (!table) return {};
    auto source = builder_->source(*table);
    if (!source.ok()) {
      doc_.error(blamed(n.table, source.err().message), source.err().message);
      return {};
    }
    n.value = *source;
    n.broken = false;
  }
  if (side.empty()) return n.value;
  return take(where, builder_->side_output(*n.value, side));
}

void loader::read_steps(const YAML::Node& steps) {
  std::string previous;
  for (const auto& step : steps) {
    bool sound = check_object(doc_, step, step_type);
    auto name = step.IsMap() && step["name"] && step["name"].IsScalar() ? doc_.text(step["name"])
                                                                        : std::string();
    if (sound && names_.count(name)) {
      doc_.error(step["name"], "the name \"" + name + "\" is taken by a " +
                                   (names_.at(name).is_table ? "table" : "step"));
      sound = false;
      name.clear();
    }
    named n;
    n.where = step.IsMap() && step["name"] ? step["name"] : step;
    if (sound) n.value = read_step(step, name, previous);
    n.broken = !n.value;
    previous = name;
    if (name.empty()) {
      // Later steps without `from` would read it.
      previous = "(broken)";
      names_[previous] = n;
      continue;
    }
    if (names_.emplace(name, std::move(n)).second) order_.push_back(name);
  }
}

std::optional<std::vector<loader::relation>> loader::inputs_of(const YAML::Node& step,
                                                               const std::string& previous) {
  std::vector<relation> in;
  if (!step["from"] && !step["union"]) {
    if (previous.empty()) {
      doc_.error(step, "the first step needs the property \"from\": a table");
      return {};
    }
    auto& n = names_.at(previous);
    n.used = true;
    if (!n.value) return {};
    return std::vector<relation>{*n.value};
  }
  const auto list = step["from"] ? step["from"] : step["union"];
  bool ok = true;
  auto one = [this, &in, &ok](const YAML::Node& name) {
    auto r = find(name);
    if (r) in.push_back(*r);
    ok &= r.has_value();
  };
  if (list.IsScalar()) one(list);
  for (const auto& item : list)
    if (list.IsSequence()) one(item);
  if (!ok) return {};
  return in;
}

bool loader::check_combination(const YAML::Node& step) {
  bool ok = true;
  auto fail = [this, &ok](const YAML::Node& at, const std::string& message) {
    doc_.error(at, message);
    ok = false;
  };
  if (step["from"] && step["union"])
    fail(step["union"], "give either \"from\" or \"union\", not both");
  const char* main = nullptr;
  for (auto verb : {"aggregate", "distinct", "operator"}) {
    if (!step[verb]) continue;
    if (main)
      fail(step[verb], std::string("a step has either \"") + main + "\" or \"" + verb +
                           "\", not both; make it two steps");
    main = verb;
  }
  if (step["key"] && !step["aggregate"] && !step["operator"])
    fail(step["key"], "\"key\" belongs to \"aggregate\" or \"operator\", and the step has neither");
  if (step["emit"] && !step["aggregate"] && !step["join"])
    fail(step["emit"], "\"emit\" belongs to \"aggregate\" or \"join\", and the step has neither");
  if (step["having"] && !main)
    fail(step["having"],
         "\"having\" belongs to \"aggregate\", \"distinct\" or \"operator\"; use \"where\"");
  if (step["from"] && step["from"].IsSequence() && step["from"].size() > 1) {
    if (!step["operator"])
      fail(step["from"], "only an operator has several inputs; use \"union\" to put them together");
    for (auto verb : {"join", "where", "flat_map", "window"})
      if (step[verb])
        fail(step[verb],
             std::string("\"") + verb + "\" takes one input; give it a step of its own");
  }
  return ok;
}

std::optional<loader::relation> loader::read_step(const YAML::Node& step, const std::string& name,
                                                  const std::string& previous) {
  bool ok = check_combination(step);
  auto in = inputs_of(step, previous);
  if (!ok || !in) return {};
  // The verb that keeps state, else the last one, carries the step's name as stable id.
  std::string main = "union";
  for (auto verb :
       {"where", "flat_map", "window", "select", "join", "distinct", "aggregate", "operator"})
    if (step[verb]) main = verb;
  builder_->set_state_ttl(step["state_ttl"] ? state_ttl(step["state_ttl"]) : state_ttl_us_);
  const uint32_t parallelism = step["parallelism"] ? number(doc_.text(step["parallelism"])) : 0;
  auto options = [&](const std::string& verb) {
    return step_options{verb == main ? name : name + '/' + verb, "", parallelism};
  };
  std::optional<relation> r = (*in)[0];
  if (step["union"]) r = take(step["union"], builder_->unite(*in, options("union")));
  if (r && step["join"]) {
    const bool one = step["from"] && step["from"].IsScalar();
    const auto left = one ? doc_.text(step["from"]) : step["union"] ? name : previous;
    r = join(*r, left, step["join"], options("join"));
  }
  if (r && step["where"]) r = where(*r, step["where"], options("where"));
  if (r && step["flat_map"]) r = flat_map(*r, step["flat_map"], options("flat_map"));
  if (r && step["window"]) r = window(*r, step["window"], options("window"));
  if (r && step["aggregate"]) r = aggregate(*r, step, options("aggregate"));
  if (r && step["distinct"] && doc_.text(step["distinct"]) == "true")
    r = take(step["distinct"], builder_->distinct(*r, options("distinct")));
  if (r && step["operator"]) {
    if (in->size() == 1) (*in)[0] = *r;
    r = custom(*in, step, options("operator"));
  }
  if (r && step["having"]) r = where(*r, step["having"], options("having"));
  if (r && step["select"]) r = select(*r, step["select"], options("select"));
  const bool final_rows = step["emit"] && doc_.text(step["emit"]) == "final";
  if (r && final_rows && builder_->emits_changes(*r))
    r = take(step["emit"], builder_->settle(*r, options("emit")));
  return r;
}

void loader::read_sinks(const YAML::Node& sinks) {
  if (sinks.size() == 0) doc_.error(sinks, "a job needs a sink: \"sinks\" is empty");
  for (const auto& sink : sinks) {
    if (!check_object(doc_, sink, sink_type)) continue;
    auto from = find(sink["from"]);
    const auto into = doc_.text(sink["into"]);
    planner::table_def table;
    auto it = names_.find(into);
    if (it != names_.end() && it->second.is_table) {
      it->second.used = true;
      if (it->second.broken) continue;
      auto t = table_of(into, it->second.table);
      if (!t) {
        it->second.broken = true;
        continue;
      }
      table = std::move(*t);
    } else if (into == "stdout" && it == names_.end()) {
      table = {"stdout", {}, {{"connector", "stdout"}}};
    } else {
      std::vector<std::string> tables{"stdout"};
      for (const auto& [name, n] : names_)
        if (n.is_table) tables.push_back(name);
      doc_.error(sink["into"], "there is no table \"" + into + "\"" + nearest_hint(into, tables));
      continue;
    }
    written_.insert(into);
    if (!from) continue;
    step_options o;
    if (sink["parallelism"]) o.parallelism = number(doc_.text(sink["parallelism"]));
    if (auto s = builder_->sink(*from, table, o); !s.ok()) {
      auto at = it == names_.end() ? sink["into"] : blamed(it->second.table, s.err().message);
      const bool about_table = it != names_.end() && !at.is(it->second.table["with"]);
      doc_.error(about_table ? at : sink["into"], s.err().message);
    }
  }
}

void loader::add_late_tables() {
  YAML::Node where;
  auto find = [this, &where](const std::string& name) -> result<planner::table_def> {
    std::vector<std::string> tables;
    for (const auto& [text, n] : names_) {
      if (!n.is_table) continue;
      tables.push_back(text);
      const auto with = n.table["with"];
      if (with["late_table"] && doc_.text(with["late_table"]) == name)
        where.reset(with["late_table"]);
    }
    auto it = names_.find(name);
    if (it == names_.end() || !it->second.is_table)
      return {errc::unknown_name,
              "there is no table \"" + name + "\" for late rows" + nearest_hint(name, tables)};
    if (written_.count(name))
      return {errc::unsupported,
              "a sink writes \"" + name + "\", too: give late rows a table of their own"};
    it->second.used = true;
    auto t = table_of(name, it->second.table);
    if (!t) return {errc::invalid_argument, "table \"" + name + "\" has mistakes"};
    return std::move(*t);
  };
  auto done = builder_->add_late_tables(find);
  if (done) return;
  if (where.IsScalar())
    doc_.error(where, done.err().message);
  else
    doc_.error(done.err().message);
}

std::optional<loader::relation> loader::take(const YAML::Node& where, result<relation> r) {
  if (r.ok()) return *r;
  doc_.error(where, r.err().message);
  return {};
}

std::optional<job> read_yaml(const std::string& text, const std::string& file,
                             const std::string& base_dir, const job_settings& s,
                             std::vector<diagnostic>& out) {
  document doc(text, file, s.set);
  std::optional<physical_plan> plan;
  if (!doc.failed()) {
    try {
      plan = loader(doc, base_dir, s).run();
    } catch (const YAML::Exception& e) {  // a shape that the checks let through: ours to mend
      doc.error("the file cannot be read: " + std::string(e.what()));
      plan.reset();
    }
  }
  out = doc.take_diagnostics();
  if (!plan) return {};
  job made;
  made.plan = std::move(*plan);
  return made;
}

}  // namespace weir::jobs
