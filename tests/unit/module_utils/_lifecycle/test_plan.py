# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Corners of planning that no platform's cases name by themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.differences import pending
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    DESTRUCTIVE,
    LIVE,
    NEXT_BOOT,
    POWER_OFF,
    RUNNING,
    Field,
    File,
    Snapshot,
    Traits,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.plan import plan

from unit.tables.rows import G, M, absent, ask, ask_snapshot, found

TRAITS = Traits(
    platform="any",
    defaults={"cpus": 2, "memory": 2 * G, "disk_size": 32 * G},
    fields={
        "cpus": Field(cost=POWER_OFF),
        "memory": Field(cost=NEXT_BOOT, minimum=64 * M),
        "description": Field(cost=LIVE),
        "firmware": Field(cost=DESTRUCTIVE),
        "iso": Field(cost=LIVE),
        "disks.add": Field(cost=LIVE),
        "disks.remove": Field(cost=LIVE),
        "disks.size": Field(cost=LIVE),
        "disks.source": Field(cost=NEXT_BOOT),
        "networks.type": Field(cost=NEXT_BOOT),
        "port_forwards.add": Field(cost=NEXT_BOOT),
        "port_forwards.protocol": Field(cost=NEXT_BOOT),
        "port_forwards.host_port": Field(cost=NEXT_BOOT),
        "port_forwards.guest_port": Field(cost=NEXT_BOOT),
        "image": Field(),
        "clone": Field(),
        "snapshot.take": Field(cost=LIVE),
        "snapshot.restore": Field(cost=POWER_OFF),
    },
)
IMAGE = {"image": {"source": "/images/base.qcow2"}}
TRANSIENT = {"persistent": False, "cpus": 1, "memory": G}


def _plan(vm, request, **traits):
    return plan(vm, request, replace(TRAITS, **traits))


def _plan_among(known, request):
    """Of a machine that was not found, among others."""
    return plan(absent(), request, TRAITS, known=known)


def _verbs(planned):
    assert planned.refusal is None, str(planned.refusal)
    return [step.verb for step in planned.steps]


def _refusal(planned):
    assert planned.steps == []
    return str(planned.refusal)


def test_who_asks_for_a_restart_has_consented_to_it():
    vm = found("running", cpus=1)
    assert _verbs(_plan(vm, ask("restarted", cpus=2))) == ["stop", "configure", "start"]
    assert _verbs(_plan(vm, ask("restarted", cpus=2, stop_mode="force"))) == ["kill", "configure", "start"]


def test_a_reset_does_not_bring_what_is_stored():
    waiting = found("running", memory=G, runs_with={"memory": 2 * G})
    assert _verbs(_plan(waiting, ask("restarted", stop_mode="force"))) == ["kill", "start"]
    planned = _plan(found("running"), ask("restarted", description="x", stop_mode="force"))
    assert _verbs(planned) == ["configure", "reset"]


def test_a_guest_that_is_stopping_is_never_reset():
    stopping = found("running", busy="stopping")
    assert _verbs(_plan(stopping, ask("restarted", stop_mode="force"))) == ["kill", "start"]
    assert _plan(stopping, ask("started", stop_mode="force")).busy == "stopping"
    assert _plan(stopping, ask_snapshot("s1", stop_mode="force")).busy == "stopping"
    assert _plan(found("suspended", busy="stopping"), ask("absent", stop_mode="force")).busy == "stopping"


def test_a_machine_that_exists_only_while_it_runs():
    running = found("running", **TRANSIENT)
    assert _verbs(_plan(running, ask("absent"))) == ["stop"]
    assert _plan(running, ask("absent")).after.power == "absent"
    assert "Define it permanently" in _refusal(_plan(running, ask(description="x", allow_restart=True)))
    assert "delete it" in _refusal(_plan(running, ask("stopped")))
    assert "Define it permanently" in _refusal(_plan(running, ask(memory="2G", allow_restart=True)))
    waiting = found("running", runs_with={"memory": 2 * G}, **TRANSIENT)
    assert _verbs(_plan(waiting, ask(allow_restart=True))) == []


@pytest.mark.parametrize(("policy", "goes"), [("all", True), ("owned", False)])
def test_files_of_a_machine_that_exists_only_while_it_runs_are_deleted_or_named(policy, goes):
    running = found("running", files=(File("/d", "disk"),), **TRANSIENT)
    planned = _plan(running, ask("absent", delete_disks=policy))
    assert (_verbs(planned), planned.after.power) == (["stop", "delete"], "absent")
    files, kept = (planned.steps[-1].arguments[key] for key in ("files", "kept"))
    assert (files, set(kept)) == (("/d",), set()) if goes else ((), {"/d"})


