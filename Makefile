# Needs Go, git, make and a C compiler. npm is optional: with it, make tools
# installs anvil, solc and ethers, and the tests that want them are not skipped.

LINT_VERSION := v2.15.0
LINT         := .tools/golangci-lint-$(LINT_VERSION)
NPM          := wallet/chain/chaintest/npm
NPM_DONE     := $(NPM)/node_modules/.package-lock.json

TEST_TIMEOUT := 20m
SCHEDULES    := 1000
MUTATIONS    := 20000
SEED         := 1
POINT        := all
DIST         := dist
PLATFORMS    := linux/amd64 linux/arm64
BENCH_PKGS    = $(shell grep -rl --include='*_test.go' '^func Benchmark' . | xargs -r -n1 dirname | sort -u)

.PHONY: all
all: build

## build: both programs, into bin
.PHONY: build
build:
	go build -trimpath -o bin/ ./cmd/airlock ./cmd/airlock-signer

## release: both programs for PLATFORMS, static and reproducible, into DIST
.PHONY: release
release:
	.ci/release $(DIST) $(PLATFORMS)

# Some tests build programs, of whose sources go test knows nothing: no results of
# before count.
## test: vet and test everything, with many schedules and every crash (see crash)
.PHONY: test
test: build
	go vet ./...
	go test -count=1 -timeout $(TEST_TIMEOUT) ./...
	$(MAKE) schedules outgoing-schedules
	$(MAKE) crash POINT=states

# In its folder and without a package, go test shows what the test prints.
## schedules: random schedules of a chain and its followers (SCHEDULES, SEED)
.PHONY: schedules
schedules:
	cd scanner && AIRLOCK_SCHEDULES=$(SCHEDULES) AIRLOCK_SEED=$(SEED) go test -timeout $(TEST_TIMEOUT) -run '^TestSchedules$$'

## outgoing-schedules: random schedules of payouts over a hostile network (SCHEDULES, SEED)
.PHONY: outgoing-schedules
outgoing-schedules: SCHEDULES := 500
outgoing-schedules:
	cd wallet/payout && AIRLOCK_SCHEDULES=$(SCHEDULES) AIRLOCK_SEED=$(SEED) go test -timeout $(TEST_TIMEOUT) -run '^TestOutgoingSchedules$$'

# states kills at every point too, and goes on once from what several of a command leave.
## crash: kill every command wherever it writes or asks (POINT=broadcast/write-7-after, states)
.PHONY: crash
crash:
	cd cmd/internal/crash && AIRLOCK_CRASH=$(POINT) go test -count=1 -timeout $(TEST_TIMEOUT) -run '^TestCrashMatrix$$'

## mutations: random changes of every file that is trusted (MUTATIONS, SEED)
.PHONY: mutations
mutations:
	cd cmd/internal/mutation && AIRLOCK_MUTATIONS=$(MUTATIONS) AIRLOCK_SEED=$(SEED) go test -timeout $(TEST_TIMEOUT) -run '^TestMutations$$'

## race: test everything under the race detector, which takes its time
.PHONY: race
race: build
	go test -race -timeout 1h ./...

## demo: the whole loop on an in-process chain
.PHONY: demo
demo: build
	go run ./cmd/demo

## bench: every benchmark, without the tests
.PHONY: bench
bench:
	go test -run '^$$' -bench . -timeout $(TEST_TIMEOUT) $(BENCH_PKGS)

## lint: the linters and the formatting that .golangci.yml asks for
.PHONY: lint
lint: $(LINT)
	$(LINT) run

## fmt: format the code as lint wants it
.PHONY: fmt
fmt: $(LINT)
	$(LINT) fmt

## contracts: compile the contract that pays many, and those that tests deploy
.PHONY: contracts
contracts: $(NPM_DONE)
	node $(NPM)/compile.js wallet/multipay/contracts
	node $(NPM)/compile.js wallet/chain/chaintest/contracts

## tools: the linter, anvil, solc and ethers
.PHONY: tools
tools: $(LINT) $(NPM_DONE)

## clean: remove what the other targets made
.PHONY: clean
clean:
	rm -rf bin dist .tools $(NPM)/node_modules

## help: this list
.PHONY: help
help:
	@sed -n 's/^## //p' Makefile

# The linter has a module of its own, so that its dependencies are not ours.
$(LINT):
	GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv .tools/golangci-lint $@

$(NPM_DONE): $(NPM)/package.json $(NPM)/package-lock.json
	cd $(NPM) && npm ci --no-audit --no-fund
	touch $@
