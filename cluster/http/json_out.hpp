// JSON objects and lists built as text, field by field. One thread.
#pragma once

#include <map>
#include <string>

#include "runtime/column/json_text.hpp"

namespace weir::http {

class json_object {
 public:
  json_object& raw(std::string_view name, std::string_view json) {
    text_ += text_.empty() ? "{" : ", ";
    append_json_string(text_, name);
    text_ += ": ";
    text_ += json;
    return *this;
  }
  json_object& text(std::string_view name, std::string_view value) {
    return raw(name, json_string(value));
  }
  json_object& number(std::string_view name, int64_t value) {
    return raw(name, std::to_string(value));
  }
  /// Null where there is none, which is what a negative one means.
  json_object& known(std::string_view name, int64_t value) {
    return raw(name, value < 0 ? "null" : std::to_string(value));
  }
  json_object& flag(std::string_view name, bool value) {
    return raw(name, value ? "true" : "false");
  }
  std::string str() const { return text_.empty() ? "{}" : text_ + "}"; }

 private:
  std::string text_;
};

/// Of `items`, each as `f` writes it.
template <class Items, class F>
std::string json_list(const Items& items, F f) {
  std::string out = "[";
  for (const auto& i : items) {
    if (out.size() > 1) out += ", ";
    out += f(i);
  }
  return out + "]";
}

}  // namespace weir::http
