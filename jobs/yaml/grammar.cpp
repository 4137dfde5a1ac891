#include "jobs/yaml/grammar.hpp"

#include "jobs/yaml/job.hpp"
#include "runtime/column/json_text.hpp"

namespace weir::jobs {
namespace {

using k = value_kind;

constexpr property window_properties[] = {
    {"tumble", k::duration, "Size of windows that follow each other without gap: 1h, 15 minutes."},
    {"hop", k::duration, "Size of windows that overlap; a new one begins every `slide`."},
    {"slide", k::duration, "From one start of a hop to the next."},
    {"cumulate", k::duration,
     "Size of windows that follow each other and have results every `step`, over what came so "
     "far."},
    {"step", k::duration, "By how much a cumulating window grows."},
    {"session", k::duration, "The gap without rows that ends a window."},
    {"key", k::names,
     "Columns whose values have sessions of their own; the keys of the aggregate when left out."},
    {"on", k::name, "The event-time column; the table's when left out."},
};
constexpr property flat_map_properties[] = {
    {"split", k::expression, "Text that is cut at `delimiter`."},
    {"words", k::expression, "Text of which each run of letters, lower-cased, becomes a row."},
    {"lines", k::expression, "Text of which each line becomes a row."},
    {"unnest", k::expression, "An array, or a JSON array, of which each element becomes a row."},
    {"delimiter", k::text, "Where `split` cuts."},
    {"outer", k::boolean, "true: a row without elements stays, with NULL."},
    {"ordinality", k::boolean,
     "true: the new column is a struct of the element (item) and its number (ordinality)."},
    {"as", k::name, "Name of the new column.", true},
};
constexpr property join_properties[] = {
    {"with", k::name, "The table or step whose rows are joined.", true},
    {"kind", k::choice, "Which rows without a partner stay; inner when left out.", false,
     "inner|left|right|full|semi|anti"},
    {"on", k::expression,
     "Which pairs: columns by name or side.name, the sides being called as in `from` and `with`. "
     "All "
     "pairs when left out."},
};
constexpr property operator_properties[] = {
    {"library", k::text, "The shared library: a path, or a name that is searched for.", true},
    {"class", k::text, "The class that the library exports.", true},
    {"parameters", k::options, "What the class takes."},
};

}  // namespace

const object_type window_type{
    "window", "A window over event time. Give one of tumble, hop, cumulate and session.",
    window_properties};
const object_type flat_map_type{"flat_map", "One row becomes several. Give one of the functions.",
                                flat_map_properties};
const object_type join_type{
    "join",
    "The rows with those of another table or step; columns of both, right ones renamed NAME_2 "
    "where both have them.",
    join_properties};
const object_type operator_type{"operator", "An operator of a shared library of your own.",
                                operator_properties};

namespace {

constexpr property table_properties[] = {
    {"columns", k::columns,
     "Columns and their SQL types, by name. A sink without them takes what comes."},
    {"generated", k::expressions, "Columns that are computed from the others."},
    {"with", k::options, "Connector and its options, as in SQL's WITH.", true},
};
constexpr property step_properties[] = {
    {"name", k::name, "What other steps and sinks call it, and what its state is kept under.",
     true},
    {"from", k::names,
     "The table or step that it reads; the step before when left out. An operator may have "
     "several."},
    {"union", k::names, "Instead of `from`: two or more inputs with the same columns."},
    {"where", k::expression, "Rows to keep."},
    {"flat_map", k::object, "One row becomes several.", false, "", &flat_map_type},
    {"window", k::object, "Adds window_start and window_end.", false, "", &window_type},
    {"key", k::keys, "What `aggregate` groups by, or an operator's state is kept by."},
    {"aggregate", k::expressions, "Columns made of aggregate functions, such as count(*)."},
    {"emit", k::choice,
     "When an aggregate without window, or a join, answers: with every change (default), or "
     "finally, "
     "when the input ends.",
     false, "changes|final"},
    {"distinct", k::boolean, "Drops rows that were seen before."},
    {"operator", k::object, "An operator of your own.", false, "", &operator_type},
    {"having", k::expression, "Rows of the aggregate's, distinct's or operator's result to keep."},
    {"select", k::selection, "The columns of the result; all when left out."},
    {"parallelism", k::integer, "How many tasks share the step; the job's when left out."},
    {"join", k::object, "Adds the columns of another table or step.", false, "", &join_type},
    {"state_ttl", k::duration, "Instead of the job's, for this step; 0s: its state stays."},
};
constexpr property sink_properties[] = {
    {"from", k::name, "The step or table whose rows are written.", true},
    {"into", k::name, "The table that takes them, or stdout.", true},
    {"parallelism", k::integer, "How many tasks write; those of the step when left out."},
};

}  // namespace

const object_type table_type{"table", "A table outside: a source, a sink, or both.",
                             table_properties};
const object_type step_type{"step",
                            "Rows come from `from` or `union` and pass, in this order, join, "
                            "where, flat_map, window, one of "
                            "aggregate, distinct and operator, having, and select.",
                            step_properties};
const object_type sink_type{"sink", "Where rows go.", sink_properties};

namespace {

constexpr property job_properties[] = {
    {"name", k::text, "The job's name; the file's when left out."},
    {"parallelism", k::integer, "Tasks per step unless -p says otherwise."},
    {"mode", k::choice, "Delivery, unless --mode says otherwise.", false,
     "exactly-once|at-least-once|at-most-once"},
    {"key_groups", k::integer, "Units of state that can move between tasks (128)."},
    {"state_ttl", k::duration,
     "What steps keep per key or row is dropped when nothing touched it for so long."},
    {"tables", k::table_map, "Tables by name.", true, "", &table_type},
    {"steps", k::objects, "What happens to the rows.", false, "", &step_type},
    {"sinks", k::objects, "Where results go.", true, "", &sink_type},
};

std::string indent(int n) {
  return "\n" + std::string(static_cast<size_t>(2 * n), ' ');
}

std::string object_schema(const object_type&, int depth);

std::string value_schema(const property& p, int depth) {
  static const std::string scalar = R"("type": ["string", "number", "boolean"])";
  static const std::string names = R"({"type": "array", "items": {"type": "string"}})";
  auto map_of = [](const std::string& value) {
    return R"("type": "object", "additionalProperties": {)" + value + "}";
  };
  switch (p.kind) {
    case k::text:
      return scalar;
    case k::name:
    case k::expression:
    case k::duration:
      return scalar;
    case k::names:
      return R"("anyOf": [{"type": "string"}, )" + names + "]";
    case k::expressions:
    case k::options:
      return map_of(scalar);
    case k::columns:
      return map_of(R"("type": "string")");
    case k::keys:
      return R"("anyOf": [{"type": "string"}, )" + names + ", {" + map_of(scalar) + "}]";
    case k::selection:
      return R"("anyOf": [{"type": "array", "items": {"anyOf": [{"type": "string"}, {)" +
             map_of(scalar) + "}]}}, {" + map_of(scalar) + "}]";
    case k::integer:
      return R"("anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "\\$\\{"}])";
    case k::boolean:
      return R"("type": "boolean")";
    case k::choice: {
      std::string out = R"("enum": [)";
      bool first = true;
      for (auto c : split_choices(p.choices)) {
        out += (first ? "" : ", ") + json_string(c);
        first = false;
      }
      return out + "]";
    }
    case k::object:
      return object_schema(*p.of, depth);
    case k::objects:
      return R"("type": "array", "items": {)" + object_schema(*p.of, depth) + "}";
    case k::table_map:
      return R"("type": "object", "additionalProperties": {)" + object_schema(*p.of, depth) + "}";
  }
  return "";
}

