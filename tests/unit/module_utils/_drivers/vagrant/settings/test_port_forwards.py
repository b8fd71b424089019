# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that vagrant-libvirt leaves for forwarded ports are ended, but no other process with the same PID."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.settings import port_forwards
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands

from suite.limits import scaled
from unit.module_utils._drivers.vagrant.in_process import Programs

pytestmark = pytest.mark.usefixtures("may_destroy")

_SLEEP = "import time; print(flush=True); time.sleep(60)"


def _write_pid_file(folder, pid):
    """Write the file in which Vagrant stores the PID of a port forward."""
    (folder / "pids").mkdir()
    (folder / "pids" / "ssh_18080.pid").write_text(str(pid))


@pytest.mark.parametrize(
    ("arguments", "remains"),
    [
        (["-L", "127.0.0.1:18080:192.168.121.206:80", "-N", "192.168.121.206"], []),
        (["-L", "127.0.0.1:18081:192.168.121.206:80"], [4711]),
        (["-L", "127.0.0.1:80:192.168.121.206:118080"], [4711]),
        (["-R", "127.0.0.1:18080:192.168.121.206:80"], [4711]),
    ],
)
def test_only_the_forward_itself_is_ended(tmp_path, arguments, remains):
    """Another process may have the same PID by now."""
    port = Programs(None, {})
    port.processes[4711] = ["ssh", *arguments]
    _write_pid_file(tmp_path, 4711)
    (tmp_path / "pids" / "other").touch()
    port_forwards.clear(port, str(tmp_path))
    assert (list(port.processes), [one.name for one in (tmp_path / "pids").iterdir()]) == (remains, ["other"])


def test_process_of_a_forward_is_ended(tmp_path):
    command = [sys.executable, "-c", _SLEEP, "-L", "127.0.0.1:18080:192.168.121.206:80"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        _write_pid_file(tmp_path, process.pid)
        port_forwards.clear(Commands(), str(tmp_path))
        assert process.wait(scaled(60)) != 0


@pytest.mark.parametrize("content", ["", "no number", "999999999"])
def test_pid_file_of_an_ended_process_is_removed(tmp_path, content):
    _write_pid_file(tmp_path, content)
    port_forwards.clear(Commands(), str(tmp_path))
    assert list((tmp_path / "pids").iterdir()) == []
