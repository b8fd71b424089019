# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixed addresses: reservations in a network, recorded in the mark, and removed with the NIC or the VM."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    RUNNING,
    STOPPED,
    Change,
    Plan,
    Request,
    Snapshot,
    Step,
    Vm,
)  # fmt: skip
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan_create import config_of_clone
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import ADDRESS
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.configure import configure
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.create import create
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.delete import delete
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.addresses import (
    check_addresses,
    named_networks,
    recorded,
    with_reserved,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.snapshots import restore
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._engine.observe import planning_facets
from ansible_collections.polyvirt.core.plugins.module_utils._kit.addresses import address_effects

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.virsh.answers import MAC, UUID, driver_of, machine_xml
from unit.module_utils._drivers.virsh.test_configure import with_mark
from unit.module_utils._hosts.libvirt.network_fake import NetworkVirsh, lan

OTHER = "52:54:00:00:00:02"
FIVE, SIX = "192.168.9.5", "192.168.9.6"
SECOND_NIC = f"<interface type='network'><source network='lan'/><mac address='{OTHER}'/></interface>"
BOTH = ("--live", "--config")
NIC = {"type": "network", "source": "lan", "mac": MAC}
TRAITS = virsh_traits("QEMU", "9.0.0", local=True)


def world(*hosts, nics="", mark=(), sides=BOTH, **more):
    """A VM with a NIC in the network lan with the reservations ``hosts``; ``mark`` are those recorded."""
    text = machine_xml(
        ("<source network='default'/>", "<source network='lan'/>"), ("  </devices>", f"{nics}  </devices>")
    )
    if mark:
        listed = [f"lan {mac} {address}" for mac, address in mark]
        text = with_mark(text, {"id": UUID, "v": 1, "reservations": listed})
    return NetworkVirsh(text, dict.fromkeys(sides, lan(*hosts)), **more)


def machine(virsh, *nics, **fields):
    config = {"networks": {str(place): nic for place, nic in enumerate(nics or (NIC,))}}
    vm = Vm("m1", id=UUID, power=STOPPED, config=config, mark=virsh.stored.mark)
    return with_reserved(vm, named_networks(virsh, {"lan"})).having(**fields)


def change(folder, virsh, *changes, vm=None):
    configure(driver_of(virsh, folder), vm or machine(virsh), Step("configure", changes=changes))
    return virsh.reserved()


def address(new, key="0", old=None):
    return Change("networks", old, new, key=key, attribute="address", cost=LIVE)


def on_both(hosts):
    return dict.fromkeys(BOTH, hosts)


def marked(virsh):
    return recorded(virsh.stored.mark, UUID)


# Changes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [BOTH, BOTH[:1], BOTH[1:]], ids=["active", "transient", "inactive"])
def test_address_is_reserved_on_each_side_and_recorded(tmp_path, sides):
    virsh = world(sides=sides)
    assert change(tmp_path, virsh, address(FIVE)) == {side: {MAC: FIVE} for side in sides}
    assert marked(virsh) == {("lan", MAC, FIVE)}
    assert machine(virsh).config["networks"]["0"]["address"] == FIVE


def test_side_that_lacks_the_reservation_gets_it(tmp_path):
    virsh = world((MAC, FIVE), mark=[(MAC, FIVE)])
    virsh.sides["--live"].find("ip/dhcp").remove(virsh.sides["--live"].find("ip/dhcp/host"))
    assert "address" not in machine(virsh).config["networks"]["0"]
    assert change(tmp_path, virsh, address(FIVE)) == on_both({MAC: FIVE})
    assert [words[2::3] for words in virsh.done if words[0] == "net-update"] == [("add", "--live")]


def test_changed_address_replaces_the_reservation(tmp_path):
    virsh = world((MAC, FIVE), mark=[(MAC, FIVE)])
    assert change(tmp_path, virsh, address(SIX)) == on_both({MAC: SIX})
    assert marked(virsh) == {("lan", MAC, SIX)}


def test_reservation_follows_the_mac(tmp_path):
    virsh = world((MAC, FIVE), mark=[(MAC, FIVE)])
    mac = Change("networks", MAC, OTHER, key="0", attribute="mac")
    assert change(tmp_path, virsh, mac) == on_both({OTHER: FIVE})


def test_removed_nic_releases_its_address(tmp_path):
    hosts = [(MAC, FIVE), (OTHER, SIX)]
    virsh = world(*hosts, nics=SECOND_NIC, mark=hosts)
    assert change(tmp_path, virsh, Change("networks", {}, None, key="0")) == on_both({OTHER: SIX})
    assert marked(virsh) == {("lan", OTHER, SIX)}


def test_new_nic_gets_a_mac_and_the_reservation(tmp_path):
    virsh = world()
    reserved = change(
        tmp_path, virsh, Change("networks", None, {"type": "network", "source": "lan", "address": FIVE}, key="1")
    )
    mac = virsh.stored.interfaces()[1].find("mac").get("address")
    assert reserved == on_both({mac: FIVE})


def test_step_that_is_sent_again_completes_the_networks(tmp_path):
    virsh = world((MAC, FIVE), mark=[(MAC, FIVE)], fails_at=3)
    driver, vm = driver_of(virsh, tmp_path), machine(virsh)
    step = Step("configure", changes=(address(SIX),))
    with pytest.raises(CommandFailed):
        configure(driver, vm, step)
    configure(driver, vm, step)
    assert virsh.reserved() == on_both({MAC: SIX})


def test_other_attributes_of_an_entry_remain(tmp_path):
    virsh = world((MAC, FIVE))
    for root in virsh.sides.values():
        root.find("ip/dhcp/host").set("name", "web1")
    change(tmp_path, virsh, address(SIX))
    assert {root.find("ip/dhcp/host").get("name") for root in virsh.sides.values()} == {"web1"}


# Creation and deletion ------------------------------------------------------------------------------------------------


def made(folder, virsh, nic):
    config = {"networks": {"0": nic}, "memory": 1 << 30, "cpus": 1}
    driver = driver_of(virsh, folder, virt_type="qemu")
    driver.hypervisor = "QEMU"
    # The fake has one VM: the new one replaces it.
    virsh.run = _with_new_id(virsh, virsh.run)
    create(driver, Vm.absent("m1"), Step("create", arguments={"config": config, "creation": {}}))
    return virsh


def _with_new_id(virsh, run):
    def answered(*words, **more):
        return virsh.stored.text() if words[0] == "dumpxml" else run(*words, **more)

    return answered


def test_reservation_of_somebody_else_is_used_and_not_recorded(tmp_path):
    virsh = made(tmp_path, world((OTHER, FIVE)), {**NIC, "mac": OTHER, "address": FIVE})
    assert virsh.reserved() == on_both({OTHER: FIVE})
    assert recorded(virsh.stored.mark, virsh.stored.uuid) == set()


def test_deleted_vm_releases_only_what_was_created_for_it(tmp_path):
    virsh = world((MAC, FIVE), mark=[(MAC, FIVE)])
    delete(driver_of(virsh, tmp_path), machine(virsh), Step("delete"))
    assert virsh.reserved() == on_both({})
    assert virsh.done[-1][0] == "undefine"


@pytest.mark.parametrize("mark", [(), [(MAC, SIX)], [(OTHER, FIVE)]], ids=["none", "other address", "other MAC"])
def test_other_reservations_remain(tmp_path, mark):
    virsh = world((MAC, FIVE), mark=mark)
    vm = machine(virsh)
    before = virsh.reserved()
    change(tmp_path, virsh, Change("networks", {}, None, key="0"), vm=vm)
    assert virsh.reserved() == before


def test_mark_of_another_vm_names_no_reservations():
    assert recorded({"id": "other", "reservations": ["lan 52:54:00:00:00:02 192.168.9.5"]}, UUID) == set()


# Normalizing ----------------------------------------------------------------------------------------------------------


def normalized(entry, present=None):
    vm = Vm("m1", id=UUID, config={"networks": {} if present is None else {"0": present}})
    return TRAITS.normalize(vm, {"networks": {"0": entry}})["networks"]["0"]


def test_moved_nic_loses_its_address():
    present = {**NIC, "address": FIVE}
    assert normalized({"source": "dmz"}, present)["address"] is None
    assert normalized({"type": "user"}, present)["address"] is None
    assert "address" not in normalized({"source": "lan"}, present)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"type": "bridged", "source": "br0", "address": FIVE}, ("bridged", "cloud_init.ip_config")),
        ({"type": "user", "address": FIVE}, ("networks.0.address", "user", "type nat")),
        ({"address": "fd00::5"}, ("networks.0.address", "IPv4", "cloud_init.ip_config")),
        ({"address": "192.168.9.5/24"}, ("192.168.9.5/24", "not an IP address", "without a prefix length")),
        ({"address": "web"}, ("'web'", "not an IP address")),
    ],
)
def test_address_that_cannot_be_reserved_is_rejected(entry, words):
    with pytest.raises(Refused) as caught:
        normalized(entry)
    assert [word for word in words if word not in str(caught.value)] == []


