# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that name the place that a task works on, where modules about VMs and about hosts have the same."""

from __future__ import annotations

from .._core.options.option import Connection

LIBVIRT = {"uri": Connection(), "executable": Connection(default="virsh")}
VMD = {"executable": Connection(default="vmctl"), "config_file": Connection("path", default="/etc/vm.conf")}
