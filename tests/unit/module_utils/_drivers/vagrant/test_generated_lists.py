# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tasks with several VMs of one project that share something, with the Vagrant driver on its double."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from unittest import mock

from ansible_collections.polyvirt.core.plugins.module_utils._ports import net
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile

from suite import lists
from suite.pairs import number_of_pairs
from unit.module_utils._drivers.vagrant.in_process import BOX, World

_IN_MEMORY = "/dev/shm"
#: The provider of each project in turn: with a tool of its own, without one, and without ports and addresses.
PROVIDERS = ("virtualbox", "libvirt", "hyperv")
_WORDS = {
    "source": (("box", BOX),),
    "nic": ("hostonly", None),
    "first_nics": ({"type": "nat"},),
    # Vagrant would take letters up to f for the beginning of an ID.
    "names": tuple("vwxyz"),
    "delete_disks": ("owned", "all"),
    "more": lists.sometimes(("description", ("one", "two")), ("tags", (["x"], [])), ("hostname", ("one", "two"))),
}
WORDS = {
    "hyperv": lists.Vocabulary(**_WORDS, macs=(), ports=()),
    **dict.fromkeys(
        ("virtualbox", "libvirt"),
        lists.Vocabulary(
            **_WORDS,
            macs=("08:00:27:00:00:01", "08:00:27:00:00:02"),
            ports=(2201, 2202),
            host_addresses=("", "127.0.0.1"),
            addresses=("192.168.56.10", "192.168.56.11", "fd00::a", "fd00:0:0::a"),
        ),
    ),
}


class InProject(lists.Platform):
    """A project of one provider. A port of the host is free if no running VM forwards it."""

    def __init__(self, folder, provider):
        self._world, self.words = World(folder, provider), WORDS[provider]

    def run(self, entries, check=False):
        with mock.patch.object(net, "is_free", self._is_free):
            return self._world.run_all(deepcopy(entries), check, stop_mode="force")

    def _is_free(self, _address, port, _protocol="tcp"):
        used = [one for name, vm in self.found().vms.items() if vm.power == "running" for one in vm.ports]
        return port not in used

    def _described(self):
        path = self._world.file
        text = path.read_text(encoding="ascii") if path.exists() else None
        return {one["name"]: one for one in vagrantfile.description(text)["machines"]} if text else {}

    def id_of(self, name):
        return next((text.upper() for text in self._of_vagrant(name, "id")), None)

    def label(self, entry):
        return super().label(entry).lower()

    def _of_vagrant(self, name, file):
        """The texts of a file that Vagrant, or this collection, has written for a VM."""
        paths = self._world.project.glob(f".vagrant/machines/{name}/*/{file}")
        return [path.read_text(encoding="utf-8") for path in paths]

    def _power(self, name):
        identifier = next(iter(self._of_vagrant(name, "id")), None)
        if hasattr(self._world, "virtualbox"):
            text = self._world.virtualbox.run("showvminfo", identifier, "--machinereadable") if identifier else ""
            return "running" if 'VMState="running"' in text else "stopped"
        machine = self._world.vagrant.state()["machines"].get(identifier) or {}
        return "running" if machine.get("state") == "running" else "stopped"

    def state(self):
        return self._world.files(), self._world.vagrant.state()["machines"], self._registry()

    def _registry(self):
        return self._world.virtualbox.run("list", "--long", "vms") if hasattr(self._world, "virtualbox") else ""

    def found(self):
        return lists.Found({name: self._seen(name, one) for name, one in self._described().items()}, {})

    def _seen(self, name, described):
        nics = described.get("networks") or ()
        ran = [json.loads(text).get("ran") or {} for text in self._of_vagrant(name, "polyvirt.json")]
        return lists.Seen(
            self._power(name),
            macs=tuple(one["mac"] for one in nics if one.get("mac")),
            ports=tuple(port for one in ran for port in _ports(one)),
            addresses=(*(one["address"] for one in nics if one.get("address")), *_ports(described)),
        )


def _ports(described):
    return tuple(one["host_port"] for one in described.get("port_forwards") or ())


@contextmanager
def _opened(place):
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if os.path.isdir(_IN_MEMORY) else None) as folder:
        yield InProject(Path(folder), PROVIDERS[place % len(PROVIDERS)])


def test_generated_lists():
    lists.assert_all_true(number_of_pairs(60), _opened)
