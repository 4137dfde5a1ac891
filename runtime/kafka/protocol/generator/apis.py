"""The enum api_key and the table of APIs."""


def define(messages):
    requests = sorted((m for m in messages if m.response), key=lambda m: m.key)
    enumerators = "".join(f"  {m.api_cpp} = {m.key},\n" for m in requests)
    header = ("#pragma once\n\n#include <cstdint>\n\nnamespace weir::kafka {\n\n"
              "/// The APIs that the codec knows.\n"
              f"enum class api_key : int16_t {{\n  none = -1,\n{enumerators}}};\n\n"
              "}  // namespace weir::kafka\n")
    rows = "".join(
        f'    {{api_key::{m.api_cpp}, "{m.api}", {m.versions[0]}, {m.versions[1]}, '
        f"{'no_version' if m.flexible > m.versions[1] else m.flexible}}},\n" for m in requests)
    source = ('#include "runtime/kafka/protocol/protocol.hpp"\n\nnamespace weir::kafka {\n\n'
              f"static constexpr api_info table[] = {{\n{rows}}};\n\n"
              "std::span<const api_info> apis() noexcept { return table; }\n\n"
              "}  // namespace weir::kafka\n")
    return header, source