def test_a_running_machine_that_a_restore_would_remove():
    running = found("running", snapshots=(Snapshot("s1"),), **TRANSIENT)
    assert "Define it permanently" in _refusal(_plan(running, ask_snapshot("s1", "restored")))


def test_disks_that_shall_be_gone_are_nothing_to_make_a_machine_from():
    assert "To create it, set image, clone, iso or disks." in _refusal(
        _plan(absent(), ask(disks=[{"slot": "disk0", "state": "absent"}]))
    )


def test_an_empty_list_of_disks_is_a_machine_without_disks():
    assert "disks" not in _plan(absent(), ask(iso="/iso/a.iso", disks=[])).after.config
    assert _plan(absent(), ask(iso="/iso/a.iso")).after.config["disks"] == {"disk0": {"size": 32 * G}}


def test_the_disk_of_an_image_cannot_be_unwanted():
    unwanted = ask(disks=[{"slot": "disk0", "state": "absent"}], **IMAGE)
    assert "because the image or clone creates it" in _refusal(_plan(absent(), unwanted))


def test_a_complete_list_neither_takes_nor_adds_the_disk_of_an_image():
    complete = ask(disks=[], purge=["disks"], **IMAGE)
    assert _verbs(_plan(found(disks={"disk0": {"size": G}}), complete)) == []
    assert _verbs(_plan(found(disks={}), complete)) == []


def test_a_disk_that_is_added_has_a_size_or_a_source():
    assert "Set its size" in _refusal(_plan(found(disks={}), ask(disks=[{"slot": "disk1"}])))
    assert _verbs(_plan(found(disks={}), ask(disks=[{"slot": "disk1", "source": "/d"}]))) == ["configure"]


def test_a_disk_of_unknown_size_does_not_grow():
    assert "cannot be read" in _refusal(_plan(found(disks={"disk0": {}}), ask(disks=[{"size": "8G"}])))


def test_a_slot_given_by_name_and_by_place_is_refused():
    planned = _plan(found(), ask(disks=[{"slot": "disk1", "size": "1G"}, {"size": "2G"}]))
    assert "slot disk1 is used twice, by its name and by the position of an entry" in _refusal(planned)


def test_what_cannot_be_removed_is_refused_when_a_list_is_complete():
    planned = _plan(found(networks={"0": {"type": "nat"}}), ask(networks=[], purge=["networks"]))
    assert planned.refusal.kind == "unsupported"
    assert "networks.0" in _refusal(planned)


def test_what_is_stored_beside_a_saved_memory_waits():
    saved = found("suspended", memory=G)
    planned = _plan(saved, ask("started", memory="2G"))
    assert _verbs(planned) == ["configure", "start"]
    assert pending(planned.after) == ["memory"]
    again = _plan(saved, ask("started", memory="2G", allow_restart=True))
    assert _verbs(again) == ["start", "stop", "configure", "start"]
    assert pending(again.after) == []


def test_a_saved_machine_is_saved_again_after_a_power_cycle():
    planned = _plan(found("suspended", cpus=1), ask(cpus=2, allow_restart=True))
    assert _verbs(planned) == ["start", "stop", "configure", "start", "suspend"]
    assert "allow_restart" in _refusal(_plan(found("suspended", cpus=1), ask(cpus=2)))


def test_a_crashed_machine_is_not_cut_for_what_waits_anyway():
    crashed = found("failed", memory=G, runs_with={"memory": 2 * G})
    assert _verbs(_plan(crashed, ask(allow_restart=True))) == []


def test_what_was_never_set_waits_for_the_next_start_too():
    rule = {"name": "ssh", "host_port": 2222, "guest_port": 22}
    assert pending(_plan(found("running"), ask(port_forwards=[rule])).after) == ["port_forwards.ssh"]
    untold = found("running", memory=G).having(active=None)
    assert pending(_plan(untold, ask(memory="2G")).after) == ["memory"]


def test_a_busy_machine_of_which_nothing_is_to_be_changed_is_not_waited_for():
    backed_up, traits = found("running", busy="backup", memory=G), replace(TRAITS, harmless=frozenset({"backup"}))

    def busy(asked, **found_as):
        return plan(replace(backed_up, **found_as), asked, traits).busy

    assert [busy(asked) for asked in (ask("started"), ask("started", memory="1GiB"), ask())] == [None] * 3
    assert busy(ask(memory="1GiB"), power="paused") is None
    # While it is backed up it may be off, paused or started for the backup alone.
    assert busy(ask("stopped"), power="stopped") == busy(ask("paused"), power="paused") == "backup"
    for asked in (ask("started", memory="2GiB"), ask("stopped"), ask("restarted"), ask("absent"), ask_snapshot("s")):
        assert busy(asked) == "backup"
    assert busy(ask("started"), busy="migrate") == "migrate"


