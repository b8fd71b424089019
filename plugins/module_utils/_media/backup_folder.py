# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a directory: ``BIRTH/ID`` has the files of one backup and its manifest.

The manifest is written first, and names the files that follow; the complete one replaces it. So what an interrupted
task has left is known, and nothing else is ever removed.
"""

from __future__ import annotations

from contextlib import suppress

from .._core.backup import manifest as manifests
from .._core.backup.backup import Backup
from .._core.errors import PolyvirtError
from .._core.frozen import replace
from .._core.record.reader import Damaged
from .._ports.sealed import Sealed
from . import foreign_image

_LARGEST_MANIFEST = 1 << 20
#: While QEMU writes, its user has to enter the directory; the files themselves are closed to others.
_OPEN, _CLOSED = 0o711, 0o700


class BackupFolder:
    """The backups in ``directory``; ``host`` is the name of this host."""

    def __init__(self, directory, host):
        self._sealed, self.host = Sealed(directory), host
        #: {(birth, id): what is wrong with its content}, known since this task has read it.
        self._damaged = {}

    def path(self, *parts):
        return self._sealed.path(*parts)

    # Reading --------------------------------------------------------------------------------------------------------

    def list(self, births, name, reads_content=False, is_written=lambda manifest: False):
        """Return [(Backup, manifest or None)] of these births, and of VMs that had the ``name``; births None: of all.

        ``is_written(manifest)`` returns whether a job still writes to the files of an unfinished one.
        """
        found = []
        for birth in filter(manifests.is_plain, self._sealed.names()):
            for backup_id in filter(manifests.is_plain, self._sealed.names(birth)):
                one = self._read(birth, backup_id, births is None or birth in births, name)
                if one is not None:
                    found.append((self._judged(one, reads_content, is_written), one if isinstance(one, dict) else None))
        return found

    def read_whole(self, backup, manifest):
        """Return a complete backup after its files were compared with their digests."""
        return replace(backup, damaged=self._problem(manifest, reads_content=True))

    def _read(self, birth, backup_id, is_own, name):
        """Return the manifest of a backup, or a damaged Backup; None if it is no backup of the VM."""
        try:
            manifest = self.manifest(birth, backup_id)
        except Damaged as error:
            # Without a manifest, nobody knows of which VM it is.
            return Backup(id=backup_id, vm=name or "", birth=birth, start=0, damaged=str(error)) if is_own else None
        return manifest if manifest is not None and (is_own or manifest["vm"] == name) else None

    def manifest(self, birth, backup_id):
        """Return the manifest of a backup; None if there is none. Raises Damaged."""
        if self._sealed_size(birth, backup_id, manifests.NAME) is None:
            return None
        try:
            text = self._sealed.read(birth, backup_id, manifests.NAME, limit=_LARGEST_MANIFEST).decode("utf-8")
        except (PolyvirtError, UnicodeDecodeError) as error:
            raise Damaged(str(error).rstrip(".")) from error
        return manifests.parsed(text, backup_id, birth)

    def _sealed_size(self, *parts):
        try:
            return self._sealed.size(*parts)
        except PolyvirtError as error:
            raise Damaged(str(error).rstrip(".")) from error

    def _judged(self, manifest, reads_content, is_written):
        if isinstance(manifest, Backup):
            return manifest
        if manifest["unfinished"]:
            is_foreign, now_written = manifest["host"] != self.host, is_written(manifest)
            reason = "it is still being written" if now_written else "its task has not completed it"
            is_own_job = now_written and not is_foreign
            backup = manifests.backup_of(manifest, unfinished=reason, is_foreign=is_foreign, is_written=is_own_job)
            with suppress(PolyvirtError):  # A file may have been replaced by a link, which is removed as such.
                backup = replace(backup, size=sum(self._sizes(manifest).values()))
            return backup
        return manifests.backup_of(manifest, damaged=self._problem(manifest, reads_content))

    def _problem(self, manifest, reads_content):
        """Return what is wrong with the files of a complete backup, or an empty string."""
        key = manifest["birth"], manifest["id"]
        try:
            problem = manifests.size_problem(manifest, self._sizes(manifest)) or self._named_elsewhere(manifest)
            if problem or not reads_content or key in self._damaged:
                return problem or self._damaged.get(key, "")
            self._damaged[key] = self._problem_of_content(manifest)
            return self._damaged[key]
        except PolyvirtError as error:
            return str(error).rstrip(".")

    def _sizes(self, manifest):
        """Return {name: bytes} of the files that exist."""
        key = manifest["birth"], manifest["id"]
        found = {one["name"]: self._sealed.size(*key, one["name"]) for one in manifest["files"]}
        return {name: size for name, size in found.items() if size is not None}

    def _named_elsewhere(self, manifest):
        """Return the error of an image that names another file, which would be read with it."""
        for one in manifests.disks_of(manifest).values():
            named = foreign_image.named_by(self.path(manifest["birth"], manifest["id"], one["name"]), "qcow2")
            if named:
                return f"the file {one['name']} names another file ({named})"
        return ""

    def _problem_of_content(self, manifest):
        for one in manifest["files"]:
            if self._sealed.digest(manifest["birth"], manifest["id"], one["name"])[1] != one["sha256"]:
                return f"the file {one['name']} differs from its digest"
        return ""

    # Writing --------------------------------------------------------------------------------------------------------

    def begin(self, manifest):
        """Create the directory of a backup with its unfinished manifest."""
        key = manifest["birth"], manifest["id"]
        self._sealed.make_folder(manifest["birth"], mode=_OPEN)
        self._sealed.make_folder(*key, mode=_OPEN)
        self.store(manifest)

    def store(self, manifest):
        data = manifests.printed(manifest).encode()
        self._sealed.write(manifest["birth"], manifest["id"], manifests.NAME, data=data)

    def write(self, manifest, name, data):
        self._sealed.write(manifest["birth"], manifest["id"], name, data=data)

    def read(self, manifest, name):
        return self._sealed.read(manifest["birth"], manifest["id"], name, limit=_LARGEST_MANIFEST)

    def finish(self, manifest, consistency, notes=()):
        """Complete a backup: its files with sizes and digests, closed to others."""
        key, files = (manifest["birth"], manifest["id"]), []
        for one in manifest["files"]:
            if not one.get("role"):
                self._sealed.remove(*key, one["name"])
                continue
            self._sealed.protect(*key, one["name"])
            size, digest = self._sealed.digest(*key, one["name"])
            files.append({**one, "size": size, "sha256": digest})
        self._sealed.make_folder(*key, mode=_CLOSED)
        self.store(manifests.finished(manifest, consistency, files, notes))

    def remove(self, manifest):
        """Remove the files that a manifest names, it last, and their directories if nothing else is there."""
        key = manifest["birth"], manifest["id"]
        # A directory that others can change may have got links meanwhile, which are removed as such.
        for one in manifest["files"]:
            self._sealed.remove(*key, one["name"])
            self._sealed.remove(*key, f"{one['name']}.new")
        self._sealed.remove(*key, f"{manifests.NAME}.new")
        self._sealed.remove(*key, manifests.NAME)
        self._sealed.remove_folder(*key)
        self._sealed.remove_folder(manifest["birth"])
