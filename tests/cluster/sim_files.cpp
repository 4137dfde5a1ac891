#include "tests/cluster/sim_files.hpp"

#include <algorithm>

namespace weir::sim {

struct sim_files::appending final : append_file {
  appending(sim_files& f, std::unique_ptr<append_file> i, std::shared_ptr<written> w)
      : files(f), inner(std::move(i)), about(std::move(w)) {}
  status append(std::span<const std::byte> bytes) override {
    WEIR_TRY(files.check());
    return inner->append(bytes);
  }
  status sync() override {
    WEIR_TRY(files.check());
    about->durable = inner->size();
    return inner->sync();
  }
  status truncate(uint64_t bytes) override {
    WEIR_TRY(files.check());
    about->durable = std::min(about->durable, bytes);
    return inner->truncate(bytes);
  }
  status close() override { return files.over_ ? status() : inner->close(); }
  uint64_t size() const override { return inner->size(); }

  sim_files& files;
  std::unique_ptr<append_file> inner;
  std::shared_ptr<written> about;
};

status sim_files::check() const {
  if (over_) return error{errc::io, "the process is gone"};
  return {};
}

void sim_files::end(random_source& random) {
  over_ = true;
  for (auto r = renamed_.rbegin(); r != renamed_.rend(); ++r) {
    // Somebody else may have found it under its new name, and gone on from there.
    if (random.one_in(2) || !shared_.stat(r->to)) continue;
    (void)shared_.rename(r->to, r->from);
    if (auto w = written_.extract(r->to); !w.empty()) {
      w.key() = r->from;
      written_.insert(std::move(w));
    }
    ++lost_;
  }
  for (const auto& [path, w] : written_) {
    const auto there = shared_.stat(path);
    if (!there) continue;
    if (!w->named && random.one_in(2)) {
      (void)shared_.remove(path);
      ++lost_;
    } else if (w->durable < there->size) {
      auto file = shared_.open_append(path);
      if (file)
        (void)(*file)->truncate(static_cast<uint64_t>(
            random.between(static_cast<int64_t>(w->durable), static_cast<int64_t>(there->size))));
      ++lost_;
    }
  }
}

result<std::unique_ptr<random_file>> sim_files::open_read(const std::string& path) {
  WEIR_TRY(check());
  return shared_.open_read(path);
}

result<std::unique_ptr<append_file>> sim_files::open_append(const std::string& path) {
  WEIR_TRY(check());
  const bool is_new = !shared_.stat(path).ok();
  WEIR_ASSIGN(auto file, shared_.open_append(path));
  auto& w = written_[path];
  if (!w) w = std::make_shared<written>(written{file->size(), !is_new});
  return std::unique_ptr<append_file>(std::make_unique<appending>(*this, std::move(file), w));
}

status sim_files::create_directories(const std::string& path) {
  WEIR_TRY(check());
  return shared_.create_directories(path);
}

status sim_files::rename(const std::string& from, const std::string& to) {
  WEIR_TRY(check());
  WEIR_TRY(shared_.rename(from, to));
  renamed_.push_back({from, to});
  written_.erase(to);
  if (auto w = written_.extract(from); !w.empty()) {
    w.key() = to;
    written_.insert(std::move(w));
  }
  return {};
}

status sim_files::remove(const std::string& path) {
  WEIR_TRY(check());
  written_.erase(path);
  std::erase_if(renamed_, [&path](const renaming& r) { return r.to == path; });
  return shared_.remove(path);
}

void sim_files::names_are_durable(const std::string& directory) {
  for (auto& [name, w] : written_) w->named |= parent_directory(name) == directory;
  std::erase_if(renamed_, [&](const renaming& r) { return parent_directory(r.to) == directory; });
}

status sim_files::sync_directory(const std::string& path) {
  WEIR_TRY(check());
  for (auto* f : folder_.seen_by) f->names_are_durable(path);
  return shared_.sync_directory(path);
}

result<file_info> sim_files::stat(const std::string& path) {
  WEIR_TRY(check());
  return shared_.stat(path);
}

result<std::vector<file_info>> sim_files::list(const std::string& directory) {
  WEIR_TRY(check());
  return shared_.list(directory);
}

result<std::vector<std::string>> sim_files::glob(const std::string& pattern) {
  WEIR_TRY(check());
  return shared_.glob(pattern);
}

}  // namespace weir::sim
