#include "cluster/cli/prompt/completion.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "jobs/sql/session.hpp"

namespace weir::cli {
namespace {

constexpr const char* keywords[] = {
    "ALL",         "AND",
    "ANY",         "AS",
    "ASC",         "BETWEEN",
    "BY",          "CASE",
    "CAST",        "COALESCE",
    "CREATE",      "CROSS",
    "CUBE",        "CUMULATE",
    "DATE",        "DAY",
    "DESC",        "DISTINCT",
    "DROP",        "ELSE",
    "END",         "EXCEPT",
    "EXISTS",      "EXPLAIN",
    "EXTRACT",     "FALSE",
    "FILTER",      "FROM",
    "FULL",        "GENERATED",
    "GROUP",       "GROUPING SETS",
    "HAVING",      "HOP",
    "HOUR",        "ILIKE",
    "IN",          "INNER",
    "INSERT INTO", "INTERSECT",
    "INTERVAL",    "IS",
    "JOIN",        "LATERAL",
    "LEFT",        "LIKE",
    "LIMIT",       "MINUTE",
    "NATURAL",     "NOT",
    "NULL",        "OFFSET",
    "ON",          "OR",
    "ORDER BY",    "OUTER",
    "OVER",        "PARTITION BY",
    "PRIMARY KEY", "RIGHT",
    "ROLLUP",      "SECOND",
    "SELECT",      "SESSION",
    "SET",         "STORED",
    "TABLE",       "THEN",
    "TIMESTAMP",   "TRUE",
    "TUMBLE",      "UNION",
    "USING",       "VALUES",
    "VIEW",        "WHEN",
    "WHERE",       "WINDOW",
    "WITH",        "bigint",
    "boolean",     "double precision",
    "int",         "numeric",
    "text",        "timestamptz",
    "window_end",  "window_start",
};
constexpr const char* commands[] = {"\\?", "\\d", "\\i", "\\q", "\\timing"};
/// Behind these only names of tables make sense.
constexpr const char* before_tables[] = {"from",   "join", "into",    "table",   "view",
                                         "tumble", "hop",  "session", "cumulate"};

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '"' ||
         static_cast<unsigned char>(c) >= 0x80;
}
std::string lower(std::string_view s) {
  std::string out;
  for (char c : s) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}
/// A name as SQL needs it.
std::string name_text(const std::string& name) {
  const bool plain = !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return std::islower(static_cast<unsigned char>(c)) ||
                              std::isdigit(static_cast<unsigned char>(c)) || c == '_';
                     });
  return plain ? name : '"' + name + '"';
}

std::vector<std::string> words_of(std::string_view s) {
  std::vector<std::string> out;
  for (size_t i = 0; i < s.size();) {
    size_t end = i;
    while (end < s.size() && is_word(s[end])) ++end;
    if (end > i) out.push_back(lower(s.substr(i, end - i)));
    i = end + 1;
  }
  return out;
}

void add_files(const std::string& typed, std::set<std::string>& out) {
  const auto slash = typed.rfind('/');
  const auto folder = slash == std::string::npos ? std::string() : typed.substr(0, slash + 1);
  std::error_code ec;  // a folder that is not there has no files
  for (const auto& e : std::filesystem::directory_iterator(folder.empty() ? "." : folder, ec)) {
    const auto name = e.path().filename().string();
    if (name[0] == '.' && typed.size() == folder.size()) continue;
    out.insert(folder + name + (e.is_directory(ec) ? "/" : ""));
  }
}

completions matching(const std::set<std::string>& all, std::string_view typed) {
  completions c;
  c.typed = typed.size();
  const auto wanted = lower(typed);
  for (const auto& w : all)
    if (lower(w).starts_with(wanted)) c.words.push_back(w);
  return c;
}

completions complete_command(std::string_view line,
                             const std::vector<sql::relation_info>& relations) {
  const auto blank = line.find(' ');
  std::set<std::string> all;
  if (blank == std::string_view::npos) {
    for (const char* c : commands) all.insert(c);
    return matching(all, line);
  }
  const auto begin = line.find_last_of(' ') + 1;
  const auto typed = line.substr(begin);
  const auto command = line.substr(0, blank);
  if (command == "\\d")
    for (const auto& r : relations) all.insert(name_text(r.name));
  if (command == "\\i") add_files(std::string(typed), all);
  return matching(all, typed);
}

/// Keywords as the first letter was typed; names of types and functions as they are.
void add_keywords(std::string_view typed, std::set<std::string>& all) {
  const bool small = !typed.empty() && std::islower(static_cast<unsigned char>(typed[0]));
  for (const char* k : keywords) {
    std::string upper = k;
    // Types and functions are written small, as they are listed.
    const bool keyword = std::isupper(static_cast<unsigned char>(upper[0]));
    all.insert(keyword && small ? lower(upper) : upper);
  }
  for (const auto& f : sql::function_names())
    if (std::none_of(std::begin(keywords), std::end(keywords),
                     [&f](const char* k) { return lower(k) == f; }))
      all.insert(f);
}

}  // namespace

std::string common_prefix(const std::vector<std::string>& words) {
  if (words.empty()) return {};
  auto out = words[0];
  for (const auto& w : words) {
    size_t n = 0;
    while (n < out.size() && n < w.size() && out[n] == w[n]) ++n;
    out.resize(n);
  }
  return out;
}

completions complete(std::string_view before, std::string_view line,
                     const std::vector<sql::relation_info>& relations) {
  if (const auto first = line.find_first_not_of(' ');
      first != std::string_view::npos && line[first] == '\\')
    return complete_command(line.substr(first), relations);
  size_t begin = before.size();
  while (begin > 0 && is_word(before[begin - 1])) --begin;
  const auto typed = before.substr(begin);
  std::set<std::string> all;
  // t.col
  if (begin > 0 && before[begin - 1] == '.') {
    size_t owner = begin - 1;
    while (owner > 0 && is_word(before[owner - 1])) --owner;
    const auto qualifier = lower(before.substr(owner, begin - 1 - owner));
    bool known = false;
    for (const auto& r : relations)
      if (lower(name_text(r.name)) == qualifier) {
        known = true;
        for (const auto& c : r.columns) all.insert(name_text(c.name));
      }
    if (!known)  // an alias: of which table is not looked for
      for (const auto& r : relations)
        for (const auto& c : r.columns) all.insert(name_text(c.name));
    return matching(all, typed);
  }
  const auto words = words_of(before.substr(0, begin));
  const bool table_wanted =
      !words.empty() && std::any_of(std::begin(before_tables), std::end(before_tables),
                                    [&words](const char* k) { return words.back() == k; });
  for (const auto& r : relations) all.insert(name_text(r.name));
  if (table_wanted) {
    if (words.back() == "from" || words.back() == "join")
      for (const char* f : {"TUMBLE", "HOP", "SESSION", "CUMULATE"}) all.insert(f);
    return matching(all, typed);
  }
  // Columns of the tables that the statement names, else of all.
  std::vector<const sql::relation_info*> named;
  for (const auto& r : relations)
    if (std::find(words.begin(), words.end(), lower(name_text(r.name))) != words.end())
      named.push_back(&r);
  if (named.empty())
    for (const auto& r : relations) named.push_back(&r);
  for (const auto* r : named)
    for (const auto& c : r->columns) all.insert(name_text(c.name));
  add_keywords(typed, all);
  return matching(all, typed);
}

}  // namespace weir::cli
