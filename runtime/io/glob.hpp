// Shell patterns over the real file system; the part of the posix file_system behind glob() and
// list(). Internal to runtime/io.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/result.hpp"

namespace weir {

struct directory_entry {
  std::string name;
  bool is_directory = false;  // links are followed
};
/// All entries but . and .., sorted by name.
result<std::vector<directory_entry>> list_entries(const std::string& directory);
std::string join_path(const std::string& directory, const std::string& name);
result<std::vector<std::string>> glob_files(const std::string& pattern);

}  // namespace weir
