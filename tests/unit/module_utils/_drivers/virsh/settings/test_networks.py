# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks: checked if a VM starts or gets a NIC, and started if the task allows it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.observe import Listing
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.networks import (
    NETWORK_LISTS,
    check_macs,
    check_networks,
    inactive_networks,
    start_networks,
    starting_effects,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import CommandFailed, NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    LIVE,
    NEXT_BOOT,
    Change,
    Plan,
    Step,
    Vm,
)  # fmt: skip
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.virsh.answers import MAC, UUID, FakeVirsh, driver_of, failed, machine_xml

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


def test_a_network_is_started_only_with_consent(tmp_path):
    with pytest.raises(Refused) as caught:
        check(tmp_path, on(network("lan")), START)
    assert str(caught.value) == (
        "m1: networks: the network 'lan' is not active. Start it first: virsh net-start lan, or set"
        " allow_network_start: true."
    )
    check(tmp_path, on(network("lan")), START, allow_network_start=True)


def test_consent_makes_no_network(tmp_path):
    with pytest.raises(NotFound, match="Available networks: default, dmz, lan"):
        check(tmp_path, on(network("nosuch")), START, allow_network_start=True)


@pytest.mark.parametrize(("power", "refused"), [("running", True), ("paused", True), ("stopped", False)])
def test_a_restore_into_what_runs_needs_the_networks_of_then(tmp_path, power, refused):
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
def test_a_card_is_plugged_into_an_active_network(tmp_path, steps, power, refused):
    if refused:
        with pytest.raises(Refused, match=r"Start it first: virsh net-start lan\.$"):
            check(tmp_path, on(network("lan")), *steps, power=power, allow_network_start=True)
    else:
        check(tmp_path, on(network("lan")), *steps, power=power, allow_network_start=True)


# Reports --------------------------------------------------------------------------------------------------------------


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
def test_a_start_tells_the_networks_that_come_up(verb, vm, networks):
    effects = starting_effects(frozenset({"lan", "dmz"}))
    assert effects(verb, vm, ()) == tuple(f"the network '{name}' is started" for name in networks)


def test_networks_are_asked_about_only_with_consent():
    machines = [("version",), ("list", "--all", "--uuid", "--name"), ("list", "--uuid")]
    machines += [("list", "--all", "--uuid", flag) for flag in ("--autostart", "--with-managed-save", "--transient")]
    virsh = FakeVirsh({**dict.fromkeys(machines, ""), **NETWORKS})
    assert Listing.read(virsh, with_networks=True).inactive_networks == {"lan", "dmz"}
    assert virsh.processes == 1
    assert Listing.read(FakeVirsh(dict.fromkeys(machines, ""))).inactive_networks == frozenset()


def test_what_is_active_and_not_known_is_no_trouble():
    assert inactive_networks([Answer("", "no support"), Answer("default\n", None)]) == frozenset()


# Starting -------------------------------------------------------------------------------------------------------------


def started(folder, vm, *nics, answers=()):
    stored = machine_xml(*nics)
    virsh = FakeVirsh({**NETWORKS, ("dumpxml", UUID, "--inactive", "--security-info"): stored, **dict(answers)})
    start_networks(driver_of(virsh, folder), vm)
    return [words for words in virsh.done if words[0] == "net-start"]


ON_LAN = ("<source network='default'/>", "<source network='lan'/>")


def test_only_what_is_not_active_is_started(tmp_path):
    assert started(tmp_path, on()) == []
    assert started(tmp_path, on(), ON_LAN) == [("net-start", "lan")]


def test_what_is_stored_now_counts_and_not_what_was_seen(tmp_path):
    assert started(tmp_path, on(network("dmz")), ON_LAN) == [("net-start", "lan")]


def test_a_saved_machine_comes_back_with_the_cards_it_had(tmp_path):
    saved = on(network("default"), power="suspended", active=on(network("dmz")).config)
    assert started(tmp_path, saved, ON_LAN) == [("net-start", "dmz")]


