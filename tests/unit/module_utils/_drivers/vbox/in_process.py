# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VirtualBox driver on the double in this process: no program is started, and the clock is simulated.

These tests use the double only through this module.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from unittest import mock

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter as counted
from ansible_collections.polyvirt.core.plugins.module_utils._ports import net
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed

from platforms.virtualbox import double_registry
from platforms.virtualbox.double.failures import NeverEnds
from platforms.virtualbox.recording import RecordingCommands
from platforms.virtualbox.tasks import (
    ENGINE,
    MIB,
    SMALL,
    Killed,
    configure,
    driver_of,
    info,
    killed_after,
    observed,
    rejected,
    several,
    snapshot,
    task,
    twice,
)
from unit.module_utils._engine.world import FakeClock

__all__ = [
    "ENGINE", "MIB", "SMALL", "InProcess", "Killed", "VirtualBox", "configure", "driver_of", "info", "killed_after",
    "observed", "rejected", "several", "snapshot", "task", "twice", "virtualbox",
]  # fmt: skip
_NOW, _SECONDS_OF_A_CALL = 1_700_000_000, 0.05


class VirtualBox(double_registry.VirtualBox):
    """A registry with its own clock, which advances while a task sleeps and with each call.

    ``listening`` are the TCP ports of the host that other programs use.
    """

    def __init__(self, folder, **more):
        self.clock, self.listening = FakeClock(), set()
        self._ports = mock.patch.object(net, "is_free", lambda host, port, protocol: port not in self.listening)
        super().__init__(folder, **more)

    def __enter__(self):
        self._ports.start()
        return self

    def close(self):
        self._ports.stop()

    def now(self):
        return _NOW + self.clock.now()

    def call(self, *words):
        self.clock.sleep(_SECONDS_OF_A_CALL)
        return super().call(*words)

    def commands(self, before=None, after=None, fails=None):
        return InProcess(self, before, after, fails)

    def wait_for(self, uuid, state, seconds=60):
        for _second in range(seconds):
            if self.state(uuid) == state:
                return
            self.clock.sleep(1)
        raise AssertionError(f"{self.state(uuid)} instead of {state}")

    def wait_for_guest(self, uuid):
        self.clock.sleep(1)


@contextmanager
def virtualbox(**more):
    """A VirtualBox in its own directory."""
    with tempfile.TemporaryDirectory(prefix="polyvirt-vbox-") as folder, VirtualBox(folder, **more) as box:
        yield box


class InProcess(RecordingCommands):
    """The port to programs: VBoxManage is the double, and the program that creates ISO images is simulated here."""

    def __init__(self, box, before=None, after=None, fails=None):
        super().__init__(before, after, fails)
        self._box = box

    def find(self, name_or_path, hint=None):
        return name_or_path

    def run_program(self, argv, stdin=None, timeout=60, environment=None, writes=False):
        if os.path.basename(argv[0]) != "VBoxManage":
            return _make_iso(argv)
        completed = Completed(tuple(argv), *self._call(argv[1:], timeout))
        if writes and completed.rc == 0:
            counted.note()
        return completed

    def _call(self, words, timeout):
        try:
            return self._box.call(*words)
        except NeverEnds:
            self._box.clock.sleep(timeout)
            raise Timeout(f"'VBoxManage {' '.join(words)}' did not finish within {timeout} seconds.", timeout) from None


def _make_iso(argv):
    path, folder = argv[argv.index("-o") + 1], argv[-1]
    content = b"\0" * 32769 + b"CD001"
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            content += file.read()
    with open(path, "wb") as file:
        file.write(content.ljust(65536, b"\0"))
    return Completed(tuple(argv), 0, "", "")
