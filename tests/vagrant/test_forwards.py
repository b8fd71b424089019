# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarded ports with libvirt are processes: none is left when the machine stops, or in the way when it starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vagrant.played import Played, told

#: Known to no virsh, so that Vagrant itself is asked.
_ELSEWHERE = {"host": "kvm2", "connect_via_ssh": True}
_SLEEPS = "import time; print('', flush=True); time.sleep(60)"


@pytest.fixture(name="played")
def _played(tmp_path, monkeypatch):
    played = Played(tmp_path, provider="libvirt")
    for name, value in played.environment().items():
        monkeypatch.setenv(name, value)
    return played


@pytest.mark.parametrize(
    ("found", "asked"),
    [("started", "stopped"), ("started", "restarted"), ("stopped", "started"), ("paused", "started")],
)
def test_a_forward_of_before_is_ended(played, found, asked):
    told(played.make(state="started", native=_ELSEWHERE))
    if found != "started":
        told(played.run(state=found, stop_mode="force"))
    with subprocess.Popen(
        [sys.executable, "-c", _SLEEPS, "-L", "*:18080:192.0.2.1:80"], stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        pids = played.project / ".vagrant" / "machines" / "web" / "libvirt" / "pids"
        pids.mkdir()
        (pids / "ssh_18080.pid").write_text(str(process.pid))
        try:
            told(played.run(state=asked, stop_mode="force"))
            assert process.wait(10) != 0
        finally:
            process.kill()
    assert list(pids.iterdir()) == []
