#!/usr/bin/env bash
# Try Cubelet on this machine: build it, run it standalone with one nginx pod, show the page, leave nothing behind.
#
# usage: sudo tools/quickstart.sh [options]
#        sudo tools/quickstart.sh --stop      end a quickstart that runs elsewhere
#
#   --offline         make the images from Debian's packages instead of pulling them (chosen by itself when
#                     no image registry answers)
#   --once            stop as soon as the page was fetched
#   --no-install      do not install Debian packages
#   --build-dir DIR   where to build (default: build)
#   -h, --help        show this
#
# It uses the containerd that answers on /run/containerd/containerd.sock, or starts one of its own.
# Everything it writes is in the two directories below, the build directory, and the cgroup cubelet-quickstart.
# Functions are called by name through wait_for and trap, which shellcheck cannot see.
# shellcheck disable=SC2317
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "$0")")")
place=${CUBELET_QUICKSTART_RUN:-/run/cubelet-quickstart}     # sockets, configuration, logs, manifests
store=${CUBELET_QUICKSTART_LIB:-/var/lib/cubelet-quickstart} # images, container file systems, the agent's data
cgroup=$(basename "$place")
node=quickstart-node
bridge=cqs$(printf %s "$place" | cksum | cut -d " " -f 1)                # a name of at most 15 characters
build=$root/build
image=docker.io/library/nginx:latest
offline=no
once=no
install=yes

# Process numbers of what was started, and the runtime's socket.
agent=
containerd=
socket=/run/containerd/containerd.sock

say () {
    printf '%s\n' "$*"
}

step () {
    printf '\n==> %s\n' "$*"
}

die () {
    printf 'quickstart: %s\n' "$*" >&2
    exit 1
}

usage () {
    sed -n '2,/^# Functions/{/^# Functions/d;s/^# \{0,1\}//;p}' "$0"
}

