# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which claims exclude each other, as a table written by hand, and sequences of plans that enter a world."""

from __future__ import annotations

from itertools import product

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ON, RUNNING, STOPPED, UNKNOWN
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    ADDRESS,
    BASE,
    COPY,
    DELETE,
    DEVICE,
    FILE,
    GROW,
    MAC,
    MERGE,
    MOVE,
    NAME,
    PORT,
    READ,
    RESTORE,
    SHARED,
    SNAPSHOT,
    UNREADABLE,
    WRITE,
    Claim,
    Held,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.losses import EXCLUDES
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.world import (
    World,
    is_started,
    overlap,
)

ALWAYS, NEVER = frozenset({"added", "added, on", "raised"}), frozenset()
#: The holder is (off, on); the cell is the set of what the new claim may not be. "added" to a VM that is off after its
#: plan, "added, on": that is on; "raised": the VM held it before and is started.
POWERS = ("absent", STOPPED, *ON, UNKNOWN)
TABLE = {
    (WRITE, WRITE): ({"added", "added, on"}, ALWAYS),
    (WRITE, SHARED): ({"added", "added, on"}, ALWAYS),
    (WRITE, READ): (NEVER, {"added, on", "raised"}),
    (WRITE, BASE): (ALWAYS, ALWAYS),
    (SHARED, WRITE): ({"added", "added, on"}, ALWAYS),
    (SHARED, SHARED): (NEVER, NEVER),
    (SHARED, READ): (NEVER, NEVER),
    (SHARED, BASE): (ALWAYS, ALWAYS),
    (READ, WRITE): (NEVER, {"added, on", "raised"}),
    (READ, SHARED): (NEVER, NEVER),
    (READ, READ): (NEVER, NEVER),
    (READ, BASE): (NEVER, NEVER),
    (BASE, WRITE): ({"added", "added, on"}, ALWAYS),
    (BASE, SHARED): ({"added", "added, on"}, ALWAYS),
    (BASE, READ): (NEVER, NEVER),
    (BASE, BASE): (NEVER, NEVER),
    (COPY, WRITE): (ALWAYS, ALWAYS),
    (COPY, SHARED): (ALWAYS, ALWAYS),
    (COPY, READ): (NEVER, NEVER),
    (COPY, BASE): (NEVER, NEVER),
    (GROW, WRITE): (NEVER, ALWAYS),
    (GROW, SHARED): (NEVER, ALWAYS),
    (GROW, READ): (NEVER, NEVER),
    (GROW, BASE): (ALWAYS, ALWAYS),
    (RESTORE, WRITE): (ALWAYS, ALWAYS),
    (RESTORE, SHARED): (ALWAYS, ALWAYS),
    (RESTORE, READ): (NEVER, ALWAYS),
    (RESTORE, BASE): (ALWAYS, ALWAYS),
    (SNAPSHOT, WRITE): (NEVER, NEVER),
    (SNAPSHOT, SHARED): (NEVER, NEVER),
    (SNAPSHOT, READ): (NEVER, NEVER),
    (SNAPSHOT, BASE): (NEVER, ALWAYS),
    (MERGE, WRITE): (ALWAYS, ALWAYS),
    (MERGE, SHARED): (ALWAYS, ALWAYS),
    (MERGE, READ): (ALWAYS, ALWAYS),
    (MERGE, BASE): (ALWAYS, ALWAYS),
    (DELETE, WRITE): (ALWAYS, ALWAYS),
    (DELETE, SHARED): (ALWAYS, ALWAYS),
    (DELETE, READ): (ALWAYS, ALWAYS),
    (DELETE, BASE): (ALWAYS, ALWAYS),
    (WRITE, UNREADABLE): (NEVER, NEVER),
    (SHARED, UNREADABLE): (NEVER, NEVER),
    (READ, UNREADABLE): (NEVER, NEVER),
    (BASE, UNREADABLE): (NEVER, NEVER),
    (COPY, UNREADABLE): (NEVER, NEVER),
    (GROW, UNREADABLE): (ALWAYS, ALWAYS),
    (RESTORE, UNREADABLE): (ALWAYS, ALWAYS),
    (SNAPSHOT, UNREADABLE): (NEVER, ALWAYS),
    (MERGE, UNREADABLE): (ALWAYS, ALWAYS),
    (DELETE, UNREADABLE): (ALWAYS, ALWAYS),
    (MOVE, UNREADABLE): (ALWAYS, ALWAYS),
    (MOVE, WRITE): (ALWAYS, ALWAYS),
    (MOVE, SHARED): (ALWAYS, ALWAYS),
    (MOVE, READ): (ALWAYS, ALWAYS),
    (MOVE, BASE): (ALWAYS, ALWAYS),
    **{(UNREADABLE, mode): (NEVER, NEVER) for mode in (WRITE, SHARED, READ, BASE, UNREADABLE)},
}
HELD_MODES, DURING = (WRITE, SHARED, READ, BASE, UNREADABLE), (COPY, GROW, RESTORE, SNAPSHOT, MERGE, DELETE, MOVE)
CELLS = [
    (mode, held, power, kind)
    for mode in (*HELD_MODES, *DURING[:-1])  # What had a moved file before gets its new path: below.
    for held in HELD_MODES
    for power in (STOPPED, RUNNING)
    for kind in (("added", "added, on", "raised") if mode in HELD_MODES else ("added", "added, on"))
]


