#include "runtime/log/commit_journal.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include "runtime/base/crc32c.hpp"
#include "runtime/log/byte_codec.hpp"

namespace weir {
namespace {

constexpr uint32_t record_magic = 0x314a5257;  // "WRJ1"

// A record: magic, checksum of what follows, bytes of the whole, number of entries, sequence; then
// per entry length of the path, bytes, identity, position, path, data.
struct record_head {
  uint32_t magic = record_magic;
  uint32_t crc = 0;
  uint32_t bytes = 0;
  uint32_t count = 0;
  uint64_t sequence = 0;
};
struct entry_head {
  uint32_t path_bytes = 0;
  uint32_t bytes = 0;
  uint64_t identity = 0;
  uint64_t position = 0;
};
static_assert(sizeof(record_head) == 24 && sizeof(entry_head) == 24);

}  // namespace

struct commit_journal::record {
  uint64_t sequence = 0;
  uint32_t count = 0;
  std::string bytes;  // the entries
};

result<std::unique_ptr<commit_journal>> commit_journal::open(file_system& files,
                                                             const std::string& folder) {
  std::unique_ptr<commit_journal> j(new commit_journal(files, folder));
  WEIR_TRY(j->open_files());
  return j;
}

status commit_journal::open_files() {
  for (size_t i = 0; i < file_.size(); ++i) {
    WEIR_ASSIGN(file_[i], files_.open_positional(path(i), true));
  }
  return {};
}

uint64_t commit_journal::record_bytes(std::span<const journal_entry> entries) noexcept {
  uint64_t n = sizeof(record_head);
  for (const auto& e : entries) n += sizeof(entry_head) + e.path.size() + e.bytes.size();
  return n;
}

bool commit_journal::is_full(uint64_t bytes) const noexcept {
  return position_ > 0 && position_ + bytes > file_bytes_max;
}

void commit_journal::turn() noexcept {
  current_ ^= 1;
  position_ = 0;
  ++lap_;
}

status commit_journal::append(std::span<const journal_entry> entries) {
  weir_assert(!broken_, "a journal that failed is reset before it is used again");
  buffer_.resize(record_bytes(entries));
  std::byte* p = buffer_.data() + sizeof(record_head);
  auto put = [&p](const void* data, size_t n) {
    if (n == 0) return;
    std::memcpy(p, data, n);
    p += n;
  };
  for (const auto& e : entries) {
    entry_head h{static_cast<uint32_t>(e.path.size()), static_cast<uint32_t>(e.bytes.size()),
                 e.identity, e.position};
    put(&h, sizeof h);
    put(e.path.data(), e.path.size());
    put(e.bytes.data(), e.bytes.size());
  }
  record_head h{record_magic, 0, static_cast<uint32_t>(buffer_.size()),
                static_cast<uint32_t>(entries.size()), sequence_};
  std::memcpy(buffer_.data(), &h, sizeof h);
  h.crc = crc32c(std::span(buffer_).subspan(8));
  std::memcpy(buffer_.data(), &h, sizeof h);
  auto& file = *file_[current_];
  status s = file.write(position_, buffer_);
  if (s) s = file.sync();
  if (!s) {
    broken_ = true;
    return s;
  }
  position_ += buffer_.size();
  ++sequence_;
  return {};
}

status commit_journal::read_records(size_t file, std::vector<record>& out) const {
  WEIR_ASSIGN(uint64_t size, file_[file]->size());
  uint64_t position = 0;
  std::optional<uint64_t> expected;
  while (position + sizeof(record_head) <= size) {
    record_head h;
    WEIR_ASSIGN(size_t n, file_[file]->read(position, std::as_writable_bytes(std::span(&h, 1))));
    if (n < sizeof h || h.magic != record_magic || h.bytes < sizeof h ||
        h.bytes > size - position || (expected && h.sequence != *expected))
      return {};
    std::string bytes(h.bytes, '\0');
    WEIR_ASSIGN(n, file_[file]->read(position, std::as_writable_bytes(std::span(bytes))));
    if (n < bytes.size() || crc32c(std::as_bytes(std::span(bytes).subspan(8))) != h.crc) return {};
    out.push_back({h.sequence, h.count, bytes.substr(sizeof h)});
    expected = h.sequence + 1;
    position += h.bytes;
  }
  return {};
}

status commit_journal::replay(file_cache& cache) const {
  std::vector<record> records;
  for (size_t i = 0; i < file_.size(); ++i) WEIR_TRY(read_records(i, records));
  std::sort(records.begin(), records.end(),
            [](const record& a, const record& b) { return a.sequence < b.sequence; });
  std::map<std::string, std::unique_ptr<positional_file>> open;
  for (const auto& rec : records) {
    byte_reader r(rec.bytes);
    for (uint32_t i = 0; i < rec.count; ++i) {
      const auto h = r.take<entry_head>();
      if (!r.ok() || h.path_bytes + uint64_t{h.bytes} > r.left())
        return error{errc::corrupt, "a record of the journal in '" + folder_ +
                                        "' does not decode in spite of its checksum"};
      const std::string file_path(r.take_bytes(h.path_bytes));
      const auto bytes = r.take_bytes(h.bytes);
      auto it = open.find(file_path);
      if (it == open.end()) {
        auto file = cache.files().open_positional(file_path, false);
        // A file that is gone was removed on purpose: creating one is durable before its first
        // record is written.
        if (!file && file.err().code != errc::not_found) return std::move(file).err();
        it = open.emplace(file_path, file ? *std::move(file) : nullptr).first;
        if (open.size() > open_max) WEIR_TRY(sync_all(open, it->first));
        it = open.find(file_path);
      }
      if (!it->second || it->second->identity() != h.identity) continue;
      WEIR_TRY(it->second->write(h.position, std::as_bytes(std::span(bytes))));
    }
  }
  return sync_all(open, {});
}

/// Syncs and closes all but one.
status commit_journal::sync_all(std::map<std::string, std::unique_ptr<positional_file>>& open,
                                const std::string& but) {
  for (auto it = open.begin(); it != open.end();) {
    if (it->first == but) {
      ++it;
      continue;
    }
    if (it->second) WEIR_TRY(it->second->sync());
    it = open.erase(it);
  }
  return {};
}

status commit_journal::reset() {
  broken_ = true;
  WEIR_TRY(open_files());  // fresh descriptors: those of a failed sync stay failed
  for (auto& f : file_) {
    WEIR_TRY(f->truncate(0));
    WEIR_TRY(f->sync());
  }
  current_ = 0;
  position_ = 0;
  lap_ += 3;  // no lap before is held any more
  broken_ = false;
  return {};
}

}  // namespace weir
