#include "runtime/operators/change_output.hpp"

#include <cstring>

#include "runtime/column/builder.hpp"

namespace weir {
namespace {

bool same_value(const column& c, uint32_t a, uint32_t b) {
  const bool valid = c.is_valid(a);
  if (valid != c.is_valid(b)) return false;
  if (!valid) return true;
  const size_t width = fixed_width(c.type.id);
  if (width == 0) return c.view(a) == c.view(b);
  const auto* v = c.values.as<std::byte>();
  return std::memcmp(v + a * width, v + b * width, width) == 0;
}

}  // namespace

status change_output::emit(const aggregate_core& core, collector& out) {
  if (rows_.empty()) return {};
  std::vector<column_ptr> columns;
  const size_t keys = core.codec().size();
  for (size_t k = 0; k < keys; ++k)
    columns.push_back(core.codec().decode(k, rows_.data(), rows_.size(), memory_));
  for (const auto& a : core.calls()) {
    WEIR_ASSIGN(auto c, finish(a, values_.data(), values_.size(), memory_));
    columns.push_back(std::move(c));
  }
  const auto n = static_cast<uint32_t>(rows_.size());
  auto weights = buffer::allocate(memory_, n * size_t{4});
  auto selection = buffer::allocate(memory_, n * size_t{4});
  auto* w = weights.mutable_as<int32_t>();
  auto* s = selection.mutable_as<uint32_t>();
  uint32_t selected = 0;
  for (uint32_t g = 0; g < exists_.size(); ++g) {
    const uint32_t before = 2 * g, after = before + 1;
    w[before] = -1;
    w[after] = 1;
    if (exists_[g] == 3) {
      bool same = true;
      for (size_t c = keys; same && c < columns.size(); ++c)
        same = same_value(*columns[c], before, after);
      if (same) continue;
    }
    if (exists_[g] & 1) s[selected++] = before;
    if (exists_[g] & 2) s[selected++] = after;
  }
  if (selected == 0) return {};
  auto all = make_batch(type_, std::move(columns), std::move(weights), n);
  if (selected == n) {
    out.emit(std::move(all));
    return {};
  }
  selection.truncate(selected * size_t{4});
  out.emit(with_selection(*all, std::move(selection), selected));
  return {};
}

}  // namespace weir
