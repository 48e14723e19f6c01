#!/usr/bin/env bash
# Installs Apptainer on Debian 12, which has no package of it: Debian's sid has one, whose newer C library comes along
# into a folder of its own, so that the system's stays as it is. Needs root, and the mirror that apt uses anyway.
set -euo pipefail

HOME_OF_SID=/usr/local/lib/apptainer-sid # the programs look for their parts where the package has them; this holds the libraries
LIBRARIES=usr/lib/x86_64-linux-gnu

# Root of many virtual machines lacks a capability that building asks for; in a user namespace it has all.
if [ "$(id -u)" = 0 ]; then
    for file in /etc/subuid /etc/subgid; do
        grep -q '^root:' $file || echo root:100000:65536 >>$file
    done
fi
if command -v apptainer >/dev/null; then
    apptainer --version
    exit 0
fi
if [ "$(id -u)" != 0 ]; then echo "error: installing needs root" >&2 && exit 1; fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends \
    ca-certificates containernetworking-plugins debootstrap fakeroot fuse-overlayfs fuse2fs gocryptfs patchelf squashfs-tools squashfuse uidmap >/dev/null

# An apt of our own beside the system's, that knows nothing but sid, on the same mirror.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mirror=$(apt-get --print-uris download patchelf | sed -n "s,^'\(.*\)/pool/.*,\1,p")
mkdir -p "$work"/{lists,cache/archives}/partial
: >"$work/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
sid=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o "Dir::State::status=$work/status" -o APT::Sandbox::User=root)
apt-get "${sid[@]}" update
(cd "$work" && apt-get "${sid[@]}" download apptainer libc6 libseccomp2 libsqlite3-0)

rm -rf "$HOME_OF_SID"
for package in "$work"/*.deb; do
    dpkg -x "$package" "$HOME_OF_SID"
done
for program in usr/bin/apptainer "$LIBRARIES/apptainer/bin/starter"; do
    patchelf --set-interpreter "$HOME_OF_SID/$LIBRARIES/ld-linux-x86-64.so.2" "$HOME_OF_SID/$program"
    patchelf --force-rpath --set-rpath "$HOME_OF_SID/$LIBRARIES" "$HOME_OF_SID/$program"
done
cp -a "$HOME_OF_SID/usr/bin/apptainer" /usr/bin/
cp -a "$HOME_OF_SID/$LIBRARIES/apptainer" "/$LIBRARIES/"
cp -a "$HOME_OF_SID/etc/apptainer" /etc/
mkdir -p /var/lib/apptainer/mnt/session
ln -sf apptainer /usr/bin/singularity # the name that Snakemake calls
apptainer --version
