# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a directory: ``BIRTH/ID`` has the files of one backup and its manifest.

The manifest is written first, and names the files that follow; the complete one replaces it. So what an interrupted
task has left is known, and nothing else is ever removed.
"""

from __future__ import annotations

import os
from contextlib import suppress

from .._core.backup import manifest as manifests
from .._core.backup.backup import Backup
from .._core.errors import PolyvirtError
from .._core.frozen import replace
from .._core.pattern import Pattern
from .._core.record.reader import LONGEST, Damaged
from .._ports import files, folders, partial_files, permits
from . import disk_header, foreign_image

#: Directories in which nobody has disks, and those in them where users have files.
_OF_SYSTEM, _OF_USERS = ("/dev/", "/proc/", "/sys/", "/run/"), ("/run/media/", "/run/user/")
_BIRTH = Pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def place_fault(folder):
    """Return (why no new disk may be in a directory, remedy), or nothing.

    Each option and each document that names a directory for disks asks this. Disks that are there already remain.
    """
    path = os.path.join(os.path.realpath(folder), "")
    system = next(filter(path.startswith, _OF_SYSTEM), None)
    if system and not path.startswith(_OF_USERS):
        reason = (
            f"is in a directory of the operating system ({system[:-1]}), where files are lost when the host restarts"
        )
        return reason, "Use a directory on a disk of the host."
    stored = next(filter(_has_backups, folders.folders_above(path)), None)
    return (f"is in a directory with backups of VMs ({stored})", "Use a directory for disks alone.") if stored else ()


def _has_backups(folder):
    """Whether a directory has manifests of backups; no, if it cannot be listed."""
    with suppress(PolyvirtError):
        births = [os.path.join(folder, one) for one in files.entries(folder) if _BIRTH.fullmatch(one)]
        paths = [os.path.join(birth, one) for birth in filter(files.is_folder, births) for one in files.entries(birth)]
        return any(files.is_file(os.path.join(one, manifests.NAME)) for one in paths)
    return False


class BackupFolder:
    """The backups in ``directory``; ``host`` is the name of this host."""

    def __init__(self, directory, host):
        self._directory, self.host = directory, host
        #: {(birth, id): what is wrong with its content}, known since this task has read it.
        self._damaged = {}

    def path(self, *parts):
        return os.path.join(self._directory, *parts)

    # Reading --------------------------------------------------------------------------------------------------------

    def list(self, births, name, reads_content=False, is_written=lambda manifest: False):
        """Return [(Backup, manifest or None)] of these births, and of VMs that had the ``name``; births None: of all.

        ``is_written(manifest)`` returns whether a job still writes to the files of an unfinished one.
        """
        found = []
        for birth in self._folders():
            for backup_id in self._folders(birth):
                one = self._read(birth, backup_id, births is None or birth in births, name)
                if one is not None:
                    found.append((self.judged(one, reads_content, is_written), one if isinstance(one, dict) else None))
        return found

    def read_whole(self, backup, manifest):
        """Return a complete backup after its files were compared with their digests."""
        return replace(backup, damaged=self._problem(manifest, reads_content=True))

    def _folders(self, *parts):
        found = filter(manifests.is_plain, files.entries(self.path(*parts)))
        return [name for name in found if files.is_folder(self.path(*parts, name))]

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
        path = self.path(birth, backup_id, manifests.NAME)
        if not files.is_file(path):
            return None
        try:
            text = files.read_part(path, 0, LONGEST + 1).decode("utf-8")
        except (PolyvirtError, UnicodeDecodeError) as error:
            raise Damaged(str(error).rstrip(".")) from error
        return manifests.parsed(text, backup_id, birth)

    def judged(self, manifest, reads_content=False, is_written=lambda manifest: False):
        """Return the Backup of a manifest, with what is wrong with it."""
        if isinstance(manifest, Backup):
            return manifest
        if manifest["unfinished"]:
            is_foreign, now_written = manifest["host"] != self.host, is_written(manifest)
            reason = "it is still being written" if now_written else "its task has not completed it"
            is_own_job = now_written and not is_foreign
            more = {"unfinished": reason, "is_foreign": is_foreign, "is_written": is_own_job}
            backup = manifests.backup_of(manifest, files=self.paths(manifest), **more)
            with suppress(PolyvirtError):  # A file may have been replaced by a link, which is removed as such.
                backup = replace(backup, size=sum(self._sizes(manifest).values()))
            return backup
        return manifests.backup_of(manifest, files=self.paths(manifest), damaged=self._problem(manifest, reads_content))

    def _problem(self, manifest, reads_content):
        """Return what is wrong with the files of a complete backup, or an empty string."""
        key = manifest["birth"], manifest["id"]
        try:
            problem = manifests.size_problem(manifest, self._sizes(manifest)) or self._problem_of_disks(manifest)
            if problem or not reads_content or key in self._damaged:
                return problem or self._damaged.get(key, "")
            self._damaged[key] = self._problem_of_content(manifest)
            return self._damaged[key]
        except PolyvirtError as error:
            return str(error).rstrip(".")

    def _sizes(self, manifest):
        """Return {name: bytes} of the files that exist."""
        paths = {one["name"]: self._path_in(manifest, one["name"]) for one in manifest["files"]}
        return {name: files.size(path) for name, path in paths.items() if files.is_file(path)}

    def _path_in(self, manifest, name=""):
        return self.path(manifest["birth"], manifest["id"], name)

    def _problem_of_disks(self, manifest):
        """Return the error of a disk that is no image, or that names another file, which would be read with it."""
        for one in manifests.disks_of(manifest).values():
            path = self._path_in(manifest, one["name"])
            named = foreign_image.named_by(path, "qcow2")
            if named or disk_header.known_format(path) != "qcow2":
                return f"the file {one['name']} {f'names another file ({named})' if named else 'is not a qcow2 image'}"
            if disk_header.capacity(path) != one["virtual_size"]:
                return f"the disk in the file {one['name']} has another size"
        return ""

    def _problem_of_content(self, manifest):
        for one in manifest["files"]:
            if files.digest(self._path_in(manifest, one["name"])) != one["sha256"]:
                return f"the file {one['name']} differs from its digest"
        return ""

    # Writing --------------------------------------------------------------------------------------------------------

    def begin(self, manifest):
        """Create the directory of a backup with its unfinished manifest."""
        # While QEMU writes, its user has to enter the directory; the files themselves are closed to others.
        files.make_folder(self._path_in(manifest), files.ENTERED)
        self.store(manifest)

    def store(self, manifest):
        self.write(manifest, manifests.NAME, manifests.printed(manifest).encode())

    def write(self, manifest, name, data):
        with self.its_own(manifest):
            files.write_atomically(self._path_in(manifest, name), data)

    def paths(self, manifest):
        """Return the paths of the files that a manifest names, and of itself."""
        names = [*(one["name"] for one in manifest["files"]), manifests.NAME]
        return tuple(self._path_in(manifest, name) for name in names)

    def its_own(self, manifest):
        """Permit the task that writes a backup to destroy its files."""
        return permits.also(self.paths(manifest))

    def read(self, manifest, name):
        return files.read_part(self._path_in(manifest, name), 0, LONGEST)

    def finish(self, manifest, consistency, notes=()):
        """Complete a backup: its files with sizes and digests, closed to others."""
        written = []
        for one in manifest["files"]:
            path = self._path_in(manifest, one["name"])
            if not one.get("role"):
                with self.its_own(manifest):
                    files.remove(path)
                continue
            partial_files.protect(path)
            partial_files.sync(path)
            written.append({**one, "size": files.size(path), "sha256": files.digest(path)})
        partial_files.protect(self._path_in(manifest))
        self.store(manifests.finished(manifest, consistency, written, notes))

    def remove(self, manifest):
        """Remove the files that a manifest names, it last, and their directories if nothing else is there.

        Raises Refused before the first one if the task may not destroy one of them.
        """
        for path in self.paths(manifest):
            files.check_loss(path)
        if not manifest["unfinished"]:
            # A task that is killed now leaves an unfinished backup, which the next one removes.
            self.store({**manifest, "unfinished": True, "host": self.host})
        for path in self.paths(manifest):
            files.remove(path)
        folders.remove_empty_folder(self._path_in(manifest))
        folders.remove_empty_folder(self.path(manifest["birth"]))
