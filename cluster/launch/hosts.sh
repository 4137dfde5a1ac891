#!/usr/bin/env bash
# A cluster on any hosts that are reached by ssh: docs/operations.md. Needs bash and ssh here, sshd and bash there; nodes are
# run by systemd where it runs, else as background processes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    cat >&2 <<'USAGE'
hosts.sh -i INVENTORY [options] COMMAND

  install [BINARY]   put the binary there (default: build/release/weir of this tree), with what it needs
  configure          write each node's settings and have them checked there
  start              start what is not running; wait until all are ready
  status             each node's state, readiness, version; exit code 1 unless all are ready
  rolling-restart    one after the other: stop, start, ready again, all replicas in sync again
  stop               the clean stop of all

  --only NAME,...    these hosts only
  --one-by-one       start: the next one when the one before is ready
  --wait SECONDS     for readiness (default: 120) and for replicas to be in sync (ten times that)
  WEIR_SSH_OPTIONS   (environment) more options for ssh, such as "-i KEY"

Inventory: a host a line, NAME SSH_TARGET [KEY=VALUE]...; lines with KEY=VALUE alone hold for all hosts.
USAGE
    exit 2
}

fail() {
    echo "hosts.sh: $*" >&2
    exit 1
}

inventory="" only="" one_by_one=no wait_seconds=120
while [ $# -gt 0 ]; do
    case $1 in
    -i) inventory=${2:-}; shift 2 || usage ;;
    --only) only=${2:-}; shift 2 || usage ;;
    --wait) wait_seconds=${2:-}; shift 2 || usage ;;
    --one-by-one) one_by_one=yes; shift ;;
    -*) usage ;;
    *) break ;;
    esac
