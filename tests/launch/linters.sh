#!/usr/bin/env bash
# The linters of what cannot run here: the image's definition, the compose file, the Kubernetes manifests. Into
# build/linters, once; without a network they are left out, which launch_definitions says.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$root/build/linters
[ -e "$folder/complete" ] && exit 0
mkdir -p "$root/build"
rm -rf "$folder"
if python3 -m venv "$folder" >/dev/null 2>&1 && timeout 300 "$folder/bin/pip" install --quiet --disable-pip-version-check \
        --retries 1 --timeout 10 --requirement "$root/tests/launch/linters.txt" >"$folder/log" 2>&1; then
    touch "$folder/complete"
else
    echo "setup: the linters of tests/launch/linters.txt cannot be installed: the definitions are checked without them" >&2
fi
