# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This text is put before each script of this directory. They run as root, in Debian, Ubuntu and Alpine.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# Another program may hold the lock of apt, such as the update of a guest that was just started.
apt_get() { apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@"; }

add_packages() {
  if command -v apk >/dev/null; then apk add --quiet "$@"; return; fi
  apt_get update
  apt_get install --no-install-recommends "$@"
}

# Print those of the packages that the distribution has.
existing() {
  for package in "$@"; do
    if apt-cache show "$package" >/dev/null 2>&1; then printf '%s\n' "$package"; fi
  done
}

# The user that cloud-init, Vagrant or WSL has created; empty if root is the only one.
first_user() { getent passwd 1000 | cut -d : -f 1; }

# Services are started only in a guest that has booted, and not while its image is prepared.
has_booted() { test -d /run/systemd/system || test -e /run/openrc/softlevel; }
