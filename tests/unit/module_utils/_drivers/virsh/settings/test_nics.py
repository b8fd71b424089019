# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs: which changes apply to a running VM at once, which commands libvirt gets, and what is stored."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, NEXT_BOOT, Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import networks
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import UUID, failed, machine_xml, with_devices
from unit.module_utils._drivers.virsh.test_configure import change, virsh_with, written

SECOND_MAC = "52:54:00:aa:00:02"
SECOND_NIC = f"<interface type='user'><mac address='{SECOND_MAC}'/><model type='virtio'/></interface>"
#: In the form of a running VM (libvirt 9.0.0).
LAN_NIC = f"""\
<interface type='network'>
  <mac address='{SECOND_MAC}'/>
  <source network='lan' portid='1b37e1e7-f018-495b-9d60-9deb1a56b155' bridge='virbr1'/>
  <target dev='vnet1'/>
  <model type='virtio'/>
  <alias name='net1'/>
  <address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='0x0'/>
</interface>"""

# Costs ----------------------------------------------------------------------------------------------------------------


def nic(mac, kind="network", source="default"):
    nic = {"type": kind, "mac": mac, "model": "virtio", "source": source}
    return {key: value for key, value in nic.items() if value is not None}


A, B, C = nic("52:54:00:00:00:0a"), nic("52:54:00:00:00:0b"), nic("52:54:00:00:00:0c", "user", None)


ADD, REMOVE = Change("networks", None, {"type": "user"}, key="1"), Change("networks", B, None, key="1")


def moved(**beside):
    return Change("networks", "default", "lan", key="0", attribute="source", beside={"source": "lan", **beside})


@pytest.mark.parametrize(
    ("one", "stored", "running", "wanted"),
    [
        pytest.param(ADD, [A], [A], LIVE, id="added behind the same NICs"),
        pytest.param(ADD, [A], [B], NEXT_BOOT, id="added, and the running VM has another NIC"),
        pytest.param(ADD, [A], [], NEXT_BOOT, id="added, and the NIC before it is added at the next start"),
        pytest.param(ADD, [A], [A, C], LIVE, id="attached by an interrupted run"),
        pytest.param(ADD, [A], [A, B], NEXT_BOOT, id="another NIC was attached by somebody else"),
        pytest.param(REMOVE, [A, B], [A, B], LIVE, id="removed, running and stored"),
        pytest.param(REMOVE, [A, B], [A], LIVE, id="detached by an interrupted run"),
        pytest.param(REMOVE, [A, B], [A, C], NEXT_BOOT, id="removed, and another NIC is at its position"),
        pytest.param(REMOVE, [A, B], [B, A], NEXT_BOOT, id="removed, and the running VM has another order"),
        pytest.param(REMOVE, [A, B, C], [A, B], LIVE, id="removed, and a NIC behind it is added at the next start"),
        pytest.param(REMOVE, [A, B], [C, B], NEXT_BOOT, id="removed, and the running VM has another NIC before it"),
        pytest.param(moved(), [A], [A], LIVE, id="another network"),
        pytest.param(moved(), [A, B], [A], LIVE, id="another network, and a NIC behind it differs"),
        pytest.param(moved(type="network"), [A], [A], LIVE, id="another network, and the same type is set"),
        pytest.param(moved(type="bridged"), [A], [A], NEXT_BOOT, id="another type"),
        pytest.param(moved(), [A], [{**A, "type": "bridged"}], NEXT_BOOT, id="running VM has another type"),
        pytest.param(moved(), [A], [B], NEXT_BOOT, id="moved, and the running VM has another NIC"),
        pytest.param(moved(type="network"), [C], [C], NEXT_BOOT, id="from user to network"),
    ],
)
def test_nic_is_changed_live_only_if_the_running_vm_has_the_same_nics(one, stored, running, wanted):
    config, active = ({"networks": {str(place): nic for place, nic in enumerate(row)}} for row in (stored, running))
    vm = Vm("web", id="u", power="running", config=config, active=active)
    assert networks.NICS[one.kind].cost_of(vm, one) == wanted


# Attaching ------------------------------------------------------------------------------------------------------------


def add(**entry):
    return Change("networks", None, entry, key="1", cost=LIVE)


