# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks: checked if a VM starts or gets a NIC, and started if the task allows it."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    NEXT_BOOT,
    Change,
    Plan,
    Step,
    Vm,
)  # fmt: skip
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import simulate
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.observe import Listing
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.networks import (
    NETWORK_LISTS,
    check_networks,
    inactive_networks,
    start_networks,
    starting_effects,
)
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.virsh.answers import MAC, UUID, FakeVirsh, driver_of, failed, machine_xml
from unit.module_utils._drivers.virsh.test_observe import LISTING

NETWORKS = {NETWORK_LISTS[0]: "default\nlan\ndmz\n", NETWORK_LISTS[1]: "default\n"}
START, STOP = Step("start"), Step("stop")


def network(source):
    return {"type": "network", "source": source}


def on(*nics, **fields):
    return Vm("m1", id=UUID, config={"networks": {str(place): nic for place, nic in enumerate(nics)}}, **fields)


def check(folder, after, *steps, power="stopped", **options):
    driver = driver_of(FakeVirsh(NETWORKS), folder, **options)
    check_networks(driver, Plan(after.having(power=power), after, segments=(steps,)))


def put(source, cost):
    return Step("configure", changes=(Change("networks", None, network(source), key="0", cost=cost),))


# Checking -------------------------------------------------------------------------------------------------------------


def test_inactive_network_is_accepted_only_with_allow_network_start(tmp_path):
    with pytest.raises(Refused) as caught:
        check(tmp_path, on(network("lan")), START)
    assert str(caught.value) == (
        "m1: networks: the network 'lan' is not active. Start it first: virsh net-start lan, or set"
        " allow_network_start: true."
    )
    check(tmp_path, on(network("lan")), START, allow_network_start=True)


def test_allow_network_start_does_not_create_networks(tmp_path):
    with pytest.raises(NotFound, match="Available networks: default, dmz, lan"):
        check(tmp_path, on(network("nosuch")), START, allow_network_start=True)


@pytest.mark.parametrize(("power", "refused"), [("running", True), ("paused", True), ("stopped", False)])
def test_restore_to_running_vm_needs_active_networks(tmp_path, power, refused):
    restore = Step("restore", arguments={"name": "s", "power": power})
    if not refused:
        check(tmp_path, on(network("lan")), restore)
        return
    with pytest.raises(Refused, match="the network 'lan' is not active") as caught:
        check(tmp_path, on(network("lan")), restore)
    assert "allow_network_start" not in caught.value.remedy


@pytest.mark.parametrize(
    ("steps", "power", "refused"),
    [
        ([put("lan", LIVE)], "running", True),
        ([put("lan", NEXT_BOOT)], "running", False),
        ([put("lan", NEXT_BOOT)], "stopped", False),
        ([STOP, put("lan", LIVE), START], "running", False),
    ],
)
def test_nic_is_attached_live_only_to_active_network(tmp_path, steps, power, refused):
    with pytest.raises(Refused, match=r"Start it first: virsh net-start lan\.$") if refused else nullcontext():
        check(tmp_path, on(network("lan")), *steps, power=power, allow_network_start=True)


# Side effects----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "vm", "networks"),
    [
        ("start", on(network("lan"), network("default"), network("dmz")), ("dmz", "lan")),
        ("start", on({"type": "user"}), ()),
        ("stop", on(network("lan")), ()),
        ("start", on({"type": "bridged", "source": "lan"}), ()),
        ("start", on(network("dmz"), power="suspended", active=on(network("lan")).config), ("lan",)),
    ],
)
def test_start_reports_networks_that_it_starts(verb, vm, networks):
    effects = starting_effects(frozenset({"lan", "dmz"}))
    assert effects(verb, vm, ()) == tuple(f"the network '{name}' is started" for name in networks)


def test_networks_are_listed_only_if_requested():
    virsh = FakeVirsh({**LISTING, **NETWORKS})
    assert Listing.read(virsh, with_networks=True).inactive_networks == {"lan", "dmz"}
    assert virsh.processes == 1
    assert Listing.read(FakeVirsh(LISTING)).inactive_networks == frozenset()


def test_active_network_missing_in_list_is_ignored():
    assert inactive_networks([Answer("", "no support"), Answer("default\n", None)]) == frozenset()


# Starting -------------------------------------------------------------------------------------------------------------


def started(folder, vm, *nics, answers=()):
    stored = machine_xml(*nics)
    virsh = FakeVirsh({**NETWORKS, ("dumpxml", UUID, "--inactive", "--security-info"): stored, **dict(answers)})
    start_networks(driver_of(virsh, folder), vm)
    return [words for words in virsh.done if words[0] == "net-start"]


ON_LAN = ("<source network='default'/>", "<source network='lan'/>")


def test_suspended_vm_needs_networks_it_was_saved_with(tmp_path):
    saved = on(network("default"), power="suspended", active=on(network("dmz")).config)
    assert started(tmp_path, saved, ON_LAN) == [("net-start", "dmz")]


