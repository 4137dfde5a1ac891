// Sources that tell what was added since they were read to their ends: topics, for tables that are
// looked up there. An enumerator is used by one thread at a time.
#pragma once

#include "runtime/connectors/source.hpp"

namespace weir {

class growing_enumerator : public split_enumerator {
 public:
  struct added {
    std::vector<source_split> splits;
    /// The splits are not behind those that were read but all there is: what was read is gone, or
    /// was made anew.
    bool anew = false;
  };
  /// What was added since `read` was, bounded splits of this source that are read to their ends.
  /// May block.
  virtual result<added> discover_behind(const std::vector<source_split>& read) = 0;
};

/// The option by which a plan says what a table's PRIMARY KEY is, where it is looked up in a source
/// that grows: columns, a line each. Not one that users write.
inline constexpr std::string_view newest_by_option = "newest by";

}  // namespace weir
