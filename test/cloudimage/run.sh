#!/bin/bash
# run.sh: a Debian cloud image, built by debootstrap with systemd and cloud-init,
# becomes a server with the real hypervisor and network; cloud-init finishes and
# ssh works. In namespaces of its own; leaves nothing behind. Takes some minutes
# where guests are emulated.
# Where libguestfs' tools are installed the server is made from what "kumoi image
# prepare" makes of the image.
#   OUT=DIR      keep logs there (default: a temporary folder, kept on failure)
#   PREPARE=no   leave the image as it was built
#   PATIENCE=S   how long the guest may take until cloud-init is done (1200)
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
image=${IMAGE:-build/debian-cloud.qcow2}
[ "$(id -u)" = 0 ] || { echo "cloud-image: needs root for namespaces, bridges and guests" >&2; exit 1; }
[ -x bin/kumoi ] || { echo "cloud-image: bin/kumoi is missing; run: make build" >&2; exit 1; }
if [ -z "${KUMOI_CLOUD_IMAGE_INSIDE:-}" ]; then
  test/cloudimage/build.sh "$image"
  export KUMOI_CLOUD_IMAGE_INSIDE=1
  exec unshare --net --mount --propagation private bash -c '
    mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/lock && ip link set lo up && exec "$@"' cloud-image "$root/test/cloudimage/run.sh"
fi

out=${OUT:-$(mktemp -d /tmp/kumoi-cloud-image.XXXXXX)}
mkdir -p "$out"
rm -f "$out/prepared.qcow2" "$out/key" "$out/key.pub"
flags=(--data-dir "$out/data" --listen 127.0.0.1:15000 --outside-cidr 172.24.4.0/24)
# shellcheck disable=SC2329 # called by the trap
finish() {
  local status=$?
  bin/kumoi down --purge "${flags[@]}" >>"$out/down.log" 2>&1 || true
  if [ $status = 0 ] && [ -z "${OUT:-}" ]; then rm -rf "$out"; else echo "cloud-image: logs are in $out" >&2; fi
  exit $status
}
trap finish EXIT
fail() {
  echo "FAIL: $*" >&2
  openstack console log show cloud >"$out/console.log" 2>&1 || true
  tail -n 40 "$out/console.log" >&2
  exit 1
}
start=$SECONDS
ok() { echo "ok   $* (after $((SECONDS - start)) s)"; }

if [ "${PREPARE:-yes}" = yes ] && command -v guestfish >/dev/null; then
  before=$(sha256sum <"$image")
  bin/kumoi image prepare "$image" --to "$out/prepared.qcow2" >"$out/prepare.log" 2>&1 || fail "the image cannot be prepared: $(tail -n 3 "$out/prepare.log")"
  [ "$(sha256sum <"$image")" = "$before" ] || fail "preparing changed the image itself"
  image=$out/prepared.qcow2
  ok "the image is prepared: $(grep -c '^    ' "$out/prepare.log") files"
fi
bin/kumoi up --detach "${flags[@]}" >"$out/up.log" 2>&1 || fail "kumoi did not start, see $out/up.log"
eval "$(bin/kumoi openrc "${flags[@]}")"
ok "the cloud runs"

ssh-keygen -q -t ed25519 -N '' -f "$out/key"
cat >"$out/user-data" <<'DATA'
#cloud-config
write_files:
- path: /etc/kumoi-was-here
  content: "said by user data\n"
runcmd:
- [sh, -c, "echo ran > /var/lib/kumoi-ran"]
DATA
openstack image create debian --disk-format qcow2 --container-format bare --file "$image" >/dev/null
openstack flavor create small --vcpus 1 --ram 768 --disk 3 >/dev/null
openstack keypair create cloud --public-key "$out/key.pub" >/dev/null
openstack network create outside --external --provider-network-type flat --provider-physical-network outside >/dev/null
openstack subnet create outside --network outside --subnet-range 172.24.4.0/24 --no-dhcp --gateway 172.24.4.1 \
  --allocation-pool start=172.24.4.10,end=172.24.4.200 >/dev/null
openstack network create inside >/dev/null
openstack subnet create inside --network inside --subnet-range 10.0.0.0/24 >/dev/null
openstack router create router >/dev/null
openstack router set router --external-gateway outside
openstack router add subnet router inside
openstack security group create open >/dev/null
openstack security group rule create open --protocol tcp --dst-port 22 >/dev/null
openstack security group rule create open --protocol icmp >/dev/null
openstack server create cloud --image debian --flavor small --network inside --key-name cloud --security-group open \
  --user-data "$out/user-data" --wait >/dev/null || fail "the server does not become ACTIVE"
address=$(openstack floating ip create outside -f value -c floating_ip_address)
openstack server add floating ip cloud "$address"
ok "the server is ACTIVE at $address"

patience=$((SECONDS + ${PATIENCE:-1200}))
guest() {
  ssh -q -i "$out/key" -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "debian@$address" "$@"
}
until guest true 2>/dev/null; do
  [ $SECONDS -lt $patience ] || fail "nobody answers on ssh"
  sleep 1
done
ok "ssh works"
until status=$(guest cloud-init status) && [ "$status" = "status: done" ]; do
  case $status in *error*) guest cloud-init status --long >&2 || true; fail "cloud-init: $status" ;; esac
  [ $SECONDS -lt $patience ] || fail "cloud-init is not done: $status"
  sleep 2
done
ok "cloud-init is done"

# expect WHAT WANTED COMMAND...: what the guest must answer
expect() {
  local what=$1 wanted=$2 got
  shift 2
  got=$(guest "$@") || fail "$what: the command failed"
  [[ $got =~ $wanted ]] || fail "$what: $got"
  ok "$what: $got"
}
expect "name" '^cloud$' hostname
expect "data source" '^DataSource(OpenStack|ConfigDrive)' 'sudo grep -o "DataSource[A-Za-z]*" /run/cloud-init/result.json'
expect "user data was written" '^said by user data$' cat /etc/kumoi-was-here
expect "user data was run" '^ran$' sudo cat /var/lib/kumoi-ran
expect "the root grew to the flavor's disk" '^(2[5-9][0-9]{2}|30[0-9]{2})$' "df --output=size -m / | tail -n 1 | tr -d ' '"
expect "host keys of its own" '^[1-9]$' 'ls /etc/ssh/ssh_host_*_key | wc -l'
expect "a machine id of its own" '^[0-9a-f]{32}$' cat /etc/machine-id
expect "an address" '^10\.0\.0\.' "ip -4 -br addr show scope global | awk '{print \$3}'"
openstack console log show cloud >"$out/console.log"
grep -q 'login:' "$out/console.log" || fail "the console shows no login"
ok "the console shows a login"
echo "PASS after $((SECONDS - start)) s"