# wait_for SECONDS COMMAND...: true as soon as the command succeeds, false after that many seconds.
wait_for () {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

gone () {
    ! kill -0 "$1" 2> /dev/null
}

# ---- the other quickstart ----

stop_other () {
    local pid
    pid=$(cat "$place/pid" 2> /dev/null) || die "no quickstart is running"
    if gone "$pid"; then
        say "The quickstart with pid $pid was killed; cleaning up after it"
        remove_leftovers
        return
    fi
    say "Stopping the quickstart with pid $pid"
    kill -TERM "$pid"
    wait_for 120 gone "$pid" || die "it did not stop within 120 s; its logs are in $place"
}

# ---- containerd ----

ctr_k8s () {
    ctr --address "$socket" --namespace k8s.io "$@"
}

# A containerd answers here, and its CRI service is switched on (Docker's packages switch it off).
runtime_answers () {
    [ -S "$socket" ] && timeout 5 ctr --address "$socket" plugins list 2> /dev/null \
        | awk '$1 ~ /grpc.v1/ && $2 == "cri" && $4 == "ok" { found = 1 } END { exit !found }'
}

# A kubelet stops pods that it does not know: somebody else's must not be in its runtime.
runtime_is_in_use () {
    [ -n "$(ctr_k8s containers list --quiet)" ]
}

# One value of the configuration of the running containerd, as far as its default file tells.
runtime_setting () {
    containerd config dump 2> /dev/null | awk -F ' = ' -v key="$1" '
        { sub (/^ +/, "", $1) } $1 == key { gsub (/"/, "", $2); print $2; exit }'
}

# Without CAP_SYS_RESOURCE (in most sandboxes) the kernel refuses the oom scores that the agent asks for.
restricted () {
    local effective
    effective=$(awk '/^CapEff:/ { print $2 }' /proc/self/status)
    (((0x$effective >> 24 & 1) == 0)) && echo true || echo false
}

start_containerd () {
    step "Starting a containerd of our own"
    socket=$place/containerd.sock
    mkdir -p "$place/cni" "$store/containerd"
    cat > "$place/containerd.toml" << EOF
version = 2
root = "$store/containerd"
state = "$place/state"
[grpc]
  address = "$socket"
[ttrpc]
  address = "$socket.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "$store/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause"
  restrict_oom_score_adj = $(restricted)
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$place/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "$place/runc"
EOF
    setsid containerd --config "$place/containerd.toml" > "$place/containerd.log" 2>&1 < /dev/null &
    containerd=$!
    if ! wait_for 60 runtime_answers; then
        tail -n 20 "$place/containerd.log" >&2
        die "containerd does not start; the end of its log is above"
    fi
}

# The address range of the pods: the first of a few that no route of this machine touches.
free_subnet () {
    python3 - << 'EOF'
import ipaddress, json, subprocess
rows = json.loads(subprocess.check_output(['ip', '-json', '-4', 'route']) or b'[]')
used = [ipaddress.ip_network(row['dst'], strict=False) for row in rows if row['dst'] != 'default']
choices = [ipaddress.ip_network(f'10.{n}.0.0/24') for n in (88, 188, 77, 177, 66, 166)]
print(next(net for net in choices if not any(net.overlaps(other) for other in used)))
EOF
}

# Give containerd a pod network unless it has one.
network () {
    local directory subnet
    if [ -n "$containerd" ]; then
        directory=$place/cni
    else
        directory=$(runtime_setting conf_dir)
        directory=${directory:-/etc/cni/net.d}
        if compgen -G "$directory/*.conf" > /dev/null || compgen -G "$directory/*.conflist" > /dev/null; then
            say "Using the pod network configured in $directory"
            return
        fi
    fi
    subnet=$(free_subnet) || die "every address range tried for the pods is in use on this machine"
    # the bridge plugin switches forwarding on
    cat /proc/sys/net/ipv4/ip_forward > "$place/forwarding"
    mkdir -p "$directory"
    echo "$directory/10-cubelet-quickstart.conflist" > "$place/conflist"
    cat > "$directory/10-cubelet-quickstart.conflist" << EOF
{ "cniVersion": "0.4.0", "name": "$cgroup", "plugins": [
  { "type": "bridge", "bridge": "$bridge", "isGateway": true, "ipMasq": true,
    "ipam": { "type": "host-local", "dataDir": "$place/ipam", "ranges": [[{ "subnet": "$subnet" }]],
              "routes": [{ "dst": "0.0.0.0/0" }] } },
  { "type": "portmap", "capabilities": { "portMappings": true } } ] }
EOF
    say "Pods get addresses of $subnet on the bridge $bridge"
}

# ---- images ----

registry_answers () {
    curl --silent --output /dev/null --connect-timeout 5 --max-time 10 https://registry-1.docker.io/v2/
}

have_image () {
    ctr_k8s images list --quiet | grep -qxF "$1"
}

# make_image KIND NAME: build an image from Debian's packages and import it, unless the name exists.
make_image () {
    have_image "$2" && return
    say "Making $2 from Debian's packages"
    python3 -B "$root/tests/node/lab/images.py" "$1" "$place/$1.tar" "$2" > "$place/images.log" 2>&1 \
        || { cat "$place/images.log" >&2; die "making the image failed"; }
    ctr_k8s images import "$place/$1.tar" > /dev/null
    rm -f "$place/$1.tar"
}

# Remove the images that came with us from a containerd that stays.
remove_images () {
    local name digest
    for name in "$image" "$(cat "$place/pause")"; do
        digest=$(ctr_k8s images list "name==$name" | awk 'NR == 2 { print $3 }')
        # the runtime keeps further names (by digest, by identifier) for the same image
        [ -z "$digest" ] || ctr_k8s images list | awk -v digest="$digest" '$3 == digest { print $1 }' \
            | grep -vxFf "$place/images-before" \
            | xargs -r ctr --address "$socket" --namespace k8s.io images remove > /dev/null
    done
}

# ---- the agent ----

# The first port from $1 on that nobody listens on.
free_port () {
    local port=$1
    while [ -n "$(ss --listening --tcp --numeric --no-header "sport = :$port")" ]; do
        port=$((port + 1))
    done
    echo "$port"
}

# The directory of our cgroup in each hierarchy: one in cgroup v2, one per controller in v1.
cgroup_directories () {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo "/sys/fs/cgroup/$cgroup"
    else
        find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d -printf "%p/$cgroup\n"
    fi
}

make_cgroup () {
    local directory setting
    cgroup_directories | while read -r directory; do
        mkdir -p "$directory"
        for setting in cpuset.cpus cpuset.mems; do # these start out empty in cgroup v1
            [ ! -e "$directory/$setting" ] || [ -n "$(cat "$directory/$setting")" ] \
                || cat "$(dirname "$directory")/$setting" > "$directory/$setting"
        done
    done
}

remove_cgroup () {
    local directory
    cgroup_directories | while read -r directory; do
        [ ! -d "$directory" ] || find "$directory" -depth -type d -exec rmdir {} \; 2> /dev/null || true
    done
}

cgroup_is_gone () {
    remove_cgroup
    [ -z "$(find /sys/fs/cgroup -maxdepth 2 -type d -name "$cgroup")" ]
}

start_agent () {
    local driver=cgroupfs cgroup_root="cgroupRoot: /$cgroup"
    if [ -z "$containerd" ] && [ "$(runtime_setting SystemdCgroup)" = true ]; then
        driver=systemd
        cgroup_root=
    else
        make_cgroup
    fi
    port=$(free_port 10255)
    mkdir -p "$place/manifests" "$store/kubelet" "$store/pod-logs"
    cat > "$place/kubelet.yaml" << EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: $place/manifests
podLogsDir: $store/pod-logs
containerRuntimeEndpoint: unix://$socket
address: 127.0.0.1
port: $(free_port 10250)
readOnlyPort: $port
healthzPort: $(free_port 10348)
authentication:
  anonymous:
    enabled: false
  webhook:
    enabled: false
authorization:
  mode: AlwaysAllow
cgroupDriver: $driver
$cgroup_root
failSwapOn: false
clusterDomain: cluster.local
EOF
    setsid "$build/kubelet" --config "$place/kubelet.yaml" --root-dir "$store/kubelet" --cert-dir "$store/kubelet/pki" \
        --hostname-override "$node" --socket-dir "$place/bus" > "$place/kubelet.log" 2>&1 < /dev/null &
    agent=$!
    wait_for 60 agent_answers || agent_failed "the agent does not answer on 127.0.0.1:$port"
}

agent_answers () {
    gone "$agent" && agent_failed "the agent ended"
    curl --silent --fail --output /dev/null "http://127.0.0.1:$port/pods"
}

agent_failed () {
    tail -n 30 "$place/kubelet.log" >&2
    die "$1; the end of its log is above"
}

# One line on the pod: its address or -, "ready" or "not-ready", the phase, and what a container waits for.
pod_line () {
    curl --silent --fail "http://127.0.0.1:$port/pods" | python3 -c '
import json, sys
for pod in json.load(sys.stdin).get("items") or []:
    status = pod.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
    waits = [s["state"]["waiting"].get("reason", "") for s in status.get("containerStatuses") or []
             if "waiting" in s.get("state", {})]
    print(status.get("podIP") or "-", "ready" if ready else "not-ready", status.get("phase"), *waits)'
}

# Show each change of the pod until it is Ready.
watch_until_ready () {
    local end=$((SECONDS + 180)) line shown=
    address=
    while [ $SECONDS -lt $end ]; do
        gone "$agent" && agent_failed "the agent ended"
        line=$(pod_line) || line=
        if [ -n "$line" ] && [ "$line" != "$shown" ]; then
            shown=$line
            # shellcheck disable=SC2086
            set -- $line
            address=$1
            printf '%s  nginx-pod  %-9s  %-8s  %-9s  %s\n' "$(date +%T)" "$2" "$3" "$address" "${4:-}"
            [ "$2" != ready ] || return 0
        fi
        sleep 0.1
    done
    agent_failed "the pod is not Ready after 180 s"
}

pods_are_gone () {
    gone "$agent" || [ -z "$(pod_line 2> /dev/null)" ]
}

# ---- cleaning up ----

# The processes that name a file of ours: the agent, our containerd and its shims.
our_processes () {
    local directory
    for directory in /proc/[0-9]*; do
        if tr '\0' ' ' 2> /dev/null < "$directory/cmdline" \
            | grep -qE "$place/(kubelet\.yaml|containerd\.toml|containerd\.sock)"; then
            echo "${directory#/proc/}"
        fi
    done 2> /dev/null
}

# Kill what still runs: all that is left after an orderly end are shims and containers of our own containerd.
kill_processes () {
    local pid
    cat "$place"/state/io.containerd.runtime.v2.task/*/*/address > "$place/shims"
    # awk, because the files do not end with a newline
    for pid in $(our_processes) $(awk 1 "$place"/state/io.containerd.runtime.v2.task/*/*/init.pid) \
        $(cgroup_directories | while read -r directory; do find "$directory" -name cgroup.procs -exec cat {} +; done); do
        [ "$pid" = $$ ] || kill -KILL "$pid"
    done
    sed 's|unix://|\n|g' "$place/shims" | xargs -r rm -f
} 2> /dev/null

unmount_all () {
    awk -v a="$place/" -v b="$store/" 'index ($5, a) == 1 || index ($5, b) == 1 { print $5 }' /proc/self/mountinfo \
        | tac | xargs -r -n 1 umount --lazy 2> /dev/null || true
}

clean_up () {
    local status=$?
    trap '' INT TERM HUP
    trap - EXIT
    set +e
    step "Cleaning up"
    if [ -n "$agent" ] && ! gone "$agent"; then
        rm -f "$place/manifests/nginx-pod.yaml"
        if wait_for 60 pods_are_gone; then
            say "The pod is REMOVED"
        else
            say "The pod did not end within 60 s and is removed by force"
        fi
        kill -TERM "$agent"
        wait_for 20 gone "$agent" || kill -KILL "$agent"
    fi
    [ -z "$containerd" ] || { kill -TERM "$containerd" && wait_for 20 gone "$containerd"; }
    remove_leftovers
    [ "$status" != 0 ] || say "Nothing is left."
    exit "$status"
}

# Undo everything a quickstart did, from its notes: its own variables are gone when it was killed.
remove_leftovers () (
    set +e
    # a containerd that is not ours stays, without our pod and our images
    if [ -S "$socket" ] && [ ! -e "$place/containerd.toml" ] && [ -e "$place/images-before" ]; then
        kill_processes
        (cd "$root/tests/node" && python3 -B -m lab.cri "$socket" remove-pod "nginx-pod-$node")
        remove_images
    fi
    kill_processes
    wait_for 10 cgroup_is_gone
    if [ -e "$place/conflist" ]; then
        rm -f "$(cat "$place/conflist")"
        cat "$place/forwarding" > /proc/sys/net/ipv4/ip_forward
    fi
    (cd "$root/tests/node" && python3 -B -m lab.network "$cgroup" "$bridge")
    unmount_all
    rm -rf "$place" "$store"
)

# ---- the program ----

build_agent () {
    local owner
    step "Building in $build"
    owner=$(stat --format %U "$root")
    # as the owner of the checkout, so that no file of root's stays in it
    # shellcheck disable=SC2016
    runuser -u "$owner" -- sh -c 'cmake -G Ninja -S "$1" -B "$2" > /dev/null && ninja -C "$2" --quiet kubelet &&
        { ninja -C "$2" --quiet kubelet-tap || true; }' sh "$root" "$build" || die "the build failed; see above"
}

while [ $# -gt 0 ]; do
    case $1 in
        --offline) offline=yes ;;
        --once) once=yes ;;
        --no-install) install=no ;;
        --build-dir) [ $# -gt 1 ] || die "--build-dir needs a directory"; build=$(realpath -m "$2"); shift ;;
        --stop) stop_other; exit 0 ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
