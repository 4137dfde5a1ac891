// Runs the fuzz target without libFuzzer over a deterministic corpus: valid messages and damaged
// forms of them. `batch_fuzz_driver [SEEDS [MUTATIONS]]`; with `--corpus DIR` it writes the valid
// messages there instead, as libFuzzer's seeds.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/column/mutations.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  using namespace weir;
  const bool write = argc == 3 && std::string(argv[1]) == "--corpus";
  const int seeds = !write && argc > 1 ? std::atoi(argv[1]) : 256;
  const int mutations = argc > 2 && !write ? std::atoi(argv[2]) : 20;
  size_t inputs = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    memory_pool pool;
    // The schema of the target's first byte, then a batch that depends on the whole seed.
    test::generator of_schema(static_cast<uint64_t>(seed & 0xff));
    auto type = test::random_schema(of_schema, 4);
    test::generator g(static_cast<uint64_t>(seed));
    auto b = test::random_batch(g, type, static_cast<uint32_t>(test::below(g, 100)), pool);
    const auto flat = encode_batch(b, pool)->flat();
    auto run = [&](const std::vector<std::byte>& m) {
      std::vector<uint8_t> input{static_cast<uint8_t>(seed)};
      for (auto byte : m) input.push_back(static_cast<uint8_t>(byte));
      if (write) {
        std::ofstream f(std::string(argv[2]) + "/seed" + std::to_string(seed), std::ios::binary);
        f.write(reinterpret_cast<const char*>(input.data()),
                static_cast<std::streamsize>(input.size()));
      } else {
        LLVMFuzzerTestOneInput(input.data(), input.size());
      }
      ++inputs;
    };
    run(flat);
    for (int i = 0; !write && i < mutations; ++i) run(test::mutate(g, flat));
  }
  std::printf("%zu inputs, seeds 0 to %d\n", inputs, seeds - 1);
  return 0;
}
