# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All backups with a record on a storage, of any VM, as the notes record them."""

from __future__ import annotations

from .backups import check_verifiable, read_list, warn_of_hidden, warn_of_silent

_LABEL = "vm_backup_info"


def all_backups(driver, verifies):
    """Return (backups on the storage of the task, warnings about others that it does not see).

    ``verifies``: only results of a backup server are acceptable.
    """
    if verifies:
        check_verifiable(driver, _LABEL)
    found, silent = read_list(driver, _LABEL)
    warn_of_silent(driver, _LABEL, silent)
    warn_of_hidden(driver, _LABEL)
    return [one.backup for one in found.values()], driver.tool.taken_warnings()
