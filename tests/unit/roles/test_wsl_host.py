# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role wsl_host on the double of a Windows host, over WinRM: from a bare host to an updated, configured WSL."""

from __future__ import annotations

import pytest

from platforms.windows.machine import Machine
from platforms.windows.role_play import RoleHost
from platforms.wsl.host_setup import SetupHost

pytestmark = pytest.mark.full

FILE = "C:\\Users\\admin\\.wslconfig"
SETTINGS = {
    "wsl_host_minimum_version": "2.4.4",
    "wsl_host_default_version": 2,
    "wsl_host_config": {"wsl2": {"memory": "8GB", "guiApplications": False}},
}
INSTALL = "Install and configure WSL"


@pytest.fixture(name="host")
def _host(tmp_path, ansible_playbook):
    # The clock of the double advances only with requests: with these values, a restart takes few of them.
    return RoleHost(Machine(SetupHost(), request=20.0, down=30.0), tmp_path, ansible_playbook)


def test_life_of_a_host(host):
    """Check mode predicts the run with its restart, and the second run changes nothing."""
    double = host.machine.host
    double.files.put(FILE, b"# mine\n[wsl2]\nmemory=2GB\n")
    predicted = host.play("wsl_host", "--check", wsl_host_reboot=True, **SETTINGS)
    assert predicted.code == 0, predicted.output
    assert (double.flavour, host.machine.restarts) == ("inbox", 0)
    assert predicted.events == [("drift", True)]
    done = host.play("wsl_host", wsl_host_reboot=True, **SETTINGS)
    assert done.code == 0, done.output
    assert done.changed == predicted.changed == [INSTALL]
    assert done.events == [("host.changed", True), ("host.prepared", True)]
    assert double.files.file(FILE) == b"# mine\n[wsl2]\nguiApplications=false\nmemory=8GB\n"
    assert (done.facts["version"], done.facts["rebooted"], done.facts["pending"]) == ("2.6.3", True, [])
    again = host.play("wsl_host", wsl_host_reboot=True, **SETTINGS)
    assert (again.code, again.changed) == (0, []), again.output
    assert again.events == [("host.prepared", False)]


def test_what_is_left_to_do_is_reported(host):
    done = host.play("wsl_host", **SETTINGS)
    assert done.code == 0, done.output
    assert "The next run after the restart applies these settings: version." in done.output
    host.machine.host.restart()
    host.play("wsl_host", **SETTINGS)
    done = host.play("wsl_host", wsl_host_config={"wsl2": {"memory": "4GB"}})
    assert "With wsl_host_shutdown, the role does that when it changes the file." in done.output
    assert done.facts["shutdown_required"] is True
    done = host.play("wsl_host", wsl_host_configs={})
    assert done.code != 0
    assert "did you mean wsl_host_config?" in done.output
    assert done.events == [("host.failed", False)]
