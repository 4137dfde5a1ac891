#include <unistd.h>

#include <atomic>
#include <cstring>

#include "runtime/io/file.hpp"

namespace weir {

std::string parent_directory(const std::string& path) {
  size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

namespace {

status write_temporary(file_system& files, const std::string& path,
                       std::span<const std::byte> bytes) {
  WEIR_ASSIGN(auto file, files.open_append(path));
  if (file->size() != 0) WEIR_TRY(file->truncate(0));
  WEIR_TRY(file->append(bytes));
  WEIR_TRY(file->sync());
  return file->close();
}

}  // namespace

status atomic_write_file(file_system& files, const std::string& path,
                         std::span<const std::byte> bytes) {
  // Hidden, and unique among the threads and processes that may write the same path.
  static std::atomic<uint64_t> counter{0};
  std::string folder = parent_directory(path);
  std::string name = path.substr(path.find_last_of('/') + 1);
  std::string temporary = folder + "/." + name + ".tmp." + std::to_string(::getpid()) + "." +
                          std::to_string(counter.fetch_add(1, std::memory_order_relaxed));
  status s = write_temporary(files, temporary, bytes);
  if (s) s = files.rename(temporary, path);
  if (!s) {
    // The first failure is what matters; a leftover that cannot be removed is hidden anyway.
    (void)files.remove(temporary);
    return s;
  }
  return files.sync_directory(folder);
}

status atomic_write_file(file_system& files, const std::string& path, std::string_view text) {
  return atomic_write_file(files, path, std::as_bytes(std::span(text)));
}

result<std::string> read_whole_file(file_system& files, const std::string& path,
                                    uint64_t bytes_max) {
  WEIR_ASSIGN(auto file, files.open_read(path));
  WEIR_ASSIGN(uint64_t size, file->size());
  if (size > bytes_max)
    return {errc::invalid_argument, "'" + path + "' has " + std::to_string(size) +
                                        " bytes, more than the " + std::to_string(bytes_max) +
                                        " that are expected here"};
  std::string out(size, '\0');
  WEIR_ASSIGN(size_t n, file->read(0, std::as_writable_bytes(std::span(out))));
  out.resize(n);
  return out;
}

}  // namespace weir
