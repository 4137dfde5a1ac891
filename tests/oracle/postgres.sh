#!/bin/bash
# A throw-away PostgreSQL for tests that compare with it: its own cluster in a folder, reached by a
# Unix socket there, without network, durability or anything of the machine's own configuration.
#
#   postgres.sh start DIR   prints DIR/socket; connect with: psql -h DIR/socket -U postgres
#   postgres.sh stop DIR    stops the server and removes what start made
#
# Needs Debian's package postgresql. As root the server runs as user postgres, which it refuses to do
# as root itself.
set -euo pipefail

usage() {
  sed -n '2,9p' "$0" | sed 's/^# \{0,1\}//' >&2
  exit 2
}
[ $# -eq 2 ] || usage
dir=$(realpath -m "$2")

bin=${WEIR_POSTGRES_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)}
if [ ! -x "$bin/initdb" ]; then
  echo "postgres.sh: no PostgreSQL server; apt-get install postgresql" >&2
  exit 1
fi

# As user postgres when this is root.
as_server() {
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

case $1 in
start)
  mkdir -p "$dir/socket"
  if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir/socket"
    # The server has to reach its folder; only searching is allowed to others.
    chmod o+x "$dir"
    install -d -m 700 -o postgres "$dir/data"
  fi
  as_server "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C \
    --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; exit 1; }
  as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/data/server.log" -w -t 60 -o "-c listen_addresses= \
    -c unix_socket_directories='$dir/socket' -c fsync=off -c full_page_writes=off \
    -c synchronous_commit=off -c wal_level=minimal -c max_wal_senders=0 -c autovacuum=off -c jit=off \
    -c timezone=UTC -c work_mem=64MB -c max_connections=20" start >/dev/null ||
    { as_server cat "$dir/data/server.log" >&2; exit 1; }
  echo "$dir/socket"
  ;;
stop)
  if [ -d "$dir/data" ]; then
    as_server "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null || true
  fi
  rm -rf "$dir/data" "$dir/socket" "$dir/initdb.log"
  ;;
*) usage ;;
esac
