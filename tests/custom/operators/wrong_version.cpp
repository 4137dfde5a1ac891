// What a library that was built against another version of the interface looks like.
#include <weir/abi.hpp>

extern "C" __attribute__((visibility("default"))) const weir::abi::library*
weir_operator_library() {
  static const weir::abi::library table{weir::abi::magic, 999, {"9.9", 3}, nullptr, 7};
  return &table;
}
