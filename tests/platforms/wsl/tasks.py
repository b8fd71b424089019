# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the modules for WSL on a host in this process."""

from __future__ import annotations

from platforms.windows.tasks import run_module


def run(host, about="distro", check=False, **options):
    """The result of one task; time is that of the host."""
    return run_module(host, f"wsl_{about}", check, **options)
