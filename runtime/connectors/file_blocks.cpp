#include "runtime/connectors/file_blocks.hpp"

#include "runtime/connectors/rotation.hpp"

namespace weir {
namespace {

// The record that begins just before a range's end mostly ends within this many bytes after it.
constexpr uint64_t past_end_bytes = 4096;
constexpr size_t past_end_block_bytes = 64 * 1024;

std::span<std::byte> room_of(byte_block& block) {
  return {block.memory.mutable_as<std::byte>() + block_headroom, block_bytes};
}

status read_header(file_system& files, const std::string& path, compression_kind kind,
                   file_opening& opening) {
  WEIR_ASSIGN(auto source, open_bytes(files, path, kind, 0));
  WEIR_ASSIGN(opening.header, read_first_record(*source, opening.quotes, header_bytes_max));
  if (opening.header.starts_with("\xEF\xBB\xBF")) opening.header.erase(0, 3);
  return {};
}

class range_blocks final : public block_maker {
 public:
  range_blocks(file_system& files, const file_split& s, std::shared_ptr<file_opening> opening)
      : files_(files), split_(s), opening_(std::move(opening)), position_(first_byte_of(s)) {}

  result<made> fill(byte_block& block) override {
    if (!source_) {
      if (opening_->wants_header)
        WEIR_TRY(read_header(files_, split_.path, split_.compression, *opening_));
      WEIR_ASSIGN(source_, open_bytes(files_, split_.path, split_.compression, position_));
    }
    auto room = room_of(block);
    if (split_.compression == compression_kind::none && split_.end != file_split::to_the_end) {
      uint64_t wanted =
          position_ < split_.end ? split_.end - position_ + past_end_bytes : past_end_block_bytes;
      room = room.first(std::min<uint64_t>(wanted, room.size()));
    }
    while (block.size < room.size()) {
      WEIR_ASSIGN(size_t n, source_->read(room.subspan(block.size)));
      if (n == 0) break;
      block.size += n;
    }
    position_ += block.size;
    return block.size ? made::block : made::end;
  }

 private:
  file_system& files_;
  file_split split_;
  std::shared_ptr<file_opening> opening_;
  uint64_t position_;
  std::unique_ptr<byte_source> source_;
};

// Tails a file. Rotation by rename: the open file is read to its end, and once another file has
// content that was written after it (its writer has moved on), that one is read from its start: the
// one that has the name now, or, when files were rotated faster than they were looked at, those
// between first, under their rotated names. Truncation in place (copytruncate): the file is read
// from its start again. A restart finds a file that was renamed meanwhile by its inode, in the same
// folder.
class tail_blocks final : public block_maker {
 public:
  tail_blocks(file_system& files, const file_split& s, std::shared_ptr<file_opening> opening)
      : files_(files), split_(s), opening_(std::move(opening)), position_(first_byte_of(s)) {}

  result<made> fill(byte_block& block) override {
    if (!file_) {
      WEIR_ASSIGN(bool there, open_first());
      if (!there)
        return split_.what == file_split::kind::follow_inode ? made::end : made::nothing_yet;
    }
    WEIR_ASSIGN(size_t n, file_->read(position_, room_of(block)));
    if (n == 0) {
      WEIR_ASSIGN(bool again, look_around());
      if (ended_) return made::end;
      if (!again) return made::nothing_yet;
      WEIR_ASSIGN(n, file_->read(position_, room_of(block)));
      if (n == 0) return made::nothing_yet;
    }
    idle_after_rotation_ = 0;
    block.size = n;
    block.fresh_file = fresh_;
    block.device = identity_.first;
    block.inode = identity_.second;
    fresh_ = false;
    position_ += n;
    return made::block;
  }

 private:
  using identity = std::pair<uint64_t, uint64_t>;
  // A renamed file that is followed by inode and has not grown for this many looks is done.
  static constexpr int idle_after_rotation_max = 600;

  result<bool> open_path(const std::string& path) {
    auto file = files_.open_read(path);
    if (!file) {
      if (file.err().code == errc::not_found) return false;
      return std::move(file).err();
    }
    WEIR_ASSIGN(identity_, (*file)->identity());
    file_ = std::move(*file);
    return true;
  }

