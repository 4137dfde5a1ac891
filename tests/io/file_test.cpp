#include "runtime/io/file.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/io/scratch.hpp"

using namespace weir;
using test::scratch_folder;

namespace {
std::span<const std::byte> bytes_of(std::string_view s) {
  return std::as_bytes(std::span(s));
}
std::string content(file_system& fs, const std::string& path) {
  auto r = read_whole_file(fs, path);
  REQUIRE(r.ok());
  return *r;
}
}  // namespace

TEST_CASE("files are appended to, reopened, cut and read") {
  scratch_folder dir;
  auto fs = make_posix_file_system();
  std::string path = dir / "a.txt";
  auto f = fs->open_append(path);
  REQUIRE(f.ok());
  REQUIRE((*f)->append(bytes_of("hello ")).ok());
  REQUIRE((*f)->append(bytes_of("world")).ok());
  CHECK((*f)->size() == 11);
  REQUIRE((*f)->sync().ok());
  REQUIRE((*f)->close().ok());
  CHECK(!(*f)->append(bytes_of("x")).ok());

  f = fs->open_append(path);
  REQUIRE(f.ok());
  CHECK((*f)->size() == 11);
  REQUIRE((*f)->truncate(5).ok());
  REQUIRE((*f)->append(bytes_of("!")).ok());
  CHECK(content(*fs, path) == "hello!");

  auto r = fs->open_read(path);
  REQUIRE(r.ok());
  std::byte out[10];
  CHECK(*(*r)->read(4, out) == 2);
  CHECK(*(*r)->read(100, out) == 0);
  CHECK(*(*r)->size() == 6);
  auto info = fs->stat(path);
  REQUIRE(info.ok());
  CHECK(info->size == 6);
  CHECK((*r)->identity()->second == info->inode);
  CHECK(!read_whole_file(*fs, path, 3).ok());
}

TEST_CASE("errors name the path and what the system said") {
  scratch_folder dir;
  auto fs = make_posix_file_system();
  auto r = fs->open_read(dir / "absent.csv");
  REQUIRE(!r.ok());
  CHECK(r.err().code == errc::not_found);
  CHECK(r.err().message == "cannot open '" + (dir / "absent.csv") + "': No such file or directory");
  CHECK(fs->open_read(dir.path()).err().message.find("Is a directory") != std::string::npos);
  CHECK(fs->stat(dir / "absent").err().code == errc::not_found);
  CHECK(fs->remove(dir / "absent").ok());
  CHECK(!fs->rename(dir / "absent", dir / "b").ok());
  CHECK(system_error(ENOSPC, "write to", "/x").code == errc::no_space);
  CHECK(system_error(EDQUOT, "write to", "/x").code == errc::no_space);

  auto full = fs->open_append("/dev/full");
  REQUIRE(full.ok());
  auto s = (*full)->append(bytes_of("x"));
  REQUIRE(!s.ok());
  CHECK(s.err().code == errc::no_space);
}

TEST_CASE("folders are created, listed and matched by patterns") {
  scratch_folder dir;
  auto fs = make_posix_file_system();
  REQUIRE(fs->create_directories(dir / "a/b/c").ok());
  REQUIRE(fs->create_directories(dir / "a/b/c").ok());
  for (const char* name :
       {"x1.csv", "x2.csv", "y1.json", ".hidden.csv", "a/z.csv", "a/b/c/deep.csv"})
    std::ofstream(dir / name) << "1";
  CHECK(!fs->create_directories(dir / "x1.csv/sub").ok());

  auto files = fs->list(dir.path());
  REQUIRE(files.ok());
  REQUIRE(files->size() == 4);  // folders are not in it
  CHECK((*files)[0].path == dir / ".hidden.csv");
  CHECK((*files)[3].path == dir / "y1.json");

  auto found = [&](const std::string& pattern) {
    auto r = fs->glob(dir / pattern);
    REQUIRE(r.ok());
    std::string out;
    for (auto& p : *r) out += p.substr(dir.path().size() + 1) + " ";
    return out;
  };
  CHECK(found("*.csv") == "x1.csv x2.csv ");
  CHECK(found("x?.csv") == "x1.csv x2.csv ");
  CHECK(found("[xy]1.*") == "x1.csv y1.json ");
  CHECK(found("[!x]*") == "y1.json ");
  CHECK(found("**/*.csv") == "a/b/c/deep.csv a/z.csv x1.csv x2.csv ");
  CHECK(found("a/**") == "a/b/c/deep.csv a/z.csv ");
  CHECK(found("*/b/*/deep.csv") == "a/b/c/deep.csv ");
  CHECK(found(".h*") == ".hidden.csv ");
  CHECK(found("x1.csv") == "x1.csv ");
  CHECK(found("absent") == "");
  CHECK(found("none/*.csv") == "");
}