def test_what_would_be_refused_on_a_busy_machine_is_refused_when_it_is_busy_no_more():
    traits = replace(TRAITS, harmless=frozenset({"backup"}), stop_modes=("force",))
    fixed = replace(found("running", firmware="bios"), busy="backup")
    assert plan(fixed, ask("started", firmware="uefi"), traits).busy == "backup"


def test_a_busy_machine_that_was_cut_is_busy_no_more():
    assert _plan(found("running", busy="stopping"), ask("stopped", stop_mode="force")).after.busy is None


def test_effects_on_others_are_told_for_changes_and_makings_too():
    def effects(verb, vm, changes):
        return (f"all hear of {verb}",)

    planned = _plan(absent(), ask("started", **IMAGE), side_effects=effects)
    assert [step.also for step in planned.steps] == [("all hear of create",), ("all hear of start",)]
    assert _plan(found(), ask(description="x"), side_effects=effects).steps[0].also == ("all hear of configure",)


def test_what_cannot_be_read_is_not_compared_and_not_changed():
    blind = {**TRAITS.fields, "description": Field(readable=False)}
    planned = _plan(found(description="x"), ask(description="y"), fields=blind)
    assert _verbs(planned) == []
    assert planned.not_compared == ("description",)


def test_more_than_there_can_be_is_refused():
    one = {**TRAITS.fields, "cpus": Field(maximum=1, instead="Give it one.")}
    assert "cpus: '2' is more than the maximum of '1'. Give it one." in _refusal(
        _plan(found(), ask(cpus=2), fields=one)
    )


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (Field(choices=(), instead="Name a file."), "web: cloud_init.user_data cannot be set here. Name a file."),
        (
            Field(choices=("none",)),
            "web: cloud_init.user_data cannot be the given value here. Supported values: none.",
        ),
    ],
)
def test_no_error_shows_a_document_of_a_seed(field, says):
    fields = {**TRAITS.fields, "cloud_init": Field(), "cloud_init.user_data": field}
    asked = ask(**IMAGE, cloud_init={"user_data": {"users": [{"passwd": "topsecret"}]}})
    assert _refusal(_plan(absent(), asked, fields=fields)) == says


def test_an_unknown_id_makes_no_machine():
    planned = plan(absent(), ask(id="u-none", **IMAGE), TRAITS, known=("db",))
    assert planned.refusal.kind == "not_found"
    assert "ID u-none. Existing VMs: db." in _refusal(planned)


@pytest.mark.parametrize("state", ["absent", "present"])
def test_a_machine_of_another_id_is_not_told_as_gone(state):
    planned = _plan_among(("web",), ask(state, id="u-none"))
    assert _refusal(planned).startswith("web: there is no VM with ID u-none; the VM of this name has another ID")
    assert _verbs(_plan_among(("db",), ask("absent", id="u-none"))) == []


def test_support_files_of_a_foreign_machine_stay():
    seed = File("/d/seed.iso", "support", ours=True)
    (delete,) = _plan(found(files=(seed,), mark={"id": "another"}), ask("absent")).steps
    kept = {"/d/seed.iso": "not created by this collection"}
    assert (delete.arguments["files"], delete.arguments["kept"]) == ((), kept)
    (delete,) = _plan(found(files=(seed,)), ask("absent", delete_disks="none")).steps
    assert delete.arguments["files"] == ("/d/seed.iso",)


def test_there_is_nothing_to_cut_before_a_restore_of_a_stopped_machine():
    assert _verbs(_plan(found(snapshots=(Snapshot("s1"),)), ask_snapshot("s1", "restored"))) == ["restore"]


def test_sizes_are_named_as_people_write_them():
    assert "memory: 32M is less than the minimum of 64M. Set at least 64M." in _refusal(
        _plan(found(), ask(memory="32M"))
    )


def test_snapshots_of_a_machine_that_nobody_can_read_are_left_alone():
    assert "nothing is changed" in _refusal(_plan(found("unknown"), ask_snapshot("s1")))


