#!/bin/bash
# Boots the guest image under QEMU's emulation and checks what it promises:
# test.sh [IMAGE.qcow2]. Nothing leaves this machine: the guests' networks are
# QEMU's own, cut off from the outside, with a metadata service inside.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d "${TMPDIR:-/tmp}/kumoi-guest-test.XXXXXX")
image=${1:-$work/guest.qcow2}
port=${PORT:-22022}
memory=${MEMORY:-128}
machine=${MACHINE:-pc}
qemu=

cleanup() {
  [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

[ -f "$image" ] || "$here/build.sh" "$image"
image=$(readlink -f "$image")

fail() {
  echo "FAIL: $*" >&2
  echo "--- the console's end:" >&2
  tail -n 40 "$console" "$work/errors" >&2 || true
  exit 1
}

pass() {
  echo "ok   $*"
}

now() {
  date +%s%N
}

# within SECONDS COMMAND...: the command succeeds before the time is over.
within() {
  local end=$(($(now) + $1 * 1000000000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(now)" -lt "$end" ] || return 1
    [ "$1" = gone ] || ! gone 2>/dev/null || return 1
    sleep 0.1
  done
}

# seconds SINCE: the time since a moment, with one decimal.
seconds() {
  local tenths=$((($(now) - $1) / 100000000))
  echo "$((tenths / 10)).$((tenths % 10)) s"
}

# guest DISK [QEMU OPTIONS...] starts a machine. Its first NIC's network has
# the metadata service. The root disk's bus is in $bus. The monitor reads from
# descriptor 3.
bus=virtio
console=$work/console
service=$work/service
guest() {
  local disk=$1 root_device
  shift
  case $bus in
  virtio) root_device=(-device "virtio-blk-pci,drive=root") ;;
  scsi) root_device=(-device virtio-scsi-pci -device "scsi-hd,drive=root") ;;
  ide) root_device=(-device "ide-hd,drive=root") ;;
  esac
  rm -f "$work/monitor"
  mkfifo "$work/monitor"
  exec 3<>"$work/monitor"
  qemu-system-x86_64 -machine "$machine" -accel tcg -m "$memory" -display none -no-user-config -nodefaults \
    -serial "file:$console" -monitor stdio -device virtio-rng-pci \
    -drive "file=$disk,if=none,id=root,format=qcow2,cache=unsafe" "${root_device[@]}" \
    -netdev "user,id=net0,restrict=on,ipv4=on,ipv6=off,net=169.254.0.0/16,hostfwd=tcp:127.0.0.1:$port-:22,guestfwd=tcp:169.254.169.254:80-cmd:busybox httpd -i -h $service" \
    -device virtio-net-pci,netdev=net0,romfile= \
    "$@" <"$work/monitor" >/dev/null 2>"$work/errors" &
  qemu=$!
  started=$(now)
}

monitor() {
  echo "$*" >&3
}

gone() {
  ! kill -0 "$qemu"
}

# stop cuts the power.
stop() {
  kill "$qemu"
  wait "$qemu" || true
  qemu=
}

on() {
  local user=$1
  shift
  ssh -n -q -i "$work/key" -p "$port" -l "$user" -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no \
    -o BatchMode=yes -o ConnectTimeout="${wait:-10}" 127.0.0.1 "$@"
}

# login waits for a login by key. QEMU takes the connection before the guest
# does, so the wait for an answer is short.
login() {
  wait=1 within "${BOOT:-90}" on root true
}

# expect WHAT WANT GOT
expect() {
  [ "$2" = "$3" ] || fail "$1: want \"$2\", got \"$3\""
  pass "$1: $3"
}

# says PATTERN: the console has such a line.
says() {
  grep -aq "$1" "$console"
}

# disk NAME: a new copy of the image, grown to 1 GiB.
disk() {
  qemu-img create -q -f qcow2 -b "$image" -F qcow2 "$work/$1.qcow2" 1G
  echo "$work/$1.qcow2"
}

# metadata UUID NAME [MORE]: an instance's meta_data.json.
metadata() {
  printf '{"uuid": "%s", "hostname": "%s.example.org", "name": "%s", "launch_index": 0,
    "public_keys": {"mine": "%s\\n"}, "keys": [{"name": "mine", "type": "ssh", "data": "%s\\n"}],
    "devices": [], "meta": {"odd \\"name\\"": "\\u00e9"}%s}' "$1" "$2" "$2" "$(cat "$work/key.pub")" "$(cat "$work/key.pub")" "${3:-}"
}

