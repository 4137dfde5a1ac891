#!/usr/bin/env python3
"""Follows docs/custom-operators.md step by step, as a reader would.

Takes the code blocks of the document in order: a block after a line "`NAME`:" becomes the file NAME
in the current folder, a `sh` block is run, and a `text` block is what the commands before it must
have printed. All of it happens in one shell with a temporary home, in front of which lies a folder
that stands for the clone, with its build/release. `weir` commands are left out when that build has no
weir binary (yet).

usage: follow_document.py DOCUMENT BUILD_DIR
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile


def blocks(text):
    """(name of the file or "", language, content) of each code block."""
    name, found, lines = "", [], iter(text.splitlines())
    for line in lines:
        if line.startswith("```"):
            language, content = line[3:].strip(), []
            for inner in lines:
                if inner.startswith("```"):
                    break
                content.append(inner)
            found.append((name, language, "\n".join(content) + "\n"))
            name = ""
        elif line.strip():
            match = re.fullmatch(r"`([^`]+)`:", line.strip())
            name = match.group(1) if match else ""
    return found


def main():
    document, build = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2]).resolve()
    has_weir = (build / "weir").is_file()
    script = ["set -euo pipefail"]
    ran = skipped = 0
    expected = {}
    outputs = 0
    steps = blocks(document)
    for i, (name, language, content) in enumerate(steps):
        if name:
            script.append(f"cat > {shlex.quote(name)} <<'END_OF_FILE'\n{content}END_OF_FILE")
        elif language == "sh":
            prints = i + 1 < len(steps) and steps[i + 1][1] == "text"
            if content.startswith("weir ") and not has_weir:
                skipped += 1
                continue
            if prints:
                expected[outputs] = steps[i + 1][2]
                content = f"( {content.strip()}\n) | tee \"$HOME/output.{outputs}\"\n"
                outputs += 1
            script.append(content)
            ran += 1
        elif language != "text":
            sys.exit(f"a block of language '{language}' is neither a file nor a step")
    if ran < 3:
        sys.exit(f"only {ran} steps were found in the document")

    with tempfile.TemporaryDirectory(prefix="weir-document-") as folder:
        folder = pathlib.Path(folder)
        home, clone = folder / "home", folder / "clone"
        home.mkdir()
        (clone / "build").mkdir(parents=True)
        (clone / "build" / "release").symlink_to(build)
        environment = dict(os.environ, HOME=str(home))
        environment.pop("WEIR_OPERATOR_PATH", None)
        # Tools that keep things in the home must find them where they are.
        environment.setdefault("CCACHE_DIR", os.path.expanduser("~/.cache/ccache"))
        done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=clone, env=environment)
        if done.returncode:
            sys.exit(f"a step of the document failed with {done.returncode}")
        for number, text in expected.items():
            got = (home / f"output.{number}").read_text()
            if got != text:
                sys.exit(f"the document promises\n{text}but the step printed\n{got}")
    note = f", {skipped} left out: no weir binary in {build}" if skipped else ""
    print(f"followed {ran} steps of the document{note}")


if __name__ == "__main__":
    main()
