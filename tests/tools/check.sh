#!/usr/bin/env bash
# All checks of the tree, or those named: check.sh [format|layers|headers|size|docs|tidy|cppcheck]...
# Each says what is wrong and where; the exit code is 0 only if nothing is.
set -uo pipefail
cd "$(dirname "$0")/../.."
B=${B:-build}
CFLAGS="-Iinclude -D_GNU_SOURCE -std=c11 -DHEADGATE_VERSION='\"checked\"'"
jobs=2

c_files() { find src include tests/unit tests/bench tests/fuzz tests/fault -name '*.[ch]' 2>/dev/null | sort; }
sources() { find src -name '*.c' 2>/dev/null | sort; }

check_format() {
	local wrong
	wrong=$(c_files | xargs -r clang-format-14 --dry-run --Werror 2>&1 | sed -n 's/^\([^ :]*:[0-9]*\):.*error:.*/\1/p' | sort -u)
	[ -z "$wrong" ] && return
	echo "not as clang-format-14 writes it:"
	echo "$wrong" | sort -V | head -40
	return 1
}
check_layers() { tests/tools/check-layers; }
check_docs() { tests/tools/check-docs; }

check_headers() {
	local header failed=0
	for header in $(find include -name '*.h' | sort); do
		printf '#include "%s"\n#include "%s"\n' "${header#include/}" "${header#include/}" |
			eval "${CC:-cc} $CFLAGS -Wall -Wextra -Werror -fsyntax-only -x c -" || { echo "$header does not compile alone"; failed=1; }
	done
	# Fuzz targets are built by clang and seldom; what a change of a header breaks in them is to be seen here.
	for header in tests/fuzz/fuzz_*.c; do
		[ -e "$header" ] || continue
		eval "${CC:-cc} $CFLAGS -fsyntax-only '$header'" || { echo "$header does not compile"; failed=1; }
	done
	return $failed
}

# The source format puts a function's braces into the first column, so its length can be read off.
check_size() {
	# shellcheck disable=SC2046
	awk '
	FNR == 1 { start = 0 }
	/^{/ { start = FNR; name = previous }
	/^}/ && start { if (FNR - start + 1 > 60) { print FILENAME ":" start ": function of " FNR - start + 1 " lines (60): " name; failed = 1 } start = 0 }
	{ previous = $0; lines[FILENAME] = FNR }
	END {
		for (f in lines) if (lines[f] > (f == "Makefile" ? 150 : 600)) { print f ": " lines[f] " lines (" (f == "Makefile" ? 150 : 600) ")"; failed = 1 }
		exit failed
	}' Makefile $(c_files)
}

# Results are kept by the digest of the source with all it includes, so that only what changed is looked at again.
tidy_one() {
	local file=$1 digest report
	digest=$( (cat .clang-tidy; eval "${CC:-cc} $CFLAGS -E -P '$file'") | sha1sum | cut -c1-40)
	[ -e "$B/tidy/$digest" ] && return 0
	# stdout carries the findings; the path to each (notes) is asked for by running clang-tidy-14 on the file by hand.
	report=$(eval "clang-tidy-14 --quiet --warnings-as-errors='*' '$file' -- $CFLAGS" 2>/dev/null) || { grep -E '(warning|error):' <<<"$report"; return 1; }
	touch "$B/tidy/$digest"
}

check_tidy() {
	mkdir -p "$B/tidy"
	export B CFLAGS
	sources | xargs -r -n 1 -P $jobs tests/tools/check.sh tidy-one
}

check_cppcheck() {
	mkdir -p "$B/cppcheck"
	[ -n "$(sources)" ] || return 0
	cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem --suppress=unknownMacro -j $jobs \
		--cppcheck-build-dir="$B/cppcheck" -Iinclude -D_GNU_SOURCE -DHEADGATE_VERSION='""' src 2>&1
}

if [ "${1:-}" = tidy-one ]; then
	tidy_one "$2"
	exit
fi
status=0
for check in ${*:-format layers headers size docs tidy cppcheck}; do
	if output=$("check_$check" 2>&1); then
		echo "check $check: ok${output:+ ($output)}"
	else
		printf '%s\ncheck %s: FAILED\n' "$output" "$check"
		status=1
	fi
done
exit $status
