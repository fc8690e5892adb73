#!/bin/bash
# run.sh AREA [REGEX]: Debian's tempest against a cloud started for it.
# AREA: identity, image, network, volume (guests pretended); compute, smoke (real guests,
# in namespaces of their own, when run as root; else pretended as well); clients:
# the clients' own functional tests (clients.sh).
# identity is two suites: the tests of the API with the default policies and
# password rules in force, then those of RBAC with scope enforced, by the policy
# file docs/policy/identity-system-scope.yaml.
# REGEX narrows the selection. Ends with "N passed, N failed, N skipped" and
# compares the failures with the known exceptions in docs/conformance.md.
# Exit status: 0 no failure that is not known, 1 some, 2 nothing was run.
#   OUT=DIR       keep results there (default: a temporary folder, kept on failure)
#   WORKERS=N     tests at once (2)
#   KUMOI=FILE    the binary (bin/kumoi)
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
kumoi=${KUMOI:-$root/bin/kumoi}
area=${1:-}
case $area in
  identity) pattern='^(tempest\.api\.identity\.(admin\.)?v3|keystone_tempest_plugin\.tests\.(api|scenario))\.' ;;
  network | compute) pattern="^tempest\.api\.$area\." ;;
  volume) pattern='^(tempest\.api\.volume|tempest\.api\.compute\.(volumes|admin\.test_volume)|cinder_tempest_plugin\.(api|rbac)\.)' ;;
  image) pattern='^(tempest\.api\.image|glance_tempest_plugin|tempest\.scenario\.test_unified_limits)\.' ;;
  smoke) pattern='^tempest\..*\[.*\bsmoke\b.*\]' ;;
  placement)
    echo "conformance: no stock suite tests placement alone; internal/placement/api has its tests, and compute's uses it" >&2
    exit 2 ;;
  clients) exec test/conformance/clients.sh "${@:2}" ;;
  *) echo "usage: $0 identity|image|network|volume|compute|smoke|clients [REGEX]" >&2; exit 2 ;;
esac
# shellcheck source=test/conformance/lib.sh
. test/conformance/lib.sh
[ -x "$kumoi" ] || nothing "$kumoi is missing; run: make build"

packages=(iputils-ping tempest python3-tempest python3-stestr python3-openstackclient jq)
[ "$area" != identity ] || packages+=(keystone-tempest-plugin)
[ "$area" = image ] && packages+=(glance-tempest-plugin)
[ "$area" = volume ] && packages+=(cinder-tempest-plugin)
need "${packages[@]}"

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

out=$(folder)
data=$out/data
flags=(--data-dir "$data" --admin-password 'a password for tests')
if [ "$area" = identity ]; then # what the tests of password rules expect
  flags+=(--policy-file "$out/policy.yaml" --lockout-attempts 6 --lockout-duration 5s --password-unique-last 2)
fi
[ "$kind" = real ] || flags+=(--hypervisor fake --fabric fake)
# Two stores to write to, one to read from, and imports that may come from this machine.
[ "$area" != image ] || flags+=(--web-download-allow 127.0.0.0/8 --image-show-locations
  --image-stores "id=one,type=file,path=$out/one;id=two,type=file,path=$out/two;id=web,type=http")
# shellcheck disable=SC2329 # called by the trap
finish() {
  local status=$?
  if [ "$kind" = real ]; then
    "$kumoi" down --purge "${flags[@]}" >>"$out/kumoi.log" 2>&1 || true
  elif [ -n "${cloud:-}" ]; then
    kill "$cloud" 2>/dev/null && wait "$cloud" 2>/dev/null
  fi
  [ -z "${web:-}" ] || kill "$web" 2>/dev/null
  if [ $status = 0 ] && [ -z "${OUT:-}" ]; then rm -rf "$out"; else rm -rf "$data"; echo "conformance: results are in $out" >&2; fi
  exit $status
}
trap finish EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
flags+=(--listen "127.0.0.1:$port")
"$kumoi" up "${flags[@]}" >"$out/kumoi.log" 2>&1 &
cloud=$!
for _ in $(seq 600); do
  curl -fsS "http://127.0.0.1:$port/identity/v3" >/dev/null 2>&1 && break
  kill -0 $cloud 2>/dev/null || { tail "$out/kumoi.log" >&2; nothing "the cloud did not start"; }
  sleep 0.2
done
eval "$("$kumoi" openrc "${flags[@]}")"
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

# What the image tests need besides: something on the web, the limits that the
# service honours, and a second address of the image service.
http_image=
remote_image=
if [ "$area" = image ]; then
  mkdir "$out/www" && cp "$disk" "$out/www/disk.img"
  web_port=$(free_port)
  python3 -m http.server --bind 127.0.0.1 --directory "$out/www" "$web_port" >/dev/null 2>&1 &
  web=$!
  http_image="http_image = http://127.0.0.1:$web_port/disk.img"
  for limit in image_size_total image_stage_total image_count_total image_count_uploading; do
    openstack registered limit create --service glance --region "$OS_REGION_NAME" --default-limit 10000 $limit >/dev/null
  done
  openstack service create --name glance-remote image-remote >/dev/null
  openstack endpoint create --region "$OS_REGION_NAME" image-remote public "http://127.0.0.1:$port/image" >/dev/null
  remote_image='alternate_image_endpoint = image-remote'
