# A thin door to Meson. tools/setup installs what is needed on Debian 12 and is quick when everything is there.
BUILD  ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

# Optimised, for running, the demo and the benchmark; the tests have a build of their own.
$(BUILD)/build.ninja: | setup
	meson setup $(BUILD) --buildtype=debugoptimized -Db_ndebug=false -Dtests=false

help:
	@echo 'make                   build $(BUILD)/src/app/s3mirror, optimised'
	@echo 'make demo              the main job, step by step, on three real S3 servers on loopback'
	@echo 'make test              everything that proves it, in half an hour (some of it: STAGES="build unit")'
	@echo 'make test-clients      eleven S3 clients and SDKs against the gateway, on two sets of real servers'
	@echo 'make bench             measure it beside the raw limit and real servers'
	@echo 'make fuzz              every fuzz target for a minute, or TARGET=http_head FUZZ_SECONDS=600'
	@echo 'make tsan              unit tests, simulation and the gateway under ThreadSanitizer'
	@echo 'make valgrind          the same under valgrind, with a shorter simulation'
	@echo 'make install           the program, to PREFIX=$(PREFIX), under DESTDIR= if given'
	@echo 'make clean             remove what was built; what was installed stays, .venv too'
	@echo 'make setup             only install what these need: Debian packages, and .venv (setup-tests: all of it)'

setup:
	@tools/setup

setup-tests:
	@tools/setup tests

setup-clients: setup-tests
	@tools/setup clients minio versitygw

test: setup-tests
	tools/run-tests $(STAGES)

# The clients run against the gateway with ASan and UBSan that `make test` builds.
test-clients: setup-clients
	tools/run-tests build
	.venv/bin/python tools/run-clients

demo: all
	S3MIRROR_BINARY=$(BUILD)/src/app/s3mirror .venv/bin/python tools/demo

bench: all
	bench/run --build $(abspath $(BUILD))

# Every fuzz target for FUZZ_SECONDS, or one: make fuzz TARGET=http_head FUZZ_SECONDS=600
fuzz: setup-tests
	tools/run-fuzz --seconds $(FUZZ_SECONDS) $(TARGET)

# Unit tests, simulation and the gateway in front of real servers. Chosen e2e tests only: tools/run-tests --help
tsan: setup-tests
	tools/run-tests --under tsan

valgrind: setup-tests
	@tools/setup valgrind
	tools/run-tests --under valgrind

install: all
	install -D $(BUILD)/src/app/s3mirror $(DESTDIR)$(PREFIX)/bin/s3mirror

clean:
	rm -rf build build-*

.PHONY: all help setup setup-tests setup-clients test test-clients demo bench fuzz tsan valgrind install clean
