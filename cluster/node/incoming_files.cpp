#include "cluster/node/incoming_files.hpp"

#include <algorithm>
#include <numeric>

#include "cluster/node/file_store.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {
namespace {

error begin_again(std::string why) {
  return {errc::invalid_argument, std::move(why) + ": begin again"};
}

}  // namespace

void incoming_files::drop_idle(time_point now) {
  std::erase_if(files_, [&](const auto& f) { return now - f.second.newest > limits_.idle_max; });
}

void incoming_files::forget_idle(time_point now) {
  std::lock_guard lock(mutex_);
  drop_idle(now);
}

/// Whole ones stay for whoever brings the same, as long as nobody needs the room.
status incoming_files::make_room(size_t size, time_point now) {
  drop_idle(now);
  for (;;) {
    const auto all = std::accumulate(files_.begin(), files_.end(), size_t{0},
                                     [](size_t sum, const auto& f) { return sum + f.second.size; });
    if (files_.size() < limits_.files_max && size <= limits_.bytes_max - all) return {};
    auto oldest = files_.end();
    for (auto f = files_.begin(); f != files_.end(); ++f)
      if (f->second.content.size() == f->second.size &&
          (oldest == files_.end() || f->second.newest < oldest->second.newest))
        oldest = f;
    if (oldest == files_.end())
      return error{errc::timeout, "the node is taking " + std::to_string(files_.size()) +
                                      " files at the moment: try again, or another node"};
    files_.erase(oldest);
  }
}

result<std::optional<std::string>> incoming_files::take(const std::string& hash, size_t offset,
                                                        size_t size, std::string_view part,
                                                        time_point now) {
  if (!is_content_hash(hash))
    return error{errc::invalid_argument, "'" + hash + "' is not a file's hash"};
  if (size > limits_.file_bytes_max)
    return error{errc::invalid_argument, "a file of " + std::to_string(size) + " bytes; at most " +
                                             std::to_string(limits_.file_bytes_max) + " are taken"};
  if (offset > size || part.size() > size - offset)
    return begin_again("a part goes beyond the end of the file");
  std::string whole;
  {
    std::lock_guard lock(mutex_);
    auto it = files_.find(hash);
    if (it == files_.end()) {
      if (offset != 0) return begin_again("a part of the file is missing");
      WEIR_TRY(make_room(size, now));
      it = files_.emplace(hash, file{{}, size, now}).first;
    }
    auto& f = it->second;
    const auto known = std::string_view(f.content).substr(std::min(offset, f.content.size()));
    const auto both = std::min(known.size(), part.size());
    if (f.size != size || known.substr(0, both) != part.substr(0, both)) {
      // One of those who bring it is wrong; it cannot be told who.
      if (offset == 0 && f.size == size) {
        f.content.assign(part);
      } else {
        files_.erase(it);
        return begin_again("another file with this hash came");
      }
    } else if (offset > f.content.size()) {
      return begin_again("a part of the file is missing");
    } else {
      f.content += part.substr(both);
    }
    f.newest = now;
    if (offset + part.size() < size) return std::optional<std::string>();
    whole = f.content;
  }
  const auto found = content_hash(whole);
  if (found == hash) return std::optional(std::move(whole));
  std::lock_guard lock(mutex_);
  files_.erase(hash);
  return begin_again("the file that came has the hash " + found + ", not " + hash +
                     ", it was changed meanwhile or damaged on its way");
}

size_t incoming_files::bytes() const {
  std::lock_guard lock(mutex_);
  return std::accumulate(files_.begin(), files_.end(), size_t{0},
                         [](size_t sum, const auto& f) { return sum + f.second.content.size(); });
}

}  // namespace weir
