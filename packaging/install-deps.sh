#!/bin/bash
# install-deps.sh [--test | --test-storage]: installs what building and running
# Kumoi needs, on Debian 12 or newer; with --test also what its tests need, with
# --test-storage what those of shared storage need, which is an NFS server and a
# Ceph cluster. Says nothing and takes no time when all is there. Needs root only when something is missing.
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

here=$(dirname "$(readlink -f "$0")")
go_dir=/usr/local/lib/kumoi-go # only when the machine has no Go that is recent enough

die() {
  echo "install-deps.sh: $*" >&2
  exit 1
}

with_tests=
case "${1:-}" in
  "") ;;
  --test | --test-storage) with_tests=yes ;;
  *) die "usage: install-deps.sh [--test | --test-storage]" ;;
esac

command -v dpkg-query >/dev/null || die "this needs Debian or a relative of it; elsewhere install the packages that this script names by their names there"
arch=$(dpkg --print-architecture)

packages=(
  # what runs guests and switches their packets
  qemu-utils qemu-system-common libvirt-daemon libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients
  openvswitch-switch ovn-central ovn-host
  # what Kumoi calls on the host
  iproute2 nftables ethtool kmod mount util-linux procps openssh-client ca-certificates
  # what the guest image and config drives are made of
  busybox-static cpio dropbear-bin e2fsprogs dosfstools ntfs-3g mtools genisoimage
)
case $arch in
  amd64) packages+=(qemu-system-x86 ipxe-qemu linux-image-cloud-amd64 syslinux syslinux-common) ;;
  arm64) packages+=(qemu-system-arm qemu-efi-aarch64 linux-image-cloud-arm64) ;;
  *) die "Kumoi runs on amd64 and arm64, not on $arch" ;;
esac

test_packages=(python3-openstackclient python3-glanceclient python3-lxml postgresql slapd perl-base jq curl git make gcc libc6-dev)

storage_packages=(nfs-ganesha nfs-ganesha-vfs rpcbind qemu-block-extra ceph-mon ceph-mgr ceph-osd ceph-common)
[ "${1:-}" != --test-storage ] || test_packages=("${storage_packages[@]}")

# missing PACKAGE...: those that are not installed. dpkg-query fails when it has
# never heard of one, which is an answer too.
missing() {
  local installed p
  installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii //p' || true)
  for p; do
    grep -qxF "$p" <<<"$installed" || echo "$p"
  done
}

# go_wanted is the version in go.mod. A Go of at least 1.21 answers "go version"
# in the project with the one that go.mod asks for, which it downloads by itself
# unless it is told not to.
go_wanted=$(awk '$1 == "toolchain" { sub(/^go/, "", $2); t = $2 } $1 == "go" { g = $2 } END { print t ? t : g }' "$here/../go.mod")
go_recent() {
  local have
  have=$(cd "$here/.." && PATH=$go_dir/bin:$PATH:/usr/local/go/bin go version 2>/dev/null | awk '{ sub(/^go/, "", $3); print $3 }')
  [ -n "$have" ] && [ "$(printf '%s\n' "$go_wanted" "$have" | sort -V | head -n 1)" = "$go_wanted" ]
}

mapfile -t wanted < <(missing "${packages[@]}")
mapfile -t wanted_for_tests < <([ -z "$with_tests" ] || missing "${test_packages[@]}")
need_go=
go_recent || need_go=yes
[ ${#wanted[@]} -gt 0 ] || [ ${#wanted_for_tests[@]} -gt 0 ] || [ -n "$need_go" ] || exit 0

if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || die "run this as root; missing: ${wanted[*]} ${wanted_for_tests[*]} ${need_go:+Go $go_wanted}"
  exec sudo env "PATH=$PATH" "$0" "$@"
fi

# Where no systemd runs the machine, packages would start their daemons through
# init scripts, on standard paths and for nobody. While we install they are told
# not to. Where systemd runs, what starts is what Kumoi then uses. A test's
# PostgreSQL is started by the test, never by the system.
policy=/usr/sbin/policy-rc.d
undo=()
# shellcheck disable=SC2329 # called by the trap
finish() {
  local f
  for f in "${undo[@]}"; do rm -rf "$f"; done
}
trap finish EXIT
hold_daemons() {
  [ -e "$policy" ] && return
  undo+=("$policy")
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

updated=
install_packages() {
  [ $# -gt 0 ] || return 0
  echo "installing $*"
  local log
  log=$(mktemp)
  undo+=("$log")
  local apt=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -y -q -o DPkg::Lock::Timeout=300)
  if [ -z "$updated" ]; then
    "${apt[@]}" update >"$log" 2>&1 || { cat "$log" >&2; die "apt-get update failed"; }
    updated=yes
  fi
  "${apt[@]}" install --no-install-recommends "$@" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    die "apt-get install failed"
  }
}

[ -d /run/systemd/system ] || hold_daemons
install_packages "${wanted[@]}"
hold_daemons
install_packages "${wanted_for_tests[@]}"

# Go is released as a module too, and the go command of any version can download a
# module and verify it against the public checksum database. So an old Go, as
# Debian has it, fetches the one that go.mod asks for.
install_go() {
  local old='' bootstrap=''
  old=$(PATH=$PATH:/usr/local/go/bin command -v go || true)
  if [ -z "$old" ]; then
    bootstrap=$(apt-cache depends golang-go 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^golang-1\.[0-9]+-go$/ { print $2; exit }')
    if [ -z "$bootstrap" ]; then
      apt-get -q update >/dev/null
      bootstrap=$(apt-cache depends golang-go | awk '$1 == "Depends:" && $2 ~ /^golang-1\.[0-9]+-go$/ { print $2; exit }')
    fi
    [ -n "$bootstrap" ] || die "Debian's package golang-go is not available"
    install_packages "$bootstrap" ca-certificates
    old=/usr/lib/${bootstrap%-go}/bin/go
    old=${old/golang-/go-}
  fi
  local module tmp dir
  module=golang.org/toolchain@v0.0.1-go$go_wanted.linux-$arch
  tmp=$(mktemp -d)
  undo+=("$tmp")
  echo "downloading Go $go_wanted"
  (cd "$tmp" && env -u GOFLAGS -u GOENV GO111MODULE=on GOTOOLCHAIN=local GOPATH="$tmp/path" GOMODCACHE="$tmp/mod" GOFLAGS=-modcacherw \
    "$old" mod download "$module") || die "Go $go_wanted cannot be downloaded; install it from https://go.dev/dl"
  dir=$tmp/mod/$module
  # Two things that only newer go commands undo: go.mod files below the top are
  # kept under another name, and nothing is executable.
  find "$dir" -name _go.mod -execdir mv {} go.mod \;
  chmod -R u=rwX,go=rX "$dir"
  chmod 755 "$dir"/bin/* "$dir"/pkg/tool/*/*
  rm -rf "$go_dir"
  mv "$dir" "$go_dir"
  if [ -n "$bootstrap" ]; then
    env DEBIAN_FRONTEND=noninteractive apt-get -y -q purge --autoremove "$bootstrap" >/dev/null 2>&1 || true
  fi
}
[ -z "$need_go" ] || install_go
go_recent || die "there is still no Go $go_wanted; see https://go.dev/dl"
mapfile -t wanted < <(missing "${packages[@]}")
[ ${#wanted[@]} -eq 0 ] || die "still missing: ${wanted[*]}"
