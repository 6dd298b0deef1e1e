#!/usr/bin/env bash
# Install the Debian packages of the named sections of packages.txt that are not installed yet.
#
# usage: install-packages.sh SECTION...        (build, run, test, ci)
set -euo pipefail

list=$(dirname "$(readlink -f "$0")")/packages.txt

# The packages of one section, one a line.
section () {
    awk -v want="[$1]" '/^\[/ { here = $0 == want; next } here && NF && !/^#/' "$list"
}

missing=()
for name in "$@"; do
    packages=$(section "$name")
    if [ -z "$packages" ]; then
        echo "install-packages.sh: no section [$name] in $list" >&2
        exit 2
    fi
    for package in $packages; do
        status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing+=("$package")
    done
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "Installing ${missing[*]}"
if [ "$(id -u)" != 0 ]; then
    echo "install-packages.sh: these packages are missing and only root can install them" >&2
    exit 1
fi

# Only the programs are wanted: keep apt from starting nginx, docker-registry or containerd as services.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
