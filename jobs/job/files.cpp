// Job files on disk, and the way through a front end that all of them share.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "jobs/job/job.hpp"

namespace weir::jobs {
namespace {

result<std::string> read_text(const std::string& path) {
  std::error_code ec;
  if (std::filesystem::is_directory(path, ec))
    return {errc::invalid_argument, path + " is a folder, not a job file"};
  std::ifstream in(path, std::ios::binary);
  if (!in) return {errc::not_found, "job file " + path + " cannot be opened"};
  // One byte more than allowed, so that the reader sees that it is too long.
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

std::optional<job> read(front_end front, const std::string& text, const std::string& file,
                        const std::string& base_dir, const job_settings& s,
                        std::vector<diagnostic>& out) {
  if (text.size() <= job_file_bytes_max) return front(text, file, base_dir, s, out);
  out = {{file, 0, 0, "the file is longer than 1 MiB", false, ""}};
  return {};
}

}  // namespace

std::string job_name_of(const std::string& file) {
  auto slash = file.rfind('/');
  auto name = file.substr(slash == std::string::npos ? 0 : slash + 1);
  auto dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}

result<job> load_job_text(front_end front, const std::string& text, const std::string& file,
                          const std::string& base_dir, const job_settings& s) {
  std::vector<diagnostic> found;
  auto made = read(front, text, file, base_dir, s, found);
  if (!made) {
    auto message = to_text(found);
    if (!message.empty()) message.pop_back();
    return error(errc::invalid_argument, std::move(message));
  }
  made->warnings = std::move(found);
  return std::move(*made);
}

result<job> load_job_file(front_end front, const std::string& path, const job_settings& s) {
  WEIR_ASSIGN(auto text, read_text(path));
  return load_job_text(front, text, path, folder_of(path), s);
}

std::vector<diagnostic> lint_job_text(front_end front, const std::string& text,
                                      const std::string& file, const std::string& base_dir,
                                      const job_settings& s) {
  std::vector<diagnostic> out;
  read(front, text, file, base_dir, s, out);
  return out;
}

std::vector<diagnostic> lint_job_file(front_end front, const std::string& path,
                                      const job_settings& s) {
  auto text = read_text(path);
  if (!text.ok()) return {{path, 0, 0, text.err().message, false, ""}};
  return lint_job_text(front, *text, path, folder_of(path), s);
}

}  // namespace weir::jobs