done
if [ -z "$inventory" ] || [ $# -eq 0 ]; then usage; fi
[[ $wait_seconds =~ ^[0-9]+$ ]] || usage
[ -r "$inventory" ] || fail "cannot read $inventory"

# The inventory

declare -a names=()
declare -A targets=() given=() # given[NAME/KEY], given[/KEY] for all

# Settings of a node that hosts.sh makes itself, and keys of its own. All others are the node's, by their names.
own_keys=" address listen ssh_port prefix manager certificates peers_port kafka_port http_port "

read_inventory() {
    local line number=0 words word name
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%%#*}
        read -r -a words <<<"$line"
        [ ${#words[@]} -gt 0 ] || continue
        name=""
        if [[ ${words[0]} != *=* ]]; then
            name=${words[0]}
            if [ ${#words[@]} -lt 2 ] || [[ ${words[1]} == *=* ]]; then
                fail "$inventory:$number: expected NAME SSH_TARGET [KEY=VALUE]..."
            fi
            [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] ||
                fail "$inventory:$number: '$name' is no name: letters, digits, '.', '_' and '-'"
            [ -z "${targets[$name]:-}" ] || fail "$inventory:$number: there are two hosts $name"
            names+=("$name")
            targets[$name]=${words[1]}
            words=("${words[@]:2}")
        fi
        for word in "${words[@]}"; do
            [[ $word =~ ^[a-z_]+(\.[A-Za-z0-9._-]+)?= ]] ||
                fail "$inventory:$number: '$word' is not KEY=VALUE"
            given[$name/${word%%=*}]=${word#*=}
        done
    done <"$inventory"
    [ ${#names[@]} -gt 0 ] || fail "$inventory names no host"
}

# setting NAME KEY DEFAULT
setting() {
    local own=${given[$1/$2]-unset}
    [ "$own" != unset ] || own=${given[/$2]-unset}
    if [ "$own" != unset ]; then echo "$own"; else echo "$3"; fi
}

address_of() {
    local target=${targets[$1]}
    setting "$1" address "${target##*@}"
}

# Where a node listens: on its address if the host has that one; on all of its own if others reach it by a name or by an address of
# another machine, which passes on what comes there.
listen_of() {
    local chosen_one address
    chosen_one=$(setting "$1" listen "")
    address=$(address_of "$1")
    if [ -n "$chosen_one" ]; then
        echo "$chosen_one"
    elif [[ $address = \[*\] ]] || on "$1" has "$address"; then
        echo "$address"
    else
        echo 0.0.0.0
    fi
}

port_of() {
    case $2 in
    peers) setting "$1" peers_port 9094 ;;
    kafka) setting "$1" kafka_port 9092 ;;
    http) setting "$1" http_port 8080 ;;
    esac
}

# ssh: one connection per host, kept while this runs

work=$(mktemp -d)
finish() {
    local socket
    for socket in "$work"/*.ssh; do
        [ -S "$socket" ] || continue
        ssh -o ControlPath="$socket" -O exit any 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

# Options as words of an array, so that keys and hosts with any characters stay what they are.
read -r -a extra_options <<<"${WEIR_SSH_OPTIONS:-}"

host_ssh() {
    local name=$1
    shift
    # Of options that are given twice ssh takes the first.
    ssh "${extra_options[@]}" -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 \
        -o ControlMaster=auto -o ControlPath="$work/$name.ssh" -o ControlPersist=60 \
        -p "$(setting "$name" ssh_port 22)" -- "${targets[$name]}" "$@"
}

# For the login shell there, whichever it is.
quoted() {
    local q="'\\''"
    printf "'%s'" "${1//\'/$q}"
}

# on NAME COMMAND [ARGUMENT]...: a command of host.sh there
on() {
    local name=$1 command=$2 line word
    shift 2
    line="bash -s --"
    for word in "$command" "$name" "$(setting "$name" prefix weir)" "$(setting "$name" manager auto)" \
        "$(address_of "$name"):$(port_of "$name" http)" "$@"; do
        line+=" $(quoted "$word")"
    done
    host_ssh "$name" "$line" <"$here/host.sh"
}

send() {
    local name=$1 file=$2 as=$3
    host_ssh "$name" "cd && cat >$(quoted ".weir-incoming/$name/$as")" <"$file"
}

# Commands

do_install() {
    local binary=${1:-$here/../../build/release/weir} name
    [ -x "$binary" ] || fail "no binary $binary: build it, or name one"
    # Symbols for a debugger are nine tenths of it; they stay here.
    if command -v strip >/dev/null; then
        strip -o "$work/weir.stripped" "$binary"
        binary=$work/weir.stripped
    fi
    for name in "${chosen[@]}"; do
        on "$name" begin
        send "$name" "$binary" weir
        send "$name" "$here/weir.service" weir.service
        send "$name" "$here/runtime-packages.txt" runtime-packages.txt
        on "$name" install
    done
}

yaml_text() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

# The settings of one node, as YAML.
settings_of() {
    local name=$1 address listen key value other join="" keys=() broker=() data_dir=data manager
    address=$(address_of "$name")
    listen=$(listen_of "$name")
    manager=$(setting "$name" manager auto)
    for other in "${names[@]}"; do
        [ "$other" != "$name" ] || continue
        join+="${join:+, }$(yaml_text "$(address_of "$other"):$(port_of "$other" peers)")"
    done
    echo "# Written by hosts.sh from $(basename "$inventory"); changes here are lost when it configures again."
    declare -A values=(
        [name]=$name
        [peers]="$listen:$(port_of "$name" peers)"
        [kafka]="$listen:$(port_of "$name" kafka)"
        [http]="$listen:$(port_of "$name" http)"
        # Firewalls are told ports that stay.
        [actors_port]=9095
        [rows_port]=9096
        [data_dir]=$data_dir
    )
    if [ "$listen" != "$address" ]; then
        values[advertised_peers]="$address:$(port_of "$name" peers)"
        values[advertised]="$address:$(port_of "$name" kafka)"
    fi
    [ "$manager" = process ] || values[data_dir]=$(host_data_dir "$name")
    if [ -n "$(setting "$name" certificates "")" ]; then
        # Relative ones: of the folder that the node runs in.
        local folder=""
        [ "${values[data_dir]}" = data ] || folder=/etc/weir/
        values[peers_certificate]=${folder}node.pem
        values[peers_key]=${folder}node.key
        values[peers_authority]=${folder}authority.pem
    fi
    for key in "${!given[@]}"; do
        case ${key%%/*} in "" | "$name") keys+=("${key#*/}") ;; esac
    done
    mapfile -t keys < <(printf '%s\n' ${keys[@]+"${keys[@]}"} | sort -u)
    for key in "${keys[@]}"; do
        [ -n "$key" ] || continue
        [[ $own_keys != *" $key "* ]] || continue
        value=$(setting "$name" "$key" "")
        case $key in
        join)
            join=""
            [ -z "$value" ] || join=$(yaml_text "$value")
            ;;
        broker_config.*) broker+=("  ${key#broker_config.}: $(yaml_text "$value")") ;;
        *) values[$key]=$value ;;
        esac
    done
    # A listener of the inventory's own is told as it is.
    [ -z "$(setting "$name" kafka "")" ] || values[advertised]=$(setting "$name" advertised "")
    [ -z "$(setting "$name" peers "")" ] || values[advertised_peers]=$(setting "$name" advertised_peers "")
    mapfile -t keys < <(printf '%s\n' "${!values[@]}" | sort)
    for key in "${keys[@]}"; do
        [ -z "${values[$key]}" ] || echo "$key: $(yaml_text "${values[$key]}")"
    done
    [ -z "$join" ] || echo "join: [$join]"
    [ ${#broker[@]} -eq 0 ] || printf '%s\n' broker_config: "${broker[@]}"
}

host_data_dir() {
    if [ "$(setting "$1" manager auto)" = systemd ] || host_ssh "$1" "test -d /run/systemd/system" </dev/null; then
        echo /var/lib/weir
    else
        echo data
    fi
}

# Those of cluster/launch/certificates.sh, if the inventory has them.
send_certificates() {
    local name=$1 from file
    from=$(setting "$name" certificates "")
    [ -n "$from" ] || return 0
    [[ $from = /* ]] || from=$(dirname "$inventory")/$from
    for file in "$name.pem" "$name.key" authority.pem; do
        [ -r "$from/$file" ] || fail "$name: cannot read $from/$file: certificates.sh makes it"
    done
    send "$name" "$from/$name.pem" node.pem
    send "$name" "$from/$name.key" node.key
    send "$name" "$from/authority.pem" authority.pem
}

do_configure() {
    local name
    for name in "${chosen[@]}"; do
        settings_of "$name" >"$work/settings"
        on "$name" begin
        send "$name" "$work/settings" weir.yaml
        send_certificates "$name"
        on "$name" configure
    done
}

do_start() {
    local name
    for name in "${chosen[@]}"; do
        on "$name" start
        [ "$one_by_one" = no ] || on "$name" wait "$wait_seconds"
    done
    for name in "${chosen[@]}"; do
        on "$name" wait "$wait_seconds"
        echo "$name: ready"
    done
}

do_stop() {
    local name
    for name in "${chosen[@]}"; do
        on "$name" stop
        echo "$name: stopped"
    done
}

do_status() {
    local name line state ready version code=0
    printf '%-16s %-24s %-12s %-6s %s\n' NAME ADDRESS STATE READY VERSION
    for name in "${chosen[@]}"; do
        line=$(on "$name" status </dev/null) || line="unreachable no -"
        read -r state ready version <<<"$line"
        printf '%-16s %-24s %-12s %-6s %s\n' "$name" "$(address_of "$name")" "$state" "$ready" "$version"
        [ "$ready" = yes ] || code=1
    done
    return $code
}

# Before a node is stopped and after it is back: every partition has all its replicas in sync, as that node knows. Nodes that do
# not say are believed when they are ready.
await_replicas() {
    local name=$1 deadline=$((SECONDS + 10 * wait_seconds)) lacking=""
    while true; do
        lacking=$(on "$name" lacking) || lacking="an unknown number of"
        case $lacking in 0 | unknown) return 0 ;; esac
        [ "$SECONDS" -lt "$deadline" ] ||
            fail "$name: $lacking partitions lack replicas in sync; the restart ends here"
        sleep 1
    done
}

do_rolling_restart() {
    local name
    # One node less must be the only one: a cluster with a node down is not touched.
    for name in "${names[@]}"; do
        on "$name" wait 0 || fail "$name is not ready: nothing was restarted"
    done
    for name in "${chosen[@]}"; do
        await_replicas "$name"
        on "$name" stop
        on "$name" start
        on "$name" wait "$wait_seconds"
        await_replicas "$name"
        echo "$name: restarted"
    done
}

read_inventory
chosen=("${names[@]}")
if [ -n "$only" ]; then
    IFS=, read -r -a chosen <<<"$only"
    for name in "${chosen[@]}"; do
        [ -n "${targets[$name]:-}" ] || fail "$inventory has no host $name"
    done
fi
command=$1
shift
case $command in
install) do_install "$@" ;;
configure | start | stop | status) [ $# -eq 0 ] || usage; "do_$command" ;;
rolling-restart) [ $# -eq 0 ] || usage; do_rolling_restart ;;
*) usage ;;
esac
