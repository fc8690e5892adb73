#!/bin/bash
# test.sh: everything "make test" runs, with a line of progress per part.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS=${GOFLAGS--trimpath} # two checkouts share one build cache
start=$SECONDS
part() { printf '\n== %s (after %d s)\n' "$1" $((SECONDS - start)); }

part "lint"
packaging/lint.sh
part "unit tests, store suites on SQLite and PostgreSQL, the cloud in one process"
packaging/with-postgres.sh env CI=true go test -timeout 25m ./...
part "identity with other people's providers and clients, which are a module of their own"
packaging/with-postgres.sh env CI=true go -C test/federation test ./...
part "the whole path with real QEMU, libvirt and OVN, driven by the stock client"
test/e2e/run.sh
part "done"
