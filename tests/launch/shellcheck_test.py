#!/usr/bin/env python3
"""shellcheck of every shell script of the tree. Usage: shellcheck_test.py ROOT"""
import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt


def main() -> None:
    root = pathlib.Path(sys.argv[1])
    if not shutil.which("shellcheck"):
        print("skipped: shellcheck is not installed")
        sys.exit(SKIPPED)
    listed = subprocess.run(["git", "-c", f"safe.directory={root.resolve()}", "-C", root, "ls-files", "*.sh", ".ci/*"],
                            stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")
    scripts = [s for s in listed if s and (root / s).read_bytes().startswith(b"#!")]
    for needed in ("cluster/launch/hosts.sh", "cluster/launch/host.sh", "tests/run.sh"):
        assert needed in scripts, f"{needed} is not in {scripts}"
    # What others type on their hosts is held to more.
    launch = [s for s in scripts if s.startswith("cluster/launch/")]
    codes = [subprocess.run(["shellcheck", f"--severity={severity}", *chosen], cwd=root,
                            check=False).returncode
             for severity, chosen in (("warning", scripts), ("style", launch))]
    print(f"{len(scripts)} scripts")
    sys.exit(max(codes))


if __name__ == "__main__":
    main()
