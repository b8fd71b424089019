# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port forwards: the required version of libvirt, the stored form, and errors."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import networks as networks_file
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import port_forwards
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import machine_xml, with_devices
from unit.tables.rows import ask

USER_NIC = "<interface type='user'><mac address='52:54:00:00:00:02'/><model type='virtio'/></interface>"
SSH = {"protocol": "tcp", "host_port": 2222, "guest_port": 22}
DNS = {"protocol": "udp", "host_address": "127.0.0.1", "host_port": 5353, "guest_port": 53}
TRAITS = virsh_traits("QEMU", "9.2.0", local=True)


def with_user_nic(inside=""):
    return machine_xml(with_devices(USER_NIC.replace("</interface>", f"{inside}</interface>")))


def written(text, *changes):
    definition = Definition(text)
    for change in changes:
        port_forwards.write_forward(definition, change)
    # Serialized and parsed again, as libvirt would return it.
    return Definition(definition.text())


def add(name, forward):
    return Change("port_forwards", None, forward, key=name)


@pytest.mark.parametrize(
    ("hypervisor", "version", "can"),
    [
        ("QEMU", "9.2.0", True),
        ("QEMU", "12.0.0", True),
        ("QEMU", "9.1.0", False),
        ("QEMU", "", False),
        ("TEST", "10.0.0", False),
    ],
)
def test_support_depends_on_version_and_hypervisor(hypervisor, version, can):
    vm = Vm("web", id="u", config={"networks": {"0": {"type": "user"}} if can else {}})
    planned = plan(vm, ask(port_forwards=[{"name": "ssh", **SSH}]), virsh_traits(hypervisor, version, local=True))
    assert (planned.refusal is None) is can
    assert can or "port_forwards is not supported on libvirt. Connect to the guest by its address" in str(
        planned.refusal
    )


def test_written_forwards_are_read_back_by_name():
    definition = written(with_user_nic(), add("ssh", SSH), add("dns", DNS))
    assert port_forwards.read_forwards(definition) == {"ssh": SSH, "dns": DNS}
    nic = definition.interfaces()[1]
    assert nic.find("backend").get("type") == "passt"
    assert [one.attrib for one in nic.findall("portForward")] == [
        {"proto": "tcp"},
        {"proto": "udp", "address": "127.0.0.1"},
    ]
    assert [one.attrib for one in nic.findall("portForward/range")] == [
        {"start": "2222", "to": "22"},
        {"start": "5353", "to": "53"},
    ]
    assert definition.interfaces()[0].find("backend") is None


def test_forward_keeps_its_name_if_its_port_changes():
    port = Change("port_forwards", 2222, 2200, key="ssh", attribute="host_port")
    definition = written(with_user_nic(), add("ssh", SSH), port)
    assert port_forwards.read_forwards(definition) == {"ssh": {**SSH, "host_port": 2200}}


def test_one_of_two_forwards_is_removed():
    definition = written(
        with_user_nic(), add("ssh", SSH), add("dns", DNS), Change("port_forwards", SSH, None, key="ssh")
    )
    assert port_forwards.read_forwards(definition) == {"dns": DNS}


def test_forwards_of_others_are_named_by_port_and_ranges_are_kept():
    theirs = "<portForward proto='tcp'><range start='80'/></portForward>"
    many = "<portForward proto='tcp'><range start='2000' end='2010' to='3000'/></portForward>"
    definition = written(with_user_nic(theirs + many), add("ssh", SSH))
    assert port_forwards.read_forwards(definition) == {
        "tcp-80": {"protocol": "tcp", "host_port": 80, "guest_port": 80},
        "ssh": SSH,
    }
    assert len(definition.interfaces()[1].findall("portForward")) == 3


@pytest.mark.parametrize("text", ["not JSON", "[]", ""])
def test_invalid_stored_names_are_ignored(text):
    names = f"<metadata><n:names xmlns:n='{port_forwards._NAMESPACE}'>{text}</n:names></metadata>"
    nic = USER_NIC.replace("</interface>", "<portForward proto='tcp'><range start='80'/></portForward></interface>")
    definition = Definition(f"<domain>{names}<devices>{nic}</devices></domain>")
    assert set(port_forwards.read_forwards(definition)) == {"tcp-80"}


def test_nic_of_another_type_has_no_forwards():
    definition = written(with_user_nic(), add("ssh", SSH))
    nic = definition.interfaces()[1]
    networks_file.set_nic_element(nic, {"type": "network", "source": "default"}, lambda name: False)
    assert {child.tag for child in nic} == {"mac", "model", "source"}


@pytest.mark.parametrize(
    ("networks", "entry", "word"),
    [
        ({"0": {"type": "network", "source": "default"}}, SSH, "the VM has no NIC of type user"),
        ({}, SSH, "the VM has no NIC of type user"),
        ({"0": {"type": "user"}}, {"guest_port": 22}, "port_forwards.ssh: host_port is not set"),
    ],
)
def test_incomplete_forward_is_rejected(networks, entry, word):
    vm = Vm("web", id="u", config={"networks": networks})
    assert word in str(plan(vm, ask(port_forwards=[{"name": "ssh", **entry}]), TRAITS).refusal)


def test_same_forwards_are_no_change():
    vm = Vm("web", id="u", config={"networks": {"0": {"type": "user"}}, "port_forwards": {"ssh": SSH}})
    assert plan(vm, ask(port_forwards=[{"name": "ssh", "guest_port": 22}], purge=["port_forwards"]), TRAITS).steps == []


def test_missing_passt_is_reported_before_first_step(tmp_path, monkeypatch):
    class Driver:
        commands = Commands()

    vm = Vm("web", id="u", config={"port_forwards": {"ssh": SSH}})
    step = Step("configure", changes=(add("ssh", SSH),))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="passt was not found"):
        port_forwards.check_passt(Driver, Plan(vm, vm, segments=((step,),)))
    (tmp_path / "passt").write_text("#!/bin/sh\n")
    (tmp_path / "passt").chmod(0o755)
    port_forwards.check_passt(Driver, Plan(vm, vm, segments=((step,),)))
