# One gate for people and for CI: "make test". It needs Go alone, and a C
# compiler for the race detector.

export CI

FUZZTIME ?= 20s

# Go itself reports CGO_ENABLED=0 when it finds no C compiler.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# The detector watches what we wrote; it makes SQLite, which is translated C, ten times as slow, and
# a third of what the tests of packs did was to make zstd's tables known to it. And it makes each
# process wait a second before it ends, of which the tests start thousands.
OURS = -gcflags=modernc.org/...=-race=false -gcflags=github.com/klauspost/compress/...=-race=false
QUICK_END = GORACE=atexit_sleep_ms=0

# What takes longest begins first, so that no core is idle at the end.
SLOW = ./internal/service ./cmd/larder ./internal/conformance ./internal/exthost ./pack

V = $(if $(CI),-v)

# What is left out under the race detector, or is smaller there, because it mostly computes or is
# about other processes: these run once more without it.
WHOLE = ^Test(FiftyApps|NothingIsLost|Escapes|ServiceStaysSmall|AHostileWorld|AReaderNever|KillAtTwenty|PowerCutAtTwenty|TheFenceOf|AModuleDoesNot|ADiskIsNot|ADelegatedCgroup|WhatGetsOutOfHand|AMillionLines|TheModuleExample|HistoriesOfAShelf|ThePowerMayGo|AppliedUpdates|ADamagedHead|AnUpdateWithinADelta|Design_12_MeteredNetwork|WhatChangedInside|StreamsThatAre|AStreamLarger|RottenStreams|ADamagedDeltaOf|AWorkTells)|^TestScripts/^(demo|serve-faults)

.PHONY: help build test race check cross raced rest whole landlocked soak fuzz fmt clean dist dist-check corpora bench bench-quick bench-host

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

build: ## Build bin/larder
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/larder

test: race check cross raced rest ## The whole gate: format, floors, vet, staticcheck, cross builds, all tests with -race

# internal/arch reads all files and starts no goroutine: check has it.
raced:
	$(if $(RACE),$(QUICK_END)) go test $(if $(RACE),$(RACE) $(OURS)) $(V) -timeout 30m $(SLOW) $$(go list ./... | grep -v '/internal/arch$$')

# The two at once, since they wait more than they compute; each is printed when it has ended.
rest:
	$(MAKE) -j2 $(if $(filter output-sync,$(.FEATURES)),-O) --no-print-directory whole landlocked

whole:
	$(if $(RACE),go test $(V) -timeout 30m -run '$(WHOLE)' ./internal/service ./internal/fence ./internal/exthost ./cmd/larder ./internal/install ./internal/conformance ./pack ./bench)

landlocked:
	$(if $(filter linux,$(shell go env GOOS)),LARDER_FENCE=landlock go test -v -run '^TestEscapes' ./internal/service)

race:
	@test -n "$(RACE)" || { \
		echo "*** NO C COMPILER: the tests run WITHOUT the race detector. Install gcc or clang for the whole gate. ***"; \
		test -z "$$CI"; } >&2

check:
	@bad=$$(gofmt -l .) || exit 1; \
	if [ -n "$$bad" ]; then echo "not formatted (make fmt mends it):" >&2; echo "$$bad" >&2; exit 1; fi
	go test ./internal/arch
	go vet -tags soak ./...
	go tool staticcheck -tags soak ./...

cross:
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go build ./...
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build ./...

soak: ## The long tests: TestSoak… in files with the build tag "soak"
	go test $(RACE) -tags soak -count 1 -run '^TestSoak' -v -timeout 60m ./...

fuzz: ## Run each fuzz target for FUZZTIME (20s)
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file target; do \
		target=$${target#func }; echo "$$target in $${file%/*}"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$${file%/*}" </dev/null || exit 1; \
	done

fmt: ## Format all Go files
	gofmt -w .

clean: ## Remove what build made
	rm -rf bin dist

dist: ## Make a release in dist/: archives, Debian packages, SBOM, checksums
	go run ./internal/dist

dist-check: ## Make a release twice, compare, and try the Debian package in a clean Debian (root, debootstrap)
	internal/dist/check

corpora: ## Fetch the trees that the benchmarks compare: CORPORA=folder NAMES="human ort"
	go run ./bench fetch $(if $(CORPORA),-to $(CORPORA)) $(NAMES)

bench: ## Measure us against the best tools of the field: NAMES="human ort" FIGURES=P1,P3 (bench/README.md)
	nice -n 10 go run ./bench $(BENCH) $(if $(CORPORA),-to $(CORPORA)) $(if $(FIGURES),-figures $(FIGURES)) $(NAMES)

bench-quick: ## What can be measured in minutes: bytes and sizes of two corpora
	$(MAKE) bench FIGURES=$(or $(FIGURES),P1,P2,P2b,P3,P8) NAMES="$(or $(NAMES),human freedoom)" BENCH=-quick

bench-host: build ## Measure a host: the checks of 100,000 devices, delivery beside nginx (Linux)
	go run ./bench/fleet -larder bin/larder
