#!/usr/bin/env bash
# Sees to what a make target needs: dependencies.sh build|check|test|bench|fuzz ...
# Silent when all is there. On Debian and Ubuntu installs what is missing (with sudo unless root); elsewhere prints what
# to install and exits 1. What is there is judged by what can be used, not by package names, so a compiler or a JRE that
# came another way counts.
set -uo pipefail
PATH=$PATH:/usr/sbin:/sbin

has_command() { command -v "$1" >/dev/null 2>&1; }
has_library() { has_command pkg-config && pkg-config --exists "$1" 2>/dev/null; }
has_header() { echo "#include <$1>" | ${CC:-cc} -E -include stdarg.h -include stddef.h -include setjmp.h -x c - >/dev/null 2>&1; }
has_node() { has_command node && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ]; }
has_java() { has_command java && [ "$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1)" -ge 17 ]; }

# need TEST ARGUMENT PACKAGE WHY
missing=() reasons=()
need() {
	"$1" "$2" && return
	missing+=("$3")
	reasons+=("  $3: $4")
}

group_build() {
	need has_command gcc gcc "C compiler (C11)"
	need has_command make make "the build"
	need has_command pkg-config pkg-config "finds the libraries"
	need has_library libmicrohttpd libmicrohttpd-dev "HTTP server library, 0.9.75 or later"
	need has_library libcjson libcjson-dev "JSON for configuration and admin answers"
	need has_library rdkafka librdkafka-dev "Kafka client, 2.0.2 or later"
	need has_library libsodium libsodium-dev "keyed hashes and constant-time comparison"
	need has_library zlib zlib1g-dev "gzip bodies"
	need has_library libpcre2-8 libpcre2-dev "patterns of the schemas"
	need has_library libmaxminddb libmaxminddb-dev "country and city of addresses"
}

group_check() {
	group_build
	need has_command clang-format-14 clang-format-14 "the source format"
	need has_command clang-tidy-14 clang-tidy-14 "static checks"
	need has_command cppcheck cppcheck "static checks"
}

has_zones() { [ -e /usr/share/zoneinfo/Asia/Seoul ]; }
has_browser() { has_command chromium || has_command chromium-browser || has_command google-chrome; }
# Fetched once for each state of the lock file.
fetch_packages() {
	local lock=tests/package-lock.json mark=tests/node_modules/.fetched
	cmp -s $lock $mark && return
	(cd tests && npm ci --ignore-scripts --no-audit --no-fund >/dev/null 2>&1) && cp $lock $mark && return
	echo "npm ci failed in tests/" >&2
	return 1
}
group_test() {
	group_build
	need has_header cmocka.h libcmocka-dev "unit tests"
	need has_node "" nodejs "integration tests, Node.js 18 or later"
	need has_java "" openjdk-17-jre-headless "the Kafka broker of the tests, Java 17 or later"
	need has_command mvn maven "fetches the Kafka broker"
	need has_command kcat kcat "reads what Kafka holds"
	need has_command nginx nginx-light "the proxy that the tests put in front"
	need has_command curl curl "examples of the README"
	need has_command openssl openssl "a certificate for the proxy"
	need has_command systemd-analyze systemd "judges the unit of deploy/"
	need has_zones "" tzdata "midnight of other places"
	need has_command npm npm "fetches what the tests of the catalog's documents use (tests/package.json)"
	need has_browser "" chromium "the browser that the catalog's page is looked at in"
}

group_bench() {
	group_build
	need has_node "" nodejs "drives the runs, Node.js 18 or later"
}

group_fuzz() {
	group_build
	need has_command clang-14 clang-14 "libFuzzer"
	need has_file /usr/lib/llvm-14/lib/clang libclang-rt-14-dev "libFuzzer's run-time library"
}
has_file() { find "$1" -name 'libclang_rt.fuzzer*.a' 2>/dev/null | grep -q .; }

collect() {
	missing=() reasons=()
	local group
	for group in "$@"; do
		case $group in
		build | check | test | bench | fuzz) "group_$group" ;;
		*) echo "dependencies.sh: no group '$group'" >&2; exit 64 ;;
		esac
	done
}

# A package that brings a service (nginx) must not start it: only its program is wanted.
policy=/usr/sbin/policy-rc.d
run_as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
services_hold() {
	[ -e $policy ] && return
	printf '#!/bin/sh\nexit 101\n' | run_as_root tee $policy >/dev/null && run_as_root chmod 755 $policy
	trap 'run_as_root rm -f $policy' EXIT
}

install_debian() {
	local options=(-y -q --no-install-recommends -o DPkg::Lock::Timeout=600)
	local wanted=("$@")
	services_hold
	export DEBIAN_FRONTEND=noninteractive
	run_as_root apt-get install "${options[@]}" "${wanted[@]}" && return
	run_as_root apt-get update -q && run_as_root apt-get install "${options[@]}" "${wanted[@]}"
}

[ $# -gt 0 ] || { sed -n '2s/^# //p' "$0" >&2; exit 64; }
finish() {
	case " $* " in *" test "*) fetch_packages || exit 1 ;; esac
	exit 0
}
collect "$@"
[ ${#missing[@]} -eq 0 ] && finish "$@"

printf 'missing for %s:\n' "$*" >&2
printf '%s\n' "${reasons[@]}" >&2
if ! has_command apt-get || { [ "$(id -u)" != 0 ] && ! has_command sudo; }; then
	echo "install these (Debian's names) and run make again" >&2
	exit 1
fi
log=$(mktemp)
if ! install_debian "${missing[@]}" >"$log" 2>&1; then
	tail -20 "$log" >&2
	rm -f "$log"
	echo "could not install: ${missing[*]}" >&2
	exit 1
fi
rm -f "$log"
collect "$@"
[ ${#missing[@]} -eq 0 ] && finish "$@"
printf 'installed, but still not usable:\n' >&2
printf '%s\n' "${reasons[@]}" >&2
exit 1
