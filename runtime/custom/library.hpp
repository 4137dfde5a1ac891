// A loaded library of custom operators. Shared by the operators that were made from it; unloaded
// with the last one. Loading checks that it exports the entry point and was built against the
// host's version of the binary interface.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weir/abi.hpp>

#include "runtime/base/result.hpp"

namespace weir::custom {

class library {
 public:
  /// `name`: how errors call it; empty: by its path.
  static result<std::shared_ptr<const library>> load(const std::string& path,
                                                     const std::string& name = {});
  ~library();
  library(const library&) = delete;
  library& operator=(const library&) = delete;

  std::vector<std::string> names() const;
  /// By its exported name; the error lists the nearest.
  result<const abi::operator_class*> find(std::string_view class_name) const;
  const std::string& path() const noexcept { return path_; }

 private:
  library(std::string path, void* handle) : path_(std::move(path)), handle_(handle) {}
  std::string path_;
  void* handle_;
  const abi::library* table_ = nullptr;
};

/// The error for a code that a library's function returned.
error to_error(int32_t code, const abi::failure&, const std::string& where);

inline std::string_view view(abi::text t) {
  return {t.data, static_cast<size_t>(t.size)};
}
inline abi::text text_of(std::string_view s) {
  return {s.data(), s.size()};
}

}  // namespace weir::custom
