#!/bin/bash
# clients.sh [REGEX]: the functional tests of the openstack command, of
# openstacksdk and of keystoneclient, as Debian packages them, each suite against
# a cloud started for it. Ends as run.sh does; OUT and KUMOI as there.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
kumoi=${KUMOI:-$root/bin/kumoi}
nothing() { echo "conformance: $*" >&2; echo "0 passed, 0 failed, 0 skipped"; exit 2; }
[ -x "$kumoi" ] || nothing "$kumoi is missing; run: make build"

packages=(python3-openstackclient python3-openstacksdk python3-keystoneclient python3-os-client-config python3-tempest
  python3-testtools python3-testscenarios python3-fixtures python3-oslotest python3-requests-mock python3-ddt)
missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || nothing "as root, install: ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >&2 ||
    nothing "apt-get install ${missing[*]} failed"
fi

out=${OUT:-}
if [ -n "$out" ]; then mkdir -p "$out"; out=$(cd "$out" && pwd); else out=$(mktemp -d /tmp/kumoi-conformance.XXXXXX); fi
unset "${!OS_@}"
/usr/bin/python3 -W ignore "$root/test/conformance/clients.py" "$kumoi" "$out" "${1:-.}" >&2 </dev/null || nothing "the tests did not finish, see $out"

sed -n 's/^failed //p' "$out/results" | sort -u >"$out/failed"
sed -n 's/^| `\([^`]*\)`.*/\1/p' "$root/docs/conformance.md" | sort -u >"$out/known"
grep -vFf "$out/known" "$out/failed" >"$out/unexpected" || true
count() { grep -c "^$1 " "$out/results" || true; }
[ ! -s "$out/unexpected" ] || { echo "failed:"; sed 's/^/  /' "$out/unexpected"; echo "conformance: results are in $out" >&2; }
echo "$(count passed) passed, $(count failed) failed, $(count skipped) skipped"
[ ! -s "$out/unexpected" ] || exit 1
[ -n "${OUT:-}" ] || rm -rf "$out"
