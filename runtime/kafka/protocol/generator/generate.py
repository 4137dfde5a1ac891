#!/usr/bin/env python3
"""Writes the C++ of the Kafka messages from their tables (table.py says how these look).

    generate.py messages TABLE OUT.hpp OUT.cpp       structures, encode and decode of one table
    generate.py apis OUT.hpp OUT.cpp TABLE...        the enum api_key and the table of APIs
    generate.py tests OUT.hpp OUT.cpp TABLE...       random values for tests
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import apis  # noqa: E402
import decode  # noqa: E402
import encode  # noqa: E402
import structs  # noqa: E402
import testing  # noqa: E402
from table import Problem, read_table  # noqa: E402

NOTE = "// Generated from {} by runtime/kafka/protocol/generator; do not edit.\n"
ROOM = "runtime/kafka/protocol"


def write(path, text):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def messages_of(table, header, source):
    name = pathlib.Path(table).name
    messages = read_table(pathlib.Path(table))
    write(header, NOTE.format(name) + "#pragma once\n\n" +
          "".join(f'#include "{ROOM}/{h}"\n' for h in
                  ("error_code.hpp", "message.hpp", "messages/api_key.hpp")) +
          "\nnamespace weir::kafka {\n\n" +
          "\n".join(structs.declare(m) for m in messages) + "\n}  // namespace weir::kafka\n")
    write(source, NOTE.format(name) +
          f'#include "{ROOM}/messages/{pathlib.Path(header).name}"\n\n'
          "namespace weir::kafka {\n\n" +
          "\n".join(encode.define(m) + "\n" + decode.define(m) for m in messages) +
          "\n}  // namespace weir::kafka\n")


def main(arguments):
    kind, *rest = arguments
    try:
        if kind == "messages":
            messages_of(*rest)
        else:
            header, source, *tables = rest
            messages = [m for t in tables for m in read_table(pathlib.Path(t))]
            out = apis.define(messages) if kind == "apis" else \
                testing.define(messages, [pathlib.Path(t).stem for t in tables])
            note = NOTE.format("messages/*.table")
            write(header, note + out[0])
            write(source, note + out[1])
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
