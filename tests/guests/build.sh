#!/usr/bin/env bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds the fast test guest from Debian packages: a kernel, an initramfs, a small root disk with Python. The argument
# is its architecture, amd64 (the default) or arm64, which is built without running a program of it.
# Prints, one per line, kernel=…, initrd=…, disk=…, cmdline=…; a second call only prints. README.md says more.
set -euo pipefail

SOURCES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Not below a home directory: /root is closed to the user that libvirt runs QEMU as.
IMAGES=${POLYVIRT_TEST_IMAGES:-/var/lib/libvirt/images/polyvirt-tests}
CACHE=${POLYVIRT_CACHE:-$HOME/.cache/polyvirt}/guest-packages
ARCHITECTURE=${1:-amd64}
COMMON_WORDS='net.ifnames=0 quiet random.trust_cpu=on mitigations=off'
CMDLINE="console=ttyS0 $COMMON_WORDS tsc=reliable no_timer_check"
DISK_SIZE=192M
APT=(-qq -y -o APT::Sandbox::User=root -o Debug::NoLocking=1)

PROGRAMS=(busybox-static dropbear-bin openssh-sftp-server python3)
# apt wants these because it thinks of a whole system; the guest has no package database.
UNNEEDED=(adduser_ debconf_ dpkg_ gcc-12-base_ openssh-client_ tar_)
DRIVERS=(virtio_pci virtio_net virtio_blk virtio_scsi sd_mod sr_mod isofs virtio_console virtio-rng button evdev)

say() { printf '%s\n' "$*" >&2; }
stop_with() { printf 'error: %s\n' "$*" >&2; exit 1; }

print_paths() {
    printf 'kernel=%s\ninitrd=%s\ndisk=%s\ncmdline=%s\n' \
        "$IMAGES/vmlinuz" "$IMAGES/initrd.img" "$IMAGES/fast-base.qcow2" "$CMDLINE"
}

fingerprint() { cat "$SOURCES/build.sh" "$SOURCES"/fast/* | sha256sum | cut -d' ' -f1; }

is_built() {
    [ -r "$IMAGES/fingerprint" ] && [ "$(cat "$IMAGES/fingerprint")" = "$1" ] \
        && [ -r "$IMAGES/vmlinuz" ] && [ -r "$IMAGES/initrd.img" ] && [ -r "$IMAGES/fast-base.qcow2" ]
}

require_tools() {
    local tool missing=
    local -A package_of=([dpkg-deb]=dpkg [modprobe]=kmod [cpio]=cpio [mke2fs]=e2fsprogs [qemu-img]=qemu-utils
        [flock]=util-linux [readelf]=binutils [busybox]=busybox)
    for tool in "${!package_of[@]}"; do
        command -v "$tool" >/dev/null || missing+=" ${package_of[$tool]}"
    done
    [ -z "$missing" ] || stop_with "tools are missing to build the guest: apt-get install$missing"
    [ "$(id -u)" -eq 0 ] || stop_with "the files in the guest must belong to root: run $0 as root"
}

# use_another_architecture: its own directories, and lists of packages that apt keeps apart from those of this host.
use_another_architecture() {
    IMAGES=$IMAGES/$ARCHITECTURE
    CACHE=$CACHE/$ARCHITECTURE
    CMDLINE="console=ttyAMA0 $COMMON_WORDS"
    APT+=(-o "APT::Architecture=$ARCHITECTURE" -o "APT::Architectures=$ARCHITECTURE"
        -o "Dir::State::Lists=$CACHE/lists")
}

download_lists() {
    [ "$ARCHITECTURE" != amd64 ] || return 0
    mkdir -p "$CACHE/lists/partial"
    apt-get "${APT[@]}" -o Dir::State::status=/dev/null update
}

# apt resolves against an empty system, so that what happens to be installed here makes no difference.
download_programs() {
    mkdir -p "$CACHE/programs/partial"
    apt-get "${APT[@]}" -o Dir::State::status=/dev/null -o Dir::Cache::archives="$CACHE/programs" \
        -o APT::Install-Recommends=false -o APT::Keep-Downloaded-Packages=true \
        --download-only install "${PROGRAMS[@]}" >/dev/null
}

kernel_package() {
    LC_ALL=C apt-cache "${APT[@]:2}" depends "linux-image-cloud-$ARCHITECTURE" \
        | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

download_kernel() {
    local package
    package=$(kernel_package)
    [ -n "$package" ] || stop_with "apt knows no linux-image-cloud-$ARCHITECTURE: run apt-get update, on Debian for amd64"
    mkdir -p "$CACHE/kernel"
    (cd "$CACHE/kernel" && apt-get "${APT[@]}" download "$package")
    # Earlier kernels stay in the cache; the newest is the one asked for.
    find "$CACHE/kernel" -name "${package}_*.deb" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-
}

# download_grub FOLDER: the boot loader of another architecture, which this host cannot install, for images that boot
# by it.
download_grub() {
    local package
    mkdir -p "$CACHE/grub" "$1"
    (cd "$CACHE/grub" && apt-get "${APT[@]}" download "grub-efi-$ARCHITECTURE-bin")
    package=$(find "$CACHE/grub" -name '*.deb' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$1" --strip-components=4 ./usr/lib/grub
}

# newest_packages: of several versions of a package in the cache, only the one that came last.
newest_packages() {
    find "$CACHE/programs" -maxdepth 1 -name '*.deb' -printf '%C@ %f\n' | sort -rn | cut -d' ' -f2- | awk -F_ '!seen[$1]++'
}

is_unneeded() {
    local start
    for start in "${UNNEEDED[@]}"; do [[ $1 == "$start"* ]] && return; done
    return 1
}

unpack_programs() {
    local root=$1 package link
    mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
    for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
    newest_packages | while read -r package; do
        is_unneeded "$package" || dpkg-deb --fsys-tarfile "$CACHE/programs/$package" \
            | tar -x -C "$root" --keep-directory-symlink
    done
    rm -rf "$root"/usr/share/{doc,man,locale,lintian,bug,bash-completion,zoneinfo,info} "$root"/usr/lib/*/gconv
    find "$root"/usr/lib/python3* -depth \( -name test -o -name tests -o -name idlelib -o -name lib2to3 \
        -o -name ensurepip -o -name pydoc_data \) -exec rm -rf {} +
}

