#!/usr/bin/env bash
# What hosts.sh does on a host: it is sent there and run by bash, nothing of it stays. By hand on the host itself:
#   bash host.sh COMMAND NAME PREFIX MANAGER HOST:PORT-of-HTTP
# PREFIX: folder (relative to the home directory) of a node without systemd: bin/weir, weir.yaml, data/, log, pid.
# MANAGER: systemd, process, or auto (systemd where it runs). With systemd the places are those of the unit file.
set -euo pipefail

command=$1 name=$2 prefix=$3 manager=$4 http=$5

# How long a node may take to stop: last snapshots, a clean end of every log. Then it is killed: no more than a crash.
stop_seconds=60

fail() {
    echo "$name: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n -- "$@" || fail "'$*' needs root: log in as root, or allow sudo without a password"
    fi
}

incoming=".weir-incoming/$name"
cd
if [ "$manager" = auto ]; then
    manager=process
    [ -d /run/systemd/system ] && manager=systemd
fi
if [ "$manager" = systemd ]; then
    binary=/usr/local/bin/weir config=/etc/weir/weir.yaml
else
    mkdir -p "$prefix"
    prefix=$(cd "$prefix" && pwd)
    binary=$prefix/bin/weir config=$prefix/weir.yaml
fi

# The id of a node that runs without systemd; nothing when none does. Ids come again: the command line tells.
running_pid() {
    local pid
    pid=$(cat "$prefix/pid" 2>/dev/null) || return 0
    [ -n "$pid" ] || return 0
    if tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "$config"; then
        echo "$pid"
    fi
}

# Where the node is asked from here: an address that is told to others may be no way from the host itself.
http_here() {
    local listening
    listening=$(sed -n 's/^http: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$config" 2>/dev/null) || true
    case $listening in
    "") echo "$http" ;;
    0.0.0.0:*) echo "127.0.0.1:${listening##*:}" ;;
    '[::]':*) echo "[::1]:${listening##*:}" ;;
    *) echo "$listening" ;;
    esac
}