@pytest.mark.parametrize(("consent", "words"), [(True, ["net-start", "start"]), (False, ["start"])])
def test_networks_come_up_before_the_machine(tmp_path, consent, words):
    virsh = FakeVirsh({**NETWORKS, ("dumpxml", UUID, "--inactive", "--security-info"): machine_xml(ON_LAN)})
    driver_of(virsh, tmp_path, allow_network_start=consent).apply([(on(network("lan")), (START,))])
    assert [command[0] for command in virsh.done if command[0] != "dumpxml"] == words


@pytest.mark.parametrize(
    ("said", "harmless"), [("network is already active", True), ("internal error: no free subnet", False)]
)
def test_somebody_else_may_have_started_it_meanwhile(tmp_path, said, harmless):
    answers = {("net-start", "lan"): failed(f"Failed to start network lan\n{said}")}
    if harmless:
        started(tmp_path, on(), ON_LAN, answers=answers)
    else:
        with pytest.raises(CommandFailed, match="no free subnet"):
            started(tmp_path, on(), ON_LAN, answers=answers)


# MACs -----------------------------------------------------------------------------------------------------------------

A, B = "52:54:00:00:00:0a", "52:54:00:00:00:0b"


def with_mac(mac, source="lan"):
    return {**network(source), "mac": mac}


def check_nics(folder, *nics, changes=(), verb="configure", before=None):
    """The VM web with these NICs after a step, beside m1, which has the MAC of the recording on the network default."""
    virsh = FakeVirsh(
        {
            ("list", "--all", "--uuid", "--name"): f"{UUID} m1\n",
            ("dumpxml", UUID): machine_xml(),
            ("dumpxml", UUID, "--inactive"): machine_xml(),
        }
    )
    steps = [Step(verb)] if verb != "configure" else []
    steps += [Step("configure", changes=changes)] if changes else []
    after = Vm("web", config={"networks": {str(place): nic for place, nic in enumerate(nics)}})
    check_macs(driver_of(virsh, folder), Plan(before or Vm("web", id="u"), after, segments=(tuple(steps),)))
    return virsh.processes


def mac_of(key, new):
    return Change("networks", "old", new, key=key, attribute="mac")


def test_two_nics_of_one_vm_have_two_macs(tmp_path):
    for options in ({"changes": [mac_of("0", B)]}, {"verb": "create"}):
        with pytest.raises(Refused, match=rf"web: networks\.\d\.mac: {B} is also the MAC of NIC \d"):
            check_nics(tmp_path, with_mac(B.upper()), with_mac(B, "dmz"), **options)
    check_nics(tmp_path, with_mac(B), with_mac(A), changes=[mac_of("0", B), mac_of("1", A)])


def test_a_mac_of_another_vm_on_the_same_network_is_not_taken(tmp_path):
    changes = [mac_of("0", MAC)]
    with pytest.raises(Refused, match=rf"web: networks\.0\.mac: {MAC} is used by m1 on the same network \(default\)"):
        check_nics(tmp_path, with_mac(MAC, "default"), changes=changes)
    moved = [Change("networks", "lan", "default", key="0", attribute="source")]
    with pytest.raises(Refused, match="is used by m1"):
        check_nics(tmp_path, with_mac(MAC, "default"), changes=moved)
    check_nics(tmp_path, with_mac(MAC, "lan"), changes=changes)
    check_nics(tmp_path, {"type": "user", "mac": MAC}, changes=changes)
    check_nics(tmp_path, with_mac(MAC, "default"), changes=changes, before=Vm("m1", id=UUID))


def test_a_clone_has_no_mac_of_its_source(tmp_path):
    moved = [Change("networks", "lan", "default", key="0", attribute="source")]
    check_nics(tmp_path, with_mac(MAC, "default"), verb="clone", changes=moved)


def test_nobody_is_asked_about_macs_that_do_not_change(tmp_path):
    assert check_nics(tmp_path, with_mac(MAC, "default"), changes=[Change("cpus", 1, 2)]) == 0
    assert check_nics(tmp_path, network("default"), verb="create") == 0