[ "$(id -u)" = 0 ] || die "this starts containers, so it needs root: sudo tools/quickstart.sh"
if [ -e "$place/pid" ] && ! gone "$(cat "$place/pid")"; then
    die "a quickstart is already running (pid $(cat "$place/pid")); end it with: sudo tools/quickstart.sh --stop"
fi

if [ "$install" = yes ]; then
    step "Checking the Debian packages"
    "$root/tools/install-packages.sh" build run
fi
build_agent

if [ -d "$place" ]; then
    say "An earlier quickstart was killed; cleaning up after it"
    remove_leftovers
fi
mkdir -p "$place" "$store"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
echo $$ > "$place/pid"

if runtime_answers && runtime_is_in_use; then
    say "The containerd on $socket already runs pods, which an agent of no API server would stop."
    pause=registry.k8s.io/pause:3.10
    start_containerd
elif runtime_answers; then
    step "Using the containerd on $socket"
    pause=$(runtime_setting sandbox_image)
    pause=${pause:-registry.k8s.io/pause:3.6}
else
    pause=registry.k8s.io/pause:3.10
    start_containerd
fi
echo "$pause" > "$place/pause"
ctr_k8s images list --quiet > "$place/images-before"
network

if [ "$offline" = no ] && ! have_image "$image" && ! registry_answers; then
    say "No image registry answers: going on as with --offline"
    offline=yes
fi
if [ "$offline" = yes ]; then
    make_image pause "$pause"
    make_image nginx "$image"
fi

step "Starting the agent, standalone, on the manifests in $place/manifests"
start_agent
cp "$root/docs/examples/nginx-pod.yaml" "$place/nginx-pod.yaml.new"
mv "$place/nginx-pod.yaml.new" "$place/manifests/nginx-pod.yaml"
watch_until_ready

step "The pod's page, http://$address/"
page=$(curl --silent --show-error --fail --max-time 20 "http://$address/") || die "the page could not be fetched"
sed -n 's/<[^>]*>//g; /[^ ]/p' <<< "$page" | uniq | grep -m 2 -i nginx || die "this is not nginx's page: $page"

if [ "$once" = yes ]; then
    exit 0
fi
step "It runs. In another terminal you can"
say "  watch the agent's messages    $build/kubelet-tap --socket-dir $place/bus"
say "  read its log                  tail -f $place/kubelet.log"
say "  list its pods                 curl http://127.0.0.1:$port/pods"
say "  add pods, or take them away   $place/manifests"
say "  stop all this                 press Ctrl-C here, or sudo tools/quickstart.sh --stop"
wait "$agent" || true
agent_failed "the agent ended"
