# tutti. "make help" lists what can be made.

.DEFAULT_GOAL := build
SHELL         := /bin/sh

GO_WANTED := 1.26
VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   := -s -w -X main.version=$(VERSION)
PREFIX    := /usr/local
FUZZTIME  := 10s

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

go:
	@command -v go >/dev/null || { echo "tutti: Go is missing: install Go $(GO_WANTED) or newer from https://go.dev/dl" >&2; exit 1; }
	@printf '%s\n' "$(GO_WANTED)" "$$(go env GOVERSION | sed 's/^go//')" | sort -CV || { echo "tutti: $$(go env GOVERSION) is too old: install Go $(GO_WANTED) or newer from https://go.dev/dl" >&2; exit 1; }

dependencies: ## install what a build needs and is missing
	@deploy/dependencies build

peers: ## install what the tests need and is missing
	@deploy/dependencies test

build: go dependencies ## build bin/tutti
	@echo "tutti: building bin/tutti (the first time takes a minute or two)"
	@go build -trimpath -ldflags '$(LDFLAGS)' -o bin/tutti ./cmd/tutti

run: build ## install what is missing, build, and start a bridge on this machine
	@bin/tutti serve $(ARGS)

demo: build ## the same, with two built-in participants to meet
	@bin/tutti serve --demo $(ARGS)

quick: go dependencies ## vet and unit tests, no peers, under a minute
	@go vet ./...
	@go test ./...

test: go peers lint page-check ## everything: unit tests with the race detector, then end to end with real peers
	@go test -race ./...
	@$(MAKE) --no-print-directory e2e

e2e: go peers build ## end to end with real phones and browsers
	@.ci/e2e

screenshot: go peers build ## make the picture of the README anew
	@TUTTI_E2E_OUT=$(CURDIR)/docs .ci/e2e -run TestScreenshot

bench: build ## what the media plane and a running bridge cost, as ratios to floors of the same run
	@go test -run '^$$' -bench 'Tick|Composite' -benchtime 2s ./mixer ./mixer/video
	@go test -run '^$$' -bench ConferenceInfo -benchtime 1s ./bridge
	@cd cmd/tutti/internal/bench && TUTTI_BENCH=$(CURDIR)/bin/tutti go test -count=1 -timeout 10m

fuzz: go dependencies ## each fuzz target for FUZZTIME (10s)
	@grep -rl --include='*_test.go' 'func Fuzz' . | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file" | while read -r target; do \
			echo "== $$(dirname "$$file") $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null || exit 1; \
		done || exit 1; \
	done

PHRASE := Welcome to tutti. Say something: everybody in this conference hears you.
phrase: peers ## speak the phrase of the demo anew
	@espeak-ng -v en-gb -s 150 --stdout '$(PHRASE)' | sox - -r 16000 -c 1 -b 16 cmd/tutti/internal/device/phrase.wav norm -8 pad 0 2

prompts: peers ## speak the voice prompts anew from bridge/announce/prompts/LANGUAGE/prompts.txt
	@for language in bridge/announce/prompts/*/; do bridge/announce/prompts/speak "$$language" || exit 1; done

page: ## build the page anew from webrtc/page/src (needs Node)
	@cd webrtc/page && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build

page-check: ## the committed page is what its sources give, and its unit tests pass
	@cd webrtc/page && npm ci --no-audit --no-fund --loglevel=error && npm test --silent && npm run --silent build
	@[ -z "$$(git status --porcelain webrtc/page/dist)" ] || { git status --short webrtc/page/dist >&2; echo "tutti: webrtc/page/dist is not what its sources give: commit what make page builds" >&2; exit 1; }

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
lint: go dependencies ## formatting, vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "tutti: gofmt these:" $$unformatted >&2; exit 1; }
	@go vet ./...
	@go run $(STATICCHECK) ./...

install: build ## install the binary and the systemd service (as root)
	@PREFIX=$(PREFIX) deploy/install

clean: ## remove what was built
	@rm -rf bin

.PHONY: help go dependencies peers build run demo quick test e2e screenshot bench fuzz phrase prompts page page-check lint install clean
