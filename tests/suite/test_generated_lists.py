# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tasks with several VMs that share something, with the real libvirt and QEMU."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.modules.virsh_vm import MODULE

from suite import lists
from suite.pairs import number_of_pairs

FILES = ("one.qcow2", "two.qcow2")


class OnLibvirt(lists.Platform):
    """libvirt with VMs and files of a namespace; each test begins with an empty one."""

    def __init__(self, platform):
        self._platform = platform
        platform.clean()
        self.words = self._vocabulary()

    def _vocabulary(self):
        files = [lists.spellings(self._platform.make_image(name)) for name in FILES]
        return lists.Vocabulary(
            image=(*[self._platform.base_image()] * 3, files[0][0]),
            files=tuple(files),
            slots=("vda", "vdb", "vdc"),
            sizes=("16M", "24M"),
            nic=("network", "default"),
            ports=(),
            names=tuple(f"{self._platform.prefix}{name}" for name in "abcde"),
        )

    def run(self, entries, check=False):
        given = {
            **self._platform.options("vm"), "machines": entries, "stop_mode": "force",
            "cpus": 1, "memory": "64M", "networks": [], "timeout": 60,
        }  # fmt: skip
        params = ArgumentSpecValidator(MODULE.argument_spec).validate(given)
        assert params.error_messages == []
        result = MODULE.result(params.validated_parameters, SimpleNamespace(check_mode=check))
        assert "exception" not in result, result["exception"]
        return SimpleNamespace(**{"failed": False, "changed": False, "msg": "", "vms": [], "diff": [], **result})

    def id_of(self, name):
        return self._platform.ids().get(name)

    def state(self):
        return self._platform.truth(self.words.names), self._platform.files()

    def found(self):
        vms = {name: vm for name, vm in self._platform.truth(self.words.names).items() if vm is not None}
        return lists.Found(
            {name: self._seen(vm) for name, vm in vms.items()}, lists.qcow2_files(self._platform.storage)
        )

    def _seen(self, vm):
        nics = ET.fromstring(vm["stored"]).findall("devices/interface[@type='network']")
        macs = tuple((nic.find("source").get("network"), nic.find("mac").get("address")) for nic in nics)
        return lists.Seen(vm["power"], tuple(map(lists.one_name, self._platform.disks_of(vm).values())), macs)


@pytest.fixture
def qemu(ground):
    return ground.open("libvirt_qemu", "pvg-")


def test_generated_lists(qemu):
    lists.assert_all_true(number_of_pairs(6, at_most=300), lambda _place: nullcontext(OnLibvirt(qemu)))
