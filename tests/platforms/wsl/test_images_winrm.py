# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive by name as users get it: ansible-playbook sends the pieces by winrm to a simulated host."""

from __future__ import annotations

from platforms.windows.winrm_play import winrm_play
from platforms.windows.winrm_server import WinRMServer, through
from platforms.wsl.double.distro import FILES
from platforms.wsl.double.host import Knobs, WslHost

_FOLDER = "D:\\images"
_AT_ONCE = dict.fromkeys(Knobs().seconds, 0.0)


def test_archive_by_name_is_fetched_installed_listed_and_removed(world, tmp_path, ansible_playbook):
    """One connection breaks off while the tasks send something."""
    host = WslHost(knobs=Knobs(seconds=_AT_ONCE, idle_seconds=1e9))
    host.online["Tests"] = dict(FILES)
    world.vendor.write_catalogue(tmp_path / "catalogue", f"{world.vendor.server.url}/latest")
    image = {"platform": "wsl", "name": "tests-1"}
    tasks = {
        "make": ("polyvirt.core.vm", {"platform": "wsl", "name": "web", "image": "tests-1"}),
        "again": ("polyvirt.core.wsl_distro", {"name": "web", "image": "tests-1"}),
        "fetch": ("polyvirt.core.image", image),
        "list": ("polyvirt.core.image_info", {"platform": "wsl"}),
        "remove": ("polyvirt.core.image", {**image, "state": "absent"}),
    }
    own = {"polyvirt_catalogue_directories": [str(tmp_path / "catalogue")], "polyvirt_image_directory": _FOLDER}
    environment = {"POLYVIRT_IMAGE_DIRECTORY": str(world.store), "no_proxy": "127.0.0.1"}
    play = winrm_play(tmp_path, ansible_playbook, tasks, own, environment)
    with WinRMServer(through(host.windows)) as server:
        server.lose("Send")
        done = play(server)
    assert [done[label]["changed"] for label in tasks] == [True, False, False, False, True]
    path = f"{_FOLDER}\\tests-1-{world.vendor.digest[:12]}.wsl"
    assert [(one["name"], one["path"], one["users"]) for one in done["list"]["images"]] == [("tests-1", path, [])]
    assert [one for one in host.files.contents if one.startswith(f"{_FOLDER}\\".lower())] == []
    assert done["make"]["vms"][0]["image"]["digest"] == f"sha256:{world.vendor.digest}"
    assert host.find("web") is not None
