// A file system in memory that forgets what was not synced, as a machine does that loses power: of
// every file and folder that changed since its last sync any part may be there afterwards, down to
// the sector. A sync that fails drops what it had to write, as Linux does: a second one says
// nothing of it.
#pragma once

#include <functional>
#include <map>
#include <random>
#include <set>

#include "runtime/io/file.hpp"

namespace weir::test {

class crash_files final : public file_system {
 public:
  static constexpr size_t sector_bytes = 512;

  explicit crash_files(uint64_t seed) : random_(seed) {}

  /// Asked before each call; anything but `none` fails it.
  std::function<file_fault(file_op, const std::string&)> fault;

  /// Power goes and comes back. Handles from before must not be used any more.
  void crash() {
    auto names = durable_names_;
    for (const auto& folder : dirty_folders_) {
      // Each entry of a folder that was not synced is the old or the new one.
      std::set<std::string> paths;
      for (const auto& [path, n] : names_)
        if (parent_directory(path) == folder) paths.insert(path);
      for (const auto& [path, n] : durable_names_)
        if (parent_directory(path) == folder) paths.insert(path);
      for (const auto& path : paths) {
        if (random_() % 2) continue;
        auto it = names_.find(path);
        if (it == names_.end())
          names.erase(path);
        else
          names[path] = it->second;
      }
    }
    for (auto& [path, node] : names) lose(*node);
    names_ = durable_names_ = names;
    dirty_folders_.clear();
  }
  void flip(const std::string& path, uint64_t position, uint8_t bits) {
    auto& n = *names_.at(path);
    n.now.at(position) ^= static_cast<std::byte>(bits);
    n.durable.at(position) ^= static_cast<std::byte>(bits);
  }

  result<std::unique_ptr<random_file>> open_read(const std::string& path) override {
    WEIR_TRY(check(file_op::open, path));
    WEIR_ASSIGN(auto node, find(path, false));
    return std::unique_ptr<random_file>(std::make_unique<reading>(*this, node, path));
  }
  result<std::unique_ptr<append_file>> open_append(const std::string& path) override {
    WEIR_TRY(check(file_op::open, path));
    WEIR_ASSIGN(auto node, find(path, true));
    return std::unique_ptr<append_file>(std::make_unique<appending>(*this, node, path));
  }
  result<std::unique_ptr<positional_file>> open_positional(const std::string& path,
                                                           bool create) override {
    WEIR_TRY(check(file_op::open, path));
    WEIR_ASSIGN(auto node, find(path, create));
    return std::unique_ptr<positional_file>(std::make_unique<positional>(*this, node, path));
  }
  status sync_file_system(const std::string& path) override {
    status s = check(file_op::sync, path);
    for (auto& [p, node] : names_) s ? node->sync() : node->drop();
    if (!s) return s;
    durable_names_ = names_;
    dirty_folders_.clear();
    return {};
  }
  status create_directories(const std::string& path) override {
    return check(file_op::open, path);  // folders are there when they are needed
  }
  status rename(const std::string& from, const std::string& to) override {
    WEIR_TRY(check(file_op::rename, from));
    WEIR_ASSIGN(auto node, find(from, false));
    names_.erase(from);
    names_[to] = node;
    dirty_folders_.insert(parent_directory(to));
    return {};
  }
  status remove(const std::string& path) override {
    WEIR_TRY(check(file_op::remove, path));
    if (names_.erase(path)) dirty_folders_.insert(parent_directory(path));
    return {};
  }
  status sync_directory(const std::string& path) override {
    WEIR_TRY(check(file_op::sync_directory, path));
    std::erase_if(durable_names_, [&](auto& e) { return parent_directory(e.first) == path; });
    for (auto& [p, node] : names_)
      if (parent_directory(p) == path) durable_names_[p] = node;
    dirty_folders_.erase(path);
    return {};
  }
  result<file_info> stat(const std::string& path) override {
    WEIR_ASSIGN(auto node, find(path, false));
    return file_info{path, node->now.size(), 0, 0, node->identity};
  }
  result<std::vector<file_info>> list(const std::string& directory) override {
    std::vector<file_info> out;
    for (auto it = names_.lower_bound(directory + "/");
         it != names_.end() && it->first.starts_with(directory + "/"); ++it)
      if (parent_directory(it->first) == directory)
        out.push_back({it->first, it->second->now.size(), 0, 0, it->second->identity});
    return out;
  }
  result<std::vector<std::string>> glob(const std::string&) override {
    return error{errc::unsupported, "no patterns here"};
  }

 private:
  struct inode {
    uint64_t identity = 0;
    std::vector<std::byte> now, durable;
    std::set<uint64_t> dirty;  // sectors
    bool size_dirty = false;
    void write(uint64_t position, std::span<const std::byte> bytes) {
      if (bytes.empty()) return;
      if (now.size() < position + bytes.size()) resize(position + bytes.size());
      std::copy(bytes.begin(), bytes.end(), now.begin() + static_cast<ptrdiff_t>(position));
      touch(position, position + bytes.size());
    }
    void touch(uint64_t begin, uint64_t end) {
      for (uint64_t s = begin / sector_bytes; s * sector_bytes < end; ++s) dirty.insert(s);
    }
    void resize(uint64_t bytes) {
      const uint64_t before = now.size();
      now.resize(bytes);
      size_dirty = true;
      if (bytes > before) touch(before, bytes);
    }
    void sync() {
      durable.resize(now.size());
      for (uint64_t s : dirty)
        for (uint64_t i = s * sector_bytes; i < std::min((s + 1) * sector_bytes, now.size()); ++i)
          durable[i] = now[i];
      dirty.clear();
      size_dirty = false;
    }
    void drop() { dirty.clear(); }
  };
  using inode_ptr = std::shared_ptr<inode>;

