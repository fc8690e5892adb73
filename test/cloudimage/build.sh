#!/bin/bash
# build.sh OUT.qcow2: a Debian cloud image as distributions make them, with
# systemd and cloud-init, from the packages of the mirror that apt uses. It has a
# FAT partition with the boot loader and a root that grows, and is put together
# without mounts or loop devices. Needs root for debootstrap.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/sbin:/sbin
out=$(readlink -m "${1:?usage: build.sh OUT.qcow2}")
suite=${SUITE:-bookworm}
mirror=${MIRROR:-$(apt-get indextargets --format '$(SITE)' "Created-By: Packages" "Codename: $suite" 2>/dev/null | head -n 1)}
mirror=${mirror:-http://deb.debian.org/debian}

die() { echo "build.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "debootstrap needs root"
[ "$(dpkg --print-architecture)" = amd64 ] || die "the image is for amd64 and is built there"
missing=()
for p in debootstrap syslinux syslinux-common mtools dosfstools e2fsprogs fdisk qemu-utils; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q ^ii || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] || apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >&2

stamp=$out.inputs
fingerprint=$(sha256sum <"$0")
if [ -f "$out" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$fingerprint" ]; then
  echo "$out is up to date"
  exit 0
fi
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/kumoi-cloud-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
umask 022
root=$work/root

echo "debootstrap of $suite from $mirror"
# python3-cffi-backend is what cloud-init needs by a virtual name, which debootstrap
# does not resolve.
debootstrap --variant=minbase \
  --include=linux-image-cloud-amd64,systemd-sysv,dbus,udev,kmod,python3-cffi-backend,cloud-init,cloud-guest-utils,openssh-server,sudo,iproute2,ca-certificates,procps,e2fsprogs,fdisk \
  "$suite" "$root" "$mirror" >"$work/debootstrap.log" 2>&1 || { tail -n 20 "$work/debootstrap.log" >&2; die "debootstrap failed"; }

# What distributions leave out of an image: everything that is one machine's.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/dbus/machine-id
: >"$root/etc/machine-id"
rm -rf "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
echo localhost >"$root/etc/hostname"
echo 'LABEL=cloud-root / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1' >"$root/etc/fstab"
printf 'datasource_list: [ ConfigDrive, OpenStack, None ]\nlocale: false\n' >"$root/etc/cloud/cloud.cfg.d/90-kumoi.cfg"
# The initial RAM disk must find a disk on any bus.
chroot "$root" systemctl enable systemd-networkd.service ssh.service serial-getty@ttyS0.service >/dev/null 2>&1
kernel=$(basename "$(ls "$root"/boot/vmlinuz-*)")
cp "$root/boot/$kernel" "$work/vmlinuz"
cp "$root/boot/initrd.img-${kernel#vmlinuz-}" "$work/initrd"

cat >"$work/syslinux.cfg" <<CFG
default linux
prompt 0
timeout 1
label linux
  kernel vmlinuz
  append initrd=initrd root=LABEL=cloud-root ro console=tty0 console=ttyS0,115200 net.ifnames=0 quiet
CFG

gap=1 boot=96 size=1400 # MiB
truncate -s ${boot}M "$work/boot.img"
mkfs.vfat -n BOOT "$work/boot.img" >/dev/null
syslinux --install "$work/boot.img"
MTOOLS_SKIP_CHECK=1 mcopy -i "$work/boot.img" "$work"/{vmlinuz,initrd,syslinux.cfg} ::/
truncate -s ${size}M "$work/root.img"
mkfs.ext4 -q -F -L cloud-root -d "$root" "$work/root.img"

disk=$work/disk
truncate -s $((gap + boot + size + 1))M "$disk"
sfdisk -q "$disk" <<TABLE
label: dos
start=${gap}MiB, size=${boot}MiB, type=c, bootable
start=$((gap + boot))MiB, size=${size}MiB, type=83
TABLE
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$disk" conv=notrunc status=none
dd if="$work/boot.img" of="$disk" bs=1M seek=$gap conv=notrunc,sparse status=none
dd if="$work/root.img" of="$disk" bs=1M seek=$((gap + boot)) conv=notrunc,sparse status=none
qemu-img convert -f raw -O qcow2 -c "$disk" "$out.part"
mv "$out.part" "$out"
echo "$fingerprint" >"$stamp"
echo "$out: $(du -h "$out" | cut -f 1), kernel ${kernel#vmlinuz-}"
