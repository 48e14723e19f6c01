#!/usr/bin/env bash
# Builds the images that are missing: containers/<environment>-<first digits of the lock's sha256>.sif (`make containers`).
# BASE: an image or folder to start from in place of the registry's slim Python; "debian" makes one with debootstrap.
set -euo pipefail
cd "$(dirname "$0")/.."

# Bound to /mnt while building: pip's configuration of this machine, its certificates, its cache, this project.
mnt=$(mktemp -d)
trap 'rm -rf "$mnt"' EXIT
mkdir "$mnt/cache" "$mnt/project"
binds=(-B "$mnt:/mnt" -B "$PWD:/mnt/project:ro")
bundle=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
if [ -f "$bundle" ]; then cp "$bundle" "$mnt/ca.crt"; fi
cache=$(python3 -m pip cache dir 2>/dev/null || true)
if [ -d "$cache" ]; then binds+=(-B "$cache:/mnt/cache"); fi
{
    echo "[global]"
    # What names a folder of this machine means nothing inside.
    python3 -m pip config list 2>/dev/null | sed -n "s/^\(:env:\|global\)\.\([a-z-]*\)='\(.*\)'$/\2 = \3/p" |
        grep -E '^(index-url|extra-index-url|trusted-host|proxy|default-timeout) ' | grep -v 'file:' | sort -u -t= -k1,1 || true
    if [ -f "$mnt/ca.crt" ]; then echo "cert = /mnt/ca.crt"; fi
    echo "cache-dir = /mnt/cache"
} >"$mnt/pip.conf"

options=(--mksquashfs-args "-comp zstd -Xcompression-level 1")
# Root of many virtual machines lacks a capability that Apptainer asks for, and builds in a user namespace instead.
if [ "$(id -u)" = 0 ] && grep -q '^root:' /etc/subuid; then options+=(--fakeroot); fi

if [ "${BASE:-}" = debian ]; then
    BASE=containers/base.sif
    if [ ! -e "$BASE" ]; then
        mirror=$(apt-get --print-uris download base-files | sed -n "s,^'\(.*\)/pool/.*,\1,p")
        apptainer build "${options[@]}" --build-arg "MIRROR=$mirror" "$BASE.part" containers/base.def
        mv "$BASE.part" "$BASE"
    fi
fi
from=()
if [ -n "${BASE:-}" ]; then from=(--build-arg BOOTSTRAP=localimage --build-arg "BASE=$BASE"); fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
for name in data model report; do
    lock=$(sha256sum "envs/$name.lock" | cut -c1-12)
    image=containers/$name-$lock.sif
    if [ -e "$image" ]; then
        echo "$image is here"
        continue
    fi
    echo "$image is built"
    apptainer build --force "${options[@]}" "${binds[@]}" "${from[@]}" --build-arg "VERSION=$version" --build-arg "LOCK=$lock" \
        "$image.part" "containers/$name.def"
    mv "$image.part" "$image"
done
