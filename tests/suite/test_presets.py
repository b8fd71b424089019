# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each preset is created on its platform by one playbook: check mode predicts it, and a second run changes nothing.

The presets of a platform are one test, because a play costs more than its tasks.
"""

from __future__ import annotations

import pytest
import yaml

from collection_path import CHECKOUT
from suite import front_door

PRESETS = {path.stem: yaml.safe_load(path.read_text()) for path in (CHECKOUT / "templates" / "presets").glob("*.yml")}
#: Options that a preset needs on the platform of the suite, in addition to those of the connection.
NEEDS = {
    # Disks are created, but no guest is started.
    "libvirt_qemu": {"options": {"virt_type": "qemu"}},
    "proxmox": {},
    "vagrant": {},
    "virtualbox_double": {},
    # The lab has its own switch.
    "vmm": {"networks": [{"type": "nat"}]},
    # The name of the distribution in the double's list.
    "wsl": {"image": "Ubuntu"},
    # The double has no default switch.
    "hyperv": {"networks": [{"type": "network", "source": "lan"}]},
}
_DEEP = pytest.mark.deep("the same with libvirt, an API, a Windows host and WSL")
_IN_FULL = ("libvirt_qemu", "proxmox", "hyperv", "wsl")
_PLATFORMS = [name if name in _IN_FULL else pytest.param(name, marks=_DEEP) for name in sorted(NEEDS)]


def _of(platform):
    return sorted(name for name, preset in PRESETS.items() if preset["platform"] == platform)


def _tasks(names, platform):
    needs = NEEDS[platform.name]
    given = {name: {**needs, "name": f"{platform.prefix}preset-{place}"} for place, name in enumerate(names)}
    machines = [f"{{{{ lookup('polyvirt.core.preset', '{name}', overrides=given['{name}']) }}}}" for name in names]
    task = {"polyvirt.core.vm": {"machines": machines}, "vars": {"given": given}, "diff": True, "ignore_errors": True}
    removed = {"name": [one["name"] for one in given.values()], "state": "absent"}
    return [
        {**task, "name": "foretold", "check_mode": True},
        {**task, "name": "create"},
        {**task, "name": "again"},
        {"name": "remove", "polyvirt.core.vm": removed, "ignore_errors": True},
    ]


def _reaching(platform):
    """The options of the connection, without the source of the smallest VM, which the presets set."""
    return {
        module: {name: value for name, value in given.items() if name not in platform.creation}
        for module, given in front_door.modules(platform).items()
    }


@pytest.mark.parametrize("platform_name", _PLATFORMS, indirect=True, scope="session")
def test_presets_are_created(platform, shim, tmp_path):
    platform.clean()
    shim.forget()
    names = _of(platform.traits().platform)
    assert names
    with front_door.reached(platform) as reach, platform.hurried():
        play = {**reach, "vars": {**reach["vars"], "vm_platform": platform.traits().platform}}
        results = front_door.play(
            platform, shim, tmp_path, _tasks(names, platform), {**play, "module_defaults": _reaching(platform)}
        )
    assert {label: result.get("msg") for label, (failed, result) in results.items() if failed} == {}
    result_of = {label: result for label, (_failed, result) in results.items()}
    changed = [result_of[label]["changed"] for label in ("foretold", "create", "again", "remove")]
    assert changed == [True, True, False, True]
    assert result_of["foretold"]["diff"] == result_of["create"]["diff"]
    for name, vm in zip(names, result_of["again"]["vms"]):
        assert vm["cpus"] == PRESETS[name]["vm"].get("cpus", vm["cpus"])
