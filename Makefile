# Concordat. `make help` lists what there is to make. Only Go is needed, except
# for `race`, which needs a C compiler too.

GO       ?= go
FUZZTIME ?= 10s

# One static binary that runs on any Linux of its architecture. What is tested
# is what is built, so the tests do without C as well.
export CGO_ENABLED ?= 0

# The version below says what Go's own stamp would, and a checkout that git does
# not trust (another owner's, in a container) builds without it.
export GOFLAGS += -buildvcs=false

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)

# The packages that start goroutines, or whose values goroutines share. The
# pure packages have neither; cmd and testnet start other processes, which the
# race detector does not see into.
RACE = ./client/... ./consensus/... ./ledger ./ledger/statement ./node/... ./p2p/... ./recognition

# Where a server of Raft's gets another address (a node's new key), hashicorp/raft
# v1.7.3 itself has a race: updateLastAppended reads what startStopReplication
# writes under peerLock, without that lock. These tests do that; they run without
# the race detector only (consensus/DESIGN.md).
RACE_SKIP = ^(TestRotateKeys|TestRotatedBeforeHandover|TestRotatedWhileDown|TestRaftNewKeys|TestNewAddress)$$

.DEFAULT_GOAL := help

.PHONY: help
help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: ## build bin/concordat
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/concordat ./cmd/concordat

.PHONY: demo
demo: build ## four regions, real codes, one story in eleven chapters; fails if a step is not as told
	bin/concordat testnet demo

.PHONY: test
test: ## all tests
	$(GO) test ./...

.PHONY: race
race: ## the tests of all packages with goroutines, under the race detector
	CGO_ENABLED=1 $(GO) test -race -skip '$(RACE_SKIP)' $(RACE)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s) each
	GO='$(GO)' FUZZTIME='$(FUZZTIME)' .ci/fuzz

# What docs/performance.md is made of. PEERS is a folder with the harness that
# builds etcd; where it is not there, Concordat is measured alone.
PEERS      ?= ../shared/bench
ROUNDS     ?= 3
CLIENTS    ?= 1,16,64,256
HASHES     ?= 1000000
BENCHFLAGS ?=

.PHONY: bench
bench: build ## statements and checks per second beside others, and look-ups among HASHES (1000000)
	$(GO) run ./testnet/bench -command bin/concordat -peers '$(PEERS)' -rounds $(ROUNDS) -clients $(CLIENTS) $(BENCHFLAGS)
	CHECK_BENCH_HASHES=$(HASHES) $(GO) test ./node -run '^$$' -bench 'Check$$' -benchtime 3s -timeout 1h
	LEDGER_BENCH_HASHES=$(HASHES) $(GO) test ./ledger -run '^$$' -bench Lookup -timeout 1h

.PHONY: bench-check
bench-check: ## what a check costs beside the verification of its signature, for each format
	$(GO) test ./node -run '^$$' -bench CheckFormats -benchtime 3s

# How many statements a node with an empty disk catches up with. A million take
# some five minutes to load, and 2 GiB of memory.
STATEMENTS ?= 1000000

.PHONY: catchup
catchup: build ## a node with an empty disk catches up with STATEMENTS (1000000), beside applying them
	$(GO) run ./testnet/bench -command bin/concordat -catchup $(STATEMENTS)

.PHONY: micro
micro: ## all micro-benchmarks, a second each
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: cover
cover: ## test coverage by package, and coverage.out for `go tool cover -html=coverage.out`
	$(GO) test -coverprofile=coverage.out -coverpkg=./... ./...
	$(GO) tool cover -func=coverage.out | tail -1

.PHONY: fmt
fmt: ## format all Go files
	gofmt -s -w .

.PHONY: readme
readme: ## the commands of README.md, run as they are written
	.ci/readme

.PHONY: ci
ci: ## all that has to hold before a change goes in
	.ci/run

.PHONY: lint
lint: ## formatting, go vet and staticcheck; .ci/lint.md has the reasons
	GO='$(GO)' .ci/lint
