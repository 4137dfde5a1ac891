#include "runtime/custom/library.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <filesystem>

#include "runtime/base/nearest.hpp"
#include "runtime/custom/custom_operator.hpp"

namespace weir {
namespace custom {

namespace {
// A table with more classes than this is not one of ours.
constexpr uint64_t classes_max = 10'000;
}  // namespace

result<std::shared_ptr<const library>> library::load(const std::string& file,
                                                     const std::string& name) {
  const std::string& path = name.empty() ? file : name;
  std::error_code ec;
  if (!std::filesystem::exists(file, ec))
    return error(errc::not_found, "operator library " + path + " does not exist");
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* why = dlerror();
    return error(errc::invalid_argument, "cannot load operator library " + path + ": " +
                                             (why ? why : "unknown reason") +
                                             "; build it with weir_add_operator");
  }
  std::shared_ptr<library> lib(new library(path, handle));
  auto entry = reinterpret_cast<const abi::library* (*)()>(dlsym(handle, abi::entry_point));
  if (!entry)
    return error(errc::invalid_argument, path +
                                             " is no library of custom operators: it does not "
                                             "export " +
                                             abi::entry_point +
                                             "; use WEIR_EXPORT_OPERATOR in one of its files");
  const abi::library* table = entry();
  if (!table || table->magic != abi::magic)
    return error(errc::version_mismatch,
                 "operator library " + path + " has a damaged table of operators; rebuild it");
  if (table->abi_version != abi::version)
    return error(errc::version_mismatch, "operator library " + path + " was built for version " +
                                             std::to_string(table->abi_version) +
                                             " of the operator interface, this weir has version " +
                                             std::to_string(abi::version) +
                                             "; rebuild it against this weir's headers");
  if (table->class_count > classes_max || (table->class_count && !table->classes))
    return error(errc::version_mismatch,
                 "operator library " + path + " has a damaged table of operators; rebuild it");
  lib->table_ = table;
  return std::shared_ptr<const library>(std::move(lib));
}

library::~library() {
  dlclose(handle_);
}

std::vector<std::string> library::names() const {
  std::vector<std::string> r;
  for (uint64_t i = 0; i < table_->class_count; ++i) r.emplace_back(view(table_->classes[i]->name));
  return r;
}

result<const abi::operator_class*> library::find(std::string_view class_name) const {
  auto all = names();
  for (uint64_t i = 0; i < table_->class_count; ++i) {
    if (all[i] != class_name) continue;
    const abi::operator_class* c = table_->classes[i];
    if (c->size < sizeof(abi::operator_class))
      return error(errc::version_mismatch, "class " + all[i] + " of " + path_ +
                                               " has an incomplete table; rebuild the library");
    return c;
  }
  std::string hint = nearest_hint(class_name, std::span<const std::string>(all));
  if (hint.empty()) {
    for (const auto& n : all) hint += (hint.empty() ? "; it has: " : ", ") + n;
    if (all.empty()) hint = "; it exports none";
  }
  return error(errc::unknown_name,
               "no class \"" + std::string(class_name) + "\" in operator library " + path_ + hint);
}

error to_error(int32_t code, const abi::failure& f, const std::string& where) {
  errc c = errc::user_code;
  switch (code) {
    case abi::invalid_argument:
      c = errc::invalid_argument;
      break;
    case abi::unsupported:
      c = errc::unsupported;
      break;
    case abi::budget_exceeded:
      c = errc::budget_exceeded;
      break;
    case abi::corrupt:
      c = errc::corrupt;
      break;
    case abi::internal:
      c = errc::internal;
      break;
    default:
      break;
  }
  size_t size = std::min<size_t>(f.size, sizeof f.message);
  return {c, where + ": " + std::string(f.message, size)};
}

}  // namespace custom

namespace {

std::string folder_of_binary() {
  char b[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", b, sizeof b);
  if (n <= 0) return {};
  return std::filesystem::path(std::string(b, static_cast<size_t>(n))).parent_path().string();
}

}  // namespace

result<std::string> find_operator_library(std::string_view name, const std::string& job_dir) {
  namespace fs = std::filesystem;
  if (name.empty())
    return error(errc::invalid_argument, "the name of an operator library is empty");
  std::vector<fs::path> folders;
  fs::path wanted(name);
  if (wanted.is_absolute()) {
    folders.emplace_back();
  } else {
    folders.emplace_back(job_dir.empty() ? "." : job_dir);
    if (const char* env = std::getenv("WEIR_OPERATOR_PATH")) {
      std::string_view rest(env);
      while (!rest.empty()) {
        auto part = rest.substr(0, rest.find(':'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        if (!part.empty()) folders.emplace_back(part);
      }
    }
    if (auto exe = folder_of_binary(); !exe.empty()) {
      folders.push_back(fs::path(exe) / "operators");
      folders.push_back(fs::path(exe).parent_path() / "lib" / "weir" / "operators");
    }
  }
  auto in_folder = wanted.parent_path();
  auto file = wanted.filename().string();
  std::error_code ec;
  for (const auto& folder : folders)
    for (const auto& f : {file, file + ".so", "lib" + file + ".so"}) {
      fs::path p = folder / in_folder / f;
      if (fs::is_regular_file(p, ec)) return fs::absolute(p, ec).lexically_normal().string();
    }
  std::string message = "operator library \"" + std::string(name) +
                        "\" was not found; looked for " + file + ", " + file + ".so and lib" +
                        file + ".so in";
  for (size_t i = 0; i < folders.size(); ++i) {
    fs::path place = in_folder.empty() ? folders[i] : folders[i] / in_folder;
    message += (i ? ", " : " ") + fs::absolute(place, ec).lexically_normal().string();
  }
  return error(errc::not_found, message + "; build it, or set WEIR_OPERATOR_PATH to its folder");
}

result<std::vector<std::string>> operator_classes(const std::string& path) {
  WEIR_ASSIGN(auto lib, custom::library::load(path));
  return lib->names();
}

}  // namespace weir