std::string object_schema(const object_type& t, int depth) {
  std::string out = R"("type": "object", "description": )" + json_string(t.help) +
                    R"(, "additionalProperties": false,)" + indent(depth) + R"("properties": {)";
  std::string required;
  bool first = true;
  for (const auto& p : t.properties) {
    out += (first ? "" : ",") + indent(depth + 1) + json_string(p.name) + R"(: {"description": )" +
           json_string(p.help) + ", " + value_schema(p, depth + 2) + "}";
    if (p.required) required += (required.empty() ? "" : ", ") + json_string(p.name);
    first = false;
  }
  out += indent(depth) + "}";
  if (!required.empty()) out += R"(, "required": [)" + required + "]";
  return out;
}

}  // namespace

const object_type job_type{"job", "A Weir job file.", job_properties};

const property* object_type::find(std::string_view property_name) const {
  for (const auto& p : properties)
    if (p.name == property_name) return &p;
  return nullptr;
}

std::vector<std::string_view> object_type::names() const {
  std::vector<std::string_view> out;
  for (const auto& p : properties) out.push_back(p.name);
  return out;
}

std::vector<std::string_view> split_choices(std::string_view choices) {
  std::vector<std::string_view> out;
  while (!choices.empty()) {
    auto bar = choices.find('|');
    out.push_back(choices.substr(0, bar));
    choices = bar == std::string_view::npos ? std::string_view{} : choices.substr(bar + 1);
  }
  return out;
}

std::string job_schema() {
  return "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n  \"title\": "
         "\"Weir job file\",\n  " +
         object_schema(job_type, 1) + "\n}\n";
}

}  // namespace weir::jobs
