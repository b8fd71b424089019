# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks as users run them: ansible-playbook with its winrm connection and pywinrm, on a simulated WSL host."""

from __future__ import annotations

import base64

import pytest

from platforms.windows.winrm_play import winrm_play
from platforms.windows.winrm_server import WinRMServer, through
from platforms.wsl.double.distro import FILES, packed
from platforms.wsl.double.host import Knobs, WslHost

NEW = {"name": "web", "image": "C:\\images\\base.tar", "description": "ä漢", "default_user": "anna", "systemd": True}
CLOUD_INIT = {"user": "anna", "user_data": {"packages": ["vim"]}}
TASKS = {
    "create": ("distro", {**NEW, "cloud_init": CLOUD_INIT, "state": "started"}),
    "again": ("distro", {**NEW, "cloud_init": CLOUD_INIT, "state": "started"}),
    "keep": ("distro", {"name": "web", "keep_running": True}),
    "clone": ("distro", {"name": "copy", "clone": "web"}),
    "info": ("distro_info", {}),
    "remove": ("distro", {"name": ["web", "copy"], "state": "absent"}),
}


@pytest.fixture
def play(tmp_path, ansible_playbook):
    tasks = {label: (f"polyvirt.core.wsl_{about}", options) for label, (about, options) in TASKS.items()}
    return winrm_play(tmp_path, ansible_playbook, tasks)


def test_life_of_a_distribution(play):
    host = WslHost(knobs=Knobs(idle_seconds=1e9))
    host.files.put(NEW["image"], packed(FILES))
    # Nothing advances the host's clock while a playbook waits, so scheduled tasks start at once.
    host.start_task = lambda task: host._begin(_started(task), host.find("web"))
    written, write = {}, host.files.write
    host.files.write = lambda path, content, *more: written.update({path: content}) or write(path, content, *more)
    with WinRMServer(through(host.windows)) as server:
        done = play(server)
    assert [done[label]["changed"] for label in TASKS] == [True, False, True, True, False, True]
    settings = {vm["name"]: vm["settings"] for vm in done["info"]["vms"]}
    assert (settings["web"]["keep_running"], settings["web"]["default_user"]) == ("true", "anna")
    user_data = base64.b64decode(written["C:\\Users\\admin\\.cloud-init\\web.user-data"])
    assert user_data == b'#cloud-config\npackages: ["vim"]\nuser: anna\n'
    assert (host.distros, host.tasks) == ({}, {})
    assert not [path for path in host.files.contents if ".cloud-init" in path]


def _started(task):
    task.is_running = True
    return task
