#!/usr/bin/env python3
"""Fails on an include that points against the layers (ARCHITECTURE.md, "Rooms").

Usage: layering.py [ROOT]
"""
import pathlib
import re
import sys

# What each layer may include of the others.
LAYERS = {
    "schema": {"schema"},
    "runtime": {"schema", "runtime"},
    "actors": {"schema", "runtime", "actors"},
    "jobs": {"schema", "runtime", "jobs"},
    "cluster": {"schema", "runtime", "actors", "jobs", "cluster"},
}
# The rooms of runtime/, lowest first: a room may include itself and what stands before it.
ROOMS = ["base", "io", "column", "expr", "snapshot", "plan", "state", "custom", "operators",
         "log", "kafka", "connectors", "flow"]
# The interface of operators has to be known to those who adapt to it.
EXEMPT = {"runtime/operators/operator.hpp"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def problems_of(root: pathlib.Path, path: pathlib.Path):
    relative = path.relative_to(root)
    layer = relative.parts[0]
    for match in INCLUDE.finditer(path.read_text()):
        bracket, target = match.groups()
        line = path.read_text()[: match.start()].count("\n") + 1
        first = target.split("/")[0]
        if bracket == "<":
            if first == "caf" and layer in ("schema", "runtime", "jobs"):
                yield f"{relative}:{line}: {layer}/ must not include CAF ({target})"
            continue
        if first in LAYERS and first not in LAYERS[layer]:
            yield f"{relative}:{line}: {layer}/ must not include {first}/ ({target})"
        if layer == "runtime" and first == "runtime" and target not in EXEMPT:
            here, there = relative.parts[1], target.split("/")[1]
            if here in ROOMS and there in ROOMS and ROOMS.index(there) > ROOMS.index(here):
                yield f"{relative}:{line}: runtime/{here} must not include runtime/{there}"


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    files = [p for layer in LAYERS for ext in ("*.hpp", "*.cpp") for p in (root / layer).rglob(ext)]
    found = [problem for p in sorted(files) for problem in problems_of(root, p)]
    print("\n".join(found) or f"{len(files)} files keep to the layers")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
