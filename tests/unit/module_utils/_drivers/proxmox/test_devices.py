# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option devices on the simulated cluster: keys, mappings and privileges."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.settings.devices import slots_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.settings.table import config_update
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import proxmox_traits

from simulators.proxmox import behind, worlds
from simulators.proxmox.access import User
from simulators.proxmox.gateway import Gateway
from unit.module_utils._drivers.proxmox.simulated import Api, applied, do, do_snapshot, rejected, unchanged

GPU, RAW, KEY = {"type": "pci", "mapping": "gpu1"}, {"type": "pci", "id": "0000:01:00.0"}, {"type": "usb", "id": "1-4"}
NEW = {"name": "web3", "disks": [{"size": "1G"}]}
MAPPED_KEY = {"type": "usb", "mapping": "key"}


@pytest.fixture(name="world")
def _world(world):
    world.cluster.mappings["pci"]["gpu1"] = {"pve1": ["0000:01:00.0"], "pve2": ["0000:02:00.0", "0000:03:00.0"]}
    world.cluster.mappings["usb"]["key"] = {"pve2": ["1-4"]}
    return world


def root(world):
    return Api(world, User("root@pam"))


def devices(world, *entries, **more):
    """Run a task about web2 twice; the second run changes nothing. Returns the keys with devices."""
    requested = {"name": "web2", "devices": list(entries), **more}
    outcome = do(world, **requested)
    assert not outcome.failed, outcome.msg
    unchanged(world, **requested)
    options = world.cluster.machines[101].config.next_start()
    return {key: value for key, value in options.items() if key.startswith(("hostpci", "usb"))}


def test_other_parts_of_a_key_are_kept(world):
    behind.edit(world, 101, hostpci2="01:00.0,pcie=1", usb1="host=0x046D:0xC52B,usb3=1", usb3="spice")
    assert devices(world, RAW, {"type": "usb", "id": "046d:c52b"}) == {
        "hostpci2": "01:00.0,pcie=1", "usb1": "host=0x046D:0xC52B,usb3=1", "usb3": "spice"}  # fmt: skip
    assert devices(world, MAPPED_KEY)["usb0"] == "mapping=key"
    assert "usb3" in devices(world, RAW, purge=["devices"], api=root(world))


def test_device_that_the_vm_has_meanwhile_is_not_added_again():
    change = Change("devices", None, RAW, key="pci 0000:01:00.0")
    assert config_update([change], {"hostpci2": "01:00.0,pcie=1"}, "").to_set == {}
    assert config_update([change], {"hostpci0": "mapping=gpu1"}, "").to_set == {"hostpci1": "0000:01:00.0"}


def test_new_vm_has_devices(world):
    options = applied(world, **NEW, node="pve2", devices=[GPU, MAPPED_KEY])
    assert (options["hostpci0"], options["usb0"]) == ("mapping=gpu1", "mapping=key")


def test_full_keys(world):
    world.cluster.mappings["usb"] |= {f"k{number}": {"pve2": ["1-4"]} for number in range(15)}
    others = [{"type": "usb", "mapping": f"k{number}"} for number in range(14)]
    behind.edit(world, 101, ostype="l26")
    assert len(devices(world, *others)) == 14
    rejected(world, "devices: the VM can have at most 14", name="web2", devices=[{"type": "usb", "mapping": "k14"}])
    behind.edit(world, 101, ostype="win7", **{f"usb{number}": None for number in range(5, 14)})
    rejected(world, "devices: the VM can have at most 5", name="web2", devices=[{"type": "usb", "mapping": "k14"}])


@pytest.mark.parametrize(
    ("devices", "texts"),
    [
        ([{"type": "pci", "mapping": "other"}], ("devices.pci other: the cluster has no mapping 'other'",)),
        ([{"type": "usb", "mapping": "gpu1"}], ("devices.usb gpu1: the cluster has no mapping 'gpu1' of this type",)),
        ([RAW], ("only root@pam itself may set or remove the device 0000:01:00.0", "hostpci0", "devices[].mapping")),
        ([KEY], ("only root@pam itself may set or remove the device 1-4 of the node (usb0)",)),
        ([{"type": "pci", "id": "10de:1eb8"}], ("devices.pci 10de:1eb8: Proxmox VE identifies a PCI device by its",)),
    ],
)  # fmt: skip
def test_rejected_before_the_first_step(world, devices, texts):
    rejected(world, *texts, name="web2", devices=devices)
    rejected(world, *texts, **NEW, node="pve2", devices=devices)


def test_mapping_has_a_device_of_the_node(world):
    text = "devices.usb key: the mapping has no device of node 'pve1', only of pve2"
    rejected(world, text, name="web1", devices=[MAPPED_KEY])
    outcome = do(world, **NEW, node="auto", devices=[MAPPED_KEY])
    assert not outcome.failed, outcome.msg
    assert outcome.vms[0]["settings"]["node"] == "pve2"