def file(mode=WRITE, option="disks.vda", identity="/x", **details):
    return Claim(FILE, identity, mode, option, str(identity), "source", **details)


def mac(option="networks.0", where="lan", identity="52:54:00:00:00:01"):
    return Claim(MAC, identity, "", option, identity, "mac", where)


def port(option="port_forwards.ssh", where="", number=2222, protocol="tcp"):
    return Claim(PORT, (None, protocol, number), "", option, str(number), "host_port", where)


def held(name, *claims, power=STOPPED):
    return Held(f"id-{name}", name, power, claims)


def enter(world, name, *claims, during=(), power=STOPPED):
    """Enter the plan after which the VM ``name`` holds ``claims``; the work is the name. Returns (Conflict, works)."""
    return world.enter(name, during, held(name, *claims, power=power))


def conflict_of(world, name, *claims, during=(), power=STOPPED):
    return enter(world, name, *claims, during=during, power=power)[0]


# The table of files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "other", "power", "kind"), CELLS)
def test_table_of_files(mode, other, power, kind):
    world = World([held("b", file(other), power=power)])
    after = STOPPED if kind == "added" else RUNNING
    if mode in DURING:
        conflict = conflict_of(world, "a", during=[file(mode)], power=after)
    elif kind == "raised":
        world = World([held("b", file(other), power=power), held("a", file(mode))])
        conflict = conflict_of(world, "a", file(mode), power=after)
    else:
        conflict = conflict_of(world, "a", file(mode), power=after)
    # A claim only while the plan is carried out is always one that the plan adds.
    assert (conflict is not None) == (kind in TABLE[mode, other][power == RUNNING])


def test_each_pair_of_modes_has_a_rule_and_each_that_permits_has_its_reason():
    assert set(EXCLUDES) == set(TABLE) == set(product((*HELD_MODES, *DURING), HELD_MODES))
    permitted = {pair for pair, cells in TABLE.items() if cells == (NEVER, NEVER)}
    assert {pair for pair, rule in EXCLUDES.items() if getattr(rule, "why", "")} == permitted


@pytest.mark.parametrize(
    ("holds", "power", "is_on", "rejected"),
    [
        (True, STOPPED, True, False),
        (True, RUNNING, True, True),
        (True, RUNNING, False, False),
        (False, STOPPED, True, False),
        (False, RUNNING, True, True),
        (False, RUNNING, False, False),
    ],
)
def test_one_vm_at_a_time_has_a_device(holds, power, is_on, rejected):
    """Several VMs may have it; a VM with it is started, or gets it while it runs, if no other one runs with it."""
    device = Claim(DEVICE, (None, ("pci", "0000:01:00.0")), text="pci device 0000:01:00.0")
    world = World([held("b", device, power=power), held("a", *([device] if holds else []))])
    conflict = conflict_of(world, "a", device, power=RUNNING if is_on else STOPPED)
    assert (conflict is not None) == rejected
    if rejected:
        assert conflict.message("a") == "a: pci device 0000:01:00.0 is used by b."
        assert "Stop that VM first" in conflict.remedy


@pytest.mark.parametrize("own", [True, False], ids=["of the VM itself", "of another VM"])
def test_new_file_does_not_replace_one_that_is_read(own):
    """The path of an ISO image is not that of a log, whether a VM is on or not."""
    world = World([held("web" if own else "b", file(READ, "iso"))])
    claims = [file(READ, "iso")] if own else []
    assert conflict_of(world, "web", *claims, file(WRITE, "serial_log", is_new=True)).held.option == "iso"


