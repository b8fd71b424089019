# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver reads about files on the host on which the task runs, by the port for files."""

from __future__ import annotations

from posixpath import dirname

from .._core.planner.planned_steps import deleted_files
from .._core.sharing.file_checks import check_free
from .._core.sharing.needed_files import DELETED, DEVICE, FILE, FOLDER, FileFacts

#: Signatures of ISO 9660 and UDF, and where they are.
_OF_ISO, _OF_ISO_AT = (b"CD001", b"BEA01"), 32769
#: The kind of sockets, pipes and character devices.
SPECIAL = "special file"


class LocalFiles(FileFacts):
    """Files on this host; ``files`` is the port."""

    in_use_remedy = (
        "Close it there first (fuser -v {path} lists the programs of this host; a shared directory can be in use on"
        " another host, too)"
    )

    def __init__(self, driver, plan, files):
        super().__init__(driver.claims, plan)
        self.driver, self.files = driver, files

    def kind(self, path):
        tests = {FILE: self.files.is_file, DEVICE: self.files.is_block_device, FOLDER: self.files.is_folder}
        if not self.files.exists(path):
            return ""
        return next((kind for kind, test in tests.items() if test(path)), SPECIAL)

    def may_read(self, path):
        return self.files.is_readable(path)

    def may_write(self, folder):
        return self.files.is_writable(folder)

    def is_read_only(self, path):
        return self.files.is_read_only(path)

    def is_iso(self, path):
        return any(self.files.starts_with(path, signature, _OF_ISO_AT) for signature in _OF_ISO)

    def folder(self, item):
        return dirname(item.path)

    def free(self, folder):
        return self.files.free_space(folder)

    def allocated(self, paths):
        return sum(self.files.allocated(path) for path in paths if self.files.is_file(path))

    def freed(self):
        return self.allocated(deleted_files(self.plan))


def check_deletable(name, paths, is_locked):
    """Raise Refused if another program has one of these files open; to be called before the first one is deleted."""
    check_free(name, [("", path, DELETED) for path in paths], is_locked, LocalFiles.in_use_remedy)
