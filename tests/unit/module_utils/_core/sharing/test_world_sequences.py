# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that enter a world one after the other: messages, waiting, what is free, and who needs a file."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    ADDRESS,
    BASE,
    COPY,
    DELETE,
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
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.world import World

from unit.module_utils._core.sharing.test_world import HELD_MODES, conflict_of, enter, file, held, mac, port

# Messages -------------------------------------------------------------------------------------------------------------

DETACH = "Detach it from that VM first, or use a copy that no VM writes to."


@pytest.mark.parametrize(
    ("new", "other", "power", "message", "remedy"),
    [
        (file(), file(), STOPPED, "/x is a disk of b.", DETACH),
        (file(), file(SHARED), STOPPED, "/x is a shared disk of b.", DETACH),
        (file(SHARED), file(), STOPPED, "/x is a disk of b.", DETACH),
        (
            file(), file(READ, "iso"), RUNNING, "/x is used by b.",
            "Stop that VM first, or use a copy.",
        ),
        (
            file(READ), file(), RUNNING, "/x is a disk of b, which may write to it.",
            DETACH,
        ),
        (
            file(COPY), file(), STOPPED, "/x is a disk of b, which may write to it.",
            DETACH,
        ),
        (
            file(), file(BASE), STOPPED,
            "/x must not be written to, because it is the backing file of disks of b.",
            "Delete those VMs or snapshots first, or work with a full clone of this VM.",
        ),
        (
            file(COPY, source="id-b"), file(), RUNNING, "'b' is running, so its disk /x may be written.",
            "Stop it first, or clone one of its snapshots.",
        ),
        (
            file(COPY, source="id-b"), file(SHARED), RUNNING, "'b' is running, so its disk /x may be written.",
            "Use a copy.",
        ),
        (file(), file(remedy="Do else."), STOPPED, "/x is a disk of b.", "Do else."),
    ],
)  # fmt: skip
def test_messages_about_files(new, other, power, message, remedy):
    during = [new] if new.mode == COPY else []
    after = [] if during else [new]
    conflict = conflict_of(World([held("b", other, power=power)]), "a", *after, during=during, power=RUNNING)
    assert (conflict.message("a"), conflict.remedy) == (f"a: disks.vda.source: {message}", remedy)


@pytest.mark.parametrize(
    ("claim", "message", "remedy"),
    [
        (mac(), "networks.0.mac: 52:54:00:00:00:01", "Set another MAC, or omit mac to have one generated."),
        (port(), "port_forwards.ssh.host_port: 2222", "Set another host_port."),
        (Claim(ADDRESS, "::1", "", "networks.0", "::1", "address", "lan"), "networks.0.address: ::1",
         "Set another address."),
        (Claim(NAME, "web", text="web"), "web", "Use another name."),
    ],
)  # fmt: skip
def test_messages_about_other_claims(claim, message, remedy):
    conflict = conflict_of(World([held("b", claim, power=RUNNING)]), "a", claim, power=RUNNING)
    assert (conflict.message("a"), conflict.remedy) == (f"a: {message} is used by b.", remedy)


@pytest.mark.parametrize(
    ("claim", "remedy"),
    [
        (file, "Use each file for one disk only."),
        (mac, "Set a different MAC for each NIC."),
        (port, "Set another host_port for one of them."),
    ],
)
def test_messages_about_two_entries_of_one_vm(claim, remedy):
    one, other = claim(), claim(option="the.other")
    conflict = conflict_of(World(), "a", one, other)
    assert conflict.message("a") == f"a: {one.path}: {one.text} is also that of {other.path}."
    assert conflict.remedy == remedy


def test_vm_with_one_file_in_two_slots_is_not_started():
    """Other changes of it are no matter of this."""
    claims = [file(), file(option="disks.vdb")]
    world = World([held("a", *claims, mac(), mac("networks.1"))])
    assert conflict_of(world, "a", *claims, mac(), mac("networks.1"), port()) is None
    assert conflict_of(world, "a", *claims, mac(), mac("networks.1"), power=RUNNING).held.option == "disks.vdb"
    # Guests cope with one MAC on two NICs.
    assert conflict_of(world, "a", file(), mac(), mac("networks.1"), power=RUNNING) is None