def test_vm_of_unknown_power_may_run():
    """Such as a VM of Hyper-V in a critical state."""
    world = World([held("b", file(), power="unknown"), held("a", file())])
    assert conflict_of(world, "a", file(), power=RUNNING).holder.name == "b"


def test_table_is_complete():
    assert set(TABLE) == {(mode, other) for mode in (*HELD_MODES, *DURING) for other in HELD_MODES}


@pytest.mark.parametrize("mode", HELD_MODES)
@pytest.mark.parametrize("other", HELD_MODES)
def test_what_exists_is_no_conflict_while_the_power_stays(mode, other):
    for power in POWERS:
        world = World([held("b", file(other), power=RUNNING), held("a", file(mode), power=power)])
        assert conflict_of(world, "a", file(mode), mac(), power=power) is None


def test_other_files_are_no_conflict():
    world = World([held("b", file(identity="/y"), Claim(MAC, "/x", "", where="lan"))])
    assert conflict_of(world, "a", file()) is None


@pytest.mark.parametrize(
    ("mode", "power", "while_on", "rejected"),
    [
        (BASE, STOPPED, False, False),
        (COPY, STOPPED, False, False),
        (BASE, RUNNING, False, True),
        (COPY, RUNNING, False, True),
        (COPY, "paused", False, True),
        (COPY, "suspended", False, True),
        (COPY, RUNNING, True, False),
        (BASE, RUNNING, True, False),
    ],
)
def test_disk_of_a_clones_source(mode, power, while_on, rejected):
    """It is copied while the source is off; a snapshot of it, or where the platform can, while it runs."""
    world = World([held("src", file(), power=power)])
    claim = file(mode, "clone", source="id-src", while_on=while_on)
    assert (conflict_of(world, "a", during=[claim]) is not None) == rejected


def test_disk_that_a_third_vm_has_too_is_not_copied():
    world = World([held("src", file()), held("third", file())])
    conflict = conflict_of(world, "a", during=[file(COPY, "clone", source="id-src")])
    assert conflict.holder.name == "third"


@pytest.mark.parametrize(
    ("mode", "other", "option", "rejected"),
    [
        (WRITE, WRITE, "disks.vdb", True),
        (WRITE, SHARED, "disks.vdb", True),
        (SHARED, WRITE, "disks.vdb", True),
        (WRITE, BASE, "disks.vdb", True),
        (BASE, WRITE, "disks.vdb", True),
        (WRITE, WRITE, "disks.vda", False),
        (WRITE, READ, "iso", False),
        (READ, WRITE, "disks.vdb", False),
        (SHARED, SHARED, "disks.vdb", False),
        (BASE, BASE, "disks.vdb", False),
        (WRITE, BASE, "snapshots.one", False),
    ],
)
@pytest.mark.parametrize("existing", [True, False])
def test_two_slots_of_one_vm(mode, other, option, rejected, existing):
    """The other slot may exist before the plan or be new."""
    claims = [file(other, option), file(mode)]
    world = World([held("a", *claims[:existing])])
    conflict = conflict_of(world, "a", *claims)
    assert (conflict is not None) == rejected
    assert not rejected or conflict.is_own


# Ports, MAC addresses, addresses, names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("", "", True),
        ("", "0.0.0.0", True),
        ("", "127.0.0.1", True),
        ("0.0.0.0", "10.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("::", "127.0.0.1", True),
        ("::", "", True),
        ("::", "::1", True),
        ("::1", "::1", True),
        ("::1", "", False),
        ("::1", "0.0.0.0", False),
        ("::1", "127.0.0.1", False),
        ("localhost", "", True),
        ("localhost", "localhost", True),
        ("localhost", "127.0.0.1", True),
        ("localhost", "10.0.0.1", False),
        ("myhost", "127.0.0.1", False),
        ("localhost", "::1", False),
    ],
)
def test_addresses_of_a_host_that_overlap(one, other, expected):
    assert {overlap(*pair) for pair in ((one, other), (other, one))} == {expected}


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("other", POWERS)
def test_port_is_used_by_vms_that_listen(power, other):
    listening = {RUNNING, "paused"}
    world = World([held("b", port(), power=other)])
    assert (conflict_of(world, "a", port(), power=power) is not None) == ({power, other} <= listening)


@pytest.mark.parametrize("before", ["stopped", "suspended", "failed"])
def test_vm_that_is_started_uses_its_ports(before):
    world = World([held("b", port(), power=RUNNING), held("a", port(), power=before)])
    assert conflict_of(world, "a", port(), power=RUNNING).claim == port()