# Checks ---------------------------------------------------------------------------------------------------------------


def check(folder, virsh, wanted, released=frozenset(), vm=None):
    vm = vm or machine(virsh)
    after = vm.having(config={"networks": {"0": {**NIC, "address": wanted}}})
    plan = Plan(vm, after, segments=((Step("configure", changes=(address(wanted),)),),))
    check_addresses(driver_of(virsh, folder), plan, released)


def test_address_outside_of_the_dynamic_range_is_accepted(tmp_path):
    check(tmp_path, world(), FIVE)
    check(tmp_path, world(), "192.168.9.150")
    check(tmp_path, world((MAC, FIVE)), FIVE)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("10.0.0.5", ("m1: networks.0.address", "10.0.0.5", "'lan'", "192.168.9.0/24")),
        ("192.168.9.1", ("address of the host", "192.168.9.0/24")),
        ("192.168.9.0", ("not an address for a guest",)),
        ("192.168.9.255", ("not an address for a guest",)),
        (SIX, ("reserves 192.168.9.6 for 52:54:00:00:00:02", "net-update lan delete ip-dhcp-host")),
    ],
)
def test_address_that_the_network_cannot_give_is_rejected(tmp_path, wanted, words):
    with pytest.raises(Refused) as caught:
        check(tmp_path, world((OTHER, SIX)), wanted)
    assert [word for word in words if word not in str(caught.value)] == []


