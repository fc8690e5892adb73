#!/bin/bash
# with-postgres.sh COMMAND…: run the command with KUMOI_TEST_POSTGRES set to a
# PostgreSQL started for it in a temporary folder, on a socket of its own.
set -euo pipefail
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || { echo "with-postgres: PostgreSQL is not installed; run: make deps-test" >&2; exit 1; }
dir=$(mktemp -d /tmp/kumoi-postgres.XXXXXX)
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
stop() {
  as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$dir"
}
trap stop EXIT
[ "$(id -u)" != 0 ] || chown postgres "$dir"
cd "$dir"
as "$bin/initdb" -D "$dir/data" -A trust -U postgres --no-sync >"$dir/init.log" 2>&1 || { cat "$dir/init.log" >&2; exit 1; }
# Loopback port 0 is not offered, so a free one is asked of the kernel.
port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen=>1,LocalAddr=>"127.0.0.1")->sockport')
as "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$dir -c fsync=off -c full_page_writes=off -c max_connections=300" start >/dev/null ||
  { cat "$dir/log" >&2; exit 1; }
cd "$OLDPWD"
KUMOI_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable" "$@"
