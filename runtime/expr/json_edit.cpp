#include "runtime/expr/json_edit.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "runtime/column/json_text.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

// JSON that was checked nests less; of other text what is deeper counts as a scalar.
constexpr int depth_max = 2000;

error wrong(std::string what) {
  return {errc::invalid_argument, std::move(what)};
}
char kind_of(text v) {
  return v.empty() ? '\0' : v[0];
}
bool is_container(text v) {
  return kind_of(v) == '{' || kind_of(v) == '[';
}
std::string string_of(text quoted) {
  std::string s;
  json_unescape(quoted, s);
  return s;
}

/// A number as it counts: its digits without zeros at the ends, and the power of ten of the first.
struct number {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;
  bool operator==(const number&) const = default;
};
/// Digits on both sides of the point that are written, before the exponent.
struct written_number {
  bool negative = false;
  std::string digits;
  int64_t point = 0;  // how many digits stand before the point
};
written_number read_number(text v) {
  written_number n;
  size_t i = 0;
  if (i < v.size() && v[i] == '-') n.negative = ++i != 0;
  bool behind = false;
  for (; i < v.size() && v[i] != 'e' && v[i] != 'E'; ++i) {
    if (v[i] == '.') {
      behind = true;
    } else {
      n.digits += v[i];
      n.point += behind ? 0 : 1;
    }
  }
  if (i < v.size()) {
    // An exponent that does not fit is far beyond what numbers of jsonb may have.
    constexpr long long most = 1'000'000;
    n.point +=
        std::clamp(std::strtoll(std::string(v.substr(i + 1)).c_str(), nullptr, 10), -most, most);
  }
  return n;
}
number number_of(text v) {
  auto w = read_number(v);
  const auto first = w.digits.find_first_not_of('0');
  if (first == std::string::npos) return {};
  number n;
  n.negative = w.negative;
  n.exponent = w.point - static_cast<int64_t>(first);
  n.digits = w.digits.substr(first, w.digits.find_last_not_of('0') - first + 1);
  return n;
}
/// As numeric writes it: 1e3 is 1000, 1.50 stays.
void append_number(text v, std::string& out) {
  if (v.find_first_of("eE") == text::npos && kind_of(v) != '-') {
    out += v;
    return;
  }
  auto w = read_number(v);
  // More zeros than jsonb takes are left as they are written.
  constexpr int64_t places_max = 1000;
  const auto size = static_cast<int64_t>(w.digits.size());
  if (w.point > size + places_max || w.point < -places_max) {
    out += v;
    return;
  }
  if (w.point <= 0) {
    w.digits.insert(0, static_cast<size_t>(1 - w.point), '0');
    w.point = 1;
  }
  if (w.point > size && w.point > static_cast<int64_t>(w.digits.size()))
    w.digits.append(static_cast<size_t>(w.point) - w.digits.size(), '0');
  const bool zero = w.digits.find_first_not_of('0') == std::string::npos;
  if (w.negative && !zero) out += '-';
  // Zeros in front of the point's digit say nothing.
  const auto point = static_cast<size_t>(w.point);
  const auto first = std::min(w.digits.find_first_not_of('0'), point - 1);
  out += text(w.digits).substr(first, point - first);
  if (w.digits.size() > point) {
    out += '.';
    out += text(w.digits).substr(point);
  }
}

bool same_scalar(text a, text b) {
  const char k = kind_of(a);
  if (k == '"') return kind_of(b) == '"' && string_of(a) == string_of(b);
  const bool numbers = k == '-' || (k >= '0' && k <= '9');
  if (!numbers || kind_of(b) == '"' || is_container(b)) return a == b;
  const char other = kind_of(b);
  return (other == '-' || (other >= '0' && other <= '9')) && number_of(a) == number_of(b);
}

bool contains(text a, text b, int depth) {
  if (kind_of(a) != kind_of(b) || depth > depth_max) return false;
  if (kind_of(a) == '{') {
    const auto have = json_members(a);
    for (const auto& wanted : json_sorted_members(b)) {
      // The last of members of one name is the one that counts.
      const auto found = std::find_if(have.rbegin(), have.rend(),
                                      [&](const auto& m) { return m.key == wanted.key; });
      if (found == have.rend()) return false;
      const bool inside = is_container(found->value) && is_container(wanted.value);
      if (inside ? !contains(found->value, wanted.value, depth + 1)
                 : !same_scalar(found->value, wanted.value))
        return false;
    }
    return true;
  }
  const auto have = json_items(a);
  for (const auto& wanted : json_items(b)) {
    const bool inside = is_container(wanted);
    if (std::none_of(have.begin(), have.end(), [&](text item) {
          if (inside) return is_container(item) && contains(item, wanted, depth + 1);
          return !is_container(item) && same_scalar(item, wanted);
        }))
      return false;
  }
  return true;
}

