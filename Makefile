# Two commands on a fresh Debian machine: `make demo` and `make test`. Both need a Rust toolchain and build-essential; the rest they install.

.PHONY: demo test test-live chaos lint deny sbom bench generate snapshots

# The main job on the embedded default: a SQLite shared store, filled from a real AMX history, twice.
demo:
	cargo build --locked
	tests/demo "$${CARGO_TARGET_DIR:-target}/debug/amx-schema"

# Everything, against a PostgreSQL, a MariaDB and what stands in for the other engines, all started on loopback and stopped at the end.
# Oracle's driver, which is not in the default build, is among it; what the default build says of it comes first.
test:
	cargo test --locked --test default_build
	cargo build --locked --all-targets --features oracle
	tests/servers run cargo test --locked --features oracle

# The conformance suite against a database or a service of your own: BACKEND=snowflake, with AMX_TEST_SNOWFLAKE_URL in the environment (docs/backends).
# Each behaviour makes a schema of its own and drops it at the end.
test-live:
	test -n "$(BACKEND)"
	cargo build --locked --features $(BACKEND)
	cargo test --locked --features $(BACKEND) --test conformance -- $(BACKEND)::

# Every command under every fault: one round, or as many cases as AMX_CHAOS_CASES says. The same again with AMX_CHAOS_SEED, one of them with
# AMX_CHAOS_CASE (docs/reliability.md).
chaos:
	cargo build --locked --tests
	AMX_TEST_STANDINS= AMX_CHAOS_CASES=$${AMX_CHAOS_CASES-822} tests/servers run cargo test --locked --test chaos -- --nocapture

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets --features oracle -- -D warnings
	cargo run --locked --quiet -- generate --check

# Licences, bans and sources of all that is built in (deny.toml). Advisories as well, where github.com can be reached: CHECK=advisories.
# The tool is compiled first, which takes minutes, so that CI does not run this.
CHECK = licenses bans sources
deny: target/tools/bin/cargo-deny
	target/tools/bin/cargo-deny check $(CHECK)

# What is built in, as CycloneDX: target/amx-schema.cdx.json.
sbom: target/tools/bin/cargo-cyclonedx
	target/tools/bin/cargo-cyclonedx cyclonedx --format json --all-features --override-filename amx-schema.cdx
	mv amx-schema.cdx.json target/

target/tools/bin/%:
	CARGO_TARGET_DIR=target/tools/build cargo install --locked --root target/tools $*

# Ratios against peers in the same run, put into docs/performance.md; nothing passes or fails by time.
bench:
	cargo build --locked --release
	AMX_TEST_STANDINS= AMX_BENCH_PUBLISH=1 tests/servers run cargo bench --locked --bench cold --bench import --bench sync --bench growth

# The migration files of every version that is not released yet, from migrations/model.yaml.
generate:
	cargo run --locked --quiet -- generate

# Accepts what the snapshot tests write now. Read the difference before you commit it.
snapshots:
	INSTA_UPDATE=always tests/servers run cargo test --locked
