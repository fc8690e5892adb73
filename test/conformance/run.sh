#!/bin/bash
# run.sh AREA [REGEX]: Debian's tempest against a cloud started for it.
# AREA: identity, image, network (guests pretended); compute, smoke (real guests,
# in namespaces of their own, when run as root; else pretended as well).
# REGEX narrows the selection. Ends with "N passed, N failed, N skipped" and
# compares the failures with the known exceptions in docs/conformance.md.
# Exit status: 0 no failure that is not known, 1 some, 2 nothing was run.
#   OUT=DIR       keep results there (default: a temporary folder, kept on failure)
#   WORKERS=N     tests at once (2)
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
area=${1:-}
case $area in
  identity | image | network | compute) pattern="^tempest\.api\.$area\." ;;
  smoke) pattern='^tempest\..*\[.*\bsmoke\b.*\]' ;;
  placement)
    echo "conformance: no stock suite tests placement alone; internal/placement/api has its tests, and compute's uses it" >&2
    exit 2 ;;
  *) echo "usage: $0 identity|image|network|compute|smoke [REGEX]" >&2; exit 2 ;;
esac
nothing() { echo "conformance: $*" >&2; echo "0 passed, 0 failed, 0 skipped"; exit 2; }
[ -x bin/kumoi ] || nothing "bin/kumoi is missing; run: make build"

packages=(tempest python3-tempest python3-stestr python3-openstackclient jq)
missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || nothing "as root, install: ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >&2 ||
    nothing "apt-get install ${missing[*]} failed"
fi

# Real guests want namespaces of their own: start again inside them.
kind=fake
if [ "$area" = compute ] || [ "$area" = smoke ]; then
  if [ -n "${KUMOI_CONFORMANCE_INSIDE:-}" ]; then
    kind=real
  elif [ "$(id -u)" = 0 ] && [ -f build/kumoi-guest.qcow2 ]; then
    export KUMOI_CONFORMANCE_INSIDE=1
    exec unshare --net --mount --propagation private bash -c '
      mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/lock && ip link set lo up && exec "$@"' conformance "$root/test/conformance/run.sh" "$@"
  fi
fi

out=${OUT:-}
if [ -n "$out" ]; then mkdir -p "$out"; out=$(cd "$out" && pwd); else out=$(mktemp -d /tmp/kumoi-conformance.XXXXXX); fi
data=$out/data
flags=(--data-dir "$data" --admin-password 'a password for tests')
[ "$kind" = real ] || flags+=(--hypervisor fake --fabric fake)
# shellcheck disable=SC2329 # called by the trap
finish() {
  local status=$?
  if [ "$kind" = real ]; then
    bin/kumoi down --purge "${flags[@]}" >>"$out/kumoi.log" 2>&1 || true
  elif [ -n "${cloud:-}" ]; then
    kill "$cloud" 2>/dev/null && wait "$cloud" 2>/dev/null
  fi
  if [ $status = 0 ] && [ -z "${OUT:-}" ]; then rm -rf "$out"; else rm -rf "$data"; echo "conformance: results are in $out" >&2; fi
  exit $status
}
trap finish EXIT

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
flags+=(--listen "127.0.0.1:$port")
bin/kumoi up "${flags[@]}" >"$out/kumoi.log" 2>&1 &
cloud=$!
for _ in $(seq 600); do
  curl -fsS "http://127.0.0.1:$port/identity/v3" >/dev/null 2>&1 && break
  kill -0 $cloud 2>/dev/null || { tail "$out/kumoi.log" >&2; nothing "the cloud did not start"; }
  sleep 0.2
done
eval "$(bin/kumoi openrc "${flags[@]}")"
unset OS_CLOUD

# What the tests need: two images, two flavors, an outside network.
say() { echo "conformance: $*" >&2; }
say "preparing the cloud ($kind guests)"
id() { jq -r .id; }
if [ "$kind" = real ]; then disk=build/kumoi-guest.qcow2 format=qcow2 ram=256; else head -c 1048576 /dev/zero >"$out/disk"; disk=$out/disk format=raw ram=64; fi
image() { openstack image create "$1" --public --container-format bare --disk-format $format --file "$disk" -f json | id; }
image1=$(image conformance1)
image2=$(image conformance2)
flavor1=$(openstack flavor create conformance1 --vcpus 1 --ram $ram --disk 1 -f json | id)
flavor2=$(openstack flavor create conformance2 --vcpus 1 --ram $((ram + 64)) --disk 2 -f json | id)
outside=$(openstack network create outside --external --share --provider-network-type flat --provider-physical-network outside -f json | id)
openstack subnet create outside --network outside --subnet-range 172.24.4.0/24 --no-dhcp --gateway 172.24.4.1 \
  --allocation-pool start=172.24.4.10,end=172.24.4.250 >/dev/null
