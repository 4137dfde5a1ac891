// LMDB (0.9, data file version 1) keeps no checksums on its B-tree pages and follows what they say.
// A flipped bit there could send it anywhere, so the pages are walked once when a store is opened:
// every offset, size and page number has to lie where it may. The layouts are those of lmdb 0.9's
// mdb.c (MDB_meta, MDB_db, MDB_page, MDB_node). Contents have checksums of our own.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/io/file.hpp"
#include "runtime/snapshot/environment.hpp"

namespace weir {
namespace {

constexpr uint32_t lmdb_magic = 0xbeefc0de;
constexpr uint32_t lmdb_version = 1;
constexpr uint16_t page_branch = 1, page_leaf = 2, page_overflow = 4, page_meta = 8;
constexpr uint16_t node_big = 1, node_subtree = 2, node_duplicates = 4;
constexpr uint64_t no_page = ~uint64_t{0};
constexpr int depth_max = 32;  // LMDB's own limit of a cursor

struct tree_record {  // MDB_db
  uint32_t pad;
  uint16_t flags, depth;
  uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};
struct meta_record {  // MDB_meta
  uint32_t magic, version;
  uint64_t address, map_bytes;
  tree_record trees[2];  // free pages; names of the databases
  uint64_t last_page, txn;
};
struct page_record {  // MDB_page
  uint64_t number;
  uint16_t pad, flags;
  uint16_t lower, upper;  // of an overflow page: one u32, its pages
};
struct node_record {  // MDB_node
  uint16_t low, high, flags, key_bytes;
};
static_assert(sizeof(tree_record) == 48 && sizeof(page_record) == 16 && sizeof(node_record) == 8);

class file_walk {
 public:
  file_walk(const std::byte* data, uint64_t bytes, std::string path, std::string what)
      : data_(data), bytes_(bytes), path_(std::move(path)), what_(std::move(what)) {}

  status run() {
    meta_record meta[2];
    uint64_t second = 0;
    for (int i = 0; i < 2; ++i) {
      uint64_t at = i == 0 ? 0 : second;
      if (at + sizeof(page_record) + sizeof(meta_record) > bytes_) return damaged(i, "too short");
      auto page = get<page_record>(at);
      meta[i] = get<meta_record>(at + sizeof(page_record));
      if (!(page.flags & page_meta) || meta[i].magic != lmdb_magic)
        return damaged(i, "not a header page");
      if (meta[i].version != lmdb_version)
        return {errc::version_mismatch, "'" + path_ + "' is of LMDB data version " +
                                            std::to_string(meta[i].version) + ", expected " +
                                            std::to_string(lmdb_version)};
      second = meta[i].trees[0].pad;
      if (second < 512 || second > 65536 || (second & (second - 1)))
        return damaged(i, "impossible page size");
    }
    if (meta[0].trees[0].pad != meta[1].trees[0].pad) return damaged(1, "impossible page size");
    page_bytes_ = second;
    const meta_record& m = meta[0].txn < meta[1].txn ? meta[1] : meta[0];
    uint64_t pages = bytes_ / page_bytes_;
    // A new file has only its headers. Pages that a transaction took and freed again are never
    // written, so the file may end before the last page; what the trees refer to has to be there.
    if (m.last_page < 1 || pages < 2) return damaged(0, "the file is cut short");
    last_page_ = m.last_page;
    file_pages_ = pages;
    visits_left_ = pages * 2;
    WEIR_TRY(tree(m.trees[0]));
    return tree(m.trees[1]);
  }

 private:
  status tree(const tree_record& t) {
    if (t.root == no_page) return {};
    if (t.depth == 0 || t.depth > depth_max) return damaged(t.root, "impossible depth");
    return page(t.root, t.depth);
  }