/// Puts members or items together.
class writer {
 public:
  writer(std::string& out, char open) : out_(out), close_(open == '{' ? '}' : ']') { out += open; }
  std::string& next() {
    if (!first_) out_ += ',';
    first_ = false;
    return out_;
  }
  void item(text v) { next() += v; }
  void member(text name, text v) {
    item(name);
    out_ += ':';
    out_ += v;
  }
  void end() { out_ += close_; }

 private:
  std::string& out_;
  char close_;
  bool first_ = true;
};

void strip(text v, std::string& out, int depth) {
  if (kind_of(v) == '"') return append_json_string(out, string_of(v));
  if (!is_container(v) || depth > depth_max) {
    out += v;
    return;
  }
  writer to(out, v[0]);
  for (const auto& m : json_members(v)) {
    if (m.value == "null") continue;
    append_json_string(to.next(), m.key);
    out += ':';
    strip(m.value, out, depth + 1);
  }
  for (const auto& item : json_items(v)) {
    to.next();
    strip(item, out, depth + 1);
  }
  to.end();
}

void pretty(text v, std::string& out, int depth) {
  const char k = kind_of(v);
  if (k == '"') return append_json_string(out, string_of(v));
  if (k == '-' || (k >= '0' && k <= '9')) return append_number(v, out);
  if (!is_container(v) || depth > depth_max) {
    out += v;
    return;
  }
  bool first = true;
  auto line = [&](int level) {
    out += '\n';
    out.append(static_cast<size_t>(level) * 4, ' ');
  };
  auto next = [&] {
    if (!first) out += ',';
    first = false;
    line(depth + 1);
  };
  out += k;
  for (const auto& m : json_sorted_members(v)) {
    next();
    append_json_string(out, m.key);
    out += ": ";
    pretty(m.value, out, depth + 1);
  }
  for (const auto& item : json_items(v)) {
    next();
    pretty(item, out, depth + 1);
  }
  line(depth);
  out += k == '{' ? '}' : ']';
}

/// One change of a document.
class changer {
 public:
  changer(const json_path& path, text value, json_change what, std::string& out)
      : path_(path), value_(value), what_(what), out_(out) {}

  status at(text v, size_t level) {
    if (!path_[level])
      return wrong("path element at position " + std::to_string(level + 1) + " is null");
    if (kind_of(v) == '{') return object(v, level);
    if (kind_of(v) == '[') return array(v, level);
    out_ += v;
    return {};
  }

 private:
  bool last(size_t level) const { return level + 1 == path_.size(); }
  bool inserts() const {
    return what_ == json_change::insert_before || what_ == json_change::insert_after;
  }
  bool creates() const { return inserts() || what_ == json_change::create; }

  status object(text v, size_t level) {
    const auto members = json_members(v);
    const auto& key = *path_[level];
    // The last of members of one name is the one that counts.
    size_t place = members.size();
    for (size_t i = 0; i < members.size(); ++i)
      if (members[i].key == key) place = i;
    if (place < members.size() && last(level) && inserts())
      return wrong("cannot replace existing key");
    writer to(out_, '{');
    for (size_t i = 0; i < members.size(); ++i) {
      const auto& m = members[i];
      if (m.key != key) {
        to.member(m.name, m.value);
      } else if (i == place && !last(level)) {
        to.member(m.name, {});
        WEIR_TRY(at(m.value, level + 1));
      } else if (i == place && what_ != json_change::remove) {
        to.member(m.name, value_);
      }
    }
    if (place == members.size() && last(level) && creates()) {
      append_json_string(to.next(), key);
      out_ += ':';
      out_ += value_;
    }
    to.end();
    return {};
  }

  status array(text v, size_t level) {
    const auto items = json_items(v);
    const auto size = static_cast<int64_t>(items.size());
    const std::string step(*path_[level]);
    char* end = nullptr;
    errno = 0;
    int64_t index = std::strtoll(step.c_str(), &end, 10);
    if (errno != 0 || end == step.c_str() || *end != '\0' || index < INT_MIN || index > INT_MAX)
      return wrong("path element at position " + std::to_string(level + 1) +
                   " is not an integer: \"" + step + "\"");
    const bool before_all = index < 0 && -index > size;
    if (index < 0) index += size;
    index = std::min(index, size);
    writer to(out_, '[');
    bool done = false;
    if ((before_all || size == 0) && last(level) && creates()) {
      to.item(value_);
      done = true;
    }
    for (int64_t i = 0; i < size; ++i) {
      const auto item = items[static_cast<size_t>(i)];
      if (before_all || i != index) {
        to.item(item);
        continue;
      }
      done = true;
      if (!last(level)) {
        to.next();
        WEIR_TRY(at(item, level + 1));
        continue;
      }
      if (what_ == json_change::insert_before || what_ == json_change::create) to.item(value_);
      if (inserts()) to.item(item);
      if (what_ == json_change::insert_after || what_ == json_change::replace) to.item(value_);
    }
    if (!done && last(level) && creates()) to.item(value_);
    to.end();
    return {};
  }

