# The targets a person types. Everything else is Go.
GO ?= go
LINT = .tools/bin/golangci-lint
FAST = ./cmd/... ./internal/access ./internal/api ./internal/cli ./internal/client ./internal/config ./internal/house ./internal/policy/... ./internal/secret ./internal/setup ./internal/server

# Rooms where goroutines meet. What is pure, and what drives these rooms one step
# after another (abuse, enginetest/crash, cli), finds nothing more under the detector.
RACED = ./internal/api ./internal/auth/... ./internal/channel/... ./internal/connector/... ./internal/deliver/... ./internal/engine ./internal/enginetest \
	./internal/evidence ./internal/inventory ./internal/policy ./internal/reconcile ./internal/report ./internal/server ./internal/store ./internal/web/...

# One package more at a time than there are processors: many tests wait, for a server to
# start, a lease to run out or a call that hangs.
BESIDE = $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.PHONY: test test/all check bench survive deps deps/all demo build deb sbom generate always

## test: install what tests need (Debian), and run every test but the long ones
test: deps
	LESSOR_TEST_ALL=1 $(GO) test -p $(BESIDE) -timeout 12m ./...

## test/all: test, heavy targets and longer searches too, the race detector where goroutines meet, short fuzzing
test/all: deps deps/all
	LESSOR_TEST_ALL=1 LESSOR_TEST_LONG=1 $(GO) test -timeout 40m ./...
	LESSOR_TEST_ALL=1 $(GO) test -race -timeout 40m $(RACED)
	cd bench && $(GO) test -timeout 20m ./...
	scripts/fuzz 20s

## check: format, vet, lint and the fast tests, in under a minute once built
check: $(LINT)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(LINT) run ./...
	$(GO) test -short $(FAST)

## bench: every benchmark, each beside what it is measured against
bench: deps
	LESSOR_TEST_ALL=1 $(GO) test -run '^$$' -bench . -benchtime 1s -timeout 60m ./internal/...
	cd bench && $(GO) test -run '^$$' -bench . -timeout 30m ./...

## survive: servers killed, frozen and cut off, ROUNDS storms of it (SEED to have one run again); docs/survival.md
survive: deps
	LESSOR_TEST_ALL=1 LESSOR_SURVIVE_ROUNDS=$(or $(ROUNDS),100) LESSOR_SURVIVE_SEED=$(SEED) LESSOR_SURVIVE_LOG=$(or $(LOG),$(CURDIR)/survive.log) $(GO) test -count=1 -v -timeout 24h -run 'TestSurvive$$' ./internal/survive

deps:
	@scripts/test-deps

# What takes minutes to build from source, once; without it its tests say that they did not run.
deps/all:
	@scripts/build-kubernetes
	@scripts/build-gitea
	@scripts/build-dex
	@scripts/build-vault
	@scripts/build-witness

demo:
	$(GO) run ./cmd/lessor demo

## build: the programs, static; the same source makes the same bytes, wherever it lies
build: bin/lessor bin/lessor-openssh-host

bin/%: always
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags "-s -w -buildid=" -o $@ ./cmd/$*

always:

## deb: the Debian package, in dist/
deb: build
	@scripts/build-deb bin dist

## sbom: what the program is made of, as CycloneDX
sbom: bin/lessor
	@mkdir -p dist
	bin/lessor version --sbom > dist/lessor.cdx.json

## generate: the pages' Go, and the parts of docs and the contract that come from the code
generate:
	LESSOR_GENERATE=1 $(GO) test -count=1 ./internal/house ./internal/api

# The linter is kept out of the product's go.mod.
$(LINT): tools.mod
	GOBIN=$(CURDIR)/.tools/bin $(GO) install -modfile=tools.mod github.com/golangci/golangci-lint/v2/cmd/golangci-lint
