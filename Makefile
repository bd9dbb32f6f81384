# headgate. `make` lists the targets. Everything that is built lies in $(B).
B ?= build
PREFIX ?= /usr/local
CC ?= gcc
SAN ?=

PKGS := libmicrohttpd libcjson rdkafka libsodium zlib libpcre2-8
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 $(if $(CI),-Werror)
HARDEN := -fstack-protector-strong -fPIE -fcf-protection $(if $(SAN),,-D_FORTIFY_SOURCE=3)
OPT := $(if $(SAN),-O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN),-O2 -g)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
CPPFLAGS = -Iinclude -D_GNU_SOURCE
CFLAGS = -std=c11 $(OPT) $(WARN) $(HARDEN) -pthread
LDFLAGS = -pie -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN)) -pthread
LDLIBS = $(shell pkg-config --libs $(PKGS))

SRC := $(shell find src -name '*.c')
OBJ := $(SRC:%.c=$(B)/%.o)
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))

help:
	@echo "make build | run | test | check | bench | asan | ubsan | tsan | fuzz | install"

build: $(B)/headgate

$(B)/headgate: $(B)/src/main.o $(B)/libheadgate.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/libheadgate.a: $(filter-out $(B)/src/main.o,$(OBJ))
	@rm -f $@; ar rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/unit/%: tests/unit/%.c $(B)/libheadgate.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(B)/libheadgate.a $(LDFLAGS) $(LDLIBS) -lcmocka

unit: $(UNIT)
	@for t in $(UNIT); do $$t || exit 1; done

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: help build unit
