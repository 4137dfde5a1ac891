// A folder of a test's own, gone with it.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace weir::meta {

struct folder {
  std::filesystem::path path;
  folder() {
    std::string t = (std::filesystem::temp_directory_path() / "weir-meta-XXXXXX").string();
    REQUIRE(::mkdtemp(t.data()));
    path = t;
  }
  ~folder() { std::filesystem::remove_all(path); }
};

}  // namespace weir::meta
