#!/usr/bin/env bash
# The newest clients of every language against `weir up`: all.sh WEIR [FOLDER]
# Installs what it needs from PyPI, npm, the Go module proxy and Maven into FOLDER. About ten minutes.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
weir=$(realpath "$1")
work=${2:-$(mktemp -d)}
mkdir -p "$work"
work=$(realpath "$work")
passed=0 failed=0

check() {  # NAME COMMAND...
    local name=$1
    shift
    echo "== $name"
    if "$@"; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAIL $name"
    fi
}
with_node() { /usr/bin/python3 "$here/with_node.py" "$weir" "$@"; }  # COMMAND... {address}

[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv" || exit 1
"$work/venv/bin/pip" install -q -r "$here/requirements.txt" || exit 1
for client in librdkafka kafka_python aiokafka; do
    check $client "$work/venv/bin/python" "$here/${client}_checks.py" "$weir"
done

mkdir -p "$work/js" && cp "$here"/js/* "$work/js" && npm install --silent --prefix "$work/js" || exit 1
check kafkajs with_node node "$work/js/checks.js" "{address}"

mkdir -p "$work/go" && cp "$here"/go/* "$work/go" || exit 1
(cd "$work/go" && go mod tidy && go build -o checks .) || exit 1
check go with_node "$work/go/checks" "{address}"

cp "$here/java/pom.xml" "$work" &&
    mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib" || exit 1
check java with_node "$here/java/tools.sh" "$work/lib" "{address}"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
