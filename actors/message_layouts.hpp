// What actors of different processes say to each other, as text: type ids, names, fields in their
// order, interfaces. Two builds with the same text write and read the same bytes, as far as CAF's
// serialization goes; bytes within fields (plans, chunks, splits) have formats of their own.
#pragma once

#include <string>

namespace weir {

/// One line per message type of interfaces.hpp.
std::string message_layouts();

}  // namespace weir
