#!/bin/bash
# Builds the guest image: build.sh OUT.qcow2
#
# The result is a small disk that boots by itself under SeaBIOS. It is put
# together from Debian packages installed on this machine, without root,
# mounts, loop devices or the network. See README.md.
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1735689600}

here=$(dirname "$(readlink -f "$0")")
out=$(readlink -m "${1:?usage: build.sh OUT.qcow2}")

# Sizes in MiB: the gap before the first partition, the FAT file system with
# the boot loader and the kernel, and the root, which grows at boot.
gap=1 boot_size=20 root_size=35

# What the initial RAM disk needs to reach the root, whatever the disk's bus.
boot_modules=(virtio_pci virtio_blk virtio_scsi sd_mod ata_piix)

# What a guest may meet later. A name this kernel does not have is skipped.
root_modules=("${boot_modules[@]}"
  virtio_net virtio_balloon virtio_console virtio_rng virtio_input virtio_mem
  isofs sr_mod vfat nls_ascii nls_cp437 nls_utf8 nls_iso8859-1
  button evdev qemu_fw_cfg pvpanic-pci loop 8021q)

# Programs busybox does not have, or not with the options that scripts written
# for other images use. Their libraries come along.
programs=(/usr/sbin/dropbear /usr/bin/dropbearkey /usr/bin/dbclient
  /sbin/resize2fs /sbin/mke2fs /sbin/e2fsck /sbin/blkid /bin/lsblk /sbin/ip /bin/bash)

die() {
  echo "build.sh: $*" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || die "$1 is missing: install $2"
}

[ "$(uname -m)" = x86_64 ] || die "the image is for amd64 and is built there"
need busybox busybox-static
need dropbear dropbear-bin
need resize2fs e2fsprogs
need ip iproute2
need mkfs.vfat dosfstools
need mcopy mtools
need syslinux syslinux
need cpio cpio
need depmod kmod
need qemu-img qemu-utils
need unshare util-linux

