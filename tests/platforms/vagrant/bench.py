# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects of Vagrant's double in the process of a test, for generated tasks."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import ClassVar
from unittest import mock

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)
from ansible_collections.polyvirt.core.plugins.module_utils._ports import net
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile
from ansible_collections.polyvirt.core.plugins.modules import vagrant_instance
from hypothesis import strategies as st

from suite import lists
from suite.bench import Bench
from suite.disturbances import disturbed
from suite.pairs import cases
from suite.sent_twice import comparable
from unit.module_utils._drivers.vagrant.in_process import BOX, FILE, World

_IN_MEMORY = "/dev/shm"
#: What says that a VM was started, or that its first start is not recorded: a killed task may not have written it.
_RECORDS = ("polyvirt.json", "polyvirt-first-start.json", "action_provision")
_SETTINGS = {
    "cpus": st.integers(1, 2),
    "memory": st.sampled_from(["64M", "96M"]),
    "description": st.sampled_from(["", "one", "two \u00fc\nlines"]),
    "tags": st.sampled_from([[], ["a"], ["a", "b"]]),
    "networks": st.sampled_from([[{"type": "nat"}], [{"type": "nat"}, {"type": "bridged"}]]),
    "shared_folders": st.sampled_from([[{"name": "src", "host_path": path}] for path in ("/", "/tmp")]),
    "provisioners": st.sampled_from([[{"inline": "true"}], [{"inline": "false"}]]),
    "hostname": st.sampled_from(["a", "b"]),
}
_FORWARDS = st.sampled_from([[{"name": "web", "host_port": port, "guest_port": 80}] for port in (81, 82)])
_STOPS = st.sampled_from(["graceful_then_force", "force"])
_WORDS = {
    "source": (("box", BOX),),
    "nic": ("hostonly", None),
    "first_nics": ({"type": "nat"},),
    # Vagrant would take letters up to f for the beginning of an ID.
    "names": tuple("vwxyz"),
    "delete_disks": ("owned", "all"),
    "more": lists.sometimes(("description", ("one", "two")), ("tags", (["x"], [])), ("hostname", ("one", "two"))),
}


class _Project(Bench):
    """A project of one provider. A port of the host is free if no running VM forwards it."""

    pair_count, list_count = 60, 20
    creation: ClassVar = {"box": BOX}
    #: Only a download shows whether the catalogue, or an address, has a box in a version.
    unforeseen = ("box", "box_url", "box_version")
    provider, module = "", vagrant_instance
    small: ClassVar = {"cpus": 1}

    def __init__(self, folder):
        self._world, self.folder = World(folder, self.provider), folder

    @classmethod
    @contextmanager
    def opened(cls, place=0, ground=None):
        with tempfile.TemporaryDirectory(dir=_IN_MEMORY if os.path.isdir(_IN_MEMORY) else None) as folder:
            yield cls(Path(folder))

    def asked(self, case):
        about, options = super().asked(case)
        return about, {**options, "stop_timeout": 5}

    def change(self, definition):
        (uuid,) = re.findall(r"\{(.*)\}", self._world.virtualbox.run("list", "vms")) or [None]
        if uuid:
            self._world.virtualbox.call("modifyvm", uuid, *definition)

    def run(self, entries, check=False):
        with self._disturbed(), mock.patch.object(net, "is_free", self._is_free):
            return self._world.run_all(deepcopy(entries), check)

    def described(self):
        return self._world.run(None, "vm_info", describe=True).vms

    def run_snapshot(self, options, check):
        with self._disturbed():
            return self._world.run(about="snapshot", check=check, **options)

    @contextmanager
    def _disturbed(self):
        port, run = self._world.port, self._world.port.run
        port.run = lambda argv, writes=False, **more: disturbed(
            self.disturbance, argv, writes, lambda counted: run(argv, writes=counted, **more)
        )
        try:
            yield
        finally:
            port.run = run

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

    def end_state(self):
        """VMs and files, without addresses, chosen names, and the records of the last start."""
        vms = [{**one, "address": ""} for one in self._world.vagrant.state()["machines"].values()]
        files = self._world.files()
        names = [name for name in sorted(files) if not name.endswith(_RECORDS)]
        text = re.sub(r"(project_\w+?)_[0-9a-f]{8}\b", r"\1", f"{vms} {names} {files.get(FILE)} {self._registry()}")
        return comparable(text, self.folder)

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


class WithLibvirt(_Project):
    """A provider without a tool of its own."""

    name = "vagrant with libvirt"
    provider = "libvirt"
    words = lists.Vocabulary(
        **_WORDS,
        macs=("08:00:27:00:00:01", "08:00:27:00:00:02"),
        ports=(2201, 2202),
        host_addresses=("", "127.0.0.1"),
        addresses=("192.168.56.10", "192.168.56.11", "fd00::a", "fd00:0:0::a"),
    )


class WithVirtualBox(WithLibvirt):
    """A provider with a tool of its own."""

    foreign = (
        ("--memory", "128"),
        ("--cpus", "2"),
        ("--nic2", "nat"),
        ("--description", "ü"),
        ("--natpf1", "a,tcp,,85,,85"),
    )
    name = "vagrant with virtualbox"
    provider = "virtualbox"
    cases = cases(
        {**_SETTINGS, "port_forwards": _FORWARDS},
        (ABSENT, STOPPED, RUNNING, SUSPENDED),
        purge=("networks",),
        stop_mode=_STOPS,
    )


class WithHyperV(_Project):
    """A provider without ports and addresses, of which this host has no tool."""

    name = "vagrant with hyperv"
    is_in_doubt = True
    provider = "hyperv"
    words = lists.Vocabulary(**_WORDS, macs=(), ports=())
    cases = cases(_SETTINGS, (ABSENT, STOPPED, RUNNING, PAUSED), purge=("networks",), stop_mode=_STOPS)