# config_drive FOLDER KIND: an ISO or FAT image of it.
config_drive() {
  local drive=$work/config.$2
  rm -f "$drive"
  case $2 in
  iso) genisoimage -quiet -r -J -V config-2 -o "$drive" "$1" 2>/dev/null ;;
  vfat)
    truncate -s 64M "$drive"
    mkfs.vfat -n config-2 "$drive" >/dev/null 2>&1
    mcopy -s -i "$drive" "$1"/* ::/
    ;;
  esac
  echo "$drive"
}

ssh-keygen -q -t ed25519 -N '' -C test -f "$work/key"
first=11111111-2222-4333-8444-555555555555
second=66666666-7777-4888-9999-aaaaaaaaaaaa

echo "== metadata service, $machine, $memory MiB"
mkdir -p "$service/openstack/latest"
metadata $first first >"$service/openstack/latest/meta_data.json"
cat >"$service/openstack/latest/user_data" <<'EOF'
#!/bin/bash
echo "user data was here"
echo run >>/root/runs
EOF
root=$(disk first)
guest "$root" -uuid $first -netdev user,id=net1,restrict=on,ipv4=on,net=10.8.0.0/24,ipv6=on,ipv6-prefix=2001:db8:8:: -device virtio-net-pci,netdev=net1,romfile=
login || fail "no login by key"
pass "from power on to a login by key: $(seconds "$started")"
expect "hostname" first "$(on root hostname)"
expect "login of the other user" kumoi "$(on kumoi id -un)"
within 20 says "user data was here" || fail "the user data did not run"
pass "the user data's output is on the console"
within 10 says 'login: ' || fail "no login prompt on the console"
pass "login prompt on the console"
says 'Linux version' || fail "no boot messages on the console"
pass "boot messages on the console"
size=$(on root df -m / | awk 'NR == 2 { print $2 }')
[ "$size" -gt 900 ] || fail "the root has $size MiB of a disk of 1024"
pass "the root grew to $size MiB"
expect "addresses by DHCP on both NICs" "169.254.2.15/16 10.8.0.15/24" \
  "$(on root ip -4 -o addr | awk '/eth/ { print $4 }' | xargs)"
within 10 on root 'ip -6 -o addr show dev eth1 scope global | grep -q .' || fail "no IPv6 address from router advertisements"
pass "IPv6 address from router advertisements"
expect "password login" "publickey" \
  "$(ssh -v -p "$port" -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o PreferredAuthentications=none root@127.0.0.1 2>&1 | sed -n 's/.*Authentications that can continue: //p' | tr -d '\r')"
# shellcheck disable=SC2016 # it is the guest's shell that expands
expect "classless routes win over the router" \
  "10.9.0.0/16 via 10.8.0.2 dev eth1,10.10.0.0/16 dev eth1,10.11.0.0/16 via 10.12.0.1 dev eth1,mtu 1400" \
  "$(on root 'interface=eth1 ip=10.8.0.15 mask=24 mtu=1400 router=10.8.0.9 \
      staticroutes="10.9.0.0/16 10.8.0.2 10.10.0.0/16 0.0.0.0 10.11.0.0/16 10.12.0.1" \
      /etc/udhcpc/default.script bound
      for net in 10.9 10.10 10.11; do ip route | sed -n "s|^\($net.0.0/16.* dev eth1\).*|\1|p" | tr -s " " | tr "\n" ,; done
      ip route | grep -q 10.8.0.9 && echo router
      ip link show eth1 | grep -o "mtu 1400"')"
expect "5 MiB of memory and more are available" yes "$(on root free -m | awk '/Mem/ { print ($7 > 5 ? "yes" : "no: " $7) }')"
expect "hot-plugged volume by its serial" 64M "$(
  truncate -s 64M "$work/volume"
  monitor "drive_add 0 file=$work/volume,if=none,format=raw,id=vol"
  monitor "device_add virtio-blk-pci,drive=vol,id=vol,serial=0123456789abcdef0123"
  within 10 on root test -e /dev/disk/by-id/virtio-0123456789abcdef0123
  on root lsblk -dno SIZE /dev/disk/by-id/virtio-0123456789abcdef0123 | xargs)"
expect "a file system on it" stamp "$(on root '/usr/sbin/mke2fs -q -t ext4 /dev/vdb && mount /dev/vdb /mnt && echo stamp >/mnt/f && umount /mnt && mount /dev/vdb /mnt && cat /mnt/f && umount /mnt')"

hostkeys=$(on root cat /etc/dropbear/*_host_key '|' sha256sum)
: >"$service/openstack/latest/meta_data.json"
on root 'echo kept >/root/kept; sync; reboot'
rebooted=$(now)
within 30 says 'reboot: Restarting system' || fail "does not restart"
login || fail "no login after a reboot"
pass "reboot to login: $(seconds "$rebooted")"
expect "a file after the reboot" kept "$(on root cat /root/kept)"
says "instance $first again" || fail "the instance did not know itself again"
expect "host keys after a reboot" "$hostkeys" "$(on root cat /etc/dropbear/*_host_key '|' sha256sum)"
expect "runs of the user data" 1 "$(on root grep -c run /root/runs)"

pressed=$(now)
monitor system_powerdown
within 20 gone || fail "still on after the power button was pressed"
wait "$qemu" || fail "QEMU: $(cat "$work/errors")"
qemu=
pass "power button to off: $(seconds "$pressed")"
says "kumoi: power button" || fail "the power button was not what ended it"

echo "== the same disk as another instance, config drive over the service"
metadata $first wrong >"$service/openstack/latest/meta_data.json"
mkdir -p "$work/drive/openstack/latest"
metadata $second second ', "admin_pass": "s3\"cret\\"' >"$work/drive/openstack/latest/meta_data.json"
printf '#cloud-config\n{}\n' >"$work/drive/openstack/latest/user_data"
cat >"$work/drive/openstack/latest/network_data.json" <<'EOF'
{"links": [{"id": "tap1", "type": "ovs", "mtu": 1400, "ethernet_mac_address": "52:54:00:AA:BB:02"}],
 "networks": [{"id": "network0", "type": "ipv4", "link": "tap1", "ip_address": "10.8.0.77", "netmask": "255.255.255.0",
   "routes": [{"network": "10.99.0.0", "netmask": "255.255.0.0", "gateway": "10.8.0.1"}],
   "services": [{"type": "dns", "address": "10.8.0.53"}]}],
 "services": [{"type": "dns", "address": "10.8.0.54"}]}
EOF
guest "$root" -uuid $second -drive "file=$(config_drive "$work/drive" iso),if=virtio,format=raw,readonly=on" \
  -netdev user,id=net1,restrict=on,ipv4=on,ipv6=off,net=10.8.0.0/24 -device virtio-net-pci,netdev=net1,romfile=,mac=52:54:00:aa:bb:02
login || fail "no login by key"
pass "from power on to a login by key: $(seconds "$started")"
expect "hostname" second "$(on root hostname)"
expect "host keys are those of before" no "$([ "$hostkeys" = "$(on root cat /etc/dropbear/*_host_key '|' sha256sum)" ] && echo yes || echo no)"
expect "runs of the user data" 1 "$(on root grep -c run /root/runs)"
within 10 says "does not read" || fail "nothing was said about #cloud-config"
pass "#cloud-config is declined"
expect "static address" "10.8.0.77/24" "$(on root ip -4 -o addr show eth1 | awk '{ print $4 }')"
expect "static route" "10.99.0.0/16 via 10.8.0.1 dev eth1" "$(on root ip route | sed -n 's/^\(10.99.*eth1\).*/\1/p')"
expect "name servers" "10.8.0.53 10.8.0.54" "$(on root "sed -n 's/nameserver 10.8/10.8/p' /etc/resolv.conf" | xargs)"
cat >"$work/askpass" <<'EOF'
#!/bin/sh
printf '%s\n' 's3"cret\'
EOF
chmod +x "$work/askpass"
expect "login by the password" root "$(SSH_ASKPASS=$work/askpass SSH_ASKPASS_REQUIRE=force ssh -n -q -p "$port" -o UserKnownHostsFile=/dev/null \
  -o StrictHostKeyChecking=no -o PubkeyAuthentication=no root@127.0.0.1 id -un)"
stop

echo "== EC2 metadata only, SCSI root"
rm -rf "$service" && mkdir -p "$service/latest/meta-data/public-keys/0"
echo i-00000001 >"$service/latest/meta-data/instance-id"
echo third.example.org >"$service/latest/meta-data/hostname"
echo 0=mine >"$service/latest/meta-data/public-keys/index.html"
cp "$work/key.pub" "$service/latest/meta-data/public-keys/0/openssh-key"
bus=scsi guest "$(disk third)"
login || fail "no login by key"
pass "from power on to a login by key: $(seconds "$started")"
expect "hostname" third "$(on root hostname)"
stop

echo "== config drive as a vfat disk, IDE root"
rm "$work/drive/openstack/latest/network_data.json"
bus=ide guest "$(disk fourth)" -drive "file=$(config_drive "$work/drive" vfat),if=virtio,format=raw"
login || fail "no login by key"
pass "from power on to a login by key: $(seconds "$started")"
expect "hostname" second "$(on root hostname)"
stop
echo "all passed"
