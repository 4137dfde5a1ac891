#include "jobs/job/substitution.hpp"

#include "runtime/base/nearest.hpp"

namespace weir::jobs {

std::optional<result<substitution::piece>> substitution::at(std::string_view text, size_t at) {
  if (text.substr(at, 3) == "$${") return result<piece>(piece{at + 3, "${", true});
  if (text.substr(at, 2) != "${") return {};
  const auto end = text.find('}', at);
  if (end == std::string_view::npos)
    return result<piece>(errc::parse, "\"${\" without \"}\"; write $${ for a plain ${");
  std::string key(text.substr(at + 2, end - at - 2));
  std::optional<std::string> otherwise;
  if (auto colon = key.find(":-"); colon != std::string::npos) {
    otherwise = key.substr(colon + 2);
    key.resize(colon);
  }
  known_.insert(key);
  if (auto given = set_.find(key); given != set_.end()) {
    used_.insert(key);
    return result<piece>(piece{end + 1, given->second, false});
  }
  if (otherwise) return result<piece>(piece{end + 1, *otherwise, false});
  std::vector<std::string> names;
  for (const auto& [k, v] : set_) names.push_back(k);
  return result<piece>(errc::unknown_name, "${" + key + "} has no value" +
                                               nearest_hint(key, names) + "; give one with --set " +
                                               key + "=VALUE, or write ${" + key + ":-default}");
}

std::vector<std::string> substitution::unused() const {
  std::vector<std::string> names(known_.begin(), known_.end()), out;
  for (const auto& [key, value] : set_)
    if (!used_.count(key))
      out.push_back("--set " + key + "=" + value + ": the file has no ${" + key + "}" +
                    nearest_hint(key, names));
  return out;
}

}  // namespace weir::jobs
