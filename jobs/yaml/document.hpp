// A parsed YAML file together with its text: finds the place in the file of any piece of any value,
// substitutes ${KEY}, and collects diagnostics. Owned by one load.
#pragma once

#include <yaml-cpp/yaml.h>

#include <map>
#include <string>
#include <vector>

#include "jobs/job/substitution.hpp"
#include "jobs/yaml/job.hpp"

namespace weir::jobs {

class document {
 public:
  /// Syntax errors become diagnostics; root() is then undefined.
  document(std::string text, std::string file, const std::map<std::string, std::string>& set);

  const YAML::Node& root() const { return root_; }
  bool failed() const { return text_.failed(); }
  size_t errors() const { return text_.errors(); }
  const std::string& file() const { return text_.file(); }

  /// The scalar's text after ${KEY} substitution (which may fail: reported, and left as it is).
  std::string text(const YAML::Node&);

  void error(const YAML::Node& where, const std::string& message) { add(where, 0, message, false); }
  /// At byte `offset` of the scalar's value.
  void error(const YAML::Node& where, size_t offset, const std::string& message) {
    add(where, offset, message, false);
  }
  void warn(const YAML::Node& where, const std::string& message) { add(where, 0, message, true); }
  /// A warning of `weir lint`, not of `weir run`.
  void advise(const YAML::Node& where, const std::string& message) {
    text_.advise(position_of(where, 0), message);
  }
  /// About the file as a whole.
  void error(const std::string& message) { text_.error(message); }

  /// --set keys that no ${KEY} used.
  void check_unused_settings();
  /// In the order of the file.
  std::vector<diagnostic> take_diagnostics() { return text_.take(); }

 private:
  void add(const YAML::Node& where, size_t offset, const std::string& message, bool warning);
  size_t position_of(const YAML::Node&, size_t offset) const;

  diagnosed_text text_;
  substitution settings_;
  YAML::Node root_;
};

}  // namespace weir::jobs
