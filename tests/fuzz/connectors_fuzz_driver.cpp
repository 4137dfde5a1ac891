// Runs the fuzz target without libFuzzer over mutated samples: `connectors_fuzz_driver [SEEDS]`;
// with `--corpus DIR` it writes the samples there, as libFuzzer's seeds.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

const char* samples[] = {
    "a,b,c,d,e,f\n1,x,2013-01-01 10:00:00,1.5,{},2.25\n2,\"q \"\"r\"\"\n,s\",,,,\r\n",
    "1,x,2013-01-01T10:00:00Z,-1e10,\"[1,2]\",NA\nNA,NA,NA,NA,NA,NA\n-5,y,,0.1,null,1.005\n",
    "{\"a\":1,\"b\":\"x\\u00e9\",\"c\":\"2013-01-01 "
    "10:00:00\",\"d\":1.5,\"e\":{\"k\":[1]},\"f\":2}\n"
    "{\"z\":[[]],\"a\":null}\n{\"e\":\"s\",\"b\":\"\"}\n",
    "plain text\nof lines\r\n\n\xC3\xA9 and \xFF\nno end",
};
const char* tokens[] = {
    "\"", "\n",   "\r\n", ",", "NA",           "{", "}",    "[",    "]",        ":",
    "\\", "\"\"", "1",    "-", "\xEF\xBB\xBF", "e", "null", "true", "\xF0\x9F", " "};

}  // namespace

int main(int argc, char** argv) {
  bool write = argc == 3 && std::string(argv[1]) == "--corpus";
  int seeds = !write && argc > 1 ? std::atoi(argv[1]) : 3000;
  if (write) seeds = 32;
  for (int seed = 0; seed < seeds; ++seed) {
    std::mt19937_64 r(static_cast<uint64_t>(seed));
    std::string s;
    for (uint64_t n = 1 + r() % 3; n > 0; --n) s += samples[write ? seed & 3 : r() % 4];
    for (uint64_t n = write ? 0 : r() % 8; n > 0 && !s.empty(); --n) {
      size_t at = r() % s.size();
      switch (r() % 4) {
        case 0:
          s[at] = static_cast<char>(r());
          break;
        case 1:
          s.erase(at, 1 + r() % 10);
          break;
        case 2:
          s.insert(at, tokens[r() % 20]);
          break;
        default:
          s.insert(at, s.substr(r() % s.size(), r() % 40));
      }
    }
    std::string input{static_cast<char>(write ? seed : static_cast<int>(r() & 31)),
                      static_cast<char>(r() & 63)};
    input += s;
    if (write) {
      std::ofstream(std::string(argv[2]) + "/seed" + std::to_string(seed), std::ios::binary)
          << input;
      continue;
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
  std::printf("%d inputs\n", seeds);
  return 0;
}
