# The whole project: the PostgreSQL extension, the proxy, their tests.
#
#   make run     everything from nothing: packages, build, a cluster in .run, proxy, fleet
#   make test    everything that can be checked
#   make help    the other targets
#
# The version is in META.json and nowhere else.

MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := all
.PHONY: all install uninstall clean extension proxy run test bench format \
	check-asan check-valgrind check-fuzz check-clock check-versions deb check-deb help

all: extension proxy ## build the extension and the proxy

extension:
	$(MAKE) -C extension all

proxy:
	$(MAKE) -C proxy all

install: all ## install both (PG_CONFIG, DESTDIR and PREFIX are honoured)
	$(MAKE) -C extension install
	$(MAKE) -C proxy install

uninstall: ## remove what install put there
	$(MAKE) -C extension uninstall
	$(MAKE) -C proxy uninstall

clean: ## remove what all and the tests built (.run, with its data, stays)
	$(MAKE) -C extension clean
	$(MAKE) -C proxy clean
	$(MAKE) -C test/bench clean
	rm -rf build

run: ## set up and start all on this machine, until Ctrl-C (FLEET=n devices, 0 for none; PORT=n)
	@scripts/run

test: ## set up, then run every check and test (STEPS="unit e2e" for some)
	@scripts/test

bench: ## measure ingest and reads beside plain tables (BENCH="--quick"; test/bench/README.md)
	@scripts/bench $(BENCH)

check-asan: ## unit tests and end to end with AddressSanitizer and UBSan
	@scripts/test asan asan-e2e

check-valgrind: ## unit tests and end to end with the proxy under valgrind
	@scripts/test valgrind valgrind-e2e

check-fuzz: ## fuzz the decoders (FUZZ_SECONDS=60 for each)
	@scripts/test fuzz

check-clock: ## regress, isolation and pgTAP tests at midnight, on a leap day, when clocks change, …
	@scripts/test clock

check-versions: ## the tests on other releases of Debian, in chroots (root only; SUITES, STEPS)
	@scripts/check-versions

deb: ## build Debian's packages, in a copy of the checkout, into build/deb
	@scripts/build-deb

check-deb: ## build, install, use and purge Debian's packages in chroots (root only; SUITES)
	@scripts/check-deb

format: ## lay out all C files as .clang-format says
	@scripts/format --fix

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
