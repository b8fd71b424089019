# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared folders: where each is mounted in the guest, and whether its folder exists on the host."""

from __future__ import annotations

import os

from ...._lifecycle.errors import NotFound
from ...._ports import files


def normalized_folders(vm, folders):
    """Without ``guest_path``, a new folder is mounted below the guest's root, by its name."""
    known = vm.config.get("shared_folders") or {}
    return {
        name: entry if entry is None else _folder(entry if name in known else {"guest_path": f"/{name}", **entry})
        for name, entry in folders.items()
    }


def _folder(entry):
    """Vagrant, too, mounts /srv and /srv/ at the same place."""
    path = entry.get("guest_path")
    return {**entry, "guest_path": path.rstrip("/") or "/"} if path else entry


def check_folders(name, project_folder, folders):
    """Vagrant resolves a relative path below the project's folder."""
    for share, entry in (folders or {}).items():
        if not files.is_folder(os.path.join(project_folder, entry["host_path"])):
            raise NotFound(
                f"{name}: shared_folders: {entry['host_path']} of {share} is not a directory on this host.",
                "Create it, or correct the path.",
            )
