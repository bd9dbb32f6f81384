# headgate. `make` lists the targets. Everything that is built lies in $(B).
B ?= build
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
ifeq ($(origin CC),default)
CC := gcc
endif
SAN ?=
FUZZ_SECONDS ?= 60

PKGS := libmicrohttpd libcjson rdkafka libsodium zlib libpcre2-8 libmaxminddb
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 $(if $(CI),-Werror)
HARDEN := -fstack-protector-strong -fPIE -fcf-protection $(if $(SAN),,-D_FORTIFY_SOURCE=3)
OPT := $(if $(SAN),-O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all,-O2 -g)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
CPPFLAGS = -Iinclude -D_GNU_SOURCE
CFLAGS = -std=c11 $(OPT) $(WARN) $(HARDEN) -pthread
LDFLAGS = -pie -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN)) -pthread
LDLIBS = $(shell pkg-config --libs $(PKGS))

SRC := $(shell find src -name '*.c' 2>/dev/null)
OBJ := $(SRC:%.c=$(B)/%.o)
# librdkafka's C11 threads, for the thread sanitizer
TSAN := $(if $(findstring thread,$(SAN)),$(B)/tests/tools/tsan_threads.o)
LIBOBJ := $(filter-out $(B)/src/main.o,$(OBJ))
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
BENCH := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

help:
	@echo "make build     builds $(B)/headgate"
	@echo "make run       builds and starts it with the shipped configuration"
	@echo "make test      unit and integration tests, with a real Kafka broker (TESTS='kill kafka' picks files)"
	@echo "make unit      unit tests only"
	@echo "make check     format, layers, headers, size budget, documented tables, static analysis"
	@echo "make asan | ubsan | tsan    the same tests against an instrumented build"
	@echo "make fuzz      every fuzz target for FUZZ_SECONDS ($(FUZZ_SECONDS))"
	@echo "make soak      SOAK_ROUNDS (500) x kill -9 under load, three brokers"
	@echo "make bench     throughput, memory, start time; bench-kafka: exactly_once against at_least_once"
	@echo "make install   into DESTDIR, PREFIX ($(PREFIX)) and SYSCONFDIR ($(SYSCONFDIR))"
	@echo "make clean     removes $(B)"

deps-%:
	@tests/tools/dependencies.sh $*

# What it needs is looked at before anything is compiled. No second make: beside `make build unit-programs -j` it would
# write the same objects at the same time.
build: $(B)/headgate
$(OBJ): | deps-build

run: build
	@$(B)/headgate serve

$(B)/headgate: $(B)/src/main.o $(TSAN) $(B)/libheadgate.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The version changes with each commit: what carries it is built again when it does.
$(B)/version: FORCE
	@mkdir -p $(B); echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@
$(B)/src/command/version.o: $(B)/version
$(B)/src/command/version.o: CPPFLAGS += -DHEADGATE_VERSION='"$(VERSION)"'
$(B)/src/config/embedded.o: config/headgate.jsonc
$(B)/src/identity/bots.o: src/identity/crawlers.txt
$(B)/src/identity/referrer.o: src/identity/referrers.txt
$(B)/src/catalog/metaschema.o: $(wildcard src/catalog/metaschemas/*.json)

$(B)/libheadgate.a: $(LIBOBJ)
	@ar rcs $@.$$$$ $^ && mv -f $@.$$$$ $@ 

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/unit/%: tests/unit/%.c $(TSAN) $(B)/libheadgate.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(TSAN) $(B)/libheadgate.a $(LDFLAGS) $(LDLIBS) -lcmocka

$(filter %_bench,$(BENCH)): $(B)/libheadgate.a
$(B)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $(filter %.c %.a,$^) $(LDFLAGS) $(LDLIBS)

# Stands between the daemon and the kernel; never instrumented.
$(B)/fault/libfault.so: tests/fault/libfault.c tests/fault/libfault.h
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -std=c11 -O2 -g $(WARN) -shared -fPIC -pthread -o $@ $<

unit-programs: $(UNIT) $(B)/fault/libfault.so
bench-programs: $(BENCH)

unit: deps-test
	@$(MAKE) --no-print-directory B=$(B) unit-programs
	@B=$(B) tests/tools/run-tests.mjs --unit

test: deps-test
	@tests/tools/kafka.sh fetch >/dev/null
	@$(MAKE) --no-print-directory B=$(B) $(B)/headgate unit-programs bench-programs
	@B=$(B) tests/tools/run-tests.mjs $(TESTS)

asan:
	@$(MAKE) --no-print-directory B=build-asan SAN=address test
ubsan:
	@$(MAKE) --no-print-directory B=build-ubsan SAN=undefined test
tsan:
	@$(MAKE) --no-print-directory B=build-tsan SAN=thread test

soak bench-kafka: deps-test
	@tests/tools/kafka.sh fetch >/dev/null
	@$(MAKE) --no-print-directory B=$(B) $(B)/headgate bench-programs
	@B=$(B) $(if $(filter soak,$@),tests/soak/kill-loop.mjs $(SOAK_ROUNDS),tests/bench/kafka.mjs $(if $(LAG),--lag $(LAG)))

check: deps-check
	@B=$(B) tests/tools/check.sh

bench: deps-bench
	@$(MAKE) --no-print-directory B=$(B) $(B)/headgate bench-programs
	@for b in $(filter %_bench,$(BENCH)); do $$b || exit 1; done
	@B=$(B) tests/bench/run.mjs

# All sources but main are built with the fuzzer's instrumentation; each target has a corpus in tests/fuzz/corpus/<name>.
FUZZ_SAN := fuzzer-no-link,address,undefined
fuzz: deps-fuzz
	@$(MAKE) --no-print-directory B=$(B)/fuzz CC=clang-14 SAN=$(FUZZ_SAN) fuzz-programs
	@B=$(B)/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) tests/tools/fuzz.sh
fuzz-programs: $(FUZZ)
$(B)/fuzz/%: tests/fuzz/%.c $(B)/libheadgate.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fsanitize=fuzzer -o $@ $< $(B)/libheadgate.a $(LDFLAGS) $(LDLIBS)

# A configuration that is there already is left alone.
install: build
	install -D -m 755 -s $(B)/headgate $(DESTDIR)$(PREFIX)/bin/headgate
	for f in $$(cd schemas && find . -name '*.json'); do \
		install -D -m 644 schemas/$$f $(DESTDIR)$(PREFIX)/share/headgate/schemas/$$f || exit 1; done
	install -d $(DESTDIR)$(SYSCONFDIR)/headgate
	[ -e $(DESTDIR)$(SYSCONFDIR)/headgate/headgate.jsonc ] || \
		sed 's|"\.\./schemas"|"$(PREFIX)/share/headgate/schemas"|' config/headgate.jsonc \
		>$(DESTDIR)$(SYSCONFDIR)/headgate/headgate.jsonc
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system deploy/headgate.socket deploy/headgate-admin.socket
	sed 's|/usr/local/bin|$(PREFIX)/bin|; s|/etc/headgate/|$(SYSCONFDIR)/headgate/|' deploy/headgate.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/headgate.service
	install -D -m 644 deploy/headgate.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/headgate.conf

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)
FORCE:
.SECONDARY: $(OBJ)
.PHONY: help build run unit test asan ubsan tsan soak check bench bench-kafka fuzz install clean unit-programs bench-programs fuzz-programs FORCE