@pytest.mark.parametrize("word", ["id", "name"])
def test_machines_are_not_renamed(word):
    asked = ask("absent", name="other", id="u-web") if word == "name" else ask("absent", id="u-web")
    planned = _plan(found(), asked)
    assert ("not renamed" in str(planned.refusal)) == (word == "name")


OURS = found(
    firmware="bios",
    cpus=1,
    disks={
        "disk0": {"size": 8 * G, "source": "/d/0"},
        "disk1": {"size": G, "source": "/d/1"},
        "disk2": {"source": "/x"},
    },
    networks={"0": {"type": "nat", "mac": "52:54:00:00:00:01"}},
    files=(File("/d/0", "disk", ours=True), File("/d/1", "disk", ours=True), File("/x", "disk")),
)
UEFI = {"firmware": "uefi", "allow_recreate": True, **IMAGE}


class TestRebuilding:
    def test_it_keeps_its_settings_and_leaves_its_files(self):
        planned = _plan(OURS, ask(disks=[{"slot": "disk1", "size": "2G"}], **UEFI))
        assert _verbs(planned) == ["delete", "create"]
        assert planned.steps[0].arguments["files"] == ("/d/0", "/d/1")
        config = planned.after.config
        assert (config["firmware"], config["cpus"]) == ("uefi", 1)
        assert config["networks"] == OURS.config["networks"]
        assert config["disks"] == {"disk0": {"size": 8 * G}, "disk1": {"size": 2 * G}, "disk2": {"source": "/x"}}

    def test_it_comes_back_to_the_power_it_had(self):
        running, paused = OURS.having(power="running"), OURS.having(power="paused")
        assert _verbs(_plan(running, ask(**UEFI))) == ["stop", "delete", "create", "start"]
        assert _verbs(_plan(paused, ask(**UEFI))) == ["resume", "stop", "delete", "create", "start", "pause"]

    def test_where_making_means_starting(self):
        planned = _plan(OURS, ask(**UEFI), power_after_create=RUNNING)
        assert _verbs(planned) == ["delete", "create", "stop"]
        assert _verbs(_plan(OURS, ask("started", **UEFI), power_after_create=RUNNING)) == ["delete", "create"]

    @pytest.mark.parametrize(
        ("changed", "asked", "word"),
        [
            ({}, {"allow_recreate": False}, "allow_recreate: true"),
            ({"mark": {"id": "another"}}, {}, "Delete it yourself"),
            ({"snapshots": (Snapshot("s1"),)}, {}, "it has snapshots"),
            ({}, {"image": None}, "sets no source"),
            ({}, {"state": "paused"}, "Start it first"),
            ({"files": (File("/d/0", "disk", ours=True, bound=True, used_by=("clone",)),)}, {}, "Delete clone first"),
        ],
    )
    def test_it_is_refused(self, changed, asked, word):
        assert word in _refusal(_plan(OURS.having(**changed), ask(**{**UEFI, **asked})))


class TestWhatCannotOutliveItsMachine:
    VOLUME = File("local-lvm:vm-100-disk-0", "disk", ours=True, bound=True)
    STRANGER = found(mark=None, files=(VOLUME, File("local:iso/debian.iso", "medium", bound=True)))

    def test_it_goes_along_whoever_made_the_machine(self):
        (delete,) = _plan(self.STRANGER, ask("absent")).steps
        assert delete.arguments["files"] == ("local-lvm:vm-100-disk-0",)
        assert delete.arguments["kept"] == {"local:iso/debian.iso": "an ISO image is never deleted"}

    def test_it_cannot_be_kept(self):
        refusal = _refusal(_plan(self.STRANGER, ask("absent", delete_disks="none")))
        assert "local-lvm:vm-100-disk-0 is deleted together with its VM" in refusal


@pytest.mark.parametrize(
    ("power", "options", "verbs"),
    [
        ("running", {"stop_mode": "force"}, ["kill", "start"]),
        ("running", {}, ["stop", "start"]),
        ("stopped", {}, ["start"]),
        # The first of two starts brings saved memory back and is no cold one.
        ("suspended", {}, ["start", "stop", "start"]),
    ],
)
def test_only_a_cold_start_can_fill_nvram_anew(power, options, verbs):
    planned = _plan(found(power), ask("restarted", reset_nvram=True, **options))
    assert _verbs(planned) == verbs
    assert [step.arguments.get("reset_nvram", False) for step in planned.steps] == [False] * (len(verbs) - 1) + [True]


def test_nvram_is_not_filled_anew_unasked():
    planned = _plan(found("running"), ask("restarted", stop_mode="force"))
    assert [(step.verb, dict(step.arguments)) for step in planned.steps] == [("reset", {})]