@pytest.mark.parametrize(
    ("one", "rejected"),
    [
        (port(), True),
        (port(protocol="udp"), False),
        (port(number=1), False),
        (port(where="127.0.0.1"), True),
        (port(where="::1"), False),
    ],
)
def test_ports_of_the_same_protocol_number_and_address_exclude_each_other(one, rejected):
    world = World([held("b", port(), power=RUNNING)])
    assert (conflict_of(world, "a", one, power=RUNNING) is not None) == rejected
    two_rules = conflict_of(World(), "c", port("port_forwards.other"), one)
    assert (two_rules is not None) == rejected


@pytest.mark.parametrize(("where", "rejected"), [("", True), ("127.0.0.1", True), ("::1", False)])
def test_reserved_port_is_used_by_a_vm_that_is_off(where, rejected):
    world = World([held("b", port())])
    reserved = replace(port(where=where), is_reserved=True)
    assert (conflict_of(world, "a", reserved) is not None) == rejected
    existing = World([held("b", port()), held("a", reserved)])
    assert conflict_of(existing, "a", reserved) is None


def test_vm_of_which_nothing_was_known_is_named_in_messages():
    world = World()
    assert enter(world, "b", during=[file(DELETE)]) == (None, [])
    message = conflict_of(world, "a", file()).message("a")
    assert message == "a: disks.vda.source: /x is deleted by this task with b."


@pytest.mark.parametrize("kind", [MAC, ADDRESS, NAME])
@pytest.mark.parametrize("power", [STOPPED, RUNNING])
def test_claims_whose_power_does_not_matter(kind, power):
    claim = Claim(kind, "x", "", "networks.0", "x", "mac", "lan")
    world = World([held("b", claim, power=power)])
    assert conflict_of(world, "a", claim) is not None
    # A VM that has it already may be started.
    world = World([held("b", claim, power=power), held("a", claim)])
    assert conflict_of(world, "a", claim, power=RUNNING) is None


@pytest.mark.parametrize("kind", [MAC, ADDRESS])
@pytest.mark.parametrize(("one", "other"), [("lan", "wan"), (None, None), (None, "lan"), ("lan", None)])
def test_addresses_on_different_networks_are_no_conflict(kind, one, other):
    claim = Claim(kind, "x", "", "networks.0", "x", "mac", one)
    assert conflict_of(World([held("b", replace(claim, where=other))]), "a", claim) is None


def test_name_needs_no_network():
    claim = Claim(NAME, "x", option="name", text="x")
    assert conflict_of(World([held("b", claim)]), "a", claim) is not None


def test_nic_that_moves_to_the_network_of_another_one_is_new_there():
    world = World([held("b", mac()), held("a", mac(where="wan"))])
    assert conflict_of(world, "a", mac()).message("a") == ("a: networks.0.mac: 52:54:00:00:00:01 is used by b.")


def test_two_nics_of_one_vm_have_different_macs():
    """Even on different networks: guests name their NICs by it."""
    conflict = conflict_of(World([held("a", mac())]), "a", mac(), mac("networks.1", "wan"))
    assert conflict.message("a") == "a: networks.1.mac: 52:54:00:00:00:01 is also that of networks.0.mac."
    assert conflict.remedy == "Set a different MAC for each NIC."


@pytest.mark.parametrize("before", POWERS)
@pytest.mark.parametrize("after", POWERS)
def test_vm_is_started_if_it_did_not_run_before(before, after):
    assert is_started(before, after) == (after in ("running", "paused") and before not in ("running", "paused"))


def _stacked(part_of):
    """A VM whose disk has a file of the platform on top, and a base below that another VM uses, too."""
    claims = (
        Claim(FILE, "top", WRITE, "disks.a", "top", part_of=part_of),
        Claim(FILE, "disk", WRITE, "disks.a", "disk"),
        Claim(FILE, "base", BASE, "disks.a", "base"),
    )
    return World([Held("vm", "vm", STOPPED, claims)])


@pytest.mark.parametrize(("part_of", "users"), [("disk", ()), ("other", ("disks.a",)), (None, ("disks.a",))])
def test_what_is_on_top_of_a_deleted_disk_is_no_user_of_it(part_of, users):
    from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import kept_disks

    claims = kept_disks(_stacked(part_of).of("vm").claims, {"disk"})
    assert tuple(claims) == users


def test_deleted_disk_is_used_by_what_is_kept_on_top_of_it():
    assert _stacked("disk").users("vm", "disk", {"disk"}) == ()
    assert _stacked(None).users("vm", "disk", {"disk"}) == ("top",)
