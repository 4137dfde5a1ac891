#include "runtime/io/glob.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "runtime/io/file.hpp"

namespace weir {
namespace {

// A pattern such as /** over a whole disk is a mistake; this many folders are walked at most.
constexpr size_t folders_max = 100'000;
// Deeper nesting means a loop of links.
constexpr int depth_max = 64;

/// Matches one [..] at the front of `p` (after the bracket); moves `p` past it. False when the
/// bracket is not closed: it then stands for itself.
bool parse_set(std::string_view& p, char c, bool& hit) {
  size_t i = 0;
  bool negated = i < p.size() && (p[i] == '!' || p[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (bool first = true; i < p.size() && (p[i] != ']' || first); first = false) {
    char low = p[i++], high = low;
    if (i + 1 < p.size() && p[i] == '-' && p[i + 1] != ']') {
      high = p[i + 1];
      i += 2;
    }
    auto u = static_cast<unsigned char>(c);
    if (static_cast<unsigned char>(low) <= u && u <= static_cast<unsigned char>(high)) found = true;
  }
  if (i >= p.size()) return false;
  p.remove_prefix(i + 1);
  hit = found != negated;
  return true;
}

bool is_folder(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

bool exists(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0;
}

class walker {
 public:
  explicit walker(std::vector<std::string> parts) : parts_(std::move(parts)) {}

  /// Matches parts_[at...] below `directory` ("" = the working folder).
  status walk(const std::string& directory, size_t at, int depth) {
    if (depth > depth_max) return {};
    const std::string& part = parts_[at];
    bool last = at + 1 == parts_.size();
    if (part == "**") {
      // Zero folders, or one more and ** again; at the end ** stands for all files below.
      if (!last) WEIR_TRY(walk(directory, at + 1, depth));
      return each_entry(directory,
                        [&](const directory_entry& e, const std::string& path) -> status {
                          if (e.name.front() == '.') return {};
                          if (e.is_directory) return walk(path, at, depth + 1);
                          if (last) found.push_back(path);
                          return {};
                        });
    }
    if (!has_wildcards(part)) {
      std::string path = join_path(directory, part);
      if (last) {
        if (exists(path) && !is_folder(path)) found.push_back(path);
        return {};
      }
      return is_folder(path) ? walk(path, at + 1, depth + 1) : status();
    }
    return each_entry(directory, [&](const directory_entry& e, const std::string& path) -> status {
      if (e.name.front() == '.' && part.front() != '.') return {};
      if (!matches_wildcards(part, e.name)) return {};
      if (last) {
        if (!e.is_directory) found.push_back(path);
        return {};
      }
      return e.is_directory ? walk(path, at + 1, depth + 1) : status();
    });
  }

  std::vector<std::string> found;

 private:
  template <class Visit>
  status each_entry(const std::string& directory, Visit&& visit) {
    if (++folders_ > folders_max)
      return {errc::invalid_argument, "the pattern walks through more than " +
                                          std::to_string(folders_max) +
                                          " folders; name a narrower one"};
    auto entries = list_entries(directory.empty() ? "." : directory);
    if (!entries) {
      if (entries.err().code == errc::not_found) return {};
      return entries.err();
    }
    for (const auto& e : *entries) WEIR_TRY(visit(e, join_path(directory, e.name)));
    return {};
  }

  std::vector<std::string> parts_;
  size_t folders_ = 0;
};

}  // namespace

bool has_wildcards(std::string_view pattern) {
  return pattern.find_first_of("*?[") != std::string_view::npos;
}

bool matches_wildcards(std::string_view p, std::string_view name) {
  // Backtracks to the last * only, so the time is at most the product of the lengths.
  std::string_view star_pattern, star_name;
  bool star = false;
  while (true) {
    if (!p.empty() && p.front() == '*') {
      p.remove_prefix(1);
      star = true;
      star_pattern = p;
      star_name = name;
      continue;
    }
    bool hit = false;
    if (!p.empty() && !name.empty()) {
      std::string_view rest = p.substr(1);
      if (p.front() == '?') {
        hit = true;
        p = rest;
      } else if (p.front() == '[' && parse_set(rest, name.front(), hit)) {
        if (hit) p = rest;
      } else if (p.front() == name.front()) {
        hit = true;
        p = rest;
      }
      if (hit) name.remove_prefix(1);
    } else if (p.empty() && name.empty()) {
      return true;
    }
    if (hit) continue;
    if (!star || star_name.empty()) return false;
    star_name.remove_prefix(1);
    p = star_pattern;
    name = star_name;
  }
}

std::string join_path(const std::string& directory, const std::string& name) {
  if (directory.empty()) return name;
  return directory.back() == '/' ? directory + name : directory + "/" + name;
}

result<std::vector<directory_entry>> list_entries(const std::string& directory) {
  DIR* d = ::opendir(directory.c_str());
  if (!d) return system_error(errno, "open folder", directory);
  std::vector<directory_entry> out;
  errno = 0;
  while (const dirent* e = ::readdir(d)) {
    std::string name = e->d_name;
    if (name == "." || name == "..") continue;
    bool folder = e->d_type == DT_DIR;
    if (e->d_type == DT_LNK || e->d_type == DT_UNKNOWN)
      folder = is_folder(join_path(directory, name));
    out.push_back({std::move(name), folder});
    errno = 0;
  }
  int e = errno;
  ::closedir(d);
  if (e != 0) return system_error(e, "read folder", directory);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

result<std::vector<std::string>> glob_files(const std::string& pattern) {
  if (!has_wildcards(pattern)) {
    std::vector<std::string> out;
    if (exists(pattern)) out.push_back(pattern);
    return out;
  }
  std::vector<std::string> parts;
  std::string root;
  size_t i = 0;
  if (pattern.front() == '/') root = "/", i = 1;
  while (i <= pattern.size()) {
    size_t end = std::min(pattern.find('/', i), pattern.size());
    std::string part = pattern.substr(i, end - i);
    if (!part.empty() && !(part == "**" && !parts.empty() && parts.back() == "**"))
      parts.push_back(std::move(part));
    i = end + 1;
  }
  walker w(std::move(parts));
  WEIR_TRY(w.walk(root, 0, 0));
  std::sort(w.found.begin(), w.found.end());
  w.found.erase(std::unique(w.found.begin(), w.found.end()), w.found.end());
  return std::move(w.found);
}

}  // namespace weir
