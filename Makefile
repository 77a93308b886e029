# make run    builds the server and starts one member: curl localhost:2379/v2/keys
# make test   installs what the tests need and runs all of them
.PHONY: run build test unit lint e2e guides screenshots patroni bench bench-report soak dist deploy clean tools

GO ?= go
BIN := bin
# What the end-to-end checks compare with: Debian's etcd, etcdctl, python-etcd.
# Chromium is what the console is tested in, Prometheus what the metrics are.
PACKAGES := etcd-server etcd-client python3-etcd iproute2 openssl haproxy nginx curl procps chromium prometheus strace groff fish zsh
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4

run: build
	$(BIN)/keytree

build:
	$(GO) build -trimpath -o $(BIN)/keytree .
	$(GO) build -trimpath -o $(BIN)/etcdctl2 ./etcdctl2
	$(BIN)/etcdctl2 man >$(BIN)/etcdctl2.1
	$(BIN)/keytree man >$(BIN)/keytree.1

test: tools lint unit e2e guides

# The tests in Go, in a random order, under the race detector but for those that
# check types for all systems: they have nothing that races, and take five times
# as long under it.
unit:
	$(GO) test -race -shuffle=on $$($(GO) list ./... | grep -v /scripts/dist)
	$(GO) test -shuffle=on ./scripts/dist

# Real processes beside the real etcd.
e2e: build tools
	$(GO) run ./scripts/conformance -keytree $(BIN)/keytree -seed 1
	$(GO) run ./scripts/conformance -keytree $(BIN)/keytree -seed 1 -http-engine std -ops 4000 -round 1000 -authsample 50 -authops 100
	$(GO) run ./scripts/smuggle -keytree $(BIN)/keytree
	$(GO) run ./scripts/crash -server $(BIN)/keytree
	$(GO) run ./scripts/faults -keytree $(BIN)/keytree -seed 1
	scripts/clients/run.sh $(BIN)/keytree
	$(GO) run ./scripts/monitoring -keytree $(BIN)/keytree
	$(GO) run ./scripts/console -keytree $(BIN)/keytree
	scripts/deploy/image.sh

# What the guides in docs say, done by their scripts and by their own words.
guides: build tools
	docs/guides/run.sh $(BIN)

# The pictures of the console in docs/images.
screenshots: build tools
	$(GO) run ./scripts/console -keytree $(BIN)/keytree -screenshots docs/images

# Patroni and PostgreSQL on a cluster; it takes two minutes, so it is not part
# of test.
patroni: build
	scripts/patroni $(BIN)/keytree

bench: build tools
	$(GO) run ./scripts/bench $(BENCHFLAGS)

# Writes docs/benchmarks: the table of make bench, and curves of growth.
bench-report: build tools
	$(GO) run ./scripts/bench -report docs/benchmarks -growth -growthtime 11m -rounds 1 -seconds 3 -paceseconds 30 -kills 3 $(BENCHFLAGS)

# Load of all kinds, with restarts, until it is clear that nothing grows.
soak: build
	$(GO) run ./scripts/soak -minutes 10 -keytree $(BIN)/keytree

lint:
	test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	scripts/vulncheck.sh $(GOVULNCHECK)

tools:
	scripts/install.sh $(PACKAGES)

# Archives for Linux, macOS and Windows, with completions, manuals and sums, in dist.
dist:
	$(GO) run ./scripts/dist -o dist

# What Keytree is deployed with: read, built and run. It is a part of test.
deploy:
	$(GO) test ./scripts/deploy ./scripts/dist
	scripts/deploy/image.sh

clean:
	rm -rf $(BIN) dist default.etcd cluster
