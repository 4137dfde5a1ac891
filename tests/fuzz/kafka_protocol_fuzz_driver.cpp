// Runs the fuzz target without libFuzzer over random messages and damaged forms of them:
// `kafka_protocol_fuzz_driver [SEEDS]`; with `--corpus DIR` it writes the messages there instead,
// as libFuzzer's seeds.
#include <fstream>
#include <random>

#include "tests/kafka/protocol/all_messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using bytes = std::vector<uint8_t>;

bytes input_of(size_t index, int16_t offset, weir::kafka::bytes_view message) {
  bytes out{static_cast<uint8_t>(index), static_cast<uint8_t>(index >> 8),
            static_cast<uint8_t>(offset)};
  for (auto b : message) out.push_back(static_cast<uint8_t>(b));
  return out;
}

// Bits, bytes that often are lengths, cuts and repeats; the first three bytes stay.
void damage(std::mt19937_64& g, bytes& input) {
  constexpr uint8_t lengths[] = {0, 1, 2, 0x7f, 0x80, 0xff};
  for (uint64_t n = 1 + g() % 4; n > 0 && input.size() > 3; --n) {
    const size_t at = 3 + g() % (input.size() - 3);
    const auto here = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (g() % 5) {
      case 0:
        input[at] ^= static_cast<uint8_t>(1 << g() % 8);
        break;
      case 1:
        input[at] = lengths[g() % std::size(lengths)];
        break;
      case 2:
        input.erase(here, input.begin() + static_cast<std::ptrdiff_t>(
                                              std::min(input.size(), at + 1 + g() % 8)));
        break;
      case 3:
        input.insert(here, lengths[g() % std::size(lengths)]);
        break;
      default: {
        const size_t n_bytes = std::min<size_t>(input.size() - at, 1 + g() % 16);
        const bytes part(here, here + static_cast<std::ptrdiff_t>(n_bytes));
        input.insert(here, part.begin(), part.end());
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace weir::kafka;
  const bool write = argc == 3 && std::string(argv[1]) == "--corpus";
  const int seeds = write ? 2 : argc > 1 ? std::atoi(argv[1]) : 12;
  size_t inputs = 0;
  const auto run = [&](const bytes& input) {
    if (write) {
      std::ofstream f(std::string(argv[2]) + "/seed" + std::to_string(inputs), std::ios::binary);
      f.write(reinterpret_cast<const char*>(input.data()),
              static_cast<std::streamsize>(input.size()));
    } else {
      LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    ++inputs;
  };
  const auto all = test::all_messages();
  std::mt19937_64 g(1);
  for (int seed = 0; seed < seeds; ++seed) {
    for (const int16_t version : {8, 9}) {
      writer w;
      encode(w, request_header{3, version, seed, "client"});
      auto input = input_of(0, 0, w.view());
      run(input);
      if (!write) damage(g, input), run(input);
    }
    for (size_t i = 0; i < all.size(); ++i) {
      const auto& info = all[i].info;
      for (int16_t v = info.min_version; v <= info.max_version; ++v) {
        writer w;
        all[i].encode_random(static_cast<uint64_t>(seed), v, w);
        const auto good = input_of(i + 1, static_cast<int16_t>(v - info.min_version), w.view());
        run(good);
        for (int n = 0; !write && n < 20; ++n) {
          auto bad = good;
          damage(g, bad);
          run(bad);
        }
      }
    }
  }
  std::printf("%zu inputs, seeds 0 to %d\n", inputs, seeds - 1);
  return 0;
}
