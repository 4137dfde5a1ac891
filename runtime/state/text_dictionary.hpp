// Texts that many rows of a state share, by number: packed rows (packed_row.hpp) hold the number in
// place of the text. Each subtask numbers its own, in the residue class of its own number modulo
// the key groups, so that rows of several writers come together without a clash; a number means its
// text for as long as the job lives. Nothing is forgotten, so what one subtask adds is bounded. The
// dictionary is a blob in snapshots, written when it has grown; those of all subtasks together have
// every number that a row may hold. Owned by one operator instance.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/snapshot/chunk.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {

class text_dictionary {
 public:
  static constexpr uint32_t none = UINT32_MAX;
  /// What one subtask adds at most: texts and their bytes. A snapshot writes all again when one is
  /// new, and a restore reads those of all subtasks.
  static constexpr uint32_t texts_max = 16 * 1024;
  static constexpr size_t bytes_max = size_t{1} << 20;

  /// `state`: the name of its blobs.
  explicit text_dictionary(std::string_view state) : state_(state) {}
  void open(uint32_t subtask, uint32_t parallelism, uint32_t key_groups);

  /// The number of a text, or none.
  uint32_t find(std::string_view s) const noexcept {
    const auto it = numbers_.find(s);
    return it == numbers_.end() ? none : it->second;
  }
  /// Adds a text that is not in it; none = it is full.
  uint32_t add(std::string_view);
  bool has(uint32_t number) const noexcept {
    return number / classes_ < texts_[number % classes_].size();
  }
  std::string_view text(uint32_t number) const noexcept {
    return texts_[number % classes_][number / classes_];
  }

  /// A shorter form of the numbers that the first few subtasks give; none for those of others.
  uint32_t near_code(uint32_t number) const noexcept {
    if (number == none || number % classes_ >= near_classes) return none;
    return number / classes_ * near_classes + number % classes_;
  }
  bool has_near(uint32_t code) const noexcept {
    const uint32_t of = code % near_classes;
    return of < classes_ && code / near_classes < texts_[of].size();
  }
  std::string_view near_text(uint32_t code) const noexcept {
    return texts_[code % near_classes][code / near_classes];
  }

  /// At a barrier.
  void snapshot(snapshot_writer&);
  void on_epoch_aborted() { changed_ = true; }
  /// Before the rows.
  status restore(const snapshot_reader&);
  size_t memory_bytes() const noexcept;

 private:
  static constexpr uint32_t near_classes = 4;

  std::string_view keep(std::string_view);

  std::string_view state_;
  uint32_t subtask_ = 0, parallelism_ = 1, classes_ = 1;
  std::vector<std::vector<std::string_view>> texts_{1};  // by residue class
  absl::flat_hash_map<std::string_view, uint32_t> numbers_;
  var_arena bytes_;
  size_t own_bytes_ = 0;
  bool changed_ = false;
};

}  // namespace weir