  const json_path& path_;
  text value_;
  json_change what_;
  std::string& out_;
};

}  // namespace

bool json_contains(text document, text part) {
  const auto a = json_value(document), b = json_value(part);
  if (is_container(a) && is_container(b)) return contains(a, b, 0);
  if (is_container(b)) return false;
  if (kind_of(a) == '{') return false;
  // An array contains a scalar as one of its items.
  if (kind_of(a) != '[') return same_scalar(a, b);
  const auto items = json_items(a);
  return std::any_of(items.begin(), items.end(),
                     [b](text item) { return !is_container(item) && same_scalar(item, b); });
}

bool json_exists(text document, text key) {
  const auto v = json_value(document);
  if (kind_of(v) == '{') return json_member(v, key).has_value();
  auto is_key = [key](text item) { return kind_of(item) == '"' && string_of(item) == key; };
  if (kind_of(v) != '[') return is_key(v);
  const auto items = json_items(v);
  return std::any_of(items.begin(), items.end(), is_key);
}

std::vector<json_pair> json_sorted_members(text object) {
  auto all = json_members(object);
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.key.size() != b.key.size() ? a.key.size() < b.key.size() : a.key < b.key;
  });
  std::vector<json_pair> out;
  for (size_t i = 0; i < all.size(); ++i)
    if (i + 1 == all.size() || all[i].key != all[i + 1].key) out.push_back(std::move(all[i]));
  return out;
}

void json_strip_nulls(text document, std::string& out) {
  strip(json_value(document), out, 0);
}
void json_pretty(text document, std::string& out) {
  pretty(json_value(document), out, 0);
}
void json_compact(text document, std::string& out) {
  bool quoted = false;
  for (size_t i = 0; i < document.size(); ++i) {
    const char c = document[i];
    if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) continue;
    out += c;
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\' && i + 1 < document.size()) out += document[++i];
  }
}

void json_concat(text a, text b, std::string& out) {
  a = json_value(a);
  b = json_value(b);
  if (kind_of(a) == '{' && kind_of(b) == '{') {
    writer to(out, '{');
    const auto more = json_members(b);
    for (const auto& m : json_members(a))
      if (std::none_of(more.begin(), more.end(), [&](const auto& k) { return k.key == m.key; }))
        to.member(m.name, m.value);
    for (const auto& m : more) to.member(m.name, m.value);
    return to.end();
  }
  writer to(out, '[');
  for (const auto v : {a, b}) {
    if (kind_of(v) != '[') to.item(v);
    for (const auto item : json_items(v)) to.item(item);
  }
  to.end();
}

status json_remove_keys(text document, const json_path& keys, std::string& out) {
  const auto v = json_value(document);
  if (!is_container(v)) return wrong("cannot delete from scalar");
  auto listed = [&](text key) {
    return std::any_of(keys.begin(), keys.end(), [key](const auto& k) { return k && *k == key; });
  };
  writer to(out, v[0]);
  for (const auto& m : json_members(v))
    if (!listed(m.key)) to.member(m.name, m.value);
  for (const auto& item : json_items(v))
    if (kind_of(item) != '"' || !listed(string_of(item))) to.item(item);
  to.end();
  return {};
}
status json_remove_key(text document, text key, std::string& out) {
  return json_remove_keys(document, {key}, out);
}
status json_remove_item(text document, int32_t index, std::string& out) {
  const auto v = json_value(document);
  if (kind_of(v) == '{') return wrong("cannot delete from object using integer index");
  if (kind_of(v) != '[') return wrong("cannot delete from scalar");
  const auto items = json_items(v);
  const int64_t place = index < 0 ? index + static_cast<int64_t>(items.size()) : index;
  writer to(out, '[');
  for (size_t i = 0; i < items.size(); ++i)
    if (static_cast<int64_t>(i) != place) to.item(items[i]);
  to.end();
  return {};
}

status json_change_at(text document, const json_path& path, text value, json_change what,
                      std::string& out) {
  const auto v = json_value(document);
  if (!is_container(v))
    return wrong(what == json_change::remove ? "cannot delete path in scalar"
                                             : "cannot set path in scalar");
  const bool empty = json_members(v).empty() && json_items(v).empty();
  if (path.empty() || (empty && (what == json_change::remove || what == json_change::replace))) {
    out += v;
    return {};
  }
  return changer(path, json_value(value), what, out).at(v, 0);
}

}  // namespace weir::expr