  status page(uint64_t number, int depth) {
    if (number < 2 || number > last_page_) return damaged(number, "no such page");
    if (number >= file_pages_) return damaged(number, "the file is cut short");
    // Pages that point in a circle end here.
    if (visits_left_-- == 0) return damaged(number, "visited too often");
    uint64_t at = number * page_bytes_;
    auto p = get<page_record>(at);
    if (p.number != number) return damaged(number, "holds another page");
    bool leaf = p.flags & page_leaf;
    if ((p.flags & ~0x10u) != (depth == 1 ? page_leaf : page_branch))
      return damaged(number, "not the expected kind");
    if (p.lower < sizeof(page_record) || p.lower > p.upper || p.upper > page_bytes_ || p.lower % 2)
      return damaged(number, "impossible bounds");
    size_t nodes = (p.lower - sizeof(page_record)) / 2;
    if (nodes == 0) return damaged(number, "too few entries");
    for (size_t i = 0; i < nodes; ++i) {
      auto offset = get<uint16_t>(at + sizeof(page_record) + 2 * i);
      if (offset < p.upper || offset + sizeof(node_record) > page_bytes_ || offset % 2)
        return damaged(number, "an entry lies outside");
      WEIR_TRY(node(number, at, offset, leaf, depth));
    }
    return {};
  }

  status node(uint64_t number, uint64_t at, size_t offset, bool leaf, int depth) {
    auto n = get<node_record>(at + offset);
    size_t room = page_bytes_ - offset - sizeof(node_record);
    if (n.key_bytes > room || n.key_bytes > 511) return damaged(number, "an impossible key");
    room -= n.key_bytes;
    if (!leaf)
      return page(uint64_t{n.low} | uint64_t{n.high} << 16 | uint64_t{n.flags} << 32, depth - 1);
    uint64_t size = uint64_t{n.low} | uint64_t{n.high} << 16;
    uint64_t value = at + offset + sizeof(node_record) + n.key_bytes;
    if (n.flags & node_duplicates) return damaged(number, "an impossible entry");
    if (n.flags & node_big) {
      if (room < 8) return damaged(number, "an entry lies outside");
      return overflow(get<uint64_t>(value), size);
    }
    if (size > room) return damaged(number, "a value lies outside");
    if (!(n.flags & node_subtree)) return {};
    if (size != sizeof(tree_record)) return damaged(number, "an impossible database");
    return tree(get<tree_record>(value));
  }

  status overflow(uint64_t number, uint64_t size) {
    if (number < 2 || number > last_page_) return damaged(number, "no such page");
    if (number >= file_pages_) return damaged(number, "the file is cut short");
    auto p = get<page_record>(number * page_bytes_);
    uint64_t pages = uint64_t{p.lower} | uint64_t{p.upper} << 16;
    if (p.number != number || !(p.flags & page_overflow))
      return damaged(number, "holds another page");
    if (pages > file_pages_ - number || pages * page_bytes_ < size + sizeof(page_record))
      return damaged(number, "too short for its value");
    return {};
  }

  template <class T>
  T get(uint64_t at) const {  // callers have checked the bounds by page
    T v;
    std::memcpy(&v, data_ + at, sizeof v);
    return v;
  }

  status damaged(uint64_t page, const char* why) const {
    return {errc::corrupt, what_ + "'s file '" + path_ + "' is damaged at page " +
                               std::to_string(page) + ": " + why};
  }

  const std::byte* data_;
  uint64_t bytes_;
  std::string path_, what_;
  uint64_t page_bytes_ = 0, last_page_ = 0, file_pages_ = 0, visits_left_ = 0;
};

}  // namespace

status check_lmdb_file(const std::string& path, const std::string& what) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return {};
    return system_error(errno, "open", path);
  }
  struct stat st;
  void* p = MAP_FAILED;
  bool known = ::fstat(fd, &st) == 0;
  if (known && st.st_size > 0)
    p = ::mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ, MAP_SHARED, fd, 0);
  int e = errno;
  ::close(fd);
  if (known && st.st_size == 0) return {};
  if (p == MAP_FAILED) return system_error(e, "map", path);
  auto bytes = static_cast<uint64_t>(st.st_size);
  status s = file_walk(static_cast<const std::byte*>(p), bytes, path, what).run();
  ::munmap(p, bytes);
  return s;
}

}  // namespace weir