  result<bool> open_first() {
    identity wanted{split_.device, split_.inode};
    WEIR_ASSIGN(bool there, open_path(split_.path));
    std::string path = split_.path;
    if (wanted != identity{} && (!there || identity_ != wanted)) {
      WEIR_ASSIGN(path, find_inode(wanted));
      if (path.empty()) {
        // It was rotated away and removed while nobody read it: what is left is the new file.
        if (split_.what == file_split::kind::follow_inode) return false;
        if (!there) return false;
        position_ = 0;
        path = split_.path;
        fresh_ = true;
      } else {
        WEIR_ASSIGN(there, open_path(path));
        if (!there) return false;
      }
    }
    if (there && opening_->wants_header && !fresh_ && position_ > 0)
      WEIR_TRY(read_header(files_, path, compression_kind::none, *opening_));
    return there;
  }

  result<std::vector<file_info>> folder_of_path() {
    auto entries = files_.list(parent_directory(split_.path));
    // Folders, too, may come later or be moved away.
    if (!entries && entries.err().code == errc::not_found) return std::vector<file_info>();
    return entries;
  }

  result<std::string> find_inode(identity wanted) {
    WEIR_ASSIGN(auto folder, folder_of_path());
    for (const auto& e : folder)
      if (identity{e.device, e.inode} == wanted) return e.path;
    return std::string();
  }

  // At the end of the open file: whether there may be more to read, perhaps elsewhere.
  result<bool> look_around() {
    WEIR_ASSIGN(uint64_t size, file_->size());
    if (size < position_) {
      position_ = 0;
      fresh_ = true;
      return true;
    }
    auto named = files_.stat(split_.path);
    bool renamed = !named || identity{named->device, named->inode} != identity_;
    if (!renamed) {
      written_us_ = named->modified_us;
      return false;
    }
    if (split_.what == file_split::kind::follow_inode) {
      ended_ = ++idle_after_rotation_ > idle_after_rotation_max;
      return false;
    }
    WEIR_ASSIGN(auto next, successor());
    if (!next) return false;
    // Bytes may have come between the last read and the look.
    WEIR_ASSIGN(uint64_t size_now, file_->size());
    if (size_now > position_) return true;
    auto file = files_.open_read(next->path);
    if (!file && file.err().code != errc::not_found) return std::move(file).err();
    if (!file) return false;
    WEIR_ASSIGN(auto opened, (*file)->identity());
    if (opened != identity{next->device, next->inode})
      return false;  // rotated just now: look again
    file_ = std::move(*file);
    identity_ = opened;
    written_us_ = next->modified_us;
    position_ = 0;
    fresh_ = true;
    return true;
  }

  // The file that was filled next after the open one, which has lost its name.
  result<std::optional<file_info>> successor() {
    WEIR_ASSIGN(auto folder, folder_of_path());
    file_info current;
    current.device = identity_.first;
    current.inode = identity_.second;
    current.modified_us = written_us_;
    for (const auto& f : folder)
      if (identity{f.device, f.inode} == identity_) current = f;
    auto found = filled_after(split_.path, current, folder);
    return found.empty() ? std::nullopt : std::optional(found.front());
  }

  file_system& files_;
  file_split split_;
  std::shared_ptr<file_opening> opening_;
  uint64_t position_;
  std::unique_ptr<random_file> file_;
  identity identity_;
  int64_t written_us_ = 0;  // when the open file was written last, as far as was seen
  bool fresh_ = false, ended_ = false;
  int idle_after_rotation_ = 0;
};

}  // namespace

std::unique_ptr<block_maker> make_range_blocks(file_system& files, const file_split& s,
                                               std::shared_ptr<file_opening> o) {
  return std::make_unique<range_blocks>(files, s, std::move(o));
}

std::unique_ptr<block_maker> make_tail_blocks(file_system& files, const file_split& s,
                                              std::shared_ptr<file_opening> o) {
  return std::make_unique<tail_blocks>(files, s, std::move(o));
}

}  // namespace weir
