#!/usr/bin/env bash
# Builds the fuzzers with clang, AddressSanitizer and UBSan, and runs each for some seconds.
#
# usage: tests/fuzz/run.sh [SECONDS]      (default: 20; a failing input is kept in build-fuzz/)
set -uo pipefail

root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
seconds=${1:-20}
build=$root/build-fuzz
mkdir -p "$build"
cd "$build" || exit 1
CC=clang-14 cmake -G Ninja -S "$root" -B . -DCUBELET_FUZZ=ON -DCUBELET_SANITIZE=address > configure.log 2>&1 \
    || { cat configure.log; exit 1; }

status=0
for source in "$root"/tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    ninja --quiet "$name" || { status=1; continue; }
    mkdir -p "found-$name"
    if "./$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        "found-$name" "$root/tests/fuzz/corpus/${name#fuzz_}" > "$name.log" 2>&1; then
        printf '%-20s %s inputs\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$name.log")"
    else
        tail -n 40 "$name.log"
        printf '%-20s FAILED (%s)\n' "$name" "$build/$name.log"
        status=1
    fi
done
exit $status