def test_message_names_all_holders_in_their_order():
    world = World([held("d", file(BASE), file(BASE, "disks.vdb")), held("b", file(BASE)), held("c", file(BASE))])
    assert conflict_of(world, "a", file()).message("a").endswith("the backing file of disks of b, c, d.")


def test_message_names_a_vm_once_that_holds_a_file_twice():
    world = World([held("b", file(BASE), file(BASE, "disks.vdb"))])
    assert conflict_of(world, "a", file()).message("a").endswith("the backing file of disks of b.")


@pytest.mark.parametrize(
    ("before", "by_task"),
    [([], True), ([held("b")], True), ([held("b", file())], False), ([held("b", file(READ))], True)],
)
def test_message_says_whether_this_task_makes_it_so(before, by_task):
    """It has been so before if the VM held the file in a way that excludes the new claim, too."""
    world = World(before)
    enter(world, "b", file(), mac())
    ending = ", as this task makes it." if by_task else "."
    assert conflict_of(world, "a", file()).message("a") == f"a: disks.vda.source: /x is a disk of b{ending}"


def test_source_that_the_task_starts_is_running_as_this_task_makes_it():
    world = World([held("src", file())])
    enter(world, "src", file(), power=RUNNING)
    conflict = conflict_of(world, "a", during=[file(COPY, source="id-src")])
    assert conflict.message("a").endswith("'src' is running, so its disk /x may be written, as this task makes it.")


# The order of plans ---------------------------------------------------------------------------------------------------


def test_plan_with_a_conflict_changes_nothing():
    world = World([held("b", file())])
    assert conflict_of(world, "a", file(), file(identity="/y", option="disks.vdb")) is not None
    assert world.of("id-a").claims == ()
    assert conflict_of(world, "c", file(identity="/y")) is None


@pytest.mark.parametrize("claim", [file(), mac(), Claim(NAME, "web")])
def test_claim_is_handed_over(claim):
    world = World([held("b", claim)])
    assert enter(world, "b") == (None, [])
    assert enter(world, "a", claim) == (None, ["b"])
    assert conflict_of(world, "c", claim) is not None


def test_ports_are_handed_over_by_a_vm_that_stops():
    world = World([held("b", port(), power=RUNNING), held("a", port())])
    assert enter(world, "b", port(), power=STOPPED) == (None, [])
    assert enter(world, "a", port(), power=RUNNING) == (None, ["b"])


def test_source_is_copied_after_it_was_stopped():
    world = World([held("src", file(), power=RUNNING)])
    enter(world, "src", file(), power=STOPPED)
    assert enter(world, "a", during=[file(COPY, source="id-src")]) == (None, ["src"])


def test_base_is_written_after_its_users_are_gone():
    world = World([held("base", file()), held("one", file(BASE)), held("two", file(BASE))])
    enter(world, "one", power=ABSENT)
    enter(world, "two", power=ABSENT)
    assert enter(world, "base", file(), power=RUNNING) == (None, ["one", "two"])


_WORK = (COPY, GROW, RESTORE, SNAPSHOT, MERGE)


@pytest.mark.parametrize("work", _WORK)
@pytest.mark.parametrize("new", [WRITE, SHARED, BASE, COPY, GROW, RESTORE, SNAPSHOT, MERGE, DELETE])
def test_work_on_a_file_is_waited_for(work, new):
    world = World()
    enter(world, "b", during=[file(work)])
    after, during = ([file(new)], []) if new in (WRITE, SHARED, BASE) else ([], [file(new)])
    reads_too = work == COPY and new in (BASE, COPY)
    assert enter(world, "a", *after, during=during) == (None, [] if reads_too else ["b"])


def test_copies_of_one_image_do_not_wait_for_each_other():
    world = World()
    assert enter(world, "a", during=[file(COPY)]) == enter(world, "b", during=[file(COPY)]) == (None, [])
    assert enter(world, "c", file(READ, "iso")) == (None, [])


@pytest.mark.parametrize("mode", [WRITE, SHARED, READ, BASE])
def test_file_is_deleted_after_those_who_let_go_of_it(mode):
    world = World([held("b", file(mode)), held("owner", file())])
    enter(world, "b")
    assert enter(world, "owner", during=[file(DELETE)], power=ABSENT) == (None, ["b"])