# GET by the shell alone: hosts need not have curl. Prints status code and body.
get() {
    local path=$1 line code at address
    at=$(http_here)
    address=${at%:*}
    address=${address#[}
    exec 3<>"/dev/tcp/${address%]}/${at##*:}" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n' "$path" "$at" >&3
    read -r -t 10 _ code _ <&3 || return 1
    while read -r -t 10 line <&3 && [ "${line%$'\r'}" != "" ]; do :; done
    echo "$code"
    timeout 10 cat <&3 || true
    exec 3<&-
}

# Whether the host itself has that IPv4 address.
do_has() {
    grep -A1 -F -- "|-- $1" /proc/net/fib_trie | grep -A1 -x " *|-- ${1//./\\.}" | grep -q "host LOCAL"
}

forget_incoming() {
    rm -rf "$incoming"
    rmdir .weir-incoming 2>/dev/null || true # another node of this machine may be under way
}

install_packages() {
    local missing=() package status
    while read -r package; do
        case $package in '' | \#*) continue ;; esac
        status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing+=("$package")
    done <"$incoming/runtime-packages.txt"
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "$name: installing ${missing[*]}" >&2
    as_root apt-get update -qq >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${missing[@]}" >&2
}

do_install() {
    local lacking version
    chmod 755 "$incoming/weir"
    lacking=$(ldd "$incoming/weir" 2>&1 | awk '/not found/ {print $1}' | sort -u | tr '\n' ' ')
    if [ -n "$lacking" ]; then
        command -v apt-get >/dev/null || fail "the libraries $lacking are missing"
        install_packages || fail "the libraries $lacking are missing and their packages cannot be installed"
    fi
    version=$("$incoming/weir" --version) || fail "the binary does not run here"
    # A name is replaced, not a file that runs: nodes keep the binary that they were started with.
    if [ "$manager" = systemd ]; then
        as_root install -m 755 "$incoming/weir" "$binary.new"
        as_root mv -f "$binary.new" "$binary"
        id weir >/dev/null 2>&1 ||
            as_root useradd --system --home-dir /var/lib/weir --shell /usr/sbin/nologin weir
        as_root install -m 644 "$incoming/weir.service" /etc/systemd/system/weir.service
        as_root systemctl daemon-reload
    else
        mkdir -p "$prefix/bin"
        mv -f "$incoming/weir" "$binary"
    fi
    forget_incoming
    echo "$name: $version installed ($manager)"
}

do_configure() {
    local problem file
    [ -x "$binary" ] || fail "no $binary: install first"
    if ! problem=$("$binary" node --config "$incoming/weir.yaml" --print-config 2>&1 >/dev/null); then
        fail "the settings are refused: $problem"
    fi
    # The key is for the node alone, and there before the settings that name it.
    for file in node.key node.pem authority.pem; do
        [ -e "$incoming/$file" ] || continue
        if [ "$manager" = systemd ]; then
            as_root install -D -m 640 -g weir "$incoming/$file" "/etc/weir/$file.new"
            as_root mv -f "/etc/weir/$file.new" "/etc/weir/$file"
        else
            chmod 600 "$incoming/$file"
            mv -f "$incoming/$file" "$prefix/$file"
        fi
    done
    if [ "$manager" = systemd ]; then
        as_root install -D -m 644 "$incoming/weir.yaml" "$config.new"
        as_root mv -f "$config.new" "$config"
    else
        mv -f "$incoming/weir.yaml" "$config"
    fi
    forget_incoming
    echo "$name: configured ($config)"
}

do_start() {
    [ -f "$config" ] || fail "no $config: configure first"
    if [ "$manager" = systemd ]; then
        as_root systemctl enable --quiet weir.service
        # One that failed too often is started no more, until it is forgiven.
        as_root systemctl reset-failed weir.service 2>/dev/null || true
        as_root systemctl start weir.service
        return
    fi
    [ -z "$(running_pid)" ] || return 0
    cd "$prefix"
    setsid "$binary" node --config "$config" </dev/null >>log 2>&1 &
    echo $! >pid
    # Until then its command line is this shell's, and the node would be taken for one that has ended.
    while [ -z "$(running_pid)" ] && kill -0 $! 2>/dev/null; do sleep 0.05; done
}

# Ready, or not after so many seconds.
do_wait() {
    local deadline=$((SECONDS + $1)) code=""
    while true; do
        code=$(get /readyz 2>/dev/null | head -n 1) || true
        [ "$code" != 200 ] || return 0
        if [ "$SECONDS" -ge "$deadline" ]; then
            fail "not ready after $1 s (GET /readyz on $http: ${code:-no answer}); $(where_is_the_log)"
        fi
        [ "$(state)" != stopped ] || fail "the node has ended; $(where_is_the_log)"
        sleep 0.2
    done
}

where_is_the_log() {
    if [ "$manager" = systemd ]; then echo "see journalctl -u weir"; else
        echo "the end of $prefix/log:"
        tail -n 5 "$prefix/log" 2>/dev/null || true
    fi
}

do_stop() {
    if [ "$manager" = systemd ]; then
        as_root systemctl stop weir.service
        return
    fi
    local pid deadline=$((SECONDS + stop_seconds))
    pid=$(running_pid)
    if [ -n "$pid" ]; then
        kill -TERM "$pid"
        while [ -n "$(running_pid)" ]; do
            [ "$SECONDS" -lt "$deadline" ] || kill -KILL "$pid"
            sleep 0.1
        done
    fi
    rm -f "$prefix/pid"
}

state() {
    local active
    if [ "$manager" = systemd ]; then
        # "activating" is also the pause before it is started again.
        active=$(systemctl is-active weir.service || true)
        case $active in active | activating) echo running ;; *) echo stopped ;; esac
    elif [ -n "$(running_pid)" ]; then echo running; else echo stopped; fi
}

# STATE READY VERSION, for hosts.sh to show.
do_status() {
    local code ready=no version=-
    code=$(get /readyz 2>/dev/null | head -n 1) || true
    [ "$code" != 200 ] || ready=yes
    [ ! -x "$binary" ] || version=$("$binary" --version | awk '{print $2}')
    echo "$(state) $ready $version"
}

# Partitions with fewer replicas in sync than they should have, as this node knows; "unknown" where nodes do not say.
do_lacking() {
    local answer
    answer=$(get /cluster 2>/dev/null) || fail "GET /cluster on $http: no answer"
    # All numbers of that name are added up: one for the cluster, or one a node.
    awk -v RS=, 'match($0, /"under_replicated(_partitions)?": *[0-9]+/) {
            text = substr($0, RSTART, RLENGTH); sub(/.*: */, "", text); sum += text; told = 1 }
        END { print told ? sum : "unknown" }' <<<"$answer"
}

case $command in
begin)
    rm -rf "$incoming"
    mkdir -p "$incoming"
    ;;
install) do_install ;;
configure) do_configure ;;
start) do_start ;;
wait) do_wait "$6" ;;
stop) do_stop ;;
status) do_status ;;
lacking) do_lacking ;;
has) do_has "$6" ;;
*) fail "no command $command" ;;
esac
