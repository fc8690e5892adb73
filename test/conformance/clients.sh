#!/bin/bash
# clients.sh [REGEX]: the functional tests of the openstack command, of
# openstacksdk and of keystoneclient, as Debian packages them, each suite against
# a cloud started for it. Ends as run.sh does; OUT and KUMOI as there.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
kumoi=${KUMOI:-$root/bin/kumoi}
# shellcheck source=test/conformance/lib.sh
. test/conformance/lib.sh
[ -x "$kumoi" ] || nothing "$kumoi is missing; run: make build"

packages=(python3-openstackclient python3-openstacksdk python3-keystoneclient python3-os-client-config python3-tempest
  python3-testtools python3-testscenarios python3-fixtures python3-oslotest python3-requests-mock python3-ddt)
need "${packages[@]}"

out=$(folder)
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
