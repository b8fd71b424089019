# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All backups in a directory, of any VM."""

from __future__ import annotations

import os

from ..._media.backup_folder import BackupFolder


def all_backups(directory, reads_content):
    folder = BackupFolder(directory, os.uname().nodename)
    return [backup for backup, _manifest in folder.list(None, None, reads_content)]
