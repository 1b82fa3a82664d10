# Lepton's targets. On a fresh Debian 12 machine, as root, each alone installs
# what it needs.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
PROGRAMS := lepton-controller lepton-agent leptonctl
TOOLS    := $(CURDIR)/bin/tools
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0

# Evaluated when first used, then kept.
GO = $(eval GO := $$(shell .ci/prepare go))$(GO)

.PHONY: all build demo test conformance bench docs lint clean help root packages stock
.DEFAULT_GOAL := build

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13

all: lint test ## lint and test

build: ## build bin/lepton-controller, bin/lepton-agent and bin/leptonctl
	@test -n "$(GO)"
	$(GO) build -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/ $(PROGRAMS:%=./cmd/%)

demo: root packages build ## a guided tour with live pings, on a three-node lab
	@$(GO) run ./test/demo

test: root packages build ## all tests: unit, property, golden, end to end; needs root
	$(GO) test -race -count=1 -timeout 14m ./...

conformance: stock build ## the openstack client and tempest's network API tests, with a real Keystone
	@$(GO) run ./test/conformance

bench: root packages build ## figures, as ratios to what Open vSwitch's own tools need
	$(GO) run ./test/bench

docs: ## write docs/pipeline.md anew from the pipeline's declarations
	@test -n "$(GO)"
	$(GO) test ./pipeline -run TestTheDocumentShowsThePipelineAsItIs -update

lint: ## go vet, staticcheck and gofumpt
	@test -n "$(GO)"
	GOBIN=$(TOOLS) $(GO) install $(STATICCHECK)
	GOBIN=$(TOOLS) $(GO) install $(GOFUMPT)
	$(GO) vet ./...
	$(TOOLS)/staticcheck ./...
	@out=$$($(TOOLS)/gofumpt -l .); test -z "$$out" || { echo "gofumpt would change:"; echo "$$out"; exit 1; }

clean: ## remove what was built
	rm -rf bin

root:
	@.ci/prepare root $(firstword $(MAKECMDGOALS))

packages:
	@.ci/prepare packages

stock:
	@.ci/prepare conformance
