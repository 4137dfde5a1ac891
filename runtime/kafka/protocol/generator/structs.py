"""The structures of a message in C++, and what the other parts ask about types."""
CPP = {"bool": "bool", "float64": "double", "string": "std::string", "bytes": "std::string",
       "records": "record_bytes", "uuid": "uuid", "error": "weir::kafka::error_code",
       "int8": "int8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t",
       "int64": "int64_t"}


def element_type(field):
    return field.struct.cpp if field.struct else CPP[field.type]


def is_optional(field):
    return field.nullable is not None and field.type != "records"


def cpp_type(field):
    kind = element_type(field)
    if field.array:
        kind = f"std::vector<{kind}>"
    return f"std::optional<{kind}>" if is_optional(field) else kind


def default(field):
    """The initializer, with its ' = ', or '' where the type's own default is meant."""
    if field.default == "null" or is_optional(field):
        return f" = {field.default}" if field.default not in (None, "null") else ""
    if field.array or field.struct or field.type in ("records", "uuid"):
        return ""
    if field.type in ("string", "bytes"):
        return f" = {field.default}" if field.default else ""
    if field.type == "error":
        return " = weir::kafka::error_code::none"
    if field.type == "bool":
        return f" = {field.default or 'false'}"
    if field.type == "int64" and field.default == "9223372036854775807":
        return " = std::numeric_limits<int64_t>::max()"
    return f" = {field.default or '0'}"


def differs_from_default(field, value):
    """The C++ condition under which a tagged field has to be written."""
    if is_optional(field):
        return f"{value}.has_value()"
    if field.array or field.type in ("string", "bytes"):
        return f"!{value}.empty()"
    if field.struct:
        return f"{value} != {field.struct.cpp}{{}}"
    if field.type == "uuid":
        return f"!{value}.is_zero()"
    if field.type == "bool":
        return f"!{value}" if field.default == "true" else value
    return f"{value} != {default(field)[3:]}"


def smallest(field, flexible):
    """The least number of bytes that the field takes on the wire."""
    if field.tag is not None:
        return 0
    if field.array or field.type in ("string", "bytes", "records"):
        if flexible:
            return 1
        return 2 if field.type == "string" and not field.array else 4
    if field.struct:
        return 1 if field.nullable else smallest_struct(field.struct, flexible, field.versions)
    return {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "error": 2, "int32": 4, "int64": 8,
            "float64": 8, "uuid": 16}[field.type]


def smallest_struct(struct, flexible, versions):
    return sum(smallest(f, flexible) for f in struct.fields
               if f.versions[0] <= versions[0] and f.versions[1] >= versions[1]) + flexible


def smallest_element(field, message):
    """Of one element of an array, over all versions; at least 1, so that it bounds a count."""
    sizes = []
    for flexible in (False, True):
        if flexible and field.versions[1] < message.flexible:
            continue
        if not flexible and field.versions[0] >= message.flexible:
            continue
        if field.struct:
            sizes.append(smallest_struct(field.struct, flexible, field.struct.versions))
        elif field.type in ("string", "bytes"):
            sizes.append(1 if flexible else 2)
        else:
            sizes.append({"int8": 1, "bool": 1, "int16": 2, "int32": 4, "int64": 8,
                          "uuid": 16}[field.type])
    return max(1, min(sizes))


def condition(versions, within, version="v"):
    """The C++ condition that the version is one of `versions`, or '' if all in `within` are."""
    parts = []
    if versions[0] > within[0]:
        parts.append(f"{version} >= {versions[0]}")
    if versions[1] < within[1]:
        parts.append(f"{version} <= {versions[1]}")
    return " && ".join(parts)


def body(struct, indent):
    pad = " " * indent
    out = []
    for f in struct.fields:
        notes = []
        if f.versions != struct.versions:
            first, last = f.versions
            notes.append(f"v{first}+" if last == struct.versions[1] else
                         f"v{first}" if first == last else f"v{first}-{last}")
        if f.nullable and f.nullable[0] > f.versions[0]:
            notes.append(f"null from v{f.nullable[0]}")
        if f.tag is not None:
            notes.append(f"tag {f.tag}")
        note = "  ///< " + ", ".join(notes) if notes else ""
        out.append(f"{pad}{cpp_type(f)} {f.name}{default(f)};{note}\n")
    return "".join(out)


def equality(name):
    return f"  friend bool operator==(const {name}&, const {name}&) = default;\n"


def declare(message):
    """Structures stand beside their message, not in it, and have an alias inside: an optional of a
    nested structure with initializers could not be used before its message is complete."""
    flexible = "no_version" if message.flexible > message.versions[1] else str(message.flexible)
    key = f"api_key::{message.api_cpp}" if message.key >= 0 else "api_key::none"
    out = [f"struct {message.response};\n"] if message.response else []
    for s in message.structs:
        out.append(f"struct {s.cpp} {{\n{body(s, 2)}{equality(s.cpp)}}};\n")
    out.append(f"struct {message.cpp} {{\n")
    out.append(f'  static constexpr message_info info{{{key}, "{message.name}", '
               f"{message.versions[0]}, {message.versions[1]}, {flexible}}};\n")
    if message.response:
        out.append(f"  using response_type = {message.response};\n")
    out += [f"  using {s.name} = {s.cpp};\n" for s in message.structs]
    out.append("\n" + body(message.root, 2) + equality(message.cpp) + "};\n")
    out.append(f"void encode(writer&, const {message.cpp}&, int16_t version);\n"
               f"status decode(reader&, {message.cpp}&, int16_t version);\n")
    return "".join(out)
