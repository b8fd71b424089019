# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which plans can claim something, and what claims on several hosts have in common."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    COPY,
    UNREADABLE,
    WRITE,
    HoldsClaims,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.losses import can_claim, claims_of_plan

from unit.module_utils._core.sharing.test_claims import DRIVER, HOST, MAC, TOP, found, planned
from unit.module_utils._engine.claiming import DISK, IMAGE, LINK, MemoryClaims
from unit.module_utils._engine.tasks import new, vm
from unit.module_utils._engine.world import GIB

# Whether anything can be claimed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "power", "expected"),
    [
        (new("new"), None, True),
        (vm("web", "started"), STOPPED, True),
        (vm("web", "absent"), STOPPED, True),
        (vm("web", iso="/iso"), STOPPED, True),
        (vm("web", disks={DISK: {"size": 2 * GIB}}), STOPPED, True),
        (vm("web", disks={DISK: None}), STOPPED, True),
        (vm("web", networks={"0": {"type": "nat"}}), STOPPED, True),
        (vm("web", log="/log"), STOPPED, True),
        (vm("web", "stopped"), RUNNING, False),
        (vm("web", "restarted"), RUNNING, False),
        (vm("web", "restarted"), STOPPED, True),
        (vm("web", cpus=2, memory=2 * GIB, description="x"), STOPPED, False),
    ],
    ids=str,
)
def test_plans_that_can_claim_something(request_, power, expected):
    made = planned(request_, found(power=power) if power else None)
    assert can_claim(made, ("log",)) == expected


# Identities -----------------------------------------------------------------------------------------------------------


class Elsewhere(MemoryClaims):
    def file_identity(self, path):
        return None if path.startswith("box:") else super().file_identity(path)


def placed(machine="host1", instance="system"):
    driver = Elsewhere(HOST, "system")
    driver.place = (machine, instance)
    return driver


def test_claims_of_two_machines_never_meet():
    nic, rule = {"type": "nat", "source": "lan", "mac": MAC, "address": "::1"}, {"host_port": 1}
    for make in (
        lambda driver: driver.file(TOP, WRITE, "disks.vda"),
        lambda driver: driver.nic(nic, "networks.0"),
        lambda driver: driver.forward(rule, "port_forwards.a"),
    ):
        one, other = ({claim.key for claim in make(placed(machine))} for machine in ("host1", "host2"))
        assert one and not one & other
    assert placed("host1").owner_id("web") != placed("host2").owner_id("web")


def test_instances_of_one_machine_share_files_and_ports_but_not_networks_and_vms():
    one, other = placed(), placed(instance="session")
    nic, rule = {"type": "nat", "source": "lan", "mac": MAC}, {"host_port": 1}
    assert one.file(TOP, WRITE, "x") == other.file(TOP, WRITE, "x")
    assert one.forward(rule, "x") == other.forward(rule, "x")
    assert one.nic(nic, "x")[0].where != other.nic(nic, "x")[0].where
    assert one.owner_id("web") != other.owner_id("web")


def test_one_place_needs_no_name():
    assert (DRIVER.owner_id("web"), DRIVER.identity(LINK)) == ("web", (None, IMAGE))


def test_what_is_no_file_is_not_claimed():
    assert placed().file("box:debian", COPY, "image") == []
    during, after = claims_of_plan(planned(vm("web", image="box:debian")), (), placed())
    assert [claim for claim in [*during, *after] if claim.text == "box:debian"] == []


class Damaged(MemoryClaims):
    def chain(self, path):
        raise Refused(f"{path} cannot be read.", "Repair it.")


def test_image_that_cannot_be_read_may_have_any_file_below_it():
    """This is no error of its own: the driver reports it if it matters."""
    own, unreadable = Damaged(HOST, "system").file(TOP, WRITE, "disks.disk1")
    assert (own.mode, own.text) == (WRITE, TOP)
    assert (unreadable.mode, unreadable.text, unreadable.remedy) == (UNREADABLE, f"{TOP} cannot be read.", "Repair it.")


def test_raw_disk_has_nothing_below_it_whatever_its_guest_has_written():
    assert [claim.text for claim in DRIVER.disk({"source": TOP, "format": "raw"}, WRITE, "disks.disk1")] == [TOP]
    assert len(DRIVER.disk({"source": TOP, "format": "qcow2"}, WRITE, "disks.disk1")) == 3


def test_network_without_a_source_is_of_its_own():
    """The address of a NIC means something on a shared network only."""
    (claim,) = HoldsClaims().nic({"type": "nat", "mac": MAC, "address": "10.0.2.15"}, "networks.0")
    assert (claim.kind, claim.where) == ("mac", None)


def test_mac_in_capitals_is_the_same():
    written = ("52:54:00:ab:cd:ef", "52:54:00:AB:CD:EF")
    found = [HoldsClaims().nic({"type": "nat", "source": "lan", "mac": mac}, "networks.0")[0] for mac in written]
    assert found[0].key == found[1].key
    assert [claim.text for claim in found] == list(written)


def test_nic_without_a_mac_claims_none():
    (claim,) = HoldsClaims().nic({"type": "network", "source": "lan", "address": "10.0.0.2"}, "networks.0")
    assert claim.kind == "address"


def test_forward_without_a_port_claims_nothing():
    assert DRIVER.forward({"guest_port": 22}, "port_forwards.ssh") == []
    (claim,) = DRIVER.forward({"host_port": 53, "protocol": "udp", "host_address": "::"}, "port_forwards.dns")
    assert (claim.identity, claim.where) == ((None, "udp", 53), "::")
