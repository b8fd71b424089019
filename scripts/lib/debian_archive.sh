# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts that create directory trees of other Debian releases.

# debian_archive: prints the archive that apt uses here, with the mirror or proxy of this host. Fails if there is none.
debian_archive() {
    # shellcheck disable=SC2016 # The dollar is apt's.
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/\?$'
}
