# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host on which the task runs: its hardware, users, and settings of its kernel."""

from __future__ import annotations

import grp
import os

from . import change_counter
from .files import explained

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture():
    """Return amd64 or arm64, or what ``uname -m`` prints on other hosts."""
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)


def is_root():
    return os.geteuid() == 0


def cpu_flags():
    """Return the features of the CPU as Linux lists them; empty if they are unknown."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            line = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return frozenset()
    return frozenset(line.partition(":")[2].split())


def members(group):
    """Return the names of the users in a group, without those that have it as their primary group."""
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError:
        return []


def write_kernel_value(path, value):
    """Write text to a file of /proc/sys, which cannot be replaced."""
    with explained("write", path), open(path, "w", encoding="ascii") as file:
        file.write(f"{value}\n")
        change_counter.note()
