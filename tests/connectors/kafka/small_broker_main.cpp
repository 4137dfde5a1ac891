// small_broker TOPIC:PARTITIONS...: a broker for tests that start programs. Prints HOST:PORT; ends
// when its standard input does.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "small_broker.hpp"

int main(int argc, char** argv) {
  weir::test::small_broker broker;
  for (int i = 1; i < argc; ++i) {
    std::string topic = argv[i];
    auto colon = topic.rfind(':');
    broker.create(topic.substr(0, colon),
                  colon == std::string::npos ? 1 : std::atoi(topic.c_str() + colon + 1));
  }
  std::printf("%s\n", broker.bootstrap().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