def test_network_without_dhcp_is_rejected(tmp_path):
    virsh = world()
    for root in virsh.sides.values():
        root.find("ip").remove(root.find("ip/dhcp"))
    with pytest.raises(Refused, match="has no DHCP server"):
        check(tmp_path, virsh, FIVE)


def test_address_that_an_earlier_plan_releases_is_accepted(tmp_path):
    check(tmp_path, world((OTHER, SIX)), SIX, released={(ADDRESS, SIX)})


def test_own_address_is_accepted_for_another_nic(tmp_path):
    check(tmp_path, world((OTHER, SIX), mark=[(OTHER, SIX)]), SIX)


# Other VMs, snapshots and clones --------------------------------------------------------------------------------------


def new_vm(*nics):
    config = {"networks": {str(place): nic for place, nic in enumerate(nics)}}
    step = Step("create", arguments={"config": config, "creation": {}, "power": STOPPED})
    return Plan(Vm.absent("web"), Vm("web", power=STOPPED, config=config), segments=((step,),))


def test_two_nics_of_a_vm_need_different_addresses(tmp_path):
    one, elsewhere = ({"type": "network", "source": source, "address": FIVE} for source in ("lan", "dmz"))
    with pytest.raises(Refused, match=r"also that of networks\.\d\.address\. Set a different address for each NIC"):
        check_claims(driver_of(world(), tmp_path), new_vm(one, one))
    check_claims(driver_of(world(), tmp_path), new_vm(one, elsewhere))


def test_settings_of_a_snapshot_have_the_address_of_today():
    virsh = world((MAC, FIVE))
    snapshot = Snapshot("s", config={"networks": {"0": NIC}})
    vm = with_reserved(machine(virsh).having(snapshots=(snapshot, Snapshot("t"))), named_networks(virsh, {"lan"}))
    assert vm.snapshots[0].config["networks"]["0"]["address"] == FIVE
    assert vm.snapshots[1].config is None


def test_restore_keeps_the_recorded_reservations(tmp_path):
    virsh = world((MAC, FIVE), mark=[(MAC, FIVE)])
    vm = machine(virsh)
    virsh.stored.set_mark({**virsh.stored.mark, "reservations": [f"lan {MAC} {SIX}"]})
    restore(driver_of(virsh, tmp_path, uri="qemu+ssh://host/system"), vm, Step("restore", arguments={"name": "s"}))
    assert marked(virsh) == {("lan", MAC, FIVE)}


def test_clone_does_not_have_the_address_of_its_source():
    source = Vm("db", id=UUID, power=STOPPED, config={"networks": {"0": {**NIC, "address": FIVE}}})
    request = Request("web", creation={"clone": {"source": "db"}})
    assert config_of_clone(request, source, TRAITS)["networks"] == {"0": {"type": "network", "source": "lan"}}


def test_networks_are_read_only_if_an_address_matters(tmp_path):
    plain, fixed = ({"networks": {"0": nic}} for nic in ({"type": "nat"}, {"type": "nat", "address": FIVE}))
    assert "fixed_addresses" in planning_facets([Request("a", config=plain), Request("b", config=fixed)], TRAITS)
    assert "fixed_addresses" not in planning_facets([Request("a", config=plain), Request("b")], TRAITS)


# Running guests -------------------------------------------------------------------------------------------------------


def test_running_guest_is_told_when_it_uses_the_address():
    vm, changes = Vm("m1", id=UUID, power=RUNNING), [address(FIVE)]
    assert address_effects("configure", vm, changes) == (
        "the guest uses the address of NIC 0 after it renews its DHCP lease or restarts",
    )
    assert address_effects("configure", vm.having(power=STOPPED), changes) == ()


def test_created_vm_gets_its_reservation(tmp_path):
    virsh = made(tmp_path, world(), {"type": "network", "source": "lan", "address": FIVE})
    mac = virsh.stored.interfaces()[0].find("mac").get("address")
    assert virsh.reserved() == on_both({mac: FIVE})
    assert recorded(virsh.stored.mark, virsh.stored.uuid) == {("lan", mac, FIVE)}
