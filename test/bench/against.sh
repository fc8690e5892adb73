#!/bin/bash
# against.sh COMMIT [FLAG...]: build that commit's kumoi and compare bin/kumoi
# with it, each operation in turns (see test/bench/report/compare.go).
set -euo pipefail
cd "$(dirname "$0")/../.."
commit=${1:?"which commit? make bench-against BASE=COMMIT"}
shift
old=$(mktemp -d)
trap 'git worktree remove --force "$old/tree" 2>/dev/null; rm -rf "$old"' EXIT
git worktree add --quiet --detach "$old/tree" "$commit"
(cd "$old/tree" && CGO_ENABLED=0 go build -o "$old/kumoi" ./cmd/kumoi)
mkdir -p build
go build -o build/bench ./test/bench/report
build/bench -kumoi bin/kumoi -against "$old/kumoi" "$@"
