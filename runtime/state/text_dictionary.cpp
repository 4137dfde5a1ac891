#include "runtime/state/text_dictionary.hpp"

#include <cstring>
#include <string>

#include "runtime/base/assert.hpp"

namespace weir {
namespace {

// The blob, little endian: u32 magic, then per residue class u32 class, u32 texts, and per text u32
// size and its bytes.
constexpr uint32_t magic_value = 0x3154'4557;  // "WET1"

void put_number(std::vector<std::byte>& out, size_t n) {
  const auto v = static_cast<uint32_t>(n);
  const auto* p = reinterpret_cast<const std::byte*>(&v);
  out.insert(out.end(), p, p + sizeof v);
}
bool take_number(std::span<const std::byte>& in, uint32_t& v) {
  if (in.size() < sizeof v) return false;
  std::memcpy(&v, in.data(), sizeof v);
  in = in.subspan(sizeof v);
  return true;
}

}  // namespace

void text_dictionary::open(uint32_t subtask, uint32_t parallelism, uint32_t key_groups) {
  weir_assert(subtask < key_groups && parallelism <= key_groups, "more subtasks than key groups");
  subtask_ = subtask;
  parallelism_ = parallelism;
  classes_ = key_groups;
  texts_.assign(classes_, {});
}

std::string_view text_dictionary::keep(std::string_view s) {
  char* p = bytes_.allocate(s.size());
  if (!s.empty()) std::memcpy(p, s.data(), s.size());
  return {p, s.size()};
}

uint32_t text_dictionary::add(std::string_view s) {
  auto& own = texts_[subtask_];
  if (own.size() >= texts_max || own_bytes_ + s.size() > bytes_max) return none;
  const auto number = static_cast<uint32_t>(own.size()) * classes_ + subtask_;
  own_bytes_ += s.size();
  own.push_back(keep(s));
  numbers_.emplace(own.back(), number);
  changed_ = true;
  return number;
}

void text_dictionary::snapshot(snapshot_writer& w) {
  if (!changed_) return;
  changed_ = false;
  std::vector<std::byte> out;
  put_number(out, magic_value);
  // Classes of subtasks that are no more are written by those that are.
  for (uint32_t c = subtask_; c < classes_; c += parallelism_) {
    if (texts_[c].empty()) continue;
    put_number(out, c);
    put_number(out, texts_[c].size());
    for (auto s : texts_[c]) {
      put_number(out, s.size());
      const auto* p = reinterpret_cast<const std::byte*>(s.data());
      out.insert(out.end(), p, p + s.size());
    }
  }
  w.put(state_, no_key_group, chunk_kind::blob, buffer::copy(w.memory(), out));
}

status text_dictionary::restore(const snapshot_reader& in) {
  for (const auto& [subtask, blob] : in.blobs(state_)) {
    auto rest = blob.bytes();
    auto damaged = [&, writer = subtask] {
      return status(errc::corrupt, "state \"" + std::string(state_) + "\" of subtask " +
                                       std::to_string(writer) + " is no list of texts");
    };
    uint32_t magic, c, n, size;
    if (!take_number(rest, magic) || magic != magic_value) return damaged();
    while (!rest.empty()) {
      if (!take_number(rest, c) || !take_number(rest, n) || c >= classes_) return damaged();
      // A class that had two writers had the first one's texts in front: the longer list has
      // both's.
      auto& texts = texts_[c];
      for (uint32_t i = 0; i < n; ++i) {
        if (!take_number(rest, size) || rest.size() < size) return damaged();
        const std::string_view s(reinterpret_cast<const char*>(rest.data()), size);
        rest = rest.subspan(size);
        if (i < texts.size()) {
          if (texts[i] != s) return damaged();
          continue;
        }
        // Subtasks have many texts in common, whose bytes are kept once.
        const auto known = numbers_.find(s);
        if (known != numbers_.end()) {
          texts.push_back(known->first);
        } else {
          texts.push_back(keep(s));
          numbers_.emplace(texts.back(), i * classes_ + c);
        }
        if (c == subtask_) own_bytes_ += size;
      }
    }
  }
  // What subtasks that are no more wrote leaves with this job's first epoch.
  changed_ = !numbers_.empty();
  return {};
}

size_t text_dictionary::memory_bytes() const noexcept {
  size_t n = bytes_.reserved() + numbers_.capacity() * (sizeof(std::string_view) + 8 + 1);
  for (const auto& t : texts_) n += t.capacity() * sizeof(std::string_view);
  return n;
}

}  // namespace weir
