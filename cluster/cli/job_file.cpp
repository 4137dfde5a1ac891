#include "cluster/cli/job_file.hpp"

#include <algorithm>
#include <filesystem>

#include "jobs/sql/job.hpp"
#include "jobs/yaml/job.hpp"

namespace weir::cli {
namespace {

/// None for a name that says nothing.
jobs::front_end front_end_of(const std::string& path) {
  auto extension = std::filesystem::path(path).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (extension == ".sql") return jobs::read_sql;
  if (extension == ".yaml" || extension == ".yml") return jobs::read_yaml;
  return nullptr;
}

std::string unknown_kind(const std::string& path) {
  std::error_code ignored;  // what is not there has no kind either
  if (std::filesystem::is_directory(path, ignored)) return path + " is a folder, not a job file";
  return "job file " + path + ": its name tells what it is: .sql, or .yaml and .yml";
}

}  // namespace

result<jobs::job> load_job(const std::string& path, const jobs::job_settings& s) {
  const auto front = front_end_of(path);
  if (!front) return {errc::invalid_argument, unknown_kind(path)};
  return jobs::load_job_file(front, path, s);
}

std::vector<jobs::diagnostic> lint(const std::string& path, const jobs::job_settings& s) {
  const auto front = front_end_of(path);
  if (!front) return {{path, 0, 0, unknown_kind(path), false, ""}};
  return jobs::lint_job_file(front, path, s);
}

}  // namespace weir::cli
