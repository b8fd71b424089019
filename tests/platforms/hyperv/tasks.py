# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tasks of the modules for Hyper-V on a host in this process."""

from __future__ import annotations

from platforms.windows.tasks import run_module


def run(host, about="vm", check=False, **options):
    """Run one task with the host's clock; returns its result."""
    return run_module(host, f"hyperv_{about}", check, **options)


def done(host, about="vm", **options):
    """Run one task that must not fail; returns its result."""
    result = run(host, about, **options)
    assert not result["failed"], result["msg"]
    return result
