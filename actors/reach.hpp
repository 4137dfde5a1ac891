// Whether somebody listens at an address, asked with a limit. CAF's own connect has none and would
// hold up everything that is connected after it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "runtime/base/result.hpp"

namespace weir {

struct host_port {
  std::string host;
  uint16_t port = 0;
};
/// errc::invalid_argument when it is not HOST:PORT or [HOST]:PORT.
result<host_port> split_address(const std::string& text);
/// Connects by TCP and closes again. Blocks for at most about `limit` per address of the host.
status probe(const host_port&, std::chrono::milliseconds limit);

}  // namespace weir
