# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Docker from the packages of the distribution, with Compose and Buildx. The first user can use it without sudo.
if command -v apk >/dev/null; then
  add_packages docker docker-cli-compose docker-cli-buildx
  rc-update add docker default
  if has_booted; then service docker start; fi
  addgroup_to() { addgroup "$1" docker; }
else
  apt_get update
  # docker.io of Ubuntu contains the command docker. Debian 13 has it in docker-cli.
  # shellcheck disable=SC2046 # words
  add_packages docker.io $(existing docker-cli docker-buildx)
  # Ubuntu has Compose in docker-compose-v2, Debian in docker-compose.
  compose=$(existing docker-compose-v2)
  add_packages "${compose:-docker-compose}"
  if has_booted; then systemctl enable --now docker; fi
  addgroup_to() { usermod -a -G docker "$1"; }
fi
user=$(first_user)
if [ -n "$user" ]; then addgroup_to "$user"; fi
docker --version
docker compose version 2>/dev/null || docker-compose version
if has_booted; then
  tries=30
  until docker info >/dev/null 2>&1; do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ]; then docker info; exit 1; fi
    sleep 1
  done
fi
