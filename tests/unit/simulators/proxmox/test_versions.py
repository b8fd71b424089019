# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Proxmox VE 7, 8 and 9 differ, the simulator does."""

from __future__ import annotations

import pytest

from simulators.proxmox import worlds
from simulators.proxmox.access import Account, User
from simulators.proxmox.gateway import Gateway, Request

VM1, VM2 = "/nodes/pve1/qemu/100", "/nodes/pve2/qemu/101"
ALICE = User("alice@pve")


def cluster(version):
    world = worlds.with_cases(version=version)
    world.access.accounts["alice@pve"] = Account("x")
    return Gateway(world)


@pytest.mark.parametrize(("version", "memory"), [((7, 4), 2048), ((8, 0), 2048), ((8, 4), "2048"), ((9, 1), "2048")])
def test_memory_is_a_number_before_8_1(version, memory):
    assert cluster(version).call("GET", f"{VM1}/config").data["memory"] == memory


@pytest.mark.parametrize(("version", "is_task"), [((7, 4), False), ((8, 0), True), ((9, 1), True)])
def test_a_resize_is_a_task_since_8_0(version, is_task):
    answer = cluster(version).call("PUT", f"{VM1}/resize", {"disk": "scsi0", "size": "40G"})
    assert answer.status == 200
    assert (answer.data is not None) is is_task


@pytest.mark.parametrize(("version", "prefixed"), [((7, 4), False), ((8, 4), True), ((9, 1), True)])
def test_addresses_have_a_prefix_since_8_1(version, prefixed):
    gateway = cluster(version)
    gateway.call("PUT", f"{VM2}/config", {"net1": "virtio,bridge=vmbr0"})
    assert ("virtio=BC:24:11" in gateway.call("GET", f"{VM2}/config").data["net1"]) is prefixed


@pytest.mark.parametrize(
    ("version", "option", "known"),
    [
        ((7, 4), {"ciupgrade": 1}, False),
        ((8, 0), {"ciupgrade": 1}, True),
        ((8, 3), {"virtiofs0": "dirid=share"}, False),
        ((8, 4), {"virtiofs0": "dirid=share"}, True),
        ((9, 0), {"allow-ksm": 1}, False),
        ((9, 1), {"allow-ksm": 1}, True),
    ],
)
def test_options_are_known_since_their_version(version, option, known):
    answer = cluster(version).call("PUT", f"{VM2}/config", option)
    assert answer.status == (200 if known else 400)


@pytest.mark.parametrize("option", ["ide0", "sata0", "scsi1", "virtio0", "efidisk0", "tpmstate0"])
@pytest.mark.parametrize(("version", "known"), [((7, 0), False), ((7, 1), False), ((7, 2), True), ((9, 1), True)])
def test_disks_are_made_from_volumes_since_7_2(version, known, option):
    source = "local-lvm:vm-101-disk-0"
    answer = cluster(version).call("PUT", f"{VM2}/config", {option: f"local-lvm:0,import-from={source}"})
    assert answer.status == (200 if known else 400)


@pytest.mark.parametrize(("version", "known"), [((7, 4), False), ((8, 2), False), ((8, 3), True), ((9, 1), True)])
def test_there_are_images_to_import_since_8_3(version, known):
    gateway = cluster(version)
    storages = gateway.call("GET", "/nodes/pve2/storage").data
    assert {one["storage"] for one in storages if "import" in one["content"].split(",")} == (
        {"local", "off", "n2"} if known else set()
    )
    content = gateway.call("GET", "/nodes/pve2/storage/local/content").data
    assert ("local:import/x.qcow2" in [one["volid"] for one in content]) is known


@pytest.mark.parametrize(("version", "reason"), [((8, 4), "VM.Monitor"), ((9, 0), "VM.GuestAgent.Audit|")])
def test_the_agents_right_has_another_name_since_9_0(version, reason):
    refused = cluster(version).call("GET", f"{VM1}/agent/network-get-interfaces", user=ALICE)
    assert refused.reason.startswith(f"Permission check failed (/vms/100, {reason}")


@pytest.mark.parametrize(("version", "told"), [((8, 3), False), ((8, 4), True), ((9, 1), True)])
def test_errors_tell_their_message_in_the_body_since_8_4(version, told):
    assert ("message" in cluster(version).call("GET", "/nodes/pve1/qemu/199/config").body) is told


def test_pools_are_changed_by_their_own_path_before_8_1():
    assert cluster((8, 0)).call("PUT", "/pools", {"poolid": "prod", "vms": "100"}).status == 501
    assert cluster((8, 0)).call("PUT", "/pools/prod", {"vms": "100"}).status == 200
    assert cluster((9, 1)).call("PUT", "/pools", {"poolid": "prod", "vms": "100"}).status == 200


def test_a_bridge_needs_no_right_before_8_0():
    for version, status in (((7, 4), 200), ((8, 0), 403)):
        gateway = cluster(version)
        gateway.world.access.allow("/vms", "alice@pve", "PVEVMAdmin")
        assert gateway.call("PUT", f"{VM2}/config", {"net1": "virtio,bridge=vmbr0"}, ALICE).status == status


def test_the_version_is_told():
    process = cluster((8, 4)).open(Request("GET", "/version", user=ALICE))
    assert process.value.data["release"] == "8.4"
