# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays with the modules for any platform: how each platform is reached, and what its VMs are created from."""

from __future__ import annotations

import json
from contextlib import contextmanager

from platforms.windows.winrm_server import WinRMServer, through
from suite.by_ansible import module_of, run_playbook

VM, INFO, SNAPSHOT = "polyvirt.core.vm", "polyvirt.core.vm_info", "polyvirt.core.vm_snapshot"


@contextmanager
def reached(platform):
    """The connection keywords of a play: local, unless the platform runs on Windows."""
    windows = getattr(getattr(platform, "host", None), "windows", None)
    if windows is None:
        yield {"vars": {}}
        return
    with WinRMServer(through(windows)) as server:
        yield {"vars": dict(server.variables), "connection": "winrm"}


def modules(platform):
    """The options that differ between platforms: how each is reached, and what its VMs are created from."""
    vm, info = (module_of(platform, about) for about in ("vm", "vm_info"))
    defaults = {vm: {**platform.options("vm"), **platform.creation}, info: platform.options("vm_info")}
    if platform.has_snapshots:
        defaults[module_of(platform, "snapshot")] = platform.options("snapshot")
    names = {name if "." in name else f"polyvirt.core.{name}": given for name, given in defaults.items()}
    return {name: given for name, given in names.items() if given}


def play(platform, shim, folder, tasks, reach):
    """{label: (failed, result)} of a play."""
    around = shim.environment(programs=platform.programs)
    output = run_playbook(platform, folder, tasks, around=around, reach=reach)
    assert (folder / "results.jsonl").exists(), output
    lines = map(json.loads, (folder / "results.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["task"]: (line["failed"], line["result"]) for line in lines}