def test_two_new_nics_have_different_macs(tmp_path):
    second = Change("networks", None, {"type": "user"}, key="2", cost=LIVE)
    virsh = change(tmp_path, virsh_with(machine_xml()), add(type="user"), second, power="running")
    assert len({nic.find("mac").get("address") for nic in virsh.defined().interfaces()}) == 3


def test_nic_attached_by_interrupted_run_is_only_stored(tmp_path):
    virsh = virsh_with(machine_xml(), running=machine_xml(with_devices(SECOND_NIC)))
    change(tmp_path, virsh, add(type="user"), power="running")
    assert written(virsh) == [("define", "/dev/stdin")]
    assert virsh.defined().interfaces()[1].find("mac").get("address") == SECOND_MAC


def test_missing_pci_slot_has_remedy_and_stores_nothing(tmp_path):
    virsh = virsh_with(machine_xml())
    virsh.answers["attach-device", UUID, "/dev/stdin", "--live"] = failed("internal error: No more available PCI slots")
    with pytest.raises(CommandFailed) as caught:
        change(tmp_path, virsh, add(type="user"), power="running")
    assert str(caught.value).startswith("m1: the running VM has no free PCI slot, so no interface can be added.")
    assert "Stop the VM" in caught.value.remedy
    assert ("define", "/dev/stdin") not in virsh.done


# Detaching ------------------------------------------------------------------------------------------------------------

REMOVE_NIC = Change("networks", {}, None, key="1", cost=LIVE)


@pytest.mark.parametrize(
    ("error", "is_stored"),
    [("device detach was rejected by the guest", True), ("internal error: the monitor is gone", False)],
)
def test_nic_that_guest_does_not_release_is_removed_at_next_start(tmp_path, error, is_stored):
    virsh = virsh_with(machine_xml(with_devices(LAN_NIC)))
    virsh.answers["detach-device", UUID, "/dev/stdin", "--live"] = failed(error)
    if is_stored:
        change(tmp_path, virsh, REMOVE_NIC, power="running")
    else:
        with pytest.raises(CommandFailed, match="monitor is gone"):
            change(tmp_path, virsh, REMOVE_NIC, power="running")
    assert (("define", "/dev/stdin") in virsh.done) is is_stored


def test_nic_detached_by_interrupted_run_is_only_removed_from_definition(tmp_path):
    virsh = virsh_with(machine_xml(with_devices(SECOND_NIC)), running=machine_xml())
    change(tmp_path, virsh, REMOVE_NIC, power="running")
    assert written(virsh) == [("define", "/dev/stdin")]
    assert len(virsh.defined().interfaces()) == 1


# Moving ---------------------------------------------------------------------------------------------------------------


def move(new):
    return Change("networks", "lan", new, key="1", attribute="source", cost=LIVE)


def test_running_nic_is_moved_and_keeps_its_identity(tmp_path):
    virsh = change(tmp_path, virsh_with(machine_xml(with_devices(LAN_NIC))), move("dmz"), power="running")
    assert written(virsh) == [("update-device", UUID, "/dev/stdin", "--live"), ("define", "/dev/stdin")]
    moved = Definition(f"<domain><devices>{virsh.sent[0]}</devices></domain>").interfaces()[0]
    assert moved.find("source").attrib == {"network": "dmz"}
    assert (moved.find("alias").get("name"), moved.find("target").get("dev")) == ("net1", "vnet1")
    assert virsh.defined().interfaces()[1].find("source").get("network") == "dmz"


def test_nic_that_libvirt_cannot_move_waits_for_next_start(tmp_path):
    virsh = virsh_with(machine_xml(with_devices(LAN_NIC)))
    virsh.answers["update-device", UUID, "/dev/stdin", "--live"] = failed("Operation not supported: cannot change it")
    change(tmp_path, virsh, move("dmz"), power="running")
    assert virsh.defined().interfaces()[1].find("source").get("network") == "dmz"


def test_directly_attached_nic_waits_for_next_start(tmp_path):
    direct = LAN_NIC.replace("type='network'", "type='direct'").replace(
        "network='lan' portid='1b37e1e7-f018-495b-9d60-9deb1a56b155' bridge='virbr1'", "dev='eth7' mode='bridge'"
    )
    virsh = change(tmp_path, virsh_with(machine_xml(with_devices(direct))), move("eth8"), power="running")
    assert written(virsh) == [("define", "/dev/stdin")]
    assert virsh.defined().interfaces()[1].find("source").get("dev") == "eth8"
