#!/bin/bash
# fresh.sh [demo] [test]: runs the README's commands, "make demo" and "make test",
# or the ones named, in a clone of this checkout on a Debian that has nothing: a
# root made by debootstrap from the packages that this machine's apt uses, in
# mount, process and network-name spaces of its own. Only what is committed is
# tried. Needs root. FRESH is the folder of the root; KEEP=1 leaves it; CACHE is a
# folder of build caches to use, such as ~/.cache: nothing of a machine is in them.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin
suite=bookworm
source=$(dirname "$(dirname "$(readlink -f "$0")")")

die() { echo "fresh.sh: $*" >&2; exit 1; }
[ $# -gt 0 ] || set -- demo test
for part; do
  case $part in demo | test) ;; *) die "usage: fresh.sh [demo] [test]" ;; esac
done
[ "$(id -u)" = 0 ] || die "debootstrap and namespaces need root"
command -v debootstrap >/dev/null || {
  apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends debootstrap >/dev/null 2>&1 ||
    { apt-get -q update && apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends debootstrap; } >&2
}

root=${FRESH:-$(mktemp -d /var/tmp/kumoi-fresh.XXXXXX)}
finish() {
  [ -n "${KEEP:-}" ] || rm -rf --one-file-system "$root"
}
trap finish EXIT

# The archive and what else apt was told of Debian; other people's sources are not
# on a bare machine.
mapfile -t lines < <(apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  awk '$1 == "Debian" { print "deb", $2, $3, $4 }' | sort -u)
[ ${#lines[@]} -gt 0 ] || die "apt knows no package of Debian; run apt-get update"
archive=$(printf '%s\n' "${lines[@]}" | awk -v suite="$suite" '$3 == suite { print $2; exit }')
[ -n "$archive" ] || die "apt has no source of Debian's $suite"
if [ ! -x "$root/usr/bin/apt-get" ]; then
  echo "== a bare Debian $suite in $root"
  debootstrap --variant=minbase --include=ca-certificates,git,make "$suite" "$root" "$archive" >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; die "debootstrap failed"; }
  rm -f "$root.log"
fi
printf '%s\n' "${lines[@]}" >"$root/etc/apt/sources.list"
{
  apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-|https?::CaInfo)' || true
  echo 'Acquire::Languages "none";'
} >"$root/etc/apt/apt.conf.d/90fresh"
cat /etc/resolv.conf >"$root/etc/resolv.conf"
# Whom this machine trusts, its clone trusts too.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/fresh.crt"
rm -rf "$root/root/kumoi"
git clone -q "$source" "$root/root/kumoi"

pass=(SSL_CERT_FILE=/etc/ssl/fresh.crt)
for v in GOPROXY GOSUMDB GOFLAGS GONOSUMDB; do
  value=${!v:-$(go env "$v" 2>/dev/null || true)}
  [ -z "$value" ] || pass+=("$v=$value")
done
for v in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [ -z "${!v:-}" ] || pass+=("$v=${!v}")
done

# inside COMMAND: in the new root, with devices and namespaces of its own; what it
# leaves running ends with it.
inside() {
  mkdir -p "$root/old"
  unshare --mount --pid --uts --ipc --fork --kill-child bash -ec '
    root=$1 command=$2 cache=$3; shift 3
    mount --make-rprivate /
    mount --bind "$root" "$root"
    cd "$root"
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /lib/modules lib/modules 2>/dev/null || true
    mount -t tmpfs tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    mount -t devtmpfs dev dev
    mkdir -p dev/pts dev/shm run/lock
    mount -t devpts devpts dev/pts -o ptmxmode=666
    mount -t tmpfs tmpfs dev/shm
    [ -z "$cache" ] || { mkdir -p root/.cache && mount --rbind "$cache" root/.cache; }
    hostname fresh
    pivot_root . old
    cd /
    umount -l /old
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@" \
      bash -c "cd /root/kumoi && $command"
  ' fresh "$root" "$1" "${CACHE:-}" "${pass[@]}"
}

start=$SECONDS
for part; do
  echo "== make $part (after $((SECONDS - start)) s)"
  case $part in
    demo)
      # Its switch and its bridge are the machine's as long as it runs: they go in the end.
      inside 'make demo && make demo && make clean-demo' ;;
    test) inside 'CI=true make test' ;;
  esac
done
echo "== done (after $((SECONDS - start)) s): $*"