extensions=$(openstack extension list --network -f json | jq -r '[.[].Alias] | sort | join(",")')

tempest init --workspace-path "$out/workspaces.yaml" "$out/tempest" >"$out/init.log" 2>&1 || nothing "tempest init failed, see $out/init.log"
cat >"$out/tempest/etc/tempest.conf" <<CONF
[DEFAULT]
log_file = tempest.log
[oslo_concurrency]
lock_path = $out/lock
[auth]
use_dynamic_credentials = true
admin_username = admin
admin_password = $OS_PASSWORD
admin_project_name = admin
admin_domain_name = Default
default_credentials_domain_name = Default
create_isolated_networks = true
[identity]
uri_v3 = $OS_AUTH_URL
uri = $OS_AUTH_URL
auth_version = v3
region = $OS_REGION_NAME
v3_endpoint_type = publicURL
default_domain_id = default
[identity-feature-enabled]
api_v2 = false
api_v2_admin = false
api_v3 = true
trust = true
application_credentials = true
access_rules = true
project_tags = true
[compute]
image_ref = $image1
image_ref_alt = $image2
flavor_ref = $flavor1
flavor_ref_alt = $flavor2
max_microversion = latest
min_compute_nodes = 1
build_interval = 1
build_timeout = 180
[compute-feature-enabled]
resize = true
cold_migration = false
live_migration = false
console_output = true
pause = true
suspend = true
shelve = true
snapshot = true
rescue = true
interface_attach = true
config_drive = true
metadata_service = true
vnc_console = false
attach_encrypted_volume = false
[placement]
max_microversion = latest
[image]
build_timeout = 120
container_formats = bare,ami,ari,aki,ovf,ova,docker
disk_formats = raw,qcow2,vmdk,vdi,vhd,vhdx,iso,ami,ari,aki
[image-feature-enabled]
import_image = true
[network]
public_network_id = $outside
floating_network_name = outside
project_network_cidr = 10.100.0.0/16
project_network_mask_bits = 28
[network-feature-enabled]
ipv6 = true
ipv6_subnet_attributes = true
floating_ips = true
port_security = true
port_admin_state_change = true
api_extensions = $extensions
[validation]
run_validation = false
[service_available]
nova = true
neutron = true
glance = true
cinder = false
swift = false
horizon = false
CONF

say "running tempest's $area tests${2:+ that match $2}"
cd "$out/tempest"
tempest run --regex "$pattern" --list-tests 2>"$out/list.err" | grep -E '^tempest\.' | grep -E -- "${2:-.}" >"$out/selected" || nothing "no test is selected"
OS_TEST_TIMEOUT=400 tempest run --load-list "$out/selected" --concurrency "${WORKERS:-2}" >"$out/run.log" 2>&1 || true
count() { sed -n "s/^ - $1: *\([0-9]*\).*/\1/p" "$out/run.log" | tail -n 1; }
passed=$(count Passed) failed=$(count Failed) skipped=$(count Skipped)
[ -n "$passed" ] || { tail -n 20 "$out/run.log" >&2; nothing "tempest did not finish"; }

# What failed: a test by its name, a class whose setup failed as "setUpClass (class)".
stestr failing --list 2>/dev/null | sed 's/\[.*//' | sort -u >"$out/failed" || true
sed -n 's/^| `\([^`]*\)`.*/\1/p' "$root/docs/conformance.md" 2>/dev/null | sort -u >"$out/known" || true
grep -vFf "$out/known" "$out/failed" >"$out/unexpected" || true
if [ -s "$out/failed" ] && [ ! -s "$out/known" ]; then cp "$out/failed" "$out/unexpected"; fi
sed 's/\[.*//' "$out/selected" >"$out/names"
while read -r name; do
  grep -qF "$name" "$out/names" && ! grep -qF "$name" "$out/failed" && echo "known as failing, but did not fail: $name"
done <"$out/known" || true
if [ -s "$out/unexpected" ]; then
  echo "failed and not known in docs/conformance.md:"
  sed 's/^/  /' "$out/unexpected"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ ! -s "$out/unexpected" ]
