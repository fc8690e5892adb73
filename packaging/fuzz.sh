#!/bin/bash
# fuzz.sh [SECONDS]: runs every fuzz target for a while (60 s each by default),
# and sends malformed requests to the whole gateway for as long.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
grep -rlE '^func Fuzz' --include='*_test.go' internal test/federation | while read -r file; do
  for target in $(grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | cut -c6-); do
    echo "== $target in $(dirname "$file")"
    go -C "$(dirname "$file")" test -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" .
  done
done
echo "== the whole gateway"
KUMOI_FUZZ_SECONDS=$seconds go test -count=1 -timeout "$((seconds + 600))s" -v -run TestWholeGateway ./test/fuzz
