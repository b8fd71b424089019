# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of libvirt as an appliance: its manifest lists the definition of the VM and its disks, with digests."""

from __future__ import annotations

import os

from ..._core.backup import manifest as manifests
from ..._core.record.reader import Damaged as DamagedRecord
from ..._ports import files
from ..backup_folder import BackupFolder
from .container import Container
from .definition import read
from .envelope import Damaged


class BackupContainer(Container):
    """``path`` is that of a manifest, in the directory ``BIRTH/ID``. ``digest`` identifies what is created from it."""

    if_changed = ""

    def __init__(self, path):
        folder, backup_id = os.path.split(os.path.dirname(os.path.realpath(path)))
        folder, birth = os.path.split(folder)
        stored = BackupFolder(folder, files.host_name())
        try:
            manifest = stored.manifest(birth, backup_id)
        except DamagedRecord as error:
            raise Damaged(f"is a backup that cannot be used: {error}", _remedy(path)) from error
        if manifest is None:
            raise Damaged("is a backup that another task has deleted", _remedy(path))
        found = stored.judged(manifest)
        if not found.is_good:
            raise Damaged(f"is a backup that cannot be used: {found.unfinished or found.damaged}", _remedy(path))
        self.path, self._members, self.is_archive, self._manifest = path, None, False, manifest
        self.descriptor = manifests.file_of(manifest, manifests.DEFINITION)["name"]
        self.digest = f"sha256:{found.content}"

    def manifest(self):
        return [(one["name"], "sha256", one["sha256"]) for one in self._manifest["files"]]

    def system(self, asked):
        return read(self.text(), self._manifest, asked.get("keep_macs"))


def _remedy(path):
    return f"Copy the whole directory again, as UUID/ID ({os.path.dirname(path)}), or use another backup."
