#!/usr/bin/env bash
# Build Cubelet and run its tests.
#
# usage: sudo tests/run.sh [--unit] [--actors] [--node] [options]
#
#   --unit, --actors, --node   run these parts only (default: all three)
#   --sanitize KIND            build with sanitizers: address (and undefined behaviour), thread, or none
#   --build-dir DIR            where to build (default: build, or build-KIND with sanitizers)
#   --node-tests "NAME..."     of the node tests only these modules, classes or methods (test_pods, test_faults.Kills)
#   --jobs N                   build and run ctest with N jobs (default: one per processor), and one more node module
#                              than that side by side, since they mostly wait
#   --no-install               do not install Debian packages
#   -h, --help                 show this
#
# The node tests run containers on a containerd of their own, so they need root. Logs of each part are kept in
# DIR/test-logs. The exit status is 0 only when everything passed.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "$0")")")
parts=()
sanitize=none
build=
jobs=$(nproc)
install=yes
node_tests=

usage () {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

while [ $# -gt 0 ]; do
    case $1 in
        --unit | --actors | --node) parts+=("${1#--}") ;;
        --sanitize | --build-dir | --jobs | --node-tests)
            if [ $# -lt 2 ]; then
                echo "run.sh: $1 needs a value" >&2
                exit 2
            fi
            case $1 in
                --sanitize) sanitize=$2 ;;
                --build-dir) build=$2 ;;
                --jobs) jobs=$2 ;;
                --node-tests) node_tests=$2 ;;
            esac
            shift ;;
        --no-install) install=no ;;
        -h | --help) usage; exit 0 ;;
        *) echo "run.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
[ ${#parts[@]} -gt 0 ] || parts=(unit actors node)
case $sanitize in
    address | thread) build=${build:-$root/build-$sanitize}; flag=$sanitize ;;
    none) build=${build:-$root/build}; flag= ;;
    *) echo "run.sh: --sanitize takes address, thread or none" >&2; exit 2 ;;
esac
python=python3
[ ! -x /usr/bin/python3 ] || python=/usr/bin/python3

say () {
    printf '\n==> %s\n' "$*"
}

# One line of the summary: part, passed, failed, what else there is to say.
summary=()
failed=no
result () {
    summary+=("$(printf '%-8s %7s %7s   %s' "$@")")
    [ "$3" = 0 ] || failed=yes
}

# ctest for one label. Its log names programs; the test cases in them are counted from their cmocka output.
run_ctest () {
    local part=$1 log=$logs/$1.log ok=yes passed failures
    say "$part tests"
    rm -f "$build/Testing/Temporary/LastTest.log"
    ctest --test-dir "$build" -L "^$part\$" --no-tests=error --output-on-failure -j "$jobs" || ok=no
    cp "$build/Testing/Temporary/LastTest.log" "$log" 2>/dev/null || : > "$log"
    passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s)\.*$/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    failures=$(sed -n 's/^ *\[  FAILED  \] \([0-9]*\) test(s).*$/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    # a program that crashed reports no failed case
    [ "$ok" = yes ] || [ "$failures" != 0 ] || failures=1
    result "$part" "$passed" "$failures" "$log"
}

# The whole agent on a real runtime, driven from Python.
run_node () {
    local log=$logs/node.log ok=yes ran failures skipped
    say "node tests"
    if [ "$(id -u)" != 0 ]; then
        result node 0 1 "needs root: run sudo tests/run.sh"
        return
    fi
    # shellcheck disable=SC2086  # the names are words
    CUBELET_BUILD=$build "$python" -B "$root/tests/node/parallel.py" "$((jobs + 1))" $node_tests 2>&1 | tee "$log" || ok=no
    ran=$(sed -n 's/^Ran \([0-9]*\) tests\{0,1\} in .*/\1/p' "$log" | tail -1)
    failures=$(grep -cE '^(FAIL|ERROR): ' "$log" || true)
    skipped=$(sed -n 's/.*skipped=\([0-9]*\).*/\1/p' "$log" | tail -1)
    [ "$ok" = yes ] || [ "$failures" != 0 ] || failures=1
    ran=$((${ran:-0} - ${skipped:-0}))
    result node $((ran > failures ? ran - failures : 0)) "$failures" "$log${skipped:+, $skipped skipped}"
}

[ "$install" = no ] || "$root/tools/install-packages.sh" build run test

say "building in $build"
mkdir -p "$build"
build=$(readlink -f "$build")
logs=$build/test-logs
mkdir -p "$logs"
cmake -G Ninja -S "$root" -B "$build" -DCUBELET_SANITIZE="$flag" > "$logs/configure.log" 2>&1 \
    || { cat "$logs/configure.log"; echo "run.sh: cmake failed, nothing was tested" >&2; exit 1; }
ninja -C "$build" -j "$jobs" --quiet || { echo "run.sh: the build failed, nothing was tested" >&2; exit 1; }

for part in "${parts[@]}"; do
    case $part in
        node) run_node ;;
        *) run_ctest "$part" ;;
    esac
done

printf '\n---- summary (sanitizers: %s) ----\n%-8s %7s %7s   %s\n' "$sanitize" part passed failed log
printf '%s\n' "${summary[@]}"
[ "$failed" = no ]