@pytest.mark.parametrize(("allow_network_start", "commands"), [(True, ["net-start", "start"]), (False, ["start"])])
def test_networks_are_started_before_vm(tmp_path, allow_network_start, commands):
    virsh = FakeVirsh({**NETWORKS, ("dumpxml", UUID, "--inactive", "--security-info"): machine_xml(ON_LAN)})
    driver_of(virsh, tmp_path, allow_network_start=allow_network_start).apply(
        [(on(network("lan")), (START,), permits.ANYTHING)]
    )
    assert [command[0] for command in virsh.done if command[0] != "dumpxml"] == commands


@pytest.mark.parametrize(
    ("error", "is_ignored"), [("network is already active", True), ("internal error: no free subnet", False)]
)
def test_network_started_by_another_task_is_no_error(tmp_path, error, is_ignored):
    answers = {("net-start", "lan"): failed(f"Failed to start network lan\n{error}")}
    with nullcontext() if is_ignored else pytest.raises(CommandFailed, match="no free subnet"):
        started(tmp_path, on(), ON_LAN, answers=answers)


# MACs -----------------------------------------------------------------------------------------------------------------

A, B = "52:54:00:00:00:0a", "52:54:00:00:00:0b"


def with_mac(mac, source="lan"):
    return {**network(source), "mac": mac}


def check_nics(folder, *nics, changes=(), verb="configure", before=None):
    """The VM web with these NICs after a step, beside m1, which has the MAC of the recording on the network default."""
    config = {"networks": {str(place): nic for place, nic in enumerate(nics)}}
    new = {"config": config, "creation": {"clone": {}}, "power": "stopped", "source": Vm("m1", id=UUID)}
    steps = [Step(verb, arguments=new)] if verb != "configure" else []
    steps += [Step("configure", changes=changes)] if changes else []
    old = {key: dict(nic) for key, nic in config["networks"].items()}
    for change in (one for one in changes if one.attribute):
        old[change.key][change.attribute] = change.old
    before = before or Vm("web", id=None if steps[0].verb == "create" else "u")
    before = before.having(config={} if verb == "create" else {"networks": old})
    after = simulate(before, steps)
    own = "".join(
        f"<interface type='network'><mac address='{nic.get('mac', A).lower()}'/>"
        f"<source network='{nic.get('source')}'/></interface>"
        for nic in (before.config.get("networks") or {}).values()
    )
    stored = f"<domain><name>web</name><uuid>u</uuid><devices>{own}</devices></domain>"
    answers = {("dumpxml", "u"): stored, ("dumpxml", "u", "--inactive"): stored} if before.id == "u" else {}
    listed = f"{UUID} m1\n{'u web' if answers else ''}\n"
    theirs = {("dumpxml", UUID): machine_xml(), ("dumpxml", UUID, "--inactive"): machine_xml()}
    virsh = FakeVirsh({**answers, **theirs, ("list", "--all", "--uuid", "--name"): listed})
    check_claims(driver_of(virsh, folder), Plan(before, after, segments=(tuple(steps),)))
    return virsh.processes


def mac_of(key, new):
    return Change("networks", "old", new, key=key, attribute="mac")


def test_two_nics_of_a_vm_need_different_macs(tmp_path):
    for options in ({"changes": [mac_of("0", B)]}, {"verb": "create"}):
        with pytest.raises(Refused, match=rf"(?i)web: networks\.\d\.mac: {B} is also that of networks\.\d\.mac"):
            check_nics(tmp_path, with_mac(B.upper()), with_mac(B, "dmz"), **options)
    check_nics(tmp_path, with_mac(B), with_mac(A), changes=[mac_of("0", B), mac_of("1", A)])


def test_mac_of_another_vm_on_same_network_is_rejected(tmp_path):
    changes = [mac_of("0", MAC)]
    with pytest.raises(Refused, match=rf"web: networks\.0\.mac: {MAC} is used by m1\."):
        check_nics(tmp_path, with_mac(MAC, "default"), changes=changes)
    moved = [Change("networks", "lan", "default", key="0", attribute="source")]
    with pytest.raises(Refused, match="is used by m1"):
        check_nics(tmp_path, with_mac(MAC, "default"), changes=moved)
    check_nics(tmp_path, with_mac(MAC, "lan"), changes=changes)
    check_nics(tmp_path, {"type": "user", "mac": MAC}, changes=changes)
    check_nics(tmp_path, with_mac(MAC, "default"), changes=changes, before=Vm("m1", id=UUID))


def test_definitions_are_read_only_if_a_mac_changes(tmp_path):
    assert check_nics(tmp_path, with_mac(MAC, "default"), changes=[Change("cpus", 1, 2)]) == 0
    assert check_nics(tmp_path, network("default"), verb="create") == 0
