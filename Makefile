# Kumoi. "make help" lists the targets.
SHELL       := /bin/bash
.DEFAULT_GOAL := help

DATA        ?= /var/lib/kumoi
LISTEN      ?= 127.0.0.1:5000
GUEST       := build/kumoi-guest.qcow2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
export PATH := /usr/local/lib/kumoi-go/bin:$(PATH):/usr/local/go/bin:/usr/lib/go-1.26/bin:/usr/sbin:/sbin
# Without paths of the checkout in them, builds and tests of two checkouts share one cache.
export GOFLAGS ?= -trimpath
LDFLAGS     := -s -w -X kumoi/internal/app.Version=$(VERSION)

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: deps build guest-image ## from a clean Debian to a running, reachable server
	bin/kumoi up --detach --data-dir $(DATA) --listen $(LISTEN)
	bin/kumoi demo --data-dir $(DATA) --listen $(LISTEN) --guest-image $(GUEST)

.PHONY: clean-demo
clean-demo: ## remove every trace of the demo: guests, bridges, namespaces, files
	bin/kumoi down --purge --data-dir $(DATA)

.PHONY: test
test: deps-test build guest-image ## all tests that .ci/run runs
	packaging/test.sh

.PHONY: build
build: ## build bin/kumoi, one static binary
	CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o bin/kumoi ./cmd/kumoi

.PHONY: guest-image
guest-image: ## build the small guest image
	@mkdir -p build
	guest/build.sh $(GUEST)

.PHONY: deps
deps: ## install what running needs, from Debian's packages
	@packaging/install-deps.sh

.PHONY: deps-test
deps-test: ## install what testing needs as well
	@packaging/install-deps.sh --test

.PHONY: lint
lint: ## vet and golangci-lint
	packaging/lint.sh

.PHONY: fmt
fmt: ## format the Go code
	gofmt -w cmd internal test

.PHONY: unit
unit: ## unit tests, SQLite and PostgreSQL (which it starts in a temporary folder)
	packaging/with-postgres.sh go test ./...
	packaging/with-postgres.sh go -C test/federation test ./...

.PHONY: race
race: ## the same with the race detector
	packaging/with-postgres.sh env CGO_ENABLED=1 go test -race ./...
	packaging/with-postgres.sh env CGO_ENABLED=1 go -C test/federation test -race ./...

.PHONY: e2e
e2e: build guest-image ## the whole path with real QEMU, libvirt and OVN in a network namespace
	test/e2e/run.sh

.PHONY: guest-test
guest-test: guest-image ## boot the guest image in every way it promises (a minute)
	guest/test.sh $(GUEST)

.PHONY: cloud-image-test
cloud-image-test: build ## a Debian cloud image, built by debootstrap, booted as a server (some minutes, as root)
	test/cloudimage/run.sh

.PHONY: realdeps
realdeps: ## packages against real OVN, libvirt and QEMU, in namespaces of their own
	go test -tags realdeps -count=1 ./internal/hoststack/... ./internal/network/fabric/... ./internal/agent/...

.PHONY: test-storage
test-storage: ## volumes on an NFS server and a one-node Ceph that the tests start (some minutes, as root; RUN=TestNFS)
	@packaging/install-deps.sh --test-storage
	go test -tags realdeps,storage -count=1 -timeout 30m -run '$(or $(RUN),TestNFS|TestMounted|TestRBD|TestStorage)' ./internal/agent/volume

.PHONY: bench
bench: build guest-image ## measure speed and size; prints tables (PARTS="control identity images real", or some of them)
	test/bench/run.sh $(PARTS)

.PHONY: bench-against
bench-against: build ## compare with an older commit, operation by operation in turns: make bench-against BASE=v1.2
	test/bench/against.sh $(BASE) $(ARGS)

.PHONY: coverage
coverage: build ## compare what is served with the API inventory
	go run ./test/coverage -operations docs/api/operations.tsv -kumoi bin/kumoi

.PHONY: conformance
conformance: build guest-image ## make conformance SERVICE=identity: the stock suite against a cloud started for it
	test/conformance/run.sh $(SERVICE)

.PHONY: mutate
mutate: ## make mutate PKG=./internal/network N=30: small random faults that tests do not see (SEED="1 2", PKG=./internal/network/... for all of a service)
	go run ./test/mutate -pkg $(PKG) -n $(or $(N),10) $(if $(SEED),-seed "$(SEED)") $(if $(MUTATE_MORE),-more "$(MUTATE_MORE)")

.PHONY: fresh
fresh: ## both commands of the README on a bare Debian 12 made for it (long; PARTS="demo" for one of them)
	packaging/fresh.sh $(PARTS)

.PHONY: fuzz
fuzz: ## every fuzz target, a minute each, and the whole gateway
	packaging/fuzz.sh
