# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of one task share a driver if they agree in all options that it is made with: ``per_driver`` names these."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import option as shared
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.platform import Platform
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.driver import needs_settings

from collection_path import CHECKOUT

_DRIVERS = "ansible_collections.polyvirt.core.plugins.module_utils._drivers"
#: What each needs to be made at all.
GIVEN = {
    "virsh": {},
    "vbox": {},
    "vagrant": {"project_dir": "/nonexistent", "managed": True},
    "proxmox": {"api_host": "pve", "api_user": "root@pam", "api_password": "secret"},
    "vmm": {},
    "hyperv": {},
    "wsl": {},
}
#: Which VMs are meant is told for all of them together.
WHICH = {"name", "id"}
_READ = re.compile(r'\b(?:options|params)(?:\.get\(|\[)"(\w+)"')
#: Options that are the same for all entries, or for which a driver only learns whether any VM has them.
OF_ALL = {"call_timeout", "controller_time", "allow_recreate", "wait_for"}


class Recorded(dict):
    """Parameters that note which of them are read."""

    def __init__(self, values):
        super().__init__(values)
        self.read = set()

    def get(self, name, default=None):
        self.read.add(name)
        return super().get(name, default)

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)


@pytest.mark.parametrize("driver", GIVEN)
def test_a_driver_is_made_with_what_its_platform_names(driver, monkeypatch):
    own = import_module(f"{_DRIVERS}.{driver}.options")
    (platform,) = [one for one in vars(own).values() if isinstance(one, Platform)]
    options = platform.supported({**shared.VM, **own.VM})
    params = Recorded({**{name: option.default for name, option in options.items()}, **GIVEN[driver]})
    make = import_module(f"{_DRIVERS}.{driver}.driver")
    if driver == "proxmox":
        monkeypatch.setattr(make, "needs_settings", lambda _params: True)
    make.make_driver(params)
    connection = {name for name, option in options.items() if option.role == shared.CONNECTION}
    assert params.read - connection - OF_ALL - WHICH <= set(platform.per_driver)
    if driver == "proxmox":
        return  # It keeps no options of the task; what it calls options are those of Proxmox VE.
    later = {name for text in _texts(driver) for name in _READ.findall(text)} & set(options)
    assert later - connection - OF_ALL - WHICH <= set(platform.per_driver)


def _texts(driver):
    """What a driver reads of its options when a task needs it."""
    folder = CHECKOUT / "plugins/module_utils/_drivers" / driver
    return [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))]


def test_proxmox_reads_all_vms_if_one_of_them_needs_it():
    """The parameters of a driver have each option that any of its VMs sets."""
    params = {"stop_mode": None, "state": "started", "allow_restart": False}
    assert not needs_settings(params)
    assert needs_settings({**params, "cpus": 2})
