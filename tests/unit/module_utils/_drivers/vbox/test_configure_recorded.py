# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of VBoxManage that change settings, on the recorded registry."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.traits import vbox_traits

from unit.module_utils._drivers.vbox.recorded_registry import driver_on, recorded_vm

MIB = 1 << 20
TRAITS = vbox_traits((7, 2, 22))


def changing_calls(folder, name, native_keys=(), allow_restart=False, purge=(), **config):
    """The calls of a task with this config that change something, without the VM's UUID."""
    driver, commands = driver_on(folder, native=native_keys)
    vm = recorded_vm(driver, name)
    policy = Policy(allow_restart=allow_restart, stop_mode="force", purge=frozenset(purge))
    planned = plan(vm, Request(name=name, config=config, policy=policy), TRAITS)
    assert planned.refusal is None, planned.refusal
    for segment in planned.segments:
        driver.apply([(vm, segment)])
    return [" ".join(word for word in call if word != vm.id) for call in commands.calls]


def test_all_settings_go_into_one_call(tmp_path):
    calls = changing_calls(
        tmp_path, "web", cpus=2, memory=20 * MIB, description="x", firmware="uefi", tpm=False,
        display={"video_memory": 32 * MIB}, boot_order=("network",),
        networks={"0": {"type": "internal", "source": "lan"}, "1": {"model": "virtio"}},
    )  # fmt: skip
    assert calls == [
        "modifyvm --description x --firmware efi --memory 20 --cpus 2 --vram 32 --tpm-type none --boot1 net"
        " --boot2 none --boot3 none --boot4 none --nic1 intnet --intnet1 lan --nictype2 virtio"
    ]


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"memory": 1000}, "multiple of 1M"),
        ({"disks": {"vda": {"size": MIB}}}, "is not a valid slot"),
        ({"native": {"memory": "4"}}, "option memory"),
        *(
            ({"native": {name: "on"}}, "cannot be read back")
            for name in ("bioslogofadein", "natdnshostresolver1", "natdnsproxy1", "natbindip1", "cpuhotplug")
        ),
        ({"networks": {"0": {"type": "bridged"}}}, "source is required for a NIC of type"),
        ({"networks": {"0": {"type": "nat", "source": "x"}}}, "source is not supported"),
        ({"port_forwards": {"a,b": {"guest_port": 1}}}, "'a,b' is not a valid name: it contains a comma"),
        (
            {"port_forwards": {"polyvirt-ssh": {"guest_port": 1}}},
            "'polyvirt-ssh' is not a valid name: it is used by ssh_forward",
        ),
        (
            {"port_forwards": {"x%s%s%n": {"guest_port": 1}}},
            "'x%s%s%n' is not a valid name: it contains a percent sign",
        ),
        ({"port_forwards": {"a\n": {"guest_port": 1}}}, "'a\\n' is not a valid name: it contains a line break"),
        ({"port_forwards": {"a\rb": {"guest_port": 1}}}, "'a\\rb' is not a valid name: it contains a line break"),
        ({"port_forwards": {"a": {"guest_port": 1, "host_address": "localhost"}}}, "not an IPv4 address"),
        ({"networks": {"0": {"type": "internal"}}, "ssh_forward": True}, "no NIC"),
        ({"groups": ("web",)}, "is not a valid group"),
        ({"shared_folders": {"a b": {"host_path": "/"}}}, "is not a valid name"),
    ],
)
def test_invalid_setting_is_rejected(config, text):
    with pytest.raises(errors.Refused) as caught:
        TRAITS.normalize(Vm.absent("new"), config)
    assert text in str(caught.value)
    assert caught.value.remedy


def test_rule_needs_a_nat_nic_that_remains(tmp_path):
    driver, _commands = driver_on(tmp_path)
    config = {"networks": {}, "port_forwards": {"n": {"protocol": "tcp", "host_port": 1, "guest_port": 2}}}
    policy = Policy(allow_restart=True, purge=frozenset({"networks"}))
    refusal = plan(recorded_vm(driver, "run"), Request(name="run", config=config, policy=policy), TRAITS).refusal
    assert "the VM has no NIC of type nat" in str(refusal)


def test_short_names_of_os_types_and_nics_are_normalized():
    requested = {"os_type": "Debian", "networks": {"0": {"type": "user", "model": "e1000"}}}
    assert TRAITS.normalize(Vm.absent("new"), requested) == {
        "os_type": "Debian_64",
        "networks": {"0": {"type": "nat", "model": "82540EM"}},
    }
