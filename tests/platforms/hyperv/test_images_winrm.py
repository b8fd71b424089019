# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image by name as users run it: ansible-playbook sends the pieces with its winrm connection to a simulated host."""

from __future__ import annotations

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Knobs
from platforms.windows.winrm_play import winrm_play
from platforms.windows.winrm_server import WinRMServer, through

_AT_ONCE = dict.fromkeys(Knobs().seconds, 0.0)
_FOLDER = "D:\\images"
NEW = {"name": "web", "memory": "1G", "image": "tests-1"}


def _play(vendor, tmp_path, ansible_playbook, tasks):
    """Return (host, result of each task). One connection breaks off while the tasks send something."""
    vendor.write_catalogue(tmp_path / "catalogue", f"{vendor.server.url}/latest")
    host = HyperV(knobs=Knobs(merge_delay=0.0, merge_seconds=0.0, seconds=_AT_ONCE))
    own = {
        "polyvirt_catalogue_directories": [str(tmp_path / "catalogue")],
        "polyvirt_image_directory": _FOLDER,
    }
    environment = {"POLYVIRT_IMAGE_DIRECTORY": str(tmp_path / "controller"), "no_proxy": "127.0.0.1"}
    play = winrm_play(tmp_path, ansible_playbook, tasks, own, environment)
    with WinRMServer(through(host.windows)) as server:
        server.lose("Send")
        return host, play(server)


def _images(host):
    return sorted(path for path in host.files.contents if path.startswith(f"{_FOLDER}\\".lower()))


def test_image_by_name(vendor, tmp_path, ansible_playbook):
    """The environment variable is the directory of the controller, and the variable that of the host."""
    tasks = dict.fromkeys(("make", "again"), ("polyvirt.core.hyperv_vm", NEW))
    host, done = _play(vendor, tmp_path, ansible_playbook, tasks)
    assert [done[label]["changed"] for label in tasks] == [True, False]
    name = f"tests-1-{vendor.digest[:12]}.vhdx"
    assert _images(host) == [f"{_FOLDER}\\{name}".lower(), f"{_FOLDER}\\{name}.json".lower()]
    assert host.files.file(f"{_FOLDER}\\{name}") == (tmp_path / "controller" / name).read_bytes()
    assert [vm.name for vm in host.vms] == ["web"]


def test_image_ahead_of_the_vm(vendor, tmp_path, ansible_playbook):
    image = {"platform": "hyperv", "name": "tests-1"}
    tasks = {
        "fetch": ("polyvirt.core.image", image),
        "again": ("polyvirt.core.image", image),
        "list": ("polyvirt.core.image_info", {"platform": "hyperv"}),
        "remove": ("polyvirt.core.image", {**image, "state": "absent"}),
    }
    host, done = _play(vendor, tmp_path, ansible_playbook, tasks)
    assert [done[label]["changed"] for label in tasks] == [True, False, False, True]
    path = f"{_FOLDER}\\tests-1-{vendor.digest[:12]}.vhdx"
    assert [(one["name"], one["path"], one["users"]) for one in done["list"]["images"]] == [("tests-1", path, [])]
    assert _images(host) == []
