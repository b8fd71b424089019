# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Python with pip, and with environments (python3 -m venv). The last lines create one and delete it again.
if command -v apk >/dev/null; then add_packages python3 py3-pip; else add_packages python3 python3-venv python3-pip; fi
folder=$(mktemp -d)
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --version
rm -rf "$folder"