# write_system_files ROOT: what packages would have made on installation, had they been installed.
write_system_files() {
    local root=$1
    mkdir -p "$root"/{dev,proc,sys,run,tmp,mnt,root,home,root-disk} "$root"/etc/dropbear "$root"/var/{log,tmp,lib}
    chmod 700 "$root/root"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    echo 'root:*:19000:0:99999:7:::' >"$root/etc/shadow"
    echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
    echo '127.0.0.1 localhost' >"$root/etc/hosts"
    printf '/bin/sh\n' >"$root/etc/shells"
    printf '%s\n' 'NAME="Debian GNU/Linux"' 'ID=debian' 'PRETTY_NAME="polyvirt fast test guest"' \
        "VERSION_ID=\"$(. /etc/os-release && echo "${VERSION_ID:-12}")\"" >"$root/etc/os-release"
    touch "$root/etc/polyvirt-guest"
    install -m 755 "$SOURCES/fast/guest" "$SOURCES/fast/dhcp-event" "$root/sbin/"
}

# applets ROOT: of another architecture, those of this host's busybox, which is built alike.
applets() { if [ "$ARCHITECTURE" = amd64 ]; then "$1/bin/busybox" --list; else busybox --list; fi; }

link_busybox() {
    local root=$1 applet
    for applet in $(applets "$root"); do
        [ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
    done
}

build_disk() {
    local root=$1 image=$2
    unpack_programs "$root"
    write_system_files "$root"
    link_busybox "$root"
    # Compiled here once: under emulation compiling json alone costs the guest half a second.
    # Debian's own Python here and in the guest are of the same release.
    /usr/bin/python3 -m compileall -q -s "$root" -p / "$root/usr/lib"
    mke2fs -q -t ext4 -O ^has_journal -m 0 -L polyvirt-fast -d "$root" "$image.raw" "$DISK_SIZE" >/dev/null
    qemu-img convert -O qcow2 "$image.raw" "$image"
}

copy_drivers() {
    local kernel=$1 target=$2 version number=0 driver file
    version=$(basename "$kernel"/lib/modules/*)
    depmod -b "$kernel" "$version"
    mkdir -p "$target"
    for driver in "${DRIVERS[@]}"; do
        modprobe -d "$kernel" -S "$version" --show-depends "$driver" | awk '$1 == "insmod" { print $2 }'
    done | awk '!seen[$0]++' | while read -r file; do
        number=$((number + 1))
        cp "$file" "$target/$(printf '%02d' $number)-$(basename "$file")"
    done
}

# libraries_of ROOT PROGRAM: the interpreter of a program, and its libraries with those that they need.
libraries_of() {
    local root=$1 name library
    LC_ALL=C readelf -l "$root/$2" | sed -n 's|.*interpreter: /\(.*\)]$|\1|p'
    for name in $(LC_ALL=C readelf -d "$root/$2" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        library=$(cd "$root" && find usr/lib -name "$name" | head -n 1)
        [ -n "$library" ] || stop_with "the guest has no library $name"
        echo "$library"
        libraries_of "$root" "$library"
    done
}

# The initramfs is a guest of its own, without Python: dropbear and the libraries it names, taken from the disk's tree.
build_initramfs() {
    local root=$1 kernel=$2 tree=$3 image=$4 library link
    mkdir -p "$tree"/usr/{bin,sbin,lib,lib64}
    for link in bin sbin lib lib64; do ln -s "usr/$link" "$tree/$link"; done
    write_system_files "$tree"
    install -m 755 "$SOURCES/fast/init" "$tree/init"
    cp "$root/bin/busybox" "$tree/bin/"
    ln -s busybox "$tree/bin/sh"    # What the kernel starts /init with.
    cp "$root/usr/sbin/dropbear" "$tree/usr/sbin/"
    libraries_of "$root" usr/sbin/dropbear | sort -u | while read -r library; do
        mkdir -p "$tree/$(dirname "$library")"
        cp -L "$root/$library" "$tree/$library"
    done
    copy_drivers "$kernel" "$tree/drivers"
    (cd "$tree" && find . | cpio --quiet -o -H newc) | gzip -9n >"$image"
}

# Everything is made in a folder of its own and moved when whole; the fingerprint comes last.
publish() {
    local work=$1 name
    if [ -d "$work/grub" ]; then
        rm -rf "$IMAGES/grub"
        mv "$work/grub" "$IMAGES/grub"
    fi
    chmod 644 "$work"/{vmlinuz,initrd.img,fast-base.qcow2}
    for name in vmlinuz initrd.img fast-base.qcow2; do mv -f "$work/$name" "$IMAGES/$name"; done
    echo "$2" >"$work/fingerprint"
    mv -f "$work/fingerprint" "$IMAGES/fingerprint"
}

build() {
    local work=$1 kernel_deb
    say "Building the fast test guest in $IMAGES (half a minute)"
    download_lists
    download_programs
    kernel_deb=$(download_kernel)
    mkdir "$work/kernel"
    dpkg-deb -x "$kernel_deb" "$work/kernel"
    cp "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"
    [ "$ARCHITECTURE" = amd64 ] || download_grub "$work/grub"
    build_disk "$work/root" "$work/fast-base.qcow2"
    build_initramfs "$work/root" "$work/kernel" "$work/tree" "$work/initrd.img"
}

main() {
    local wanted
    case $ARCHITECTURE in
        amd64) ;;
        arm64) use_another_architecture ;;
        *) stop_with "there is no guest of the architecture '$ARCHITECTURE', only of amd64 and arm64" ;;
    esac
    wanted=$(fingerprint)
    if ! is_built "$wanted"; then
        require_tools
        # QEMU's user may pass through and read by name, and list nothing: as libvirt's own folder of images.
        install -d -m 711 "$IMAGES"
        exec 9>"$IMAGES/.lock"
        flock 9
        if ! is_built "$wanted"; then
            WORK=$(mktemp -d "$IMAGES/.build.XXXXXX")
            trap 'rm -rf "$WORK"' EXIT
            build "$WORK"
            publish "$WORK" "$wanted"
        fi
    fi
    print_paths
}

main
