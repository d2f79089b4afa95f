# A thin door to Meson. `make` builds, `make test` runs everything, `make demo` shows it at work.
# tools/setup installs what is needed on Debian 12 and is quick when everything is there.
BUILD  ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

NINJA = meson compile -C

all: $(BUILD)/build.ninja
	$(NINJA) $(BUILD)

# Optimised, for running, the demo and the benchmark.
$(BUILD)/build.ninja: | setup
	meson setup $(BUILD) --prefix=$(PREFIX) --buildtype=debugoptimized -Db_ndebug=false

setup:
	@tools/setup

test: setup
	tools/run-tests

demo: all
	.venv/bin/python tools/demo

bench: all
	bench/run

# Every fuzz target for FUZZ_SECONDS, or one: make fuzz TARGET=http_head FUZZ_SECONDS=600
fuzz: setup
	tools/run-fuzz --seconds $(FUZZ_SECONDS) $(TARGET)

# Unit tests and simulation under ThreadSanitizer.
tsan: setup
	test -f build-tsan/build.ninja || meson setup build-tsan -Db_sanitize=thread -Db_lundef=false
	$(NINJA) build-tsan
	meson test -C build-tsan --print-errorlogs

install: all
	meson install -C $(BUILD)

clean:
	rm -rf build build-*

.PHONY: all setup test demo bench fuzz tsan install clean
