# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared folders: where each is mounted in the guest, and whether its folder exists on the host."""

from __future__ import annotations


def normalized_folders(vm, folders):
    """Requested folders; the default ``guest_path`` of a new one is /NAME."""
    known = vm.config.get("shared_folders") or {}
    return {
        name: entry if entry is None else _folder(entry if name in known else {"guest_path": f"/{name}", **entry})
        for name, entry in folders.items()
    }


def _folder(entry):
    """An entry without a slash at the end of guest_path: for Vagrant, /srv and /srv/ are the same."""
    path = entry.get("guest_path")
    return {**entry, "guest_path": path.rstrip("/") or "/"} if path else entry
