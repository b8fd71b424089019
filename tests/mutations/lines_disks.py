# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of where disks are created and moved to, and of volumes that are not attached."""

from __future__ import annotations

from mutations.mutation import Mutation

_KIT = ["tests/unit/module_utils/_kit/test_directories.py"]
_CORE = ["tests/unit/module_utils/_core/sharing/test_file_checks.py"]
_VBOX = ["tests/unit/module_utils/_drivers/vbox/test_killed.py"]
_HYPERV = ["tests/platforms/hyperv/test_checks.py"]

MUTATIONS = (
    Mutation(
        "directory-of-a-present-disk-is-ignored",
        "_kit/settings.py",
        "present is not None and not (found and identity(folder_of(found)) == identity(directory))",
        "False",
        _KIT,
    ),
    Mutation(
        "unknown-directory-is-equal",
        "_kit/settings.py",
        "not (found and identity(folder_of(found)) == identity(directory))",
        "found and identity(folder_of(found)) != identity(directory)",
        _KIT,
    ),
    Mutation("directory-of-a-clone-is-ignored", "_kit/settings.py", "is_new and present is not None", "False", _KIT),
    Mutation("directory-with-a-source-is-ignored", "_kit/settings.py", 'disk.get("source")', "False", _KIT),
    Mutation(
        "space-of-a-directory-is-that-of-all-files",
        "_core/sharing/file_checks.py",
        '[item for item in parts if item.disk.get("directory")]',
        "[]",
        _CORE,
    ),
    Mutation(
        "foreign-file-in-a-directory-is-a-leftover",
        "_drivers/vbox/needed.py",
        'not item.disk.get("directory") or item.path in (*making_of(mark), *disks)',
        "True",
        _VBOX,
    ),
    Mutation(
        "drive-of-a-directory-is-not-asked",
        "_drivers/hyperv/needed.py",
        "_ + self._directories",
        "_",
        _HYPERV,
    ),
)
