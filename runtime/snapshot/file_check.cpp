// LMDB (0.9, data file version 1) keeps no checksums on its B-tree pages and follows what they say.
// A flipped bit there could send it anywhere, so all trees are walked once when a store is opened:
// every offset, size, page number and order of keys has to be as LMDB leaves it, and no page may be
// used twice, the lists of free pages included: it writes to those without another look. The
// layouts are those of lmdb 0.9's mdb.c (MDB_meta, MDB_db, MDB_page, MDB_node). Contents have
// checksums of our own.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "runtime/io/file.hpp"
#include "runtime/snapshot/environment.hpp"

namespace weir {
namespace {

constexpr uint32_t lmdb_magic = 0xbeefc0de;
constexpr uint32_t lmdb_version = 1;
constexpr uint16_t page_branch = 1, page_leaf = 2, page_overflow = 4, page_meta = 8;
constexpr uint16_t node_big = 1, node_subtree = 2;
constexpr uint16_t no_subdir = 0x4000;  // how the environment was made, kept in the same field
constexpr size_t key_bytes_max = 511;
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
    const uint64_t newest = meta[0].txn < meta[1].txn ? 1 : 0;
    const meta_record& m = meta[newest];
    uint64_t pages = bytes_ / page_bytes_;
    // A new file has only its headers. Pages that a transaction took and freed again are never
    // written, so the file may end before the last page; what the trees refer to has to be there.
    if (m.last_page < 1 || pages < 2) return damaged(0, "the file is cut short");
    last_page_ = m.last_page;
    file_pages_ = pages;
    txn_ = m.txn;
    used_.resize(pages);
    tree_record free_pages = m.trees[0];
    free_pages.flags &= static_cast<uint16_t>(~no_subdir);
    WEIR_TRY(tree(free_pages, tree_kind::free_pages, newest));
    return tree(m.trees[1], tree_kind::names, newest);
  }

 private:
  enum class tree_kind { free_pages, names, texts, integers };
  struct key_range {  // of a subtree: keys from `first`, below `end`; those without data are open
    std::string_view first, end;
  };

  static bool has_integer_keys(tree_kind k) {
    return k == tree_kind::free_pages || k == tree_kind::integers;
  }

  status tree(const tree_record& t, tree_kind kind, uint64_t named_by) {
    if (t.flags != (has_integer_keys(kind) ? MDB_INTEGERKEY : 0))
      return damaged(named_by, "impossible flags of a tree");
    if (t.root == no_page) return {};
    if (t.depth == 0 || t.depth > depth_max) return damaged(named_by, "impossible depth");
    return page(t.root, t.depth, kind, {});
  }

  status page(uint64_t number, int depth, tree_kind kind, key_range range) {
    WEIR_TRY(take(number, 1));
    uint64_t at = number * page_bytes_;
    auto p = get<page_record>(at);
    if (p.number != number) return damaged(number, "holds another page");
    bool leaf = depth == 1;
    if (p.flags != (leaf ? page_leaf : page_branch))
      return damaged(number, "not the expected kind");
    if (p.lower < sizeof(page_record) || p.lower > p.upper || p.upper > page_bytes_ || p.lower % 2)
      return damaged(number, "impossible bounds");
    size_t nodes = (p.lower - sizeof(page_record)) / 2;
    // The tree of free pages may keep a branch with one child; elsewhere LMDB asserts that there
    // are two.
    if (nodes < (leaf || kind == tree_kind::free_pages ? 1 : 2))
      return damaged(number, "too few entries");
    WEIR_TRY(entries_fill(number, p.upper, nodes, leaf));
    for (size_t i = 0; i < nodes; ++i) {
      std::string_view key = key_at(at, i);
      bool first_of_branch = !leaf && i == 0;  // whatever it holds, it means the range's first
      if (!first_of_branch && (has_integer_keys(kind) ? key.size() != 8 : key.empty()))
        return damaged(number, "an impossible key");
      if (i > (leaf ? 0u : 1u) && !less(key_at(at, i - 1), key, kind))
        return damaged(number, "keys out of order");
      if (!first_of_branch && ((range.first.data() && less(key, range.first, kind)) ||
                               (range.end.data() && !less(key, range.end, kind))))
        return damaged(number, "a key of another page");
      if (leaf) {
        WEIR_TRY(entry(number, at + entry_offset(at, i), key, kind));
        continue;
      }
      key_range below{first_of_branch ? range.first : key,
                      i + 1 < nodes ? key_at(at, i + 1) : range.end};
      auto n = get<node_record>(at + entry_offset(at, i));
      WEIR_TRY(page(uint64_t{n.low} | uint64_t{n.high} << 16 | uint64_t{n.flags} << 32, depth - 1,
                    kind, below));
    }
    return {};
  }

  /// Entries fill a page from `upper` to its end, in any order and without a gap: LMDB moves them
  /// together by their sizes when one goes.
  status entries_fill(uint64_t number, size_t upper, size_t nodes, bool leaf) {
    uint64_t at = number * page_bytes_;
    extents_.clear();
    for (size_t i = 0; i < nodes; ++i) {
      size_t offset = entry_offset(at, i);
      if (offset < upper || offset + sizeof(node_record) > page_bytes_ || offset % 2)
        return damaged(number, "an entry lies outside");
      auto n = get<node_record>(at + offset);
      if (n.key_bytes > key_bytes_max) return damaged(number, "an impossible key");
      size_t size = sizeof(node_record) + n.key_bytes;
      if (leaf) size += n.flags & node_big ? sizeof(uint64_t) : value_bytes(n);
      size += size % 2;
      if (size > page_bytes_ - offset) return damaged(number, "an entry lies outside");
      extents_.emplace_back(static_cast<uint32_t>(offset), static_cast<uint32_t>(size));
    }
    std::sort(extents_.begin(), extents_.end());
    size_t end = upper;
    for (auto [offset, size] : extents_) {
      if (offset != end) return damaged(number, "entries overlap or leave a gap");
      end += size;
    }
    return end == page_bytes_ ? status() : damaged(number, "entries overlap or leave a gap");
  }

