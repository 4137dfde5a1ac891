#include "runtime/connectors/nexmark_words.hpp"

#include <map>
#include <mutex>
#include <string>

#include "runtime/column/builder.hpp"

namespace weir::nexmark {
namespace {

constexpr std::string_view first_names[] = {"Peter", "Paul",  "Luke",  "John",   "Saul",  "Vicky",
                                            "Kate",  "Julie", "Sarah", "Deiter", "Walter"};
constexpr std::string_view last_names[] = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
                                           "Walton", "Smith",  "Jones",   "Noris"};
constexpr std::string_view cities[] = {"Phoenix",  "Los Angeles", "San Francisco", "Boise",
                                       "Portland", "Bend",        "Redmond",       "Seattle",
                                       "Kent",     "Cheyenne"};
constexpr std::string_view states[] = {"AZ", "CA", "ID", "OR", "WA", "WY"};
constexpr std::string_view hot[hot_channels] = {"Google", "Facebook", "Baidu", "Apple"};

// Numbers in a row, for what is built once.
class dice {
 public:
  explicit dice(uint64_t seed) : state_(mixed(seed ^ 0x6E65786D61726B)) {}
  uint32_t below(uint32_t n) { return static_cast<uint32_t>((mixed(state_++) >> 32) * n >> 32); }

 private:
  uint64_t state_;
};

template <size_t n>
column_ptr dictionary(const std::string_view (&values)[n], memory_pool& pool) {
  column_builder b(type_id::string, pool);
  for (auto v : values) b.append(v);
  return b.finish();
}

column_ptr all_names(memory_pool& pool) {
  column_builder b(type_id::string, pool);
  for (auto f : first_names)
    for (auto l : last_names) b.append(std::string(f) + ' ' + std::string(l));
  return b.finish();
}

void append_folder(std::string& out, dice& d) {
  for (uint32_t n = 3 + d.below(2); n > 0; --n)
    out += d.below(13) == 0 ? '_' : static_cast<char>('a' + d.below(26));
  out += '/';
}

std::string base_url(dice& d) {
  std::string url = "https://www.nexmark.com/";
  for (int i = 0; i < 3; ++i) append_folder(url, d);
  return url + "item.htm?query=1";
}

uint32_t reversed_bits(uint32_t x) {
  uint32_t r = 0;
  for (int i = 0; i < 32; ++i) r |= (x >> i & 1) << (31 - i);
  return r;
}

void fill_channels(words& w, dice& d, memory_pool& pool) {
  column_builder channels(type_id::string, pool), urls(type_id::string, pool);
  for (auto name : hot) {
    channels.append(name);
    urls.append(base_url(d));
  }
  for (uint32_t i = 0; i < channel_count; ++i) {
    channels.append("channel-" + std::to_string(i));
    auto url = base_url(d);
    // Nine in ten say which channel they are: its number's bits in reverse, as a positive int.
    const auto reversed = static_cast<int32_t>(reversed_bits(i));
    if (d.below(10) > 0)
      url += "&channel_id=" + std::to_string(std::abs(static_cast<int64_t>(reversed)));
    urls.append(url);
  }
  w.channels = channels.finish();
  w.urls = urls.finish();
}

void fill_text(words& w, dice& d, memory_pool& pool) {
  constexpr size_t bytes = size_t{text_places} + text_bytes_max;
  w.letters = buffer::allocate(pool, bytes);
  w.prose = buffer::allocate(pool, bytes);
  for (size_t i = 0; i < bytes; ++i) {
    const char c = static_cast<char>('a' + d.below(26));
    w.letters.mutable_as<char>()[i] = c;
    w.prose.mutable_as<char>()[i] = d.below(13) == 0 ? ' ' : c;
  }
}

struct built {
  std::mutex m;
  std::map<std::pair<uint64_t, memory_pool*>, std::weak_ptr<const words>> by_seed;
};
// The one list of the process: readers of different tasks find the same dictionaries.
built& all_built() {
  static built b;
  return b;
}

}  // namespace

std::shared_ptr<const words> words_of(uint64_t seed, memory_pool& pool) {
  auto& all = all_built();
  std::lock_guard lock(all.m);
  std::erase_if(all.by_seed, [](const auto& b) { return b.second.expired(); });
  auto& entry = all.by_seed[{seed, &pool}];
  if (auto w = entry.lock()) return w;
  auto w = std::make_shared<words>();
  dice d(seed);
  w->names = all_names(pool);
  w->cities = dictionary(cities, pool);
  w->states = dictionary(states, pool);
  fill_channels(*w, d, pool);
  fill_text(*w, d, pool);
  entry = w;
  return w;
}

}  // namespace weir::nexmark