  void lose(inode& n) {
    if (n.size_dirty && random_() % 2) {
      // The new size, with zeros where nothing was written back.
      n.durable.resize(n.now.size());
    }
    for (uint64_t s : n.dirty) {
      if (random_() % 2) continue;
      const size_t end = std::min({(s + 1) * sector_bytes, n.now.size(), n.durable.size()});
      for (size_t i = s * sector_bytes; i < end; ++i) n.durable[i] = n.now[i];
    }
    n.now = n.durable;
    n.dirty.clear();
    n.size_dirty = false;
  }

  status check(file_op op, const std::string& path) {
    auto f = fault ? fault(op, path) : file_fault::none;
    if (f == file_fault::none) return {};
    return system_error(f == file_fault::enospc ? ENOSPC : EIO, "use", path);
  }
  /// A failing write has written a part, unless it is EIO.
  status write(inode& n, const std::string& path, uint64_t position,
               std::span<const std::byte> bytes) {
    auto f = fault ? fault(file_op::write, path) : file_fault::none;
    n.write(position, f == file_fault::none  ? bytes
                      : f == file_fault::eio ? bytes.first(0)
                                             : bytes.first(bytes.size() / 2));
    if (f == file_fault::none) return {};
    return system_error(f == file_fault::enospc ? ENOSPC : EIO, "write to", path);
  }
  status sync(inode& n, const std::string& path) {
    status s = check(file_op::sync, path);
    s ? n.sync() : n.drop();
    return s;
  }
  result<inode_ptr> find(const std::string& path, bool create) {
    auto it = names_.find(path);
    if (it != names_.end()) return it->second;
    if (!create) return system_error(ENOENT, "open", path);
    auto node = std::make_shared<inode>();
    node->identity = ++identities_;
    names_[path] = node;
    dirty_folders_.insert(parent_directory(path));
    return node;
  }
  static size_t copy_out(const inode& n, uint64_t position, std::span<std::byte> out) {
    if (position >= n.now.size()) return 0;
    const size_t k = std::min<uint64_t>(out.size(), n.now.size() - position);
    std::copy_n(n.now.begin() + static_cast<ptrdiff_t>(position), k, out.begin());
    return k;
  }

  struct reading final : random_file {
    reading(crash_files& f, inode_ptr n, std::string p)
        : files(f), node(std::move(n)), path(std::move(p)) {}
    result<size_t> read(uint64_t offset, std::span<std::byte> out) const override {
      WEIR_TRY(files.check(file_op::read, path));
      return copy_out(*node, offset, out);
    }
    result<uint64_t> size() const override { return node->now.size(); }
    result<std::pair<uint64_t, uint64_t>> identity() const override {
      return std::pair<uint64_t, uint64_t>(0, node->identity);
    }
    crash_files& files;
    inode_ptr node;
    std::string path;
  };
  struct appending final : append_file {
    appending(crash_files& f, inode_ptr n, std::string p)
        : files(f), node(std::move(n)), path(std::move(p)) {}
    status append(std::span<const std::byte> bytes) override {
      return files.write(*node, path, node->now.size(), bytes);
    }
    status sync() override { return files.sync(*node, path); }
    status truncate(uint64_t bytes) override {
      WEIR_TRY(files.check(file_op::truncate, path));
      node->resize(bytes);
      return {};
    }
    status close() override { return {}; }
    uint64_t size() const override { return node->now.size(); }
    crash_files& files;
    inode_ptr node;
    std::string path;
  };
  struct positional final : positional_file {
    positional(crash_files& f, inode_ptr n, std::string p)
        : files(f), node(std::move(n)), path(std::move(p)) {}
    status write(uint64_t position, std::span<const std::span<const std::byte>> pieces) override {
      for (auto piece : pieces) {
        WEIR_TRY(files.write(*node, path, position, piece));
        position += piece.size();
      }
      return {};
    }
    result<size_t> read(uint64_t position, std::span<std::byte> out) const override {
      WEIR_TRY(files.check(file_op::read, path));
      return copy_out(*node, position, out);
    }
    status sync() override {
      if (failed) return *failed;
      status s = files.sync(*node, path);
      if (!s) failed = s.err();
      return s;
    }
    status allocate(uint64_t bytes) override {
      WEIR_TRY(files.check(file_op::allocate, path));
      if (bytes > node->now.size()) node->resize(bytes);
      return {};
    }
    status truncate(uint64_t bytes) override {
      WEIR_TRY(files.check(file_op::truncate, path));
      node->resize(bytes);
      return {};
    }
    result<uint64_t> size() const override { return node->now.size(); }
    uint64_t identity() const override { return node->identity; }
    int descriptor() const override { return -1; }
    crash_files& files;
    inode_ptr node;
    std::string path;
    std::optional<error> failed;
  };

  std::mt19937_64 random_;
  std::map<std::string, inode_ptr> names_, durable_names_;
  std::set<std::string> dirty_folders_;
  uint64_t identities_ = 0;
};

}  // namespace weir::test
