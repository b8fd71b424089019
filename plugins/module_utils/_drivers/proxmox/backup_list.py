# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All backups with a record on a storage, of any VM, as the notes record them."""

from __future__ import annotations

from .backups import check_verifiable, stored

_LABEL = "vm_backup_info"


def all_backups(driver, verifies):
    """Return the backups on the storage of the task; ``verifies``: only results of a backup server are acceptable."""
    if verifies:
        check_verifiable(driver, _LABEL)
    return [one.backup for one in stored(driver, _LABEL).values()]