def test_plan_waits_once_for_each_work_and_not_for_others():
    world = World([held("b", file(), mac()), held("c", file(identity="/z"))])
    enter(world, "b")
    enter(world, "c")
    assert enter(world, "a", file(), mac()) == (None, ["b"])


# Deleted files --------------------------------------------------------------------------------------------------------


def deleted(*before):
    """A world in which a plan has deleted the VM b with its file /x."""
    world = World([held("b", file()), *before])
    enter(world, "b", during=[file(DELETE)], power=ABSENT)
    return world


@pytest.mark.parametrize("mode", [WRITE, SHARED, READ, BASE, COPY])
def test_file_that_an_earlier_plan_deletes_is_not_used(mode):
    claim = file(mode)
    during, after = ([claim], []) if mode == COPY else ([], [claim])
    conflict = conflict_of(deleted(), "a", *after, during=during)
    assert conflict.message("a") == "a: disks.vda.source: /x is deleted by this task with b."
    assert conflict.remedy == "Use another file, or keep it (delete_disks: none)."


def test_disk_of_a_deleted_source_is_not_cloned():
    conflict = conflict_of(deleted(), "a", during=[file(COPY, "clone", source="id-b")])
    assert conflict.remedy == "Delete the source in a task after this one."


def test_new_file_takes_the_place_of_a_deleted_one():
    world = deleted()
    assert enter(world, "a", file(is_new=True)) == (None, ["b"])
    # Then it exists again.
    assert enter(world, "clone", during=[file(COPY, "clone", source="id-a")])[0] is None
    assert conflict_of(world, "c", file()).holder.name == "a"


def test_file_is_deleted_twice_without_conflict():
    assert conflict_of(deleted(held("c")), "c", during=[file(DELETE)], power=ABSENT) is None


def test_mac_that_equals_a_deleted_path_is_free():
    assert conflict_of(deleted(), "a", Claim(MAC, "/x", where="lan")) is None


# What is free for the checks of the host ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "free"),
    [
        ((mac(),), (), {(MAC, "52:54:00:00:00:01")}),
        ((mac(),), (mac(),), set()),
        ((mac(), port()), (), {(MAC, "52:54:00:00:00:01"), (PORT, (None, "tcp", 2222))}),
        ((Claim(NAME, "web"),), (), {(NAME, "web")}),
        ((file(),), (), set()),
    ],
)
def test_what_a_plan_lets_go_of_is_free_except_detached_files(before, after, free):
    world = World([held("b", *before, power=RUNNING)])
    enter(world, "b", *after, power=RUNNING)
    assert world.released == free


@pytest.mark.parametrize(
    ("before", "after", "free"),
    [
        (RUNNING, STOPPED, True),
        ("paused", STOPPED, True),
        (RUNNING, "suspended", True),
        (RUNNING, RUNNING, False),
        (STOPPED, RUNNING, False),
        (STOPPED, ABSENT, False),
    ],
)
def test_port_is_free_as_soon_as_its_vm_does_not_listen(before, after, free):
    """Who listens at the port of a VM that is off is somebody else."""
    world = World([held("b", port(), power=before)])
    enter(world, "b", *([] if after == ABSENT else [port()]), power=after)
    assert bool(world.released) == free


def test_deleted_file_is_free():
    assert deleted().released == {(FILE, "/x")}


# Who needs a file -----------------------------------------------------------------------------------------------------


def test_users_of_a_file_are_other_vms_that_hold_it_in_any_way():
    claims = {"w": file(), "s": file(SHARED), "r": file(READ, "iso"), "b": file(BASE), "other": file(identity="/y")}
    world = World([held("owner", file()), *(held(name, claim) for name, claim in claims.items())])
    assert world.users("id-owner", "/x") == ("b", "r", "s", "w")
    assert world.users("id-owner", "/z") == ()


def test_disk_that_is_kept_needs_the_files_below_it():
    claims = [file(WRITE, "disks.vda", "/top"), file(BASE, "disks.vda", "/base")]
    world = World([held("owner", *claims, file(identity="/base", option="disks.vdb"))])
    assert world.users("id-owner", "/base", {"/base"}) == ("/top",)
    assert world.users("id-owner", "/base", {"/base", "/top"}) == ()


