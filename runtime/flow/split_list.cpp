#include "runtime/flow/split_list.hpp"

#include <cstdlib>
#include <cstring>

namespace weir {

void put_text(std::string& out, std::string_view s) {
  auto n = static_cast<uint32_t>(s.size());
  out.append(reinterpret_cast<const char*>(&n), sizeof n);
  out.append(s);
}

bool get_text(std::string_view& in, std::string& s) {
  uint32_t n = 0;
  if (in.size() < sizeof n) return false;
  std::memcpy(&n, in.data(), sizeof n);
  in.remove_prefix(sizeof n);
  if (in.size() < n) return false;
  s.assign(in.substr(0, n));
  in.remove_prefix(n);
  return true;
}

std::string encode_splits(const std::vector<source_split>& splits) {
  std::string out;
  for (const auto& s : splits) {
    put_text(out, s.id);
    put_text(out, s.ordered_by);
    put_text(out, s.payload);
    put_text(out, std::to_string(s.weight));
    put_text(out, std::to_string(s.order));
  }
  return out;
}

result<std::vector<source_split>> decode_splits(std::string_view in) {
  std::vector<source_split> splits;
  while (!in.empty()) {
    source_split s;
    std::string weight, order;
    if (!get_text(in, s.id) || !get_text(in, s.ordered_by) || !get_text(in, s.payload) ||
        !get_text(in, weight) || !get_text(in, order))
      return error{errc::corrupt, "a snapshot's list of source splits is cut short"};
    s.weight = std::strtoull(weight.c_str(), nullptr, 10);
    s.order = std::strtoull(order.c_str(), nullptr, 10);
    splits.push_back(std::move(s));
  }
  return splits;
}

}  // namespace weir
