# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Podman from the packages of the distribution, also under the name docker. Each user has their own containers.
if command -v apk >/dev/null; then
  add_packages podman podman-docker
else
  add_packages podman podman-docker uidmap slirp4netns
fi
podman --version
