# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Things of somebody else in every world, which are compared at the end of every test: no task may touch them.

A file, an ISO image and a disk image are where the files of the tests' VMs are. On libvirt, a VM has that disk, with a
snapshot. They are called ``theirs``, so the platforms do not list them among the files and VMs of a test.
"""

from __future__ import annotations

import stat
from contextlib import contextmanager

NAME = "theirs"
#: {suffix: content}: what tools may look at, such as the first bytes of an image.
CONTENTS = {".txt": b"notes\n", ".iso": bytes(32769) + b"CD001" + bytes(2042), ".img": b"\xeb\x63" * 256}
#: How often sentinels were compared, for the report.
compared = {"tests": 0, "things": 0}


class Sentinels:
    """Those of one open platform. The tests delete its directory with all files, so they are put there again."""

    def __init__(self, platform):
        self._platform, self._clean, self._before = platform, platform.clean, None
        platform.clean = self.clean

    def clean(self):
        """What ``platform.clean`` is while the platform is open."""
        self.compare()
        self._before = None
        self._clean()
        self.put()

    def put(self):
        for folder in self._platform.folders_of_sentinels():
            for suffix, content in CONTENTS.items():
                (folder / f"{NAME}{suffix}").write_bytes(content)
        self._platform.put_sentinels()
        self._before = self._read()

    def compare(self):
        if self._before is None:
            return
        now = self._read()
        compared["tests"] += 1
        compared["things"] += len(now)
        changed = [name for name in {*now, *self._before} if now.get(name) != self._before.get(name)]
        self._before = now  # The next test is not to blame.
        assert not changed, f"a task has touched things of somebody else: {changed}"

    @contextmanager
    def away(self):
        """Remove them for a test that needs a host without anything of others."""
        self.compare()
        self.remove()
        try:
            yield
        finally:
            self._platform.clean = self.clean
            self.put()

    def remove(self):
        """Before the platform closes."""
        self._before = None
        self._platform.remove_sentinels()
        self._platform.clean = self._clean

    def _read(self):
        return {**self._platform.sentinels(), **dict(map(_read, self._paths()))}

    def _paths(self):
        return [folder / f"{NAME}{suffix}" for folder in self._platform.folders_of_sentinels() for suffix in CONTENTS]


def _read(path):
    if not path.exists():
        return path, None
    return path, (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
