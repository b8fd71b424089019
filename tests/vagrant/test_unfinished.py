# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start that failed, was cut off, or was somebody else's leaves open, and how the next task deals with it."""

from __future__ import annotations

import pytest

from vagrant.played import failed, told

SCRIPT = [{"inline": "true"}]


def _notes(played):
    return list(played.project.rglob("polyvirt.json"))


def test_a_guest_that_was_not_set_up_is_told_and_set_up_with_the_next_start(played):
    """Vagrant itself notes that it has set up a guest before it does, and never comes back to it."""
    played.vagrant.change(guests={"web": "unfinished"})
    assert "non-zero exit status" in failed(played.make(state="started", provisioners=SCRIPT))
    assert _notes(played) == []
    assert told(played.make(state="started", provisioners=SCRIPT))["restart_required"] == ["provisioners"]
    run = played.make(state="started", provisioners=SCRIPT, allow_restart=True, stop_mode="force")
    assert told(run)["restart_required"] == []
    assert "--provision" in next(call.argv for call in run.calls if call.argv[1] == "up")
    assert not told(played.make(state="started", provisioners=SCRIPT, allow_restart=True))["changed"]


def test_one_without_scripts_wants_for_nothing(played):
    played.vagrant.change(guests={"web": "unfinished"})
    failed(played.make(state="started"))
    assert told(played.make(state="started"))["restart_required"] == []


def test_how_a_machine_is_reached_is_asked_again_where_our_note_is_missing(played):
    """A task may be killed between the start and its note."""
    told(played.make(state="started"))
    for note in _notes(played):
        note.unlink()
    (vm,) = played.run(None, about="vm_info").result["vms"]
    assert vm["ssh"]["user"] == "root"
    assert vm["ssh"]["host"] == vm["addresses"][0]["address"]


def test_where_only_vagrant_knows_addresses_it_is_asked_and_the_silent_hide_nobody(played):
    names = ["a1", "b1", "c1"]
    played.describe(names)
    assert played.vagrant.call("up").returncode == 0
    played.vagrant.change(guests={"a1": "without an address"})
    run = played.run(None, about="vm_info")
    reached = {vm["name"]: vm["ssh"] and vm["ssh"]["user"] for vm in run.result["vms"]}
    assert reached == {"a1": None, "b1": "root", "c1": "root"}
    # One that is silent costs one call more.
    assert [call.argv[1] for call in run.calls] == ["status", "snapshot", "ssh-config", "ssh-config"]


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_a_locked_machine_is_waited_for_with_force_too(played, state):
    told(played.make(state="started"))
    played.vagrant.is_busy(1)
    assert told(played.run(state=state, stop_mode="force"))["changed"]
    assert set(played.words().values()) <= {"off"}


def test_our_own_file_can_be_driven_as_it_is(played):
    """As its refusal says where it was changed by hand; our notes of its machines are still there."""
    told(played.make(state="started", provisioners=SCRIPT))
    file = played.project / "Vagrantfile.polyvirt"
    file.write_text(f"{file.read_text(encoding='ascii')}# mine\n", encoding="ascii")
    for state in ("stopped", "started"):
        told(played.run(managed=False, vagrantfile=file.name, state=state, stop_mode="force"))
    assert file.read_text(encoding="ascii").endswith("# mine\n")
