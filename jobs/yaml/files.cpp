// Job files on disk.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "jobs/yaml/job.hpp"

namespace weir::jobs {
namespace {

result<std::string> read_text(const std::string& path) {
  std::error_code ec;
  if (std::filesystem::is_directory(path, ec))
    return {errc::invalid_argument, path + " is a folder, not a job file"};
  std::ifstream in(path, std::ios::binary);
  if (!in) return {errc::not_found, "job file " + path + " cannot be opened"};
  // One byte more than allowed, so that the document sees that it is too long.
  std::string text(job_file_bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (in.bad()) return {errc::io, "job file " + path + " cannot be read"};
  return text;
}

std::string folder_of(const std::string& path) {
  std::error_code ec;
  auto absolute = std::filesystem::absolute(path, ec);
  return ec ? std::string(".") : absolute.parent_path().lexically_normal().string();
}

}  // namespace

result<job> load_job(const std::string& path, const job_settings& s) {
  WEIR_ASSIGN(auto text, read_text(path));
  return load_job_text(text, path, folder_of(path), s);
}

std::vector<diagnostic> lint(const std::string& path, const job_settings& s) {
  auto text = read_text(path);
  if (!text.ok()) return {{path, 0, 0, text.err().message, false, ""}};
  return lint_text(*text, path, folder_of(path), s);
}

}  // namespace weir::jobs
