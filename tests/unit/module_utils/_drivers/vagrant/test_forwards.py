# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vagrant-libvirt leaves of a forwarded port is ended, and nothing else that has its number by now."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import forwards
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands

_FORWARD = ("-L", "127.0.0.1:18080:192.168.121.206:80", "-N", "192.168.121.206")
_SLEEPS = "import time; time.sleep(60)"


@pytest.fixture(name="leave")
def _leave(tmp_path):
    """Starts a process and notes it as Vagrant does."""
    started = []

    def leave(*words):
        process = subprocess.Popen([sys.executable, "-c", _SLEEPS, *words])
        started.append(process)
        _wait_for_its_command(process.pid, _SLEEPS)
        note(process.pid)
        return process

    def note(pid):
        (tmp_path / "pids").mkdir(exist_ok=True)
        (tmp_path / "pids" / "ssh_18080.pid").write_text(str(pid))

    leave.note = note
    yield leave
    for process in started:
        process.kill()
        process.wait()


def _wait_for_its_command(pid, word):
    for _attempt in range(1000):
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            if word in file.read():
                return
        time.sleep(0.01)
    raise AssertionError(f"{pid} never began")


def test_a_forward_is_ended_and_its_note_is_gone(tmp_path, leave):
    process = leave(*_FORWARD)
    forwards.clear(Commands(), str(tmp_path))
    assert process.wait(10) != 0
    assert list((tmp_path / "pids").iterdir()) == []


@pytest.mark.parametrize("words", [("-L", "127.0.0.1:18081:192.168.121.206:80"), ("18080",)])
def test_another_process_that_has_its_number_by_now_goes_on(tmp_path, leave, words):
    process = leave(*words)
    forwards.clear(Commands(), str(tmp_path))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    assert list((tmp_path / "pids").iterdir()) == []


@pytest.mark.parametrize("noted", ["", "no number", "999999999"])
def test_a_process_that_is_gone_needs_no_end(tmp_path, leave, noted):
    leave.note(noted)
    forwards.clear(Commands(), str(tmp_path))
    assert list((tmp_path / "pids").iterdir()) == []


def test_a_machine_without_forwards_has_none_to_end(tmp_path):
    forwards.clear(Commands(), str(tmp_path))
    assert list(tmp_path.iterdir()) == []
