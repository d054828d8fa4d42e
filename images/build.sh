#!/bin/sh
# Build the images of one architecture with buildah, the modules' and the service's, where no Docker engine is needed:
#
#     images/build.sh amd64|arm64v8|arm32v7
#
# A base image that no registry brings is stood in for by one that mmdebstrap makes; its root file system is kept in
# ~/.cache/turbofan-edge for the next time. An image for another processor takes qemu-user-static and binfmt-support.
set -eu
cd "$(dirname "$0")/.."
architecture=${1:-}
suite=trixie
cache=${XDG_CACHE_HOME:-$HOME/.cache}/turbofan-edge

fail() {
    echo "images: $1" >&2
    exit 1
}

# The names that Debian, OCI and qemu have for it.
case $architecture in
    amd64) debian=amd64 oci=amd64 variant='' machine=x86_64 ;;
    arm64v8) debian=arm64 oci=arm64 variant=v8 machine=aarch64 ;;
    arm32v7) debian=armhf oci=arm variant=v7 machine=arm ;;
    *) fail "'$architecture' is none of amd64, arm64v8, arm32v7" ;;
esac
command -v buildah > /dev/null || fail "buildah is missing: apt-get install buildah podman"

build_base=docker.io/library/debian:$suite-slim

# base NAME DEBIAN_ARCHITECTURE OCI_ARCHITECTURE VARIANT
base() {
    if buildah inspect --type image "$1" > /dev/null 2>&1; then
        return
    fi
    if buildah pull --quiet --arch "$3" --variant "$4" "$1" 2> /dev/null; then
        return
    fi
    tar=$cache/debian-$suite-$2.tar
    if [ ! -e "$tar" ]; then
        echo "images: no registry brings $1; mmdebstrap makes a stand-in, some minutes for another processor"
        command -v mmdebstrap > /dev/null || fail "mmdebstrap is missing: apt-get install mmdebstrap"
        # apt-get fills the name in, not the shell.
        # shellcheck disable=SC2016
        mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' | head -n 1)}
        mkdir -p "$cache"
        mmdebstrap --quiet --variant=minbase --architectures="$2" --include=ca-certificates \
            --dpkgopt=images/dpkg.cfg $suite "$tar.part" "$mirror"
        mv "$tar.part" "$tar"
    fi
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$tar" / > /dev/null
    buildah config --arch "$3" --variant "$4" --cmd /bin/sh "$container"
    buildah commit --quiet --rm "$container" "$1" > /dev/null
    echo "images: $1 is a stand-in made of Debian's packages"
}

# Programs for another processor must run here, as if they were this one's.
emulate() {
    formats=/proc/sys/fs/binfmt_misc
    [ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats || fail "binfmt_misc cannot be mounted"
    [ -e $formats/qemu-$machine ] || update-binfmts --enable "qemu-$machine" \
        || fail "programs for $machine cannot run: apt-get install qemu-user-static binfmt-support"
    # Debian 12's qemu 7 crashes when it loads onnxruntime's wheel for arm64: that of Debian 13 takes its place.
    if [ $machine = aarch64 ] && qemu-aarch64-static --version | grep --quiet 'version [1-7]\.'; then
        newer=$cache/qemu-aarch64
        if [ ! -e "$newer" ]; then
            container=$(buildah from --pull-never "$build_base")
            buildah run "$container" sh -c 'cd /tmp && apt-get update --quiet && apt-get download --quiet qemu-user'
            dpkg-deb --fsys-tarfile "$(buildah mount "$container")"/tmp/qemu-user_*.deb \
                | tar --extract --to-stdout ./usr/bin/qemu-aarch64 > "$newer.part"
            buildah rm "$container" > /dev/null
            chmod +x "$newer.part"
            mv "$newer.part" "$newer"
        fi
        # The head of an ELF file for this processor, and which of its bits count.
        magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
        mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
        echo -1 > $formats/qemu-aarch64
        printf '%s' ":qemu-aarch64:M::$magic:$mask:$newer:F" > $formats/register
    fi
}

base "$build_base" "$(dpkg --print-architecture)" "$(dpkg --print-architecture)" ''
[ "$(uname -m)" = $machine ] || emulate
base "docker.io/$architecture/debian:$suite-slim" $debian $oci "$variant"

version=$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' scoring/version.py)
revision=$(git rev-parse HEAD 2> /dev/null || echo unknown)

# build NAME OPTION...
build() {
    image=${CONTAINER_REGISTRY:-localhost}/$1:$version-$architecture
    shift
    buildah build --format docker --layers --pull-never --file "Dockerfile.$architecture" --tag "$image" \
        --build-arg "VERSION=$version" --build-arg "REVISION=$revision" "$@" .
    echo "images: $image is built"
}

build turbofan-edge
# A gateway of 32 bits runs modules, and nobody asks it over HTTP.
[ "$architecture" = arm32v7 ] || build turbofan-edge-service --target service
