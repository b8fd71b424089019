# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the checkout, in which files can be replaced."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from gates import shape

#: Each content gets a time of its own: bytecode of another content with the same size and time would be used for it.
_TIMES = count(1)


class Tree:
    """The path ends as Python and Ansible expect a collection, so no link leads to it."""

    def __init__(self, checkout, folder):
        self.checkout = checkout
        self.collections = Path(folder)
        self.root = self.collections / "ansible_collections" / "polyvirt" / "core"
        for name in shape.files_of(checkout):
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(checkout / name, target)
        # Some tests ask git which files there are.
        subprocess.run(["git", "init", "-q"], cwd=self.root, check=True)

    @contextmanager
    def changed(self, name, content):
        """For the time of the block, the file has this content (bytes)."""
        path = self.root / name
        mode = path.stat().st_mode
        path.unlink()  # A hard link to the file of the checkout.
        path.write_bytes(content)
        path.chmod(mode)
        os.utime(path, (time := next(_TIMES), time))
        try:
            yield
        finally:
            path.unlink()
            _link(self.checkout / name, path)


def _link(source, target):
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copy2(source, target)  # Another file system.
