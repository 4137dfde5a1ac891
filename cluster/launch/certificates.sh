#!/usr/bin/env bash
# Makes the certificates with which the nodes of one cluster know each other (TLS between nodes):
#   bash cluster/launch/certificates.sh DIR NODE [NODE...]
# DIR/authority.pem and DIR/authority.key are made once and used again; the key is to be kept away from the nodes.
# Each node gets DIR/NODE.pem and DIR/NODE.key. Existing certificates are left alone: to renew one, remove it.
# Environment: WEIR_CERTIFICATE_DAYS, how long new ones are valid (default 825).
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 64
fi
command -v openssl >/dev/null || { echo "certificates.sh: openssl is not installed" >&2; exit 1; }
dir=$1
shift
days=${WEIR_CERTIFICATE_DAYS:-825}
umask 077
mkdir -p "$dir"

quiet() {
    local said
    said=$("$@" 2>&1) || { echo "certificates.sh: $said" >&2; exit 1; }
}

if [ ! -e "$dir/authority.pem" ]; then
    quiet openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$days" \
        -subj "/CN=weir cluster authority" -addext basicConstraints=critical,CA:TRUE,pathlen:0 \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$dir/authority.key" -out "$dir/authority.pem"
fi
for node in "$@"; do
    [ -e "$dir/$node.pem" ] && continue
    case $node in *[!A-Za-z0-9._-]*) echo "certificates.sh: '$node' is no name of a node" >&2; exit 64 ;; esac
    request=$(mktemp)
    quiet openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$node" \
        -keyout "$dir/$node.key" -out "$request"
    quiet openssl x509 -req -in "$request" -CA "$dir/authority.pem" -CAkey "$dir/authority.key" \
        -CAcreateserial -days "$days" -out "$dir/$node.pem.part" \
        -extfile <(printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
            extendedKeyUsage=serverAuth,clientAuth)
    mv "$dir/$node.pem.part" "$dir/$node.pem"
    rm -f "$request"
done
