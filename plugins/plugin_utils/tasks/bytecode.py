# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports of this collection that keep bytecode. Ansible's loader compiles each file again for each playbook.

The bytecode is below ANSIBLE_HOME, never next to the files: they may belong to another user, and be verified.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location

from ansible import constants

_COLLECTION = f"{__name__.partition('.plugins.')[0]}."
_NAME = "polyvirt_bytecode"


@contextmanager
def bytecode():
    """Imports within the block keep bytecode. Elsewhere, the list of finders is Ansible's, which its tests check."""
    finder = _Finder(_own_folder(os.path.join(constants.ANSIBLE_HOME, _NAME)))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _own_folder(path):
    """Return ``path``, created if needed; None unless it is ours alone: who can write to it can run code as us."""
    try:
        os.makedirs(path, mode=stat.S_IRWXU, exist_ok=True)
        found = os.lstat(path)
    except OSError:
        return None
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return path if is_ours and stat.S_IMODE(found.st_mode) == stat.S_IRWXU else None


class _Finder:
    """Finds files of this collection. All else, also its packages, which have no files, is left to the next finder."""

    def __init__(self, folder):
        self._folder = folder

    def find_spec(self, name, path=None, target=None):
        if not name.startswith(_COLLECTION):
            return None
        files = (os.path.join(parent, f"{name.rpartition('.')[2]}.py") for parent in path or ())
        file = next(filter(os.path.isfile, files), None)
        return file and spec_from_file_location(name, file, loader=_Loader(name, file, self._folder))


class _Loader(SourceFileLoader):
    """Python's own loader, with another place for bytecode: ``folder``; None: it is kept nowhere."""

    def __init__(self, name, path, folder):
        super().__init__(name, path)
        self._folder = folder

    def get_data(self, path):
        kept = self._place(path)
        # Bytecode next to the files is that of an administrator: ``compileall`` for an execution environment.
        return super().get_data(kept if kept and path != self.path and os.path.exists(kept) else path)

    def set_data(self, path, data, **mode):
        if self._folder:
            super().set_data(self._place(path), data, **mode)

    def _place(self, path):
        """Return where bytecode is kept: by its whole path, because there may be several copies of the collection."""
        return self._folder and os.path.join(self._folder, os.path.abspath(path).lstrip(os.sep))