  status entry(uint64_t number, uint64_t at, std::string_view key, tree_kind kind) {
    auto n = get<node_record>(at);
    uint64_t value = at + sizeof(node_record) + n.key_bytes, size = value_bytes(n);
    if (kind == tree_kind::names) {
      if (n.flags != node_subtree || size != sizeof(tree_record))
        return damaged(number, "an impossible database");
      for (const auto& d : lmdb_databases)
        if (key == d.name)
          return tree(get<tree_record>(value),
                      d.flags & MDB_INTEGERKEY ? tree_kind::integers : tree_kind::texts, number);
      return damaged(number, "an unknown database");
    }
    if (n.flags & ~node_big) return damaged(number, "an impossible entry");
    if (n.flags & node_big) {
      auto first = get<uint64_t>(value);
      WEIR_TRY(overflow(first, size));
      value = first * page_bytes_ + sizeof(page_record);
    }
    return kind == tree_kind::free_pages ? free_list(number, key, value, size) : status();
  }

  status overflow(uint64_t number, uint64_t size) {
    WEIR_TRY(take(number, 1));
    auto p = get<page_record>(number * page_bytes_);
    uint64_t pages = uint64_t{p.lower} | uint64_t{p.upper} << 16;
    if (p.number != number || p.flags != page_overflow)
      return damaged(number, "holds another page");
    if (pages > file_pages_ - number || pages * page_bytes_ < size + sizeof(page_record))
      return damaged(number, "too short for its value");
    return take(number + 1, pages - 1);
  }

  /// What a transaction freed: the transaction's number -> a count, that many page numbers,
  /// falling.
  status free_list(uint64_t number, std::string_view key, uint64_t at, uint64_t size) {
    auto freed_by = integer(key);
    if (freed_by == 0 || freed_by > txn_) return damaged(number, "free pages of no transaction");
    if (size < 8 || size % 8 || get<uint64_t>(at) > size / 8 - 1)
      return damaged(number, "an impossible list of free pages");
    uint64_t before = no_page;
    for (uint64_t i = 1, count = get<uint64_t>(at); i <= count; ++i) {
      auto free = get<uint64_t>(at + 8 * i);
      if (free < 2 || free > last_page_ || free >= before)
        return damaged(number, "an impossible list of free pages");
      before = free;
      // Those behind the file's end were never written.
      bool fresh = free < file_pages_ ? !used_[free] : unwritten_.insert(free).second;
      if (!fresh)
        return damaged(number, "lists page " + std::to_string(free) + ", which is in use");
      if (free < file_pages_) used_[free] = true;
    }
    return {};
  }

  /// Marks pages as used: each may be by one tree only.
  status take(uint64_t first, uint64_t count) {
    for (uint64_t n = first; n < first + count; ++n) {
      if (n < 2 || n > last_page_) return damaged(n, "no such page");
      if (n >= file_pages_) return damaged(n, "the file is cut short");
      if (used_[n]) return damaged(n, "in use twice");
      used_[n] = true;
    }
    return {};
  }

  size_t entry_offset(uint64_t page_at, size_t i) const {
    return get<uint16_t>(page_at + sizeof(page_record) + 2 * i);
  }
  std::string_view key_at(uint64_t page_at, size_t i) const {
    uint64_t at = page_at + entry_offset(page_at, i);
    return {reinterpret_cast<const char*>(data_ + at + sizeof(node_record)),
            get<node_record>(at).key_bytes};
  }
  static uint64_t value_bytes(const node_record& n) {
    return uint64_t{n.low} | uint64_t{n.high} << 16;
  }
  static uint64_t integer(std::string_view key) {
    uint64_t v;
    std::memcpy(&v, key.data(), sizeof v);
    return v;
  }
  /// LMDB's orders: numbers of this machine, or bytes and then lengths.
  static bool less(std::string_view a, std::string_view b, tree_kind kind) {
    return has_integer_keys(kind) ? integer(a) < integer(b) : a < b;
  }

  template <class T>
  T get(uint64_t at) const {  // callers have checked the bounds by page
    T v;
    std::memcpy(&v, data_ + at, sizeof v);
    return v;
  }

  status damaged(uint64_t page, const std::string& why) const {
    return {errc::corrupt, what_ + "'s file '" + path_ + "' is damaged at page " +
                               std::to_string(page) + ": " + why};
  }

  const std::byte* data_;
  uint64_t bytes_;
  std::string path_, what_;
  uint64_t page_bytes_ = 0, last_page_ = 0, file_pages_ = 0, txn_ = 0;
  std::vector<bool> used_;                              // by page of the file
  std::unordered_set<uint64_t> unwritten_;              // free pages behind its end
  std::vector<std::pair<uint32_t, uint32_t>> extents_;  // of one page's entries: offset, bytes
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
