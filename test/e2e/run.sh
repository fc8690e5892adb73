#!/bin/bash
# run.sh [GO TEST FLAGS]: the whole path with real QEMU, libvirt and OVN, driven
# by the stock client, in a network namespace of its own. Leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "e2e: needs root for namespaces, bridges and guests" >&2; exit 1; }
[ -x bin/kumoi ] || { echo "e2e: bin/kumoi is missing; run: make build" >&2; exit 1; }
[ -f build/kumoi-guest.qcow2 ] || { echo "e2e: build/kumoi-guest.qcow2 is missing; run: make guest-image" >&2; exit 1; }
CGO_ENABLED=0 go test -c -tags e2e -o build/e2e.test ./test/e2e
# A private /run, so that namespaces made by name do not meet those of the machine.
exec unshare --net --mount --propagation private bash -c '
  mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/lock
  ip link set lo up
  cd test/e2e && exec ../../build/e2e.test -test.v -test.timeout 20m "$@"' e2e "$@"