@pytest.mark.parametrize(
    ("entry", "is_there"),
    [
        (RAW, True),
        ({"type": "pci", "id": "0000:01:00"}, True),
        ({"type": "pci", "id": "0000:09:00.0"}, False),
        ({"type": "pci", "id": "0000:01:00.7"}, False),
        (KEY, True),
        ({"type": "usb", "id": "1-4.1"}, False),
        ({"type": "usb", "id": "046d:c52b"}, True),
        ({"type": "usb", "id": "046d:0001"}, False),
        ({"type": "usb", "id": "1d6b:0002"}, True),
    ],
)
def test_device_without_a_mapping_is_among_the_hardware_of_the_node(world, entry, is_there):
    words = f"devices.{entry['type']} {entry['id']}: node 'pve", "has no such device", f"/hardware/{entry['type']}"
    for task in ({"name": "web2"}, {**NEW, "node": "pve2"}, {"name": "web4", "clone": {"source": "web2"}}):
        asked = {"api": root(world), **task, "devices": [entry]}
        if is_there:
            assert not do(world, **asked).failed
        else:
            rejected(world, *words, **asked)


def test_no_vm_gets_a_pci_device_of_a_node_without_an_iommu(world):
    world.cluster.nodes["pve2"].iommu = False
    outcome = do(world, api=root(world), name="web2", devices=[RAW])
    assert outcome.failed and not outcome.changed
    assert "the IOMMU of node 'pve2' is off" in outcome.msg
    assert not do(world, api=root(world), name="web2", devices=[KEY]).failed


def test_node_is_selected_that_has_the_device(world):
    world.cluster.nodes["pve1"].pci = world.cluster.nodes["pve3"].pci = ()
    outcome = do(world, api=root(world), **NEW, node="auto", devices=[RAW])
    assert not outcome.failed, outcome.msg
    assert outcome.vms[0]["settings"]["node"] == "pve2"


def test_device_of_a_node_is_removed_by_root_only(world):
    behind.edit(world, 101, hostpci0="0000:01:00.0")
    rejected(world, "root@pam itself may set or remove", name="web2", devices=[], purge=["devices"])
    answer = Gateway(world).call("PUT", "/nodes/pve2/qemu/101/config", {"delete": "hostpci0"}, User("root@pam", "test"))
    assert answer.reason == "only root can set 'hostpci0' config for non-mapped devices"


def test_mappings_need_version_8():
    world = worlds.with_cases(version=(7, 4))
    rejected(world, "this is Proxmox VE 7.4", "mappings need 8.0", name="web2", devices=[GPU])


def test_native_and_devices_exclude_each_other(world):
    native = {"hostpci1": "mapping=gpu1"}
    rejected(world, "native: hostpci1 and devices both set devices", name="web2", devices=[GPU], native=native)
    assert not do(world, name="web2", native=native).failed


@pytest.mark.parametrize(
    ("options", "native", "found"),
    [
        ({"hostpci0": "mapping=gpu1", "usb0": "1-4"}, {}, {"pci gpu1", "usb 1-4"}),
        ({"hostpci0": "mapping=gpu1,pcie=1"}, {"hostpci0"}, set()),
        ({"hostpci0": "mapping=gpu1,pcie=1", "usb0": "1-4"}, {"hostpci0", "usb0"}, set()),
        ({"usb0": "spice"}, {"usb0"}, set()),
        ({"hostpci0": "0000:01:00.0;0000:01:00.1"}, {"hostpci0"}, set()),
    ],
)
def test_described_as_devices_unless_native_says_more(options, native, found):
    entries = {key: {"type": key.split()[0]} for key in slots_of(options)}
    config = proxmox_traits().as_options(Vm("a"), {"native": options, "devices": entries})
    assert {key for key, text in config["native"].items() if text} == set(native)
    assert set(config["devices"]) == found


def test_memory_of_a_vm_with_a_pci_device_is_not_saved(world):
    behind.edit(world, 100, hostpci0="mapping=gpu1")
    rejected(world, "web1: its memory cannot be saved", "hostpci0", "pause it", name="web1", state="suspended")
    outcome = do_snapshot(world, name="web1", snapshot="memory")
    assert outcome.failed and "include_memory: false" in outcome.msg
    assert not do_snapshot(world, name="web1", snapshot="disks", include_memory=False).failed
    answer = Gateway(world).call("POST", "/nodes/pve1/qemu/100/status/suspend", {"todisk": "1"}, User("root@pam"))
    assert answer.reason.startswith("cannot suspend VM to disk due to passed-through PCI device(s)")
