# Lepton's targets. On a fresh Debian 12 machine, as root, each alone installs
# what it needs.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
PROGRAMS := lepton-controller lepton-agent leptonctl
TOOLS    := $(CURDIR)/bin/tools
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
NFPM        := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.44.0
GOTESTSUM   := gotest.tools/gotestsum@v1.13.0

# Evaluated when first used, then kept.
GO = $(eval GO := $$(shell .ci/prepare go))$(GO)

# Programs need no C library, so that one build runs everywhere.
BUILD = CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath

.PHONY: all build demo test soak conformance bench docs deb lint vuln clean help root packages machines stock
.DEFAULT_GOAL := build

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13

all: lint test ## lint and test

build: ## build bin/lepton-controller, bin/lepton-agent and bin/leptonctl
	@test -n "$(GO)"
	$(BUILD) -ldflags '-X main.version=$(VERSION)' -o bin/ $(PROGRAMS:%=./cmd/%)

demo: root packages build ## a guided tour with live pings, on a three-node lab
	@$(GO) run ./test/demo

# Most tests wait most of the time, so that more packages than processors run,
# and the longest first.
PARALLEL ?= $(shell expr 1 + $$(nproc))

# Many tests bound a time or let no packet be lost, which a machine whose every
# processor is busy cannot always give. What fails is run once more, alone: that
# tells the machine from the code. A data race, a panic, or more than a few
# failures is the code. bin/again.txt names what needed it.
AGAIN = --rerun-fails=1 --rerun-fails-max-failures=6 --rerun-fails-run-root-test --rerun-fails-abort-on-data-race --rerun-fails-report=bin/again.txt

test: root packages machines build deb ## all tests: unit, property, golden, end to end; needs root
	GOBIN=$(TOOLS) $(GO) install $(GOTESTSUM)
	@rm -f bin/again.txt
	PATH="$$(dirname $(GO)):$$PATH" $(TOOLS)/gotestsum --format standard-quiet --hide-summary skipped $(AGAIN) \
		--packages './test/e2e ./test/faults ./test/... ./...' -- -race -count=1 -timeout 14m -p $(PARALLEL) -parallel $(PARALLEL)
	@! test -s bin/again.txt || { echo "failed beside the others, and what it did alone:"; cat bin/again.txt; }

soak: root packages build ## faults for longer (LEPTON_SOAK=10m), with a seed that LEPTON_SEED repeats
	LEPTON_SOAK=$${LEPTON_SOAK:-10m} $(GO) test -count=1 -v -timeout 0 ./test/faults ./test/clusterfaults

conformance: root packages stock build ## the openstack client and tempest's network API tests, with a real Keystone
	@$(GO) run ./test/conformance

bench: root packages build ## figures, as ratios to what Open vSwitch's own tools need
	$(GO) run ./test/bench

docs: ## write docs/pipeline.md, docs/configuration.md and docs/metrics.md anew from the code
	@test -n "$(GO)"
	$(GO) test ./pipeline -run TestTheDocumentShowsThePipelineAsItIs -update
	$(GO) test ./test/reference -update

# Debian's order: a release sorts behind the commits before it.
DEB_VERSION ?= $(shell git describe --tags --match 'v[0-9]*' --exact-match 2>/dev/null | sed 's/^v//' | grep . || git show -s --format=0~%cd.%h --date=format:%Y%m%d%H%M%S)
DEB_ARCH    ?= $(shell $(GO) env GOARCH)

deb: ## build the Debian packages in bin/deb
	@test -n "$(GO)"
	GOBIN=$(TOOLS) $(GO) install $(NFPM)
	rm -rf bin/deb
	mkdir -p bin/deb/man8 bin/deb/completion
	GOARCH=$(DEB_ARCH) $(BUILD) -ldflags '-s -w -X main.version=$(DEB_VERSION)' -o bin/deb/ $(PROGRAMS:%=./cmd/%)
	$(GO) run ./cmd/leptonctl man bin/deb/man1
	for s in bash fish; do $(GO) run ./cmd/leptonctl completion $$s >bin/deb/completion/leptonctl.$$s || exit; done
	$(GO) run ./cmd/leptonctl completion zsh >bin/deb/completion/_leptonctl
	cp packaging/man/*.8 bin/deb/man8/
	{ echo 'lepton ($(DEB_VERSION)) unstable; urgency=medium'; echo; git log -n 40 --format='  * %s'; echo; \
		git show -s --format=' -- The Lepton authors <lepton@localhost>  %aD'; } >bin/deb/changelog
	for p in $(PROGRAMS); do .ci/licenses $(GO) $$p >bin/deb/$$p.licenses || exit; done
	gzip -9n bin/deb/man1/*.1 bin/deb/man8/*.8 bin/deb/changelog bin/deb/*.licenses
	for p in $(PROGRAMS); do DEB_VERSION='$(DEB_VERSION)' DEB_ARCH=$(DEB_ARCH) $(TOOLS)/nfpm package -p deb -f packaging/$$p.yaml -t bin/deb/ || exit; done

lint: vuln ## go vet, staticcheck, gofumpt and govulncheck
	@test -n "$(GO)"
	GOBIN=$(TOOLS) $(GO) install $(STATICCHECK)
	GOBIN=$(TOOLS) $(GO) install $(GOFUMPT)
	$(GO) vet ./...
	$(TOOLS)/staticcheck ./...
	@out=$$($(TOOLS)/gofumpt -l .); test -z "$$out" || { echo "gofumpt would change:"; echo "$$out"; exit 1; }

vuln: ## known vulnerabilities in what the programs use, by govulncheck
	@test -n "$(GO)"
	GOBIN=$(TOOLS) $(GO) install $(GOVULNCHECK)
	@PATH="$$(dirname $(GO)):$$PATH" .ci/vuln $(TOOLS)/govulncheck

clean: ## remove what was built
	rm -rf bin

root:
	@.ci/prepare root $(firstword $(MAKECMDGOALS))

packages:
	@.ci/prepare packages

machines:
	@.ci/prepare machines

stock:
	@.ci/prepare conformance
