# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real libvirt for generated tasks: the test driver for pairs, QEMU for lists.

A pair needs some 40 processes, which makes about 900 in an hour.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from contextlib import nullcontext
from functools import cached_property, partial
from types import SimpleNamespace
from typing import ClassVar
from unittest import mock

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task, together
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.modules import virsh_vm, virsh_vm_info
from hypothesis import strategies as st

from platforms.libvirt.testdriver import Platform
from suite import lists
from suite.bench import Bench
from suite.disturbances import disturbed
from suite.pairs import STOPS, cases
from unit.module_utils._drivers.virsh.foreign import ADDED
from unit.module_utils._engine.world import FakeClock

FILES = ("one.qcow2", "two.qcow2")
_PREFIX = "pvg-"
_DISK = {"size": Platform.disk_size}
_DEVICES = ({"type": "pci", "id": "01:00.0"}, {"type": "usb", "id": "046d:c52b"})
_SETTINGS = {
    "cpus": st.integers(1, 2),
    "memory": st.sampled_from(["64M", "96M"]),
    "description": st.sampled_from(["", "one <two>\nthree"]),
    "tags": st.sampled_from([[], ["a"], ["a", "b"]]),
    "autostart": st.booleans(),
    "disks": st.sampled_from([[_DISK], [_DISK, _DISK]]),
    "networks": st.lists(st.just({"type": "user"}), max_size=2),
    "boot_order": st.sampled_from([["disk"], ["cdrom", "disk"]]),
    "max_cpus": st.integers(2, 3),
    "devices": st.lists(st.sampled_from(_DEVICES), max_size=2, unique_by=str),
    "native": st.fixed_dictionaries({"on_reboot": st.sampled_from(["restart", "destroy"])}),
}


class _Libvirt(Bench):
    """VMs and files of a namespace, which is empty at the begin."""

    platform, module = "", virsh_vm
    has_snapshots, clock = False, None

    def __init__(self, platform):
        self._platform, self.folder = platform, platform.storage
        platform.clean()

    @classmethod
    def opened(cls, place=0, ground=None):
        return nullcontext(cls(ground.open(cls.platform, _PREFIX)))

    def run(self, entries, check=False):
        entries = [{**one, "name": f"{_PREFIX}web"} if one.get("name") == "web" else one for one in entries]
        given = {**self._platform.options("vm"), "machines": entries, "timeout": 60}
        params = ArgumentSpecValidator(virsh_vm.MODULE.argument_spec).validate(given)
        assert params.error_messages == []
        real = Commands.run

        def run(port, argv, writes=False, **more):
            return disturbed(self.disturbance, argv, writes, lambda counted: real(port, argv, writes=counted, **more))

        with mock.patch.object(Commands, "run", run):
            result = virsh_vm.MODULE.result(params.validated_parameters, SimpleNamespace(check_mode=check))
        assert "exception" not in result, result["exception"]
        return SimpleNamespace(**{"failed": False, "changed": False, "msg": "", "vms": [], "diff": [], **result})

    def described(self):
        params = ArgumentSpecValidator(virsh_vm_info.MODULE.argument_spec).validate(
            {**self._platform.options("vm_info"), "name": self.names(), "describe": True}
        )
        assert params.error_messages == []
        return virsh_vm_info.MODULE.result(params.validated_parameters, SimpleNamespace(check_mode=False))["vms"]

    def names(self):
        return [f"{_PREFIX}{name}" for name in ("web", *"abcde")]

    def state(self):
        return self._platform.truth(self.names()), self._platform.files()


class TestDriver(_Libvirt):
    """libvirt's test driver, whose guests need no time."""

    name, platform = "libvirt", "libvirt_test"
    pair_count, at_most = 20, 500
    cases = cases(
        _SETTINGS, (ABSENT, STOPPED, RUNNING, PAUSED), stop_mode=STOPS, purge=("networks", "disks", "devices")
    )
    creation: ClassVar = {"disks": [_DISK]}
    foreign = tuple(one[:2] for one in ADDED)
    #: libvirt judges only definitions of QEMU; the test driver drops elements that it does not know.
    unforeseen = ("native",)

    def change(self, definition):
        place, part = definition
        root = ET.fromstring(self._platform.virsh("dumpxml", "--inactive", f"{_PREFIX}web"))
        parent = root if place == "." else root.find(place)
        if parent is not None:
            parent.append(ET.fromstring(part))
            self._platform.virsh("define", "/dev/stdin", stdin=ET.tostring(root, encoding="unicode"), check=False)

    def replace_text(self, old, new):
        """Replace a text in the definition of the VM, as another tool does; return a function that undoes that."""
        before = self._platform.virsh("dumpxml", "--inactive", f"{_PREFIX}web")
        assert old in before
        define = partial(self._platform.virsh, "define", "/dev/stdin")
        define(stdin=before.replace(old, new))
        return partial(define, stdin=before)

    def run(self, entries, check=False):
        with mock.patch.object(task, "Clock", FakeClock), mock.patch.object(together, "Clock", FakeClock):
            return super().run(entries, check)


class Qemu(_Libvirt):
    """Emulated guests, and files with several names."""

    name, platform = "libvirt with QEMU", "libvirt_qemu"
    list_count, at_most = 6, 300
    common: ClassVar = {"stop_mode": "force", "cpus": 1, "memory": "64M", "networks": []}

    @cached_property
    def words(self):
        files = [lists.spellings(self._platform.make_image(name)) for name in FILES]
        return lists.Vocabulary(
            image=(*[self._platform.base_image()] * 3, files[0][0]),
            files=tuple(files),
            slots=("vda", "vdb", "vdc"),
            sizes=("16M", "24M"),
            nic=("network", "default"),
            ports=(),
            names=tuple(f"{_PREFIX}{name}" for name in "abcde"),
        )

    def id_of(self, name):
        return self._platform.ids().get(name)

    def found(self):
        vms = {name: vm for name, vm in self._platform.truth(self.names()).items() if vm is not None}
        return lists.Found(
            {name: self._seen(vm) for name, vm in vms.items()}, lists.qcow2_files(self._platform.storage)
        )

    def _seen(self, vm):
        nics = ET.fromstring(vm["stored"]).findall("devices/interface[@type='network']")
        macs = tuple((nic.find("source").get("network"), nic.find("mac").get("address")) for nic in nics)
        return lists.Seen(vm["power"], tuple(map(lists.one_name, self._platform.disks_of(vm).values())), macs)
