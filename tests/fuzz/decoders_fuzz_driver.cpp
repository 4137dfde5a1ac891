// Runs the fuzz target without libFuzzer over the samples and damaged forms of them:
// `fuzz_decoders_driver [MUTATIONS [SAMPLE]]`; with `--corpus DIR` it writes the samples there
// instead, as libFuzzer's seeds.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/column/mutations.hpp"
#include "tests/fuzz/decoders_samples.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  using namespace weir;
  const bool write = argc == 3 && std::string(argv[1]) == "--corpus";
  const int mutations = !write && argc > 1 ? std::atoi(argv[1]) : 2000;
  const size_t only = !write && argc > 2 ? static_cast<size_t>(std::atoi(argv[2])) : 0;
  size_t inputs = 0, number = 0;
  for (const auto& [decoder, bytes] : fuzz::samples()) {
    std::string input = std::string(1, static_cast<char>(decoder)) + bytes;
    ++number;
    if (only != 0 && only != number) continue;
    if (write) {
      std::ofstream f(std::string(argv[2]) + "/sample" + std::to_string(number), std::ios::binary);
      f.write(input.data(), static_cast<std::streamsize>(input.size()));
      ++inputs;
      continue;
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
    test::generator g(number);
    const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
    const std::vector<std::byte> whole(first, first + bytes.size());
    for (int i = 0; i < mutations; ++i) {
      auto damaged = test::mutate(g, whole);
      std::vector<uint8_t> again{static_cast<uint8_t>(decoder)};
      for (auto b : damaged) again.push_back(static_cast<uint8_t>(b));
      LLVMFuzzerTestOneInput(again.data(), again.size());
    }
    inputs += 1 + static_cast<size_t>(mutations);
  }
  std::printf("%zu inputs\n", inputs);
  return 0;
}
