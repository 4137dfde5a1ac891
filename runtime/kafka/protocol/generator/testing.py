"""Random values of all messages, for tests."""
from structs import condition, element_type, is_optional


def value(field, target):
    if field.struct:
        return f"fill(g, {target}, v);"
    if field.type == "error":
        return f"{target} = static_cast<weir::kafka::error_code>(g.integer<int16_t>());"
    kind = {"bool": "boolean()", "string": "string()", "bytes": "string()", "uuid": "uuid_value()",
            "records": "records()", "float64": "float64()"}.get(
                field.type, f"integer<{element_type(field)}>()")
    return f"{target} = g.{kind};"


def filled(field, target):
    if not field.array:
        return value(field, target)
    if field.type == "bool":
        raise ValueError("arrays of bool are not needed yet")
    return f"{target}.resize(g.length());\nfor (auto& e : {target}) {value(field, 'e')}"


def one(field, struct):
    target = f"m.{field.name}"
    if is_optional(field):
        inner = f"auto& a = {target}.emplace();\n{filled(field, 'a')}"
        when = condition(field.nullable, field.versions)
        null = f"{when} && g.null()" if when else "g.null()"
        code = f"if ({null}) {{\n{target}.reset();\n}} else {{\n{inner}\n}}"
    else:
        code = filled(field, target)
    when = condition(field.versions, struct.versions)
    return f"if ({when}) {{\n{code}\n}}" if when else code


def fill(struct):
    code = "\n".join(one(f, struct) for f in struct.fields)
    return (f"static void fill([[maybe_unused]] random_values& g, "
            f"[[maybe_unused]] {struct.cpp}& m, [[maybe_unused]] int16_t v) {{\n{code}\n}}\n")


def define(messages, tables):
    header = ("#pragma once\n\n"
              "#include <span>\n\n"
              '#include "tests/kafka/protocol/message_case.hpp"\n\n'
              "namespace weir::kafka::test {\n\n"
              "/// Every message of every table.\nstd::span<const message_case> all_messages();\n\n"
              "}  // namespace weir::kafka::test\n")
    source = "".join(f'#include "runtime/kafka/protocol/messages/{t}.hpp"\n' for t in tables)
    source += '#include "tests/kafka/protocol/message_case.hpp"\n\nnamespace weir::kafka {\n\n'
    source += "namespace test {\n\n"
    for m in messages:
        source += "".join(fill(s) for s in m.structs) + fill(m.root) + "\n"
    cases = "".join(
        f"    case_of<{m.cpp}>([](random_values& g, {m.cpp}& m, int16_t v) {{ fill(g, m, v); }}),\n"
        for m in messages)
    source += (f"std::span<const message_case> all_messages() {{\n"
               f"  static const message_case cases[] = {{\n{cases}  }};\n  return cases;\n}}\n\n"
               "}  // namespace test\n}  // namespace weir::kafka\n")
    return header, source
