#!/bin/bash
# lint.sh: gofmt, go vet and golangci-lint (built once into build/tools, at the pinned version).
set -euo pipefail
cd "$(dirname "$0")/.."
version=v2.15.0
bad=$(gofmt -l cmd internal test)
[ -z "$bad" ] || { echo "gofmt would change:"; echo "$bad"; exit 1; }
go vet ./...
go -C test/federation vet ./...
tool=build/tools/golangci-lint-$version
if [ ! -x "$tool" ]; then
  echo "building golangci-lint $version (once)…"
  GOBIN=$PWD/build/tools go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
  mv build/tools/golangci-lint "$tool"
fi
tool=$PWD/$tool
"$tool" run ./...
cd test/federation
"$tool" run -c ../../.golangci.yml ./...