TEST_CASE("wildcards match as in a shell") {
  CHECK(matches_wildcards("*", ""));
  CHECK(matches_wildcards("a*b*c", "aXbYbZc"));
  CHECK(!matches_wildcards("a*b*c", "aXbYbZ"));
  CHECK(matches_wildcards("[a-c]?", "b7"));
  CHECK(!matches_wildcards("[^a-c]?", "b7"));
  CHECK(matches_wildcards("[]x]", "]"));
  CHECK(matches_wildcards("a[", "a["));
  CHECK(matches_wildcards("2013_[01]*.csv", "2013_07.csv"));
  CHECK(!matches_wildcards("?", ""));
  CHECK(!has_wildcards("plain.csv"));
}

TEST_CASE("atomic_write_file leaves the old content when any step fails") {
  scratch_folder dir;
  auto fs = make_posix_file_system();
  std::string path = dir / "manifest";
  REQUIRE(atomic_write_file(*fs, path, "old").ok());
  for (auto op : {file_op::open, file_op::write, file_op::sync, file_op::rename}) {
    for (auto fault : {file_fault::eio, file_fault::enospc}) {
      auto faulty = make_faulty_file_system(*fs, [&](file_op o, const std::string&, uint64_t) {
        return o == op ? fault : file_fault::none;
      });
      auto s = atomic_write_file(*faulty, path, "new content");
      REQUIRE(!s.ok());
      CHECK(s.err().code == (fault == file_fault::eio ? errc::io : errc::no_space));
      CHECK(content(*fs, path) == "old");
      CHECK(fs->list(dir.path())->size() == 1);  // no leftover
    }
  }
  REQUIRE(atomic_write_file(*fs, path, "new content").ok());
  CHECK(content(*fs, path) == "new content");
  CHECK(parent_directory("a/b") == "a");
  CHECK(parent_directory("b") == ".");
  CHECK(parent_directory("/b") == "/");
}

TEST_CASE("injected faults: short writes leave a part, a failed sync stays failed") {
  scratch_folder dir;
  auto base = make_posix_file_system();
  uint64_t calls = 0;
  file_fault write_fault = file_fault::none, sync_fault = file_fault::none;
  auto fs = make_faulty_file_system(*base, [&](file_op op, const std::string&, uint64_t call) {
    CHECK(call == calls++);
    if (op == file_op::write) return write_fault;
    return op == file_op::sync ? sync_fault : file_fault::none;
  });
  auto f = fs->open_append(dir / "log");
  REQUIRE(f.ok());
  REQUIRE((*f)->append(bytes_of("1234")).ok());
  write_fault = file_fault::short_write;
  CHECK((*f)->append(bytes_of("abcd")).err().code == errc::io);
  CHECK((*f)->size() == 6);
  write_fault = file_fault::enospc;
  CHECK((*f)->append(bytes_of("abcd")).err().code == errc::no_space);
  write_fault = file_fault::none;
  REQUIRE((*f)->truncate(4).ok());
  REQUIRE((*f)->append(bytes_of("5")).ok());
  sync_fault = file_fault::eio;
  CHECK(!(*f)->sync().ok());
  sync_fault = file_fault::none;
  CHECK(!(*f)->sync().ok());
  CHECK(content(*base, dir / "log") == "12345");
}
