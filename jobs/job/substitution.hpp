// ${KEY} and ${KEY:-default} in job files: what --set KEY=VALUE gives them. $${ is a plain ${. One
// per load; remembers which keys the file knows and which settings it used.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"

namespace weir::jobs {

class substitution {
 public:
  explicit substitution(const std::map<std::string, std::string>& set) : set_(set) {}

  struct piece {
    size_t end = 0;  // where the text goes on
    std::string value;
    bool literal = false;  // $${
  };
  /// What stands at `at`; nothing when neither ${ nor $${ does.
  std::optional<result<piece>> at(std::string_view text, size_t at);

  /// One message per --set key that no ${KEY} used.
  std::vector<std::string> unused() const;

 private:
  const std::map<std::string, std::string>& set_;
  std::set<std::string> used_, known_;
};

}  // namespace weir::jobs