# Looks for a kernel that has both its image and its modules here. One that
# was only unpacked, not installed, may be named with KERNEL_ROOT.
kernel_root=${KERNEL_ROOT:-}
find_kernel() {
  local image
  while read -r image; do
    release=${image##*/vmlinuz-}
    for modules in "$kernel_root/lib/modules/$release" "$kernel_root/usr/lib/modules/$release"; do
      [ -d "$modules/kernel" ] && kernel=$image && return
    done
  done < <(find "$kernel_root/boot" -maxdepth 1 -name 'vmlinuz-*cloud-amd64' | sort -rV)
  die "no cloud kernel with its modules under ${kernel_root:-/}: install linux-image-cloud-amd64"
}
find_kernel

mbr=/usr/lib/syslinux/mbr/mbr.bin
[ -f "$mbr" ] || die "$mbr is missing: install syslinux-common"

for program in "${programs[@]}"; do
  [ -x "$program" ] || die "$program is missing"
done

# An image made from the same inputs is kept.
inputs() {
  echo "$SOURCE_DATE_EPOCH $release"
  find "$here/build.sh" "$here/syslinux.cfg" "$here/initramfs" "$here/rootfs" -type f -printf '%P %m\n' -exec sha256sum {} + | sort
  sha256sum "$kernel" "$modules/modules.dep" "$mbr" "$(command -v busybox)" "$(command -v syslinux)" "${programs[@]}"
}
stamp=$out.inputs
fingerprint=$(inputs | sha256sum)
if [ -f "$out" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$fingerprint" ]; then
  echo "$out is up to date"
  exit 0
fi

# Inside a user namespace of our own every file belongs to root, and so it
# does in the file systems made from here.
if [ "$(id -u)" != 0 ]; then
  exec unshare --user --map-root-user "$0" "$@"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/kumoi-guest.XXXXXX")
trap 'rm -rf "$work"' EXIT
umask 022

# add_busybox TREE: busybox under all its names.
add_busybox() {
  install -D -m 755 "$(command -v busybox)" "$1/bin/busybox"
  local name
  while read -r name; do
    [ -e "$1/$name" ] || [ -L "$1/$name" ] || ln -s /bin/busybox "$1/$name"
  done < <(busybox --list-full)
}

# add_program TREE FILE: a program with the libraries it is linked with.
add_program() {
  install -D -m 755 "$2" "$1$2"
  local library
  while read -r library; do
    [ -e "$1$library" ] || install -D -m 755 "$library" "$1$library"
  done < <(ldd "$2" | grep -o '/[^ ]*')
}

# add_modules TREE NAME...: modules with those they depend on, and the index
# files by which modprobe finds them.
add_modules() {
  local tree=$1 target=$1/lib/modules/$release name path
  shift
  mkdir -p "$target"
  for name; do
    # A line of modules.dep reads "path: the paths it depends on".
    while read -r path; do
      install -D -m 644 "$modules/$path" "$target/$path"
    done < <(awk -v name="$name" '
      function base(p) { sub(/.*\//, "", p); sub(/\.ko.*/, "", p); gsub(/-/, "_", p); return p }
      BEGIN { gsub(/-/, "_", name) }
      { file = $1; sub(/:$/, "", file) }
      base(file) == name { $1 = file; for (i = 1; i <= NF; i++) print $i }' "$modules/modules.dep")
  done
  cp "$modules"/modules.{order,builtin,builtin.modinfo} "$target/"
  depmod -b "$tree" "$release"
  # busybox reads the text files only.
  rm -f "$target"/modules.{order,builtin,builtin.modinfo,devname,softdep,symbols} "$target"/*.bin
}

# settle TREE: modes and times that do not depend on where it was built.
settle() {
  chmod -R u=rwX,go=rX "$1"
  find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

build_initrd() {
  local tree=$work/initramfs
  mkdir -p "$tree"/{bin,dev,proc,sys,root}
  install -m 755 "$(command -v busybox)" "$tree/bin/busybox"
  ln -s busybox "$tree/bin/sh"
  install -m 755 "$here/initramfs/init" "$tree/init"
  add_modules "$tree" "${boot_modules[@]}"
  settle "$tree"
  (cd "$tree" && find . | sort | cpio --quiet -o -H newc -R 0:0 --reproducible) | gzip -9n >"$work/initrd"
}

build_root() {
  local tree=$work/root program
  mkdir -p "$tree"/{dev,proc,sys,run,tmp,mnt,root,home/kumoi,usr/bin,usr/lib,usr/lib64}
  # One folder for all programs: scripts know some of them by either path.
  ln -s usr/bin usr/lib usr/lib64 "$tree/"
  ln -s usr/bin "$tree/sbin"
  ln -s bin "$tree/usr/sbin"
  mkdir -p "$tree"/{etc/dropbear,var/lib/kumoi,var/log}
  cp -r "$here/rootfs/." "$tree/"
  for program in "${programs[@]}"; do
    add_program "$tree" "$program"
  done
  ln -sf mke2fs "$tree/usr/sbin/mkfs.ext4"
  add_busybox "$tree"
  add_modules "$tree" "${root_modules[@]}"
  ln -s /run "$tree/var/run"
  ln -s /run/resolv.conf "$tree/etc/resolv.conf"
  ln -s /proc/mounts "$tree/etc/mtab"
  settle "$tree"
  chmod 600 "$tree/etc/shadow"
  chmod 700 "$tree/root" "$tree/etc/dropbear" "$tree/var/lib/kumoi"
  chmod 1777 "$tree/tmp"

  truncate -s "${root_size}M" "$work/root.img"
  # The resize limit leaves room in the block group descriptors for growth
  # while mounted; the fixed UUID and seed make the result repeatable.
  E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -b 4096 -i 8192 -m 0 -L kumoi-root \
    -U 6b756d6f-6900-4000-8000-67756573740a -J size=4 \
    -E "root_owner=0:0,resize=268435456,hash_seed=6b756d6f-6900-4000-8000-686173680a00,lazy_itable_init=1" \
    -d "$tree" "$work/root.img"
}

build_boot() {
  local img=$work/boot.img
  truncate -s "${boot_size}M" "$img"
  mkfs.vfat -F 16 -n KUMOI-BOOT -i 6b756d6f --invariant "$img" >/dev/null
  syslinux --install "$img"
  cp "$kernel" "$work/vmlinuz"
  cp "$here/syslinux.cfg" "$work/syslinux.cfg"
  touch -d "@$SOURCE_DATE_EPOCH" "$work"/{vmlinuz,initrd,syslinux.cfg}
  MTOOLS_SKIP_CHECK=1 mcopy -m -i "$img" "$work"/{vmlinuz,initrd,syslinux.cfg} ::/
}

# le32 NUMBER: four bytes, the least significant first.
le32() {
  local hex
  printf -v hex '%08x' "$1"
  printf '%b' "\\x${hex:6:2}\\x${hex:4:2}\\x${hex:2:2}\\x${hex:0:2}"
}

# partition ACTIVE TYPE START SIZE: one entry of the partition table, in MiB.
# The addresses by cylinder are out of range, so that only sectors count.
partition() {
  printf '%b' "\\x$1\\xfe\\xff\\xff\\x$2\\xfe\\xff\\xff"
  le32 $(($3 * 2048))
  le32 $(($4 * 2048))
}

build_disk() {
  local disk=$work/disk.img
  cp "$mbr" "$disk"
  truncate -s 440 "$disk"
  {
    printf 'kumo\0\0'
    partition 80 0e "$gap" "$boot_size"
    partition 00 83 $((gap + boot_size)) "$root_size"
    head -c 32 /dev/zero
    printf '\x55\xaa'
  } >>"$disk"
  truncate -s "$((gap + boot_size + root_size))M" "$disk"
  dd if="$work/boot.img" of="$disk" bs=1M seek="$gap" conv=notrunc,sparse status=none
  dd if="$work/root.img" of="$disk" bs=1M seek=$((gap + boot_size)) conv=notrunc,sparse status=none
  mkdir -p "$(dirname "$out")"
  qemu-img convert -q -f raw -O qcow2 "$disk" "$out.new"
}

build_initrd
build_root
build_boot
build_disk
mv "$out.new" "$out"
echo "$fingerprint" >"$stamp"
echo "$out: $(du -h --apparent-size "$out" | cut -f1), kernel $release"
