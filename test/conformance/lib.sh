# lib.sh: what the conformance runs have in common; sourced, with root and kumoi set.
nothing() { echo "conformance: $*" >&2; echo "0 passed, 0 failed, 0 skipped"; exit 2; }

# need PACKAGE…: install what is missing of Debian's packages.
need() {
  local missing=() p
  for p in "$@"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || nothing "as root, install: ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >&2 ||
    nothing "apt-get install ${missing[*]} failed"
}

# folder: where the results go, OUT or a temporary one.
folder() {
  if [ -n "${OUT:-}" ]; then mkdir -p "$OUT"; (cd "$OUT" && pwd); else mktemp -d /tmp/kumoi-conformance.XXXXXX; fi
}
