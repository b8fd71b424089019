# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Node.js and npm from the packages of the distribution.
add_packages nodejs npm
node --version
npm --version