fi

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
user_lockout_failure_attempts = 6
user_lockout_duration = 5
user_unique_last_password_count = 2
[identity-feature-enabled]
security_compliance = $([ "$area" = identity ] && echo true || echo false)
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
vnc_console = true
attach_encrypted_volume = true
[placement]
max_microversion = latest
[image]
build_timeout = 120
container_formats = bare,ami,ari,aki,ovf,ova,docker
disk_formats = raw,qcow2,vmdk,vdi,vhd,vhdx,iso,ami,ari,aki
image_caching_enabled = true
$http_image
$remote_image
[image-feature-enabled]
import_image = true
os_glance_reserved = true
manage_locations = $([ "$area" = image ] && echo true || echo false)
[enforce_scope]
glance = $([ "$area" = image ] && echo true || echo false)
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
cinder = true
swift = false
horizon = false
[volume]
catalog_type = block-storage
min_microversion = 3.0
max_microversion = latest
volume_size = 1
storage_protocol = fake
vendor_name = Open Source
build_timeout = 120
[volume-feature-enabled]
backup = true
snapshot = true
clone = true
manage_volume = true
manage_snapshot = false
extend_attached_volume = true
extend_attached_encrypted_volume = true
volume_revert = true
CONF

cd "$out/tempest"
passed=0 failed=0 skipped=0
count() { sed -n "s/^ - $2: *\([0-9]*\).*/\1/p" "$out/$1.log" | tail -n 1; }
# suite NAME PATTERN [REGEX]: run the tests that match and add to the counts.
suite() {
  tempest run --regex "$2" --list-tests 2>"$out/list.err" | grep -E '^[a-z_]+\.' | grep -E -- "${3:-.}" >"$out/$1.selected" || return 0
  say "running $(wc -l <"$out/$1.selected") tests of $1${3:+ that match $3}"
  OS_TEST_TIMEOUT=400 tempest run --load-list "$out/$1.selected" --concurrency "${WORKERS:-2}" >"$out/$1.log" 2>&1 || true
  [ -n "$(count "$1" Passed)" ] || { tail -n 20 "$out/$1.log" >&2; nothing "tempest did not finish"; }
  passed=$((passed + $(count "$1" Passed))) failed=$((failed + $(count "$1" Failed))) skipped=$((skipped + $(count "$1" Skipped)))
  # What failed: a test by its name, a class whose setup failed as "setUpClass (class)".
  stestr failing --list 2>/dev/null | sed 's/\[.*//' >>"$out/failed.all" || true
  sed 's/\[.*//' "$out/$1.selected" >>"$out/names"
}
: >"$out/failed.all"; : >"$out/names"
suite "$area" "$pattern" "${2:-}"
if [ "$area" = identity ]; then
  cp "$root/docs/policy/identity-system-scope.yaml" "$out/policy.yaml"
  token() { curl -fsS -D - -o /dev/null -H 'Content-Type: application/json' "$OS_AUTH_URL/auth/tokens" -d '{"auth": {"identity": {"methods": ["password"],
    "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": "'"$OS_PASSWORD"'"}}}, "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}}' |
    sed -n 's/^X-Subject-Token: *\(.*\)\r/\1/ip'; }
  for _ in $(seq 50); do # until the policy is in force: a project's administrator lists no domains
    [ "$(curl -sS -o /dev/null -w '%{http_code}' -H "X-Auth-Token: $(token)" "$OS_AUTH_URL/domains")" != 403 ] || break
    sleep 0.2
  done
  sed -i -e 's/^admin_project_name = .*/admin_system = all/' -e 's/^trust = true/trust = true\nenforce_scope = true/' etc/tempest.conf
  printf '[enforce_scope]\nkeystone = true\n' >>etc/tempest.conf
  suite keystone-rbac '^keystone_tempest_plugin\.tests\.rbac\.' "${2:-}"
fi
[ -s "$out/names" ] || nothing "no test is selected"
sort -u "$out/failed.all" >"$out/failed"
sed -n 's/^| `\([^`]*\)`.*/\1/p' "$root/docs/conformance.md" 2>/dev/null | sort -u >"$out/known" || true
grep -vFf "$out/known" "$out/failed" >"$out/unexpected" || true
if [ -s "$out/failed" ] && [ ! -s "$out/known" ]; then cp "$out/failed" "$out/unexpected"; fi
while read -r name; do
  grep -qF "$name" "$out/names" && ! grep -qF "$name" "$out/failed" && echo "known as failing, but did not fail: $name"
done <"$out/known" || true
if [ -s "$out/unexpected" ]; then
  echo "failed and not known in docs/conformance.md:"
  sed 's/^/  /' "$out/unexpected"
fi
# Why tests were skipped, so that a feature that went missing is seen.
sed -n 's/.*\.\.\. SKIPPED: /skipped: /p' "$out"/*.log | sort | uniq -c | sort -rn
echo "$passed passed, $failed failed, $skipped skipped"
[ ! -s "$out/unexpected" ]
