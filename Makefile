# One word for each thing a person does here. The work is in scripts/, one short file each.

EVENTS ?= 1000000
export PATH := $(if $(CARGO_HOME),$(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

.PHONY: demo test test-cluster test-long lint size sim bench bench-text bench-browser fmt

demo:  ## the example apps, served by one binary; it says which address to open
	@scripts/demo

test:  ## everything that must hold before a change lands
	@scripts/test

test-cluster: ## what test has of nodes that share a log on NATS; SEEDS=1..21 plays recordings through faults for those seeds
	@scripts/setup nats
	@cargo test -p tapeline-log --features jetstream --test jetstream
	@cargo test -p tapeline-cli --test cluster

test-long: test  ## test, then what takes minutes: twenty seeds of each recording, thousands of the simulation
	@cargo test --release -p tapeline-cli --test replay -- --ignored
	@cargo run --release -p tapeline-sim -- --seeds 5000 --from 1000

size:  ## what a page downloads, part by part
	@scripts/size

lint:  ## the quick half of test: format, arrows, purity, clippy, dependencies
	@scripts/lint

sim:   ## the simulation until a million events are recorded, or EVENTS=n, or SEEDS=n seeds; SEED=n replays one
	@scripts/setup
	@cargo run --release -p tapeline-sim -- $(if $(SEED),--seed $(SEED),$(if $(SEEDS),--seeds $(SEEDS),--events $(EVENTS)))

bench: ## every measure, or MEASURES='append cold'
	@scripts/setup
	@cargo run --release -p tapeline-cli -- bench $(MEASURES)

bench-text: ## texts typed, beside yrs, Loro and Automerge, which are built for it
	@scripts/setup
	@cargo build --release --locked --manifest-path bench/text-peers/Cargo.toml
	@PATH="$(CURDIR)/bench/text-peers/target/release:$$PATH" cargo run --release -p tapeline-cli -- bench text --peers

bench-browser: ## the npm package in Node and Chromium, or MEASURES='commit change'
	@scripts/build-packages
	@cargo build --release -p tapeline-cli
	@node packages/tapeline/bench/bench.mjs $(MEASURES)

fmt:
	@scripts/setup node npm
	@cargo fmt --all
	@npx biome check --write
