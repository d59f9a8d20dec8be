# Thin: each target is one line that could be typed. `make` alone lists them.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: bench book cli-docs settings-docs dist help setup install-dev run dev test fuzz soak check check-frontend fmt openapi frontend e2e screenshots build clean

# .venv holds the S3 server of the demo and the foreign clients of the tests.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: ## Install what run and test need (Debian packages, .venv); quick if it is there
	@bash scripts/setup.sh

install-dev: setup ## The same as setup

run: setup frontend ## Start everything for real: nginx, storage nodes, API and docs at http://localhost:8080
	exec cargo run --locked -- demo

dev: frontend ## Dry-run dev mode: nginx commands are printed, state in ./dev-data, API key `dev`
	NANIO_ORCHESTRATOR_DEV=true cargo run --locked -- serve

test: setup frontend check ## Everything: format, lints, all tests, the web UI in a browser
	cargo test --locked
	$(MAKE) e2e
	scripts/try-wheel.sh

bench: setup build ## Figures beside nginx's own, in one run, to docs/performance.md (ONLY=changes|crowd|http|lists|process|drift|disk|purge|buckets|plan|pages)
	@command -v wrk >/dev/null || { echo "bench: install wrk (Debian package wrk)" >&2; exit 1; }
	.venv/bin/python bench/bench.py

fuzz: ## Hostile text, 1,000,000 cases a promise (FUZZ_CASES=…), optimised; make test tries 20,000
	PROPTEST_CASES=$(or $(FUZZ_CASES),1000000) cargo test --locked --release --lib --test integration fuzz::

soak: setup build ## Move a bucket under load, 10 times 60 s with 16 clients, and prove every answer true (RUNS, SECONDS_EACH, CLIENTS, DRILL=flags)
	scripts/soak.sh target/release/nanio-orchestrator $(DRILL)

check: check-frontend ## Format, lints, unit tests
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	PROPTEST_CASES=256 cargo test --locked --lib

check-frontend: frontend/node_modules/.installed ## The same for the web UI alone
	cd frontend && npm run --silent check && npm test --silent

fmt: frontend/node_modules/.installed ## Format the code
	cargo fmt
	cd frontend && npm run --silent fix

openapi: frontend/node_modules/.installed ## Write openapi.json and the types of the web UI anew
	cargo run --locked -- openapi > openapi.json.tmp && mv openapi.json.tmp openapi.json
	cd frontend && npm run --silent types

cli-docs: ## Write docs/cli.md anew
	cargo run --locked -- cli-docs > docs/cli.md.tmp && mv docs/cli.md.tmp docs/cli.md

settings-docs: ## Write docs/configuration.md anew
	cargo run --locked -- settings-docs > docs/configuration.md.tmp && mv docs/configuration.md.tmp docs/configuration.md

book: ## Build the book of docs/ (needs mdBook), to target/book
	@command -v mdbook >/dev/null || { echo "book: cargo install mdbook" >&2; exit 1; }
	mdbook build docs
	@echo "target/book/index.html"

frontend: frontend/dist/index.html ## Build the web UI, which goes into the program

frontend/dist/index.html: frontend/node_modules/.installed $(shell find frontend -path frontend/node_modules -prune -o -path frontend/dist -prune -o -path frontend/e2e -prune -o -type f -print)
	cd frontend && npm run --silent build

# What npm installed is as the lock file says: nothing is resolved anew, and nothing but packages is downloaded.
frontend/node_modules/.installed: frontend/package-lock.json
	cd frontend && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error
	touch $@

e2e: frontend ## The web UI in a real browser, against the real program, nginx and storage nodes
	cargo build --locked
	cd frontend && npm run --silent e2e

screenshots: frontend ## Pictures of every page to docs/screenshots, of dialogs and on a phone to target/screenshots
	cargo build --locked
	cd frontend && SCREENSHOTS=1 npx playwright test screenshots

build: setup frontend ## Build the release binary (target/release/nanio-orchestrator) and the wheel of it (dist/*.whl)
	cargo build --locked --release
	maturin build --quiet --release --out dist

dist: build ## Package for Debian, wheel, tarball, list of parts and checksums, to dist/
	scripts/dist.sh

clean: ## Remove what build, dev and demo made
	cargo clean
	rm -rf .venv dist dev-data demo-data frontend/dist frontend/node_modules
