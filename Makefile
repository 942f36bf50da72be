# Entry point for developers: `make` lists the targets. Needs python3 (3.11 or newer), make and git.
PYTHON ?= python3
BIN := .venv/bin
ENGINE ?= $(shell command -v docker || command -v podman)
IMAGE ?= dragoman
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
COMPILE = .tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-package dragoman --custom-compile-command 'make lock' $(UPGRADE)
PARALLEL ?= --numprocesses 3 --dist loadfile --no-loadscope-reorder
HTTP2 := service/http2
# Bytecode is kept even where the environment forbids it: compiling is a quarter of each start, and tests start hundreds.
export PYTHONDONTWRITEBYTECODE :=
export GOFLAGS := -mod=readonly -trimpath $(GOFLAGS)
RUST_GENERATORS := protoc-gen-prost@0.5.0 protoc-gen-tonic@0.5.0
SEEDS := $(patsubst requirements/seeds-%.lock,%,$(wildcard requirements/seeds-*.lock))
# Downloads go to the user's own repository, or below build/ if that cannot be written.
MAVEN = mvn --quiet --batch-mode $(shell mkdir -p $(HOME)/.m2/repository 2>/dev/null && test -w $(HOME)/.m2/repository || \
	echo -Dmaven.repo.local=$(CURDIR)/build/m2)

.NOTPARALLEL:
.PHONY: help setup runtime dev tools weights seeds go java rust typescript envoy browser prometheus helm demo run proto lock check test fuzz sanitize \
	test-transports interop test-interop test-clients test-seeds test-all deploy-check bench dist sbom image clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

demo: weights ## Start the service on the embedded model and show what it does
	@$(BIN)/dragoman demo

run: weights ## Run the service (ARGS="--config dragoman.toml")
	@$(BIN)/dragoman serve $(ARGS)

setup: dev tools weights ## Install everything for development

