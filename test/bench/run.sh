#!/bin/bash
# run.sh [PART...]: measure speed and size and print tables. The parts are
# control, identity, images and real; without any, all of them. "real" walks the
# whole path with QEMU, libvirt and OVN, as root, in namespaces of its own.
#   GO=1      Go's own benchmarks first (a cloud in the test's process)
#   WRITE=F   also add the tables to the Markdown file F
#   ARGS=…    further arguments, such as "-gib 0.5 -guests 3"
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -x bin/kumoi ] || { echo "bench: bin/kumoi is missing; run: make build" >&2; exit 1; }
mkdir -p build
go build -o build/bench ./test/bench/report
[ $# -gt 0 ] || set -- control identity images real
args=(-kumoi "${KUMOI:-bin/kumoi}")
[ -z "${WRITE:-}" ] || args+=("-write=$(realpath -m "$WRITE")")
read -ra more <<<"${ARGS:-}"
[ -z "${GO:-}" ] || go test -run '^$' -bench . -benchtime 3s ./test/bench

real= list=
for part; do
  if [ "$part" = real ]; then real=1; else list+=${list:+,}$part; fi
done
[ -z "$list" ] || build/bench "${args[@]}" "${more[@]}" -parts "$list"
[ -n "$real" ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "bench: not root, so no real guests"
elif [ ! -f build/kumoi-guest.qcow2 ]; then
  echo "bench: no real guests without build/kumoi-guest.qcow2; run: make guest-image"
else
  exec unshare --net --mount --propagation private bash -c '
    mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/lock
    ip link set lo up
    exec build/bench "$@"' bench "${args[@]}" "${more[@]}" -parts real -image build/kumoi-guest.qcow2
fi
