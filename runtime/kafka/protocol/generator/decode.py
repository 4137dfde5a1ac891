"""C++ that reads a message."""
from encode import method
from structs import condition, element_type, is_optional, smallest_element


def literal(struct, field):
    return f'"{struct.path}{field.name}"'


def element(field, target, name):
    if field.struct:
        return f"get(r, {target}, v);"
    if field.type == "error":
        return f"{target} = static_cast<weir::kafka::error_code>(r.int16({name}));"
    return f"{target} = r.{method(field.type)}({name});"


def count(field, name, message, kind):
    return (f"r.{kind}({name}, {smallest_element(field, message)}, "
            f"sizeof({element_type(field)}))")


def elements(field, target, name):
    """Reads n elements; stops at the first error, for what follows is not worth reading."""
    return (f"{target}.resize(static_cast<size_t>(n));\nfor (auto& e : {target}) {{\n"
            f"{element(field, 'e', name)}\nif (!r.ok()) break;\n}}")


def filled(field, target, name, message):
    if not field.array:
        return element(field, target, name)
    if field.type in ("int32", "string"):
        return f"r.{field.type}_array({name}, {target});"
    return (f"if (const int32_t n = {count(field, name, message, 'filled_array')}; n > 0) {{\n"
            f"{elements(field, target, name)}\n}}")


def nullable(field, target, name, message):
    if field.type == "records":
        return f"{target} = r.records({name});"
    if field.array:
        return (f"if (const int32_t n = {count(field, name, message, 'array')}; n >= 0) {{\n"
                f"auto& a = {target}.emplace();\n{elements(field, 'a', name)}\n"
                f"}} else {{\n{target}.reset();\n}}")
    if field.struct:
        return (f"if (r.present({name})) {{\nget(r, {target}.emplace(), v);\n}} else {{\n"
                f"{target}.reset();\n}}")
    return f"{target} = r.nullable_{field.type}({name});"


def plain(struct, field, message):
    target, name = f"m.{field.name}", literal(struct, field)
    if not is_optional(field):
        return filled(field, target, name, message)
    when = condition(field.nullable, field.versions)
    if not when:
        return nullable(field, target, name, message)
    inner = f"{target}.emplace()" if field.array or field.struct else target
    code = filled(field, "a" if field.array else inner, name, message)
    if field.array:
        code = f"auto& a = {inner};\n{code}"
    return (f"if ({when}) {{\n{nullable(field, target, name, message)}\n"
            f"}} else {{\n{code}\n}}")


def tagged(struct, field, message):
    if is_optional(field) and field.struct and not field.array:
        target = f"m.{field.name}"
        return (f"if (r.unsigned_varint({literal(struct, field)}) != 0) {{\n"
                f"get(r, {target}.emplace(), v);\n}} else {{\n{target}.reset();\n}}")
    return plain(struct, field, message)


def tags(struct, message):
    fields = struct.tagged()
    name = f'"{struct.path}tags"'
    if not fields:
        return f"r.skip_tags({name});"
    out = [f"r.tags({name}, [&](uint32_t tag) {{", "switch (tag) {"]
    for f in fields:
        when = condition(f.versions, struct.versions)
        out.append(f"case {f.tag}:")
        if when:
            out.append(f"if (!({when})) return false;")
        out.append(tagged(struct, f, message))
        out.append("return true;")
    out.append("default:\nreturn false;\n}\n});")
    return "\n".join(out)


def get(struct, message):
    out = [f"static void get(reader& r, {struct.cpp}& m, [[maybe_unused]] int16_t v) {{"]
    for f in struct.plain():
        when = condition(f.versions, struct.versions)
        code = plain(struct, f, message)
        out.append(f"if ({when}) {{\n{code}\n}}" if when else code)
    if message.flexible <= message.versions[1]:
        out.append(tags(struct, message))
    out.append("}\n")
    return "\n".join(out)


def define(message):
    out = [get(s, message) for s in message.structs]
    out.append(get(message.root, message))
    out.append(f"status decode(reader& r, {message.cpp}& m, int16_t v) {{\n"
               f"WEIR_TRY(begin_decode(r, {message.cpp}::info, v));\nm = {{}};\n"
               "get(r, m, v);\nreturn r.state();\n}\n")
    return "".join(out)
