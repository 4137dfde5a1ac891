"""C++ that writes a message."""
from structs import condition, differs_from_default, is_optional

SIMPLE = {"bool": "boolean", "uuid": "uuid_value"}


def method(kind):
    return SIMPLE.get(kind, kind)


def element(field, value):
    if field.struct:
        return f"put(w, {value}, v);"
    if field.type == "error":
        return f"w.int16(static_cast<int16_t>({value}));"
    return f"w.{method(field.type)}({value});"


def filled(field, value):
    """Writes a value that is not null."""
    if not field.array:
        return element(field, value)
    if field.type in ("int32", "string"):
        return f"w.{field.type}_array({value});"
    return f"w.array({value}.size());\nfor (const auto& e : {value}) {element(field, 'e')}"


def nullable(field, value):
    if field.type == "records":
        return f"w.records({value});"
    if field.array:
        return (f"if ({value}) {{\n{filled(field, '(*' + value + ')')}\n}} else {{\n"
                "w.null_array();\n}")
    if field.struct:
        return f"w.present({value}.has_value());\nif ({value}) put(w, *{value}, v);"
    return f"w.nullable_{field.type}({value});"


def empty(field):
    """What stands for null in versions that have no null."""
    if field.array:
        return "w.array(0);"
    if field.struct:
        return f"put(w, {field.struct.cpp}{{}}, v);"
    return f"w.{field.type}({{}});"


def plain(field):
    value = f"m.{field.name}"
    if not is_optional(field):
        return filled(field, value)
    when = condition(field.nullable, field.versions)
    if not when:
        return nullable(field, value)
    filled_code = (f"if ({value}) {{\n{filled(field, '(*' + value + ')')}\n}} else {{\n"
                   f"{empty(field)}\n}}")
    return f"if ({when}) {{\n{nullable(field, value)}\n}} else {{\n{filled_code}\n}}"


def tagged_value(field):
    value = f"m.{field.name}"
    if not is_optional(field):
        return filled(field, value)
    # Null is the default of all of them, so that only values are written.
    inner = filled(field, f"(*{value})")
    return ("w.unsigned_varint(1);\n" if field.struct and not field.array else "") + inner


def tags(struct):
    fields = struct.tagged()
    if not fields:
        return "w.no_tags();"
    out, count = [], []
    for f in fields:
        when = condition(f.versions, struct.versions)
        differs = differs_from_default(f, f"m.{f.name}")
        out.append(f"const bool tag_{f.tag} = {when + ' && ' if when else ''}{differs};")
        count.append(f"tag_{f.tag}")
    out.append("if (w.flexible()) {")
    out.append(f"w.unsigned_varint({' + '.join('uint32_t{' + c + '}' for c in count)});")
    for f in fields:
        out.append(f"if (tag_{f.tag}) {{\nconst size_t start = w.begin_tag({f.tag});\n"
                   f"{tagged_value(f)}\nw.end_tag(start);\n}}")
    out.append("}")
    return "\n".join(out)


def put(struct, message):
    uses_version = any(condition(f.versions, struct.versions) or f.struct or
                       (f.nullable and condition(f.nullable, f.versions)) for f in struct.fields)
    out = [f"static void put(writer& w, const {struct.cpp}& m, "
           f"{'' if uses_version else '[[maybe_unused]] '}int16_t v) {{"]
    for f in struct.plain():
        when = condition(f.versions, struct.versions)
        code = plain(f)
        out.append(f"if ({when}) {{\n{code}\n}}" if when else code)
    if message.flexible <= message.versions[1]:
        out.append(tags(struct))
    out.append("}\n")
    return "\n".join(out)


def define(message):
    out = [put(s, message) for s in message.structs]
    out.append(put(message.root, message))
    out.append(f"void encode(writer& w, const {message.cpp}& m, int16_t v) {{\n"
               f"begin_encode(w, {message.cpp}::info, v);\nput(w, m, v);\n}}\n")
    return "".join(out)