def test_kept_disk_that_cannot_be_read_may_need_any_file():
    unreadable = Claim(FILE, UNREADABLE, UNREADABLE, "disks.vda", "below /top")
    world = World([held("owner", file(identity="/top"), unreadable, file(identity="/y", option="disks.vdb"))])
    assert world.users("id-owner", "/y", {"/y"}) == ("/top",)


def test_unreadable_images_of_others():
    unreadable = Claim(FILE, UNREADABLE, UNREADABLE, "disks.vda", "/top cannot be read.")
    world = World([held("a", file(), unreadable), held("b")])
    deleted = Claim(FILE, "/y", DELETE, "", "/y")
    assert world.enter("work", [deleted], held("a"))[0] is None
    world = World([held("a", file(), unreadable), held("b")])
    conflict, waits = world.enter("work", [deleted], held("b"))
    assert (conflict.message("b"), waits) == ("b: /top cannot be read.", [])


def test_image_without_a_vm_is_held_by_its_path():
    world = World([Held("/overlay", "/overlay", claims=(file(BASE),)), held("base", file())])
    assert world.users("id-base", "/x") == ("/overlay",)
    assert conflict_of(world, "base", file(), power=RUNNING).message("base").endswith("of disks of /overlay.")


def test_vm_that_is_listed_in_two_parts_holds_both():
    world = World([held("a", file()), held("a", mac(), power=RUNNING)])
    assert (world.of("id-a").claims, world.of("id-a").power) == ((file(), mac()), RUNNING)
    assert world.of("id-none") == Held("id-none", "id-none")


def test_kept_disk_of_a_deleted_vm_still_needs_its_base():
    world = World([held("kid", file(identity="/kid"), file(BASE)), held("base", file())])
    enter(world, "kid", file(BASE), power=ABSENT)
    assert world.users("id-base", "/x") == ("kid",)


@pytest.mark.parametrize("mode", HELD_MODES)
def test_file_that_another_plan_of_the_task_has_added_is_not_moved(mode):
    world = World([])
    assert enter(world, "b", file(mode)) == (None, [])
    assert conflict_of(world, "a", during=[file(MOVE)]) is not None


@pytest.mark.parametrize("where", ["lan", "wan", None])
@pytest.mark.parametrize("power", [STOPPED, RUNNING])
def test_mac_that_a_task_keeps_is_that_of_no_other_vm(where, power):
    """The VM that the appliance is of may be started again later, on any network."""
    claim = Claim(MAC, "x", "", "networks.0", "x", "mac", "lan", is_reserved=True)
    held_by_b = held("b", replace(claim, where=where, is_reserved=False), power=power)
    conflict = conflict_of(World([held_by_b]), "a", claim)
    assert conflict.message("a") == "a: networks.0.mac: x is used by b."
    assert conflict.remedy == "Delete that VM first, or omit appliance.keep_macs to have new MACs generated."
    # It may be started again.
    assert conflict_of(World([held_by_b, held("a", claim)]), "a", claim, power=RUNNING) is None


# Work in progress, and images that cannot be read ---------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "as_"), [(DELETE, UNREADABLE), (MERGE, UNREADABLE), (WRITE, BASE), (GROW, BASE)])
def test_image_that_cannot_be_read_may_use_any_file(mode, as_):
    unreadable = Claim(FILE, UNREADABLE, as_, "disks.vda", "cannot be read", remedy="Repair it.")
    world = World([held("b", unreadable)])
    assert enter(world, "a", file(is_new=True)) == (None, [])
    conflict = conflict_of(world, "a", during=[file(mode)])
    assert (conflict.message("a"), conflict.remedy) == ("a: disks.vda.source: cannot be read.", "Repair it.")


@pytest.mark.parametrize(
    ("work", "waits"), [(GROW, True), (RESTORE, True), (MERGE, True), (SNAPSHOT, True), (COPY, False)]
)
def test_disk_is_copied_after_the_work_on_it(work, waits):
    world = World([held("a", file())])
    assert enter(world, "a", file(), during=[file(work)]) == (None, [])
    copied = file(COPY, "clone", source="id-a")
    assert enter(world, "b", during=[copied]) == (None, ["a"] if waits else [])


def test_vm_with_a_file_that_another_one_moves_starts_after_that():
    world = World([held("a"), held("b", file())])
    assert enter(world, "a", during=[file(MOVE, "groups")]) == (None, [])
    assert enter(world, "b", file(), power=RUNNING) == (None, ["a"])