check: dev tools ## Run all static checks: style, types, import rules, structure, schema, Dockerfile, scripts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/house.py
	.tools/bin/python scripts/proto.py check
	$(BIN)/python scripts/monitoring/dashboard.py check
	.tools/bin/hadolint Dockerfile
	@if pkg-config --exists libnghttp2 2>/dev/null && command -v cc >/dev/null; then cc -fsyntax-only -std=c11 -Wall -Wextra -Werror \
		-isystem "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')" $(HTTP2)/csrc/*.c bench/counting/*.c; \
		else echo "a C compiler and nghttp2's headers are missing: C code is not checked"; fi
	@PATH="$(CURDIR)/.tools/bin:$$PATH"; if command -v shellcheck >/dev/null; then shellcheck .ci/run deploy/compose/prepare; \
		else echo "shellcheck has no package for this platform: skipped"; fi

test: dev weights ## Run the tests of the service (ARGS="-k operations")
	$(BIN)/pytest $(PARALLEL) --ignore=tests/clients --ignore=tests/seeds --ignore=tests/interop --ignore=tests/monitoring --ignore=tests/chart $(ARGS)

fuzz: dev ## Send mutated inputs to every method, route, provider and setting (FUZZ_FACTOR=20 FUZZ_SEED=random)
	FUZZ_FACTOR=$(or $(FUZZ_FACTOR),20) FUZZ_SEED=$(or $(FUZZ_SEED),$(shell date +%s)) $(BIN)/pytest --timeout 3600 tests/fuzz $(HTTP2)/tests/test_http2_fuzz.py \
		$(HTTP2)/tests/test_http2_properties.py $(ARGS)

sanitize: dev ## Run the tests of the HTTP/2 session with its C code under GCC's sanitizers (FUZZ_FACTOR=20)
	cd $(HTTP2) && DRAGOMAN_HTTP2_CFLAGS="-fsanitize=address,undefined -fno-omit-frame-pointer -O1 -g" \
		$(CURDIR)/$(BIN)/python setup.py --quiet build --build-base $(CURDIR)/build/http2 --build-lib $(CURDIR)/build/http2/sanitized
	PYTHONPATH=build/http2/sanitized PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 \
		LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
		$(BIN)/python -m pytest --timeout 3600 $(HTTP2)/tests $(ARGS)

test-transports: dev weights ## Run what speaks gRPC on the transport that is not the default (TRANSPORT=grpcio)
	DRAGOMAN_SERVER__TRANSPORT=$(or $(TRANSPORT),grpcio) $(BIN)/pytest $(PARALLEL) tests/transport tests/faults tests/frontends \
		tests/process tests/operations $(wildcard tests/clients/test_client_*.py) $(ARGS)

interop: ## Build the programs of others that judge the native transport
	@command -v go >/dev/null || { echo "The interop programs are built with Go 1.26 or newer." >&2; exit 1; }
	@cd requirements/interop && GOBIN=$(CURDIR)/build/interop/bin go install tool

test-interop: dev interop ## Let grpc's interop client, Connect's conformance runner, h2spec, grpcurl and nginx judge the native transport
	$(BIN)/pytest tests/interop $(ARGS)

test-clients: dev tools weights ## Run the tests of the clients, and the contract suite in all languages
	$(BIN)/pytest $(PARALLEL) tests/clients $(foreach folder,contract artefacts browsers connect console,--ignore=tests/clients/$(folder)) $(ARGS)
	$(BIN)/pytest tests/clients/contract tests/clients/artefacts tests/clients/browsers tests/clients/connect tests/clients/console $(ARGS)

test-seeds: dev weights seeds ## Run vendors' example programs with the vendors' own client libraries
	$(BIN)/pytest $(PARALLEL) tests/seeds $(ARGS)

test-all: test test-transports test-interop test-clients test-seeds ## Run all tests

deploy-check: dev tools weights prometheus ## Check deploy/ with the tools that this machine has; name those that it lacks
	@for file in scripts/deploy/*.py; do $(BIN)/python $$file || exit; done
	@$(BIN)/python scripts/sbom.py build/sbom $(BIN)/python
	$(BIN)/pytest tests/monitoring tests/chart $(ARGS)

bench: dev ## Measure the service against a bare gRPC server, a peer, and its design figures
	@for file in bench/*.py; do $(BIN)/python $$file || exit; done

proto: tools ## Generate code from the schema; for languages other than Python, where their generator is installed
	.tools/bin/python scripts/proto.py generate

lock: tools ## Resolve the lock files again (UPGRADE=--upgrade for newer releases)
	$(COMPILE) pyproject.toml --extra local --extra otel --group build --output-file requirements/runtime.lock
	$(COMPILE) pyproject.toml --extra otel --group build --constraint requirements/runtime.lock --output-file requirements/minimal.lock
	$(COMPILE) pyproject.toml --extra local --extra otel --group build --extra prices --extra testing --group dev \
		--constraint requirements/runtime.lock --output-file requirements/dev.lock
	$(COMPILE) --group tools --output-file requirements/tools.lock
	@for file in requirements/*.in; do $(COMPILE) $$file --output-file $${file%.in}.lock || exit; done
	@$(PYTHON) scripts/environment.py build/seeds/node seeds-node
	@build/seeds/node/bin/npm install --prefix requirements/node --package-lock-only --ignore-scripts --no-audit --no-fund \
		--loglevel=error --omit-lockfile-registry-resolved >/dev/null

dist: dev tools ## Build what a release publishes into dist/ (PARTS="python go")
	$(BIN)/python scripts/dist.py $(PARTS)

sbom: dev tools ## List what the images are made of, in CycloneDX, into dist/
	$(BIN)/python scripts/sbom.py dist

image: ## Build the container image (TARGET=minimal: without the embedded model)
	@test -n "$(ENGINE)" && $(ENGINE) info >/dev/null 2>&1 || \
		{ echo "make image needs a running container engine (docker or podman); none was found." >&2; exit 1; }
	$(ENGINE) build $(if $(TARGET),--target $(TARGET)) --tag $(IMAGE)$(if $(TARGET),:$(TARGET)) \
		--build-arg VERSION="$(VERSION)" --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null)" \
		--build-arg SOURCE="$$(git remote get-url origin 2>/dev/null)" .

clean: ## Remove everything that these targets created, except the weights
	rm -rf .venv .tools build dist clients/typescript/node_modules clients/typescript/build \
		clients/typescript/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

go: ## Build the Go client with its runner of the contract suite, and its tools
	@command -v go >/dev/null || { echo "The Go client needs Go 1.24 or newer." >&2; exit 1; }
	@cd requirements/go && GOBIN=$(CURDIR)/build/go/bin go install tool
	@cd clients/go && go build -o $(CURDIR)/build/go/contract ./internal/contract

java: ## Build the Java client with its runner of the contract suite (GOAL=verify also tests and checks it)
	@command -v mvn >/dev/null || { echo "The Java client needs Java 17 or newer and Maven 3.8 or newer." >&2; exit 1; }
	@cd clients/java && $(MAVEN) $(or $(GOAL),test-compile)

rust: ## Build the Rust client's runner of the contract suite, and the generators of its stubs
	@command -v cargo >/dev/null || { echo "The Rust client needs Rust 1.88 or newer with cargo." >&2; exit 1; }
	@CARGO_TARGET_DIR=build/rust/generators CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked \
		--root build/rust $(RUST_GENERATORS)
	@cd clients/rust && cargo build --quiet --examples

typescript: clients/typescript/node_modules/.package-lock.json ## Build the TypeScript client, its tests and its runner
	@cd clients/typescript && npm run --silent build && npm run --silent pretest

clients/typescript/node_modules/.package-lock.json: clients/typescript/package-lock.json
	@command -v npm >/dev/null || { echo "The TypeScript client needs Node 20 or newer with npm." >&2; exit 1; }
	@cd clients/typescript && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json

helm: ## Build helm, with which deploy-check renders the chart; takes some minutes
	@command -v go >/dev/null || { echo "helm is built with Go 1.26 or newer; or put a helm of your own on the PATH." >&2; exit 1; }
	@cd requirements/helm && GOBIN=$(CURDIR)/build/helm/bin timeout 1200 go install -ldflags='-s -w' tool

prometheus:
	@$(PYTHON) scripts/monitoring/prometheus.py build/prometheus

envoy:
	@$(PYTHON) scripts/environment.py build/envoy envoy

browser:
	@$(PYTHON) scripts/environment.py build/browser browser

runtime dev:
	@$(PYTHON) scripts/environment.py .venv $@

tools:
	@$(PYTHON) scripts/environment.py .tools tools

seeds:
	@for name in $(SEEDS); do $(PYTHON) scripts/environment.py build/seeds/$$name seeds-$$name || exit; done
	@$(PYTHON) scripts/node_modules.py build/seeds/node

weights: runtime
	@$(BIN)/dragoman local fetch >/dev/null
