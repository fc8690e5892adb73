#!/bin/bash
# run.sh: measure speed and size and print tables. As root also the whole path
# with real QEMU, libvirt and OVN, in namespaces of its own.
#   GO=1      Go's own benchmarks first (a cloud in the test's process)
#   WRITE=F   also add the tables to the Markdown file F
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -x bin/kumoi ] || { echo "bench: bin/kumoi is missing; run: make build" >&2; exit 1; }
go build -o build/bench ./test/bench/report
write=${WRITE:+-write=$(realpath -m "${WRITE:-}")}
[ -z "${GO:-}" ] || go test -run '^$' -bench . -benchtime 3s ./test/bench
build/bench -kumoi bin/kumoi $write
if [ "$(id -u)" != 0 ]; then
  echo "bench: not root, so no real guests"
elif [ ! -f build/kumoi-guest.qcow2 ]; then
  echo "bench: no real guests without build/kumoi-guest.qcow2; run: make guest-image"
else
  exec unshare --net --mount --propagation private bash -c '
    mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/lock
    ip link set lo up
    exec build/bench -real -kumoi bin/kumoi -image build/kumoi-guest.qcow2 "$@"' bench $write
fi
