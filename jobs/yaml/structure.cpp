#include "jobs/yaml/structure.hpp"

#include <charconv>
#include <set>

#include "runtime/base/nearest.hpp"

namespace weir::jobs {
namespace {

using k = value_kind;

const char* shape(const YAML::Node& n) {
  switch (n.Type()) {
    case YAML::NodeType::Null:
      return "nothing";
    case YAML::NodeType::Scalar:
      return "a single value";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a map";
    case YAML::NodeType::Undefined:
      break;
  }
  return "nothing";
}

std::string expected(const property& p) {
  switch (p.kind) {
    case k::text:
      return "a value";
    case k::name:
      return "a name";
    case k::names:
      return "a name or a list of names";
    case k::expression:
      return "an SQL expression";
    case k::expressions:
      return "a map from column names to SQL expressions";
    case k::columns:
      return "a map from column names to types";
    case k::options:
      return "a map from option names to values";
    case k::keys:
      return "a column, a list of columns, or a map from names to SQL expressions";
    case k::selection:
      return "a list of columns, or a map from names to SQL expressions";
    case k::integer:
      return "a whole number above 0";
    case k::boolean:
      return "true or false";
    case k::duration:
      return "a duration such as 5m or 1 day";
    case k::choice: {
      std::string out = "one of";
      const char* comma = " ";
      for (auto c : split_choices(p.choices)) {
        out += comma + std::string(c);
        comma = ", ";
      }
      return out;
    }
    case k::object:
      return "a map";
    case k::objects:
      return "a list of " + std::string(p.of->name) + "s";
    case k::table_map:
      return "a map from names to " + std::string(p.of->name) + "s";
  }
  return "a value";
}

class checker {
 public:
  explicit checker(document& d) : doc_(d) {}

  bool object(const YAML::Node& n, const object_type& t) {
    if (!n.IsMap())
      return mismatch(n, "a map of a " + std::string(t.name) + "'s properties", t.name);
    bool ok = unique_keys(n);
    for (const auto& entry : n) {
      if (!entry.first.IsScalar()) {
        doc_.error(entry.first, "expected the name of a property");
        ok = false;
        continue;
      }
      const auto& key = entry.first.Scalar();
      const auto* p = t.find(key);
      if (!p) {
        auto names = t.names();
        std::string all;
        for (auto name : names) all += (all.empty() ? "" : ", ") + std::string(name);
        auto hint = nearest_hint(key, names);
        doc_.error(entry.first, "a " + std::string(t.name) + " has no property \"" + key + "\"" +
                                    (hint.empty() ? "; expected one of " + all : hint));
        ok = false;
        continue;
      }
      if (entry.second.IsNull()) {
        doc_.error(entry.first, "\"" + key + "\" is empty; expected " + expected(*p));
        ok = false;
        continue;
      }
      ok &= value(entry.second, *p);
    }
    for (const auto& p : t.properties)
      if (p.required && !n[std::string(p.name)]) {
        doc_.error(n, "a " + std::string(t.name) + " needs the property \"" + std::string(p.name) +
                          "\": " + expected(p));
        ok = false;
      }
    return ok;
  }

 private:
  bool mismatch(const YAML::Node& n, const std::string& want, std::string_view name) {
    doc_.error(n, "\"" + std::string(name) + "\": expected " + want + ", found " + shape(n));
    return false;
  }
  bool unique_keys(const YAML::Node& map) {
    std::set<std::string> seen;
    bool ok = true;
    for (const auto& entry : map)
      if (entry.first.IsScalar() && !seen.insert(entry.first.Scalar()).second) {
        doc_.error(entry.first, "\"" + entry.first.Scalar() + "\" is there twice");
        ok = false;
      }
    return ok;
  }
  bool map_of_scalars(const YAML::Node& n, const property& p) {
    if (!n.IsMap()) return mismatch(n, expected(p), p.name);
    bool ok = unique_keys(n);
    for (const auto& entry : n) {
      // An option may be empty (null_text: ""), which YAML also writes as nothing at all.
      const bool null_ok = p.kind == k::options && entry.second.IsNull();
      if (entry.first.IsScalar() && (entry.second.IsScalar() || null_ok)) continue;
      ok = mismatch(entry.second.IsNull() ? entry.first : entry.second,
                    p.kind == k::columns ? "a type" : "a single value",
                    entry.first.IsScalar() ? entry.first.Scalar() : p.name);
    }
    return ok;
  }
  bool list_of_scalars(const YAML::Node& n, const property& p, bool maps_too) {
    bool ok = true;
    for (const auto& item : n) {
      if (item.IsScalar()) continue;
      if (maps_too && item.IsMap())
        ok &= map_of_scalars(item, p);
      else
        ok = mismatch(item, maps_too ? "a column or {name: expression}" : "a name", p.name);
    }
    if (n.size() == 0) {
      doc_.error(n, "\"" + std::string(p.name) + "\" is empty; expected " + expected(p));
      return false;
    }
    return ok;
  }
  bool integer(const YAML::Node& n, const property& p) {
    if (!n.IsScalar()) return mismatch(n, expected(p), p.name);
    auto text = doc_.text(n);
    uint32_t v = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
    if (ec == std::errc() && end == text.data() + text.size() && v > 0) return true;
    doc_.error(
        n, "\"" + std::string(p.name) + "\": expected " + expected(p) + ", found \"" + text + "\"");
    return false;
  }
  bool choice(const YAML::Node& n, const property& p, const std::vector<std::string_view>& all) {
    if (!n.IsScalar()) return mismatch(n, expected(p), p.name);
    auto text = doc_.text(n);
    for (auto c : all)
      if (c == text) return true;
    doc_.error(n, "\"" + std::string(p.name) + "\": expected " + expected(p) + ", found \"" + text +
                      "\"" + nearest_hint(text, all));
    return false;
  }

  bool value(const YAML::Node& n, const property& p) {
    switch (p.kind) {
      case k::text:
      case k::name:
      case k::expression:
        return n.IsScalar() || mismatch(n, expected(p), p.name);
      case k::duration: {
        if (!n.IsScalar()) return mismatch(n, expected(p), p.name);
        auto d = planner::duration_us(doc_.text(n), p.name);
        if (!d.ok()) doc_.error(n, d.err().message);
        return d.ok();
      }
      case k::names:
        if (n.IsScalar()) return true;
        return n.IsSequence() ? list_of_scalars(n, p, false) : mismatch(n, expected(p), p.name);
      case k::keys:
        if (n.IsScalar()) return true;
        if (n.IsMap()) return map_of_scalars(n, p);
        return n.IsSequence() ? list_of_scalars(n, p, false) : mismatch(n, expected(p), p.name);
      case k::selection:
        if (n.IsMap()) return map_of_scalars(n, p);
        return n.IsSequence() ? list_of_scalars(n, p, true) : mismatch(n, expected(p), p.name);
      case k::expressions:
      case k::columns:
      case k::options:
        return map_of_scalars(n, p);
      case k::integer:
        return integer(n, p);
      case k::boolean:
        return choice(n, p, {"true", "false"});
      case k::choice:
        return choice(n, p, split_choices(p.choices));
      case k::object:
        return object(n, *p.of);
      case k::objects:
        return n.IsSequence() || mismatch(n, expected(p), p.name);
      case k::table_map:
        return n.IsMap() ? unique_keys(n) : mismatch(n, expected(p), p.name);
    }
    return true;
  }

  document& doc_;
};

}  // namespace

bool check_object(document& d, const YAML::Node& n, const object_type& t) {
  return checker(d).object(n, t);
}

}  // namespace weir::jobs
