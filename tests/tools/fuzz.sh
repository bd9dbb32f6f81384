#!/usr/bin/env bash
# Runs every fuzz program of $B/fuzz for FUZZ_SECONDS. New inputs go to $B/fuzz/corpus/<name>, crashes to $B/fuzz/crash;
# the corpus of the tree (tests/fuzz/corpus/<name>) is only read. Exits 1 if one crashed, hung or leaked.
set -uo pipefail
cd "$(dirname "$0")/../.."
status=0 ran=0
mkdir -p "$B/fuzz/crash"
for source in tests/fuzz/fuzz_*.c; do
	[ -e "$source" ] || continue
	name=$(basename "$source" .c)
	name=${name#fuzz_}
	found=$B/fuzz/corpus/$name
	seeds=tests/fuzz/corpus/$name
	mkdir -p "$found"
	ran=$((ran + 1))
	log=$B/fuzz/$name.log
	UBSAN_OPTIONS=print_stacktrace=1 "$B/fuzz/fuzz_$name" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
		-max_len=65536 -print_final_stats=1 -artifact_prefix="$B/fuzz/crash/$name-" "$found" $([ -d "$seeds" ] && echo "$seeds") >"$log" 2>&1
	code=$?
	echo "fuzz $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs, exit $code"
	[ $code -eq 0 ] || { grep -vE '^#[0-9]+' "$log" | tail -40; status=1; }
done
[ $ran -gt 0 ] || { echo "fuzz: no targets"; exit 1; }
exit $status
