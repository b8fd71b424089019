# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edge cases of planning that the tables of the platforms do not contain."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    DESTRUCTIVE,
    LIVE,
    LOCKED,
    NEVER,
    NEXT_BOOT,
    POWER_OFF,
    RUNNING,
    Field,
    File,
    Snapshot,
    Traits,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.differences import pending
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan

from unit.tables.rows import G, M, absent, ask, ask_snapshot, found, verbs_of

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
    """Plan a VM that does not exist; ``known`` are the names of all VMs."""
    return plan(absent(), request, TRAITS, known=known)


def _refusal(planned):
    assert planned.steps == []
    return str(planned.refusal)


def test_state_restarted_needs_no_allow_restart():
    vm = found("running", cpus=1)
    assert verbs_of(_plan(vm, ask("restarted", cpus=2))) == ["stop", "configure", "start"]
    assert verbs_of(_plan(vm, ask("restarted", cpus=2, stop_mode="force"))) == ["kill", "configure", "start"]


def test_restart_with_stored_changes_is_a_cold_start_and_not_a_reset():
    waiting = found("running", memory=G, runs_with={"memory": 2 * G})
    assert verbs_of(_plan(waiting, ask("restarted", stop_mode="force"))) == ["kill", "start"]
    planned = _plan(found("running"), ask("restarted", description="x", stop_mode="force"))
    assert verbs_of(planned) == ["configure", "reset"]


def test_stopping_guest_is_never_reset():
    stopping = found("running", busy="stopping")
    assert verbs_of(_plan(stopping, ask("restarted", stop_mode="force"))) == ["kill", "start"]
    assert _plan(stopping, ask("started", stop_mode="force")).busy == "stopping"
    assert _plan(stopping, ask_snapshot("s1", stop_mode="force")).busy == "stopping"
    assert _plan(found("suspended", busy="stopping"), ask("absent", stop_mode="force")).busy == "stopping"


def test_vm_that_another_command_holds_is_killed_only_with_force():
    held = found("paused", busy=LOCKED)
    assert verbs_of(_plan(held, ask("absent", stop_mode="force"))) == ["kill", "delete"]
    assert _plan(held, ask("stopped")).busy == LOCKED
    assert _plan(held, ask_snapshot("s1", stop_mode="force")).busy == LOCKED


def test_transient_vm_is_never_stopped_or_changed():
    running = found("running", **TRANSIENT)
    assert verbs_of(_plan(running, ask("absent"))) == ["stop"]
    assert _plan(running, ask("absent")).after.power == "absent"
    assert "Define it permanently" in _refusal(_plan(running, ask(description="x", allow_restart=True)))
    assert "delete it" in _refusal(_plan(running, ask("stopped")))
    assert "Define it permanently" in _refusal(_plan(running, ask(memory="2G", allow_restart=True)))
    waiting = found("running", runs_with={"memory": 2 * G}, **TRANSIENT)
    assert verbs_of(_plan(waiting, ask(allow_restart=True))) == []


@pytest.mark.parametrize(("policy", "deleted"), [("all", True), ("owned", False)])
def test_files_of_transient_vm_are_deleted_or_reported_as_kept(policy, deleted):
    running = found("running", files=(File("/d", "disk"),), **TRANSIENT)
    planned = _plan(running, ask("absent", delete_disks=policy))
    assert (verbs_of(planned), planned.after.power) == (["stop", "delete"], "absent")
    files, kept = (planned.steps[-1].arguments[key] for key in ("files", "kept"))
    assert (files, set(kept)) == (("/d",), set()) if deleted else ((), {"/d"})


def test_restore_that_would_delete_a_transient_vm_is_rejected():
    running = found("running", snapshots=(Snapshot("s1"),), **TRANSIENT)
    assert "Define it permanently" in _refusal(_plan(running, ask_snapshot("s1", "restored")))


def test_absent_disks_are_not_a_source_for_a_new_vm():
    assert "To create it, set image, clone, iso or disks." in _refusal(
        _plan(absent(), ask(disks=[{"slot": "disk0", "state": "absent"}]))
    )


def test_empty_list_of_disks_creates_vm_without_disks():
    assert "disks" not in _plan(absent(), ask(iso="/iso/a.iso", disks=[])).after.config
    assert _plan(absent(), ask(iso="/iso/a.iso")).after.config["disks"] == {"disk0": {"size": 32 * G}}


def test_disk_of_an_image_cannot_be_absent():
    unwanted = ask(disks=[{"slot": "disk0", "state": "absent"}], **IMAGE)
    assert "because the image or clone creates it" in _refusal(_plan(absent(), unwanted))


def test_purge_neither_removes_nor_adds_the_disk_of_an_image():
    complete = ask(disks=[], purge=["disks"], **IMAGE)
    assert verbs_of(_plan(found(disks={"disk0": {"size": G}}), complete)) == []
    assert verbs_of(_plan(found(disks={}), complete)) == []


def test_new_disk_needs_a_size_or_a_source():
    assert "Set its size" in _refusal(_plan(found(disks={}), ask(disks=[{"slot": "disk1"}])))
    assert verbs_of(_plan(found(disks={}), ask(disks=[{"slot": "disk1", "source": "/d"}]))) == ["configure"]


def test_disk_of_unknown_size_is_not_resized():
    assert "cannot be read" in _refusal(_plan(found(disks={"disk0": {}}), ask(disks=[{"size": "8G"}])))


def test_slot_set_by_name_and_by_position_is_rejected():
    planned = _plan(found(), ask(disks=[{"slot": "disk1", "size": "1G"}, {"size": "2G"}]))
    assert "slot disk1 is used twice, by its name and by the position of an entry" in _refusal(planned)


def test_purge_of_an_entry_that_cannot_be_removed_is_rejected():
    planned = _plan(found(networks={"0": {"type": "nat"}}), ask(networks=[], purge=["networks"]))
    assert planned.refusal.kind == "unsupported"
    assert "networks.0" in _refusal(planned)


def test_change_of_suspended_vm_waits_for_a_cold_start():
    saved = found("suspended", memory=G)
    planned = _plan(saved, ask("started", memory="2G"))
    assert verbs_of(planned) == ["configure", "start"]
    assert pending(planned.after) == ["memory"]
    again = _plan(saved, ask("started", memory="2G", allow_restart=True))
    assert verbs_of(again) == ["start", "stop", "configure", "start"]
    assert pending(again.after) == []


def test_suspended_vm_is_suspended_again_after_a_power_cycle():
    planned = _plan(found("suspended", cpus=1), ask(cpus=2, allow_restart=True))
    assert verbs_of(planned) == ["start", "stop", "configure", "start", "suspend"]
    assert "allow_restart" in _refusal(_plan(found("suspended", cpus=1), ask(cpus=2)))


def test_failed_vm_is_not_powered_off_for_pending_changes():
    crashed = found("failed", memory=G, runs_with={"memory": 2 * G})
    assert verbs_of(_plan(crashed, ask(allow_restart=True))) == []


def test_first_value_of_a_setting_is_pending_until_the_next_start():
    rule = {"name": "ssh", "host_port": 2222, "guest_port": 22}
    assert pending(_plan(found("running"), ask(port_forwards=[rule])).after) == ["port_forwards.ssh"]
    unreported = found("running", memory=G).having(active=None)
    assert pending(_plan(unreported, ask(memory="2G")).after) == ["memory"]


def test_task_without_changes_does_not_wait_for_a_harmless_operation():
    backed_up, traits = found("running", busy="backup", memory=G), replace(TRAITS, harmless=frozenset({"backup"}))

    def busy(request, **changes):
        return plan(replace(backed_up, **changes), request, traits).busy

    assert [busy(request) for request in (ask("started"), ask("started", memory="1GiB"), ask())] == [None] * 3
    assert busy(ask(memory="1GiB"), power="paused") is None
    # The VM may be stopped or paused only for the duration of the backup.
    assert busy(ask("stopped"), power="stopped") == busy(ask("paused"), power="paused") == "backup"
    for request in (ask("started", memory="2GiB"), ask("stopped"), ask("restarted"), ask("absent"), ask_snapshot("s")):
        assert busy(request) == "backup"
    assert busy(ask("started"), busy="migrate") == "migrate"


def test_request_that_would_be_rejected_is_rejected_after_the_operation():
    traits = replace(TRAITS, harmless=frozenset({"backup"}), stop_modes=("force",))
    fixed = replace(found("running", firmware="bios"), busy="backup")
    assert plan(fixed, ask("started", firmware="uefi"), traits).busy == "backup"


def test_vm_is_not_busy_after_it_was_killed():
    assert _plan(found("running", busy="stopping"), ask("stopped", stop_mode="force")).after.busy is None


def test_side_effects_are_reported_for_create_start_and_configure():
    def effects(verb, vm, changes):
        return (f"{verb} affects all VMs",)

    planned = _plan(absent(), ask("started", **IMAGE), side_effects=effects)
    assert [step.also for step in planned.steps] == [("create affects all VMs",), ("start affects all VMs",)]
    assert _plan(found(), ask(description="x"), side_effects=effects).steps[0].also == ("configure affects all VMs",)


def test_unreadable_setting_is_not_compared_and_not_changed():
    unreadable = {**TRAITS.fields, "description": Field(readable=False)}
    planned = _plan(found(description="x"), ask(description="y"), fields=unreadable)
    assert verbs_of(planned) == []
    assert planned.not_compared == ("description",)


def test_value_above_the_maximum_is_rejected():
    one = {**TRAITS.fields, "cpus": Field(maximum=1, instead="Give it one.")}
    assert "cpus: '2' is more than the maximum of '1'. Give it one." in _refusal(
        _plan(found(), ask(cpus=2), fields=one)
    )


@pytest.mark.parametrize("change_only", [{}, {"cost": NEVER, "instead": "Detach it, and attach another."}])
def test_remedy_for_an_unsupported_value_is_a_supported_one(change_only):
    """What never changes has a remedy for a change to another supported value, which does not help here."""
    one = {**TRAITS.fields, "disks.format": Field(choices=("raw", "qcow2"), **change_only)}
    for vm, more in ((found(), {}), (absent(), IMAGE)):
        request = ask(**more, disks=[{"slot": "vdz", "size": "1G", "format": "vhd"}])
        assert "cannot be 'vhd' here. Supported values: raw, qcow2." in _refusal(_plan(vm, request, fields=one))


@pytest.mark.parametrize("change_only", [{}, {"instead": "It can be set before the first start."}])
def test_remedy_for_a_value_below_the_minimum_is_the_minimum(change_only):
    one = {**TRAITS.fields, "cpus": Field(minimum=2, **change_only)}
    assert "less than the minimum of '2'. Set at least '2'." in _refusal(_plan(found(), ask(cpus=1), fields=one))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (Field(choices=(), instead="Name a file."), "web: cloud_init.user_data cannot be set here. Name a file."),
        (Field(choices=("none",)), "web: cloud_init.user_data cannot be the given value here. Supported values: none."),
    ],
)
def test_errors_do_not_show_cloud_init_documents(field, message):
    fields = {**TRAITS.fields, "cloud_init": Field(), "cloud_init.user_data": field}
    request = ask(**IMAGE, cloud_init={"user_data": {"users": [{"passwd": "topsecret"}]}})
    assert _refusal(_plan(absent(), request, fields=fields)) == message


def test_unknown_id_does_not_create_a_vm():
    planned = plan(absent(), ask(id="u-none", **IMAGE), TRAITS, known=("db",))
    assert planned.refusal.kind == "not_found"
    assert "ID u-none. Existing VMs: db." in _refusal(planned)


@pytest.mark.parametrize("state", ["absent", "present"])
def test_name_of_a_vm_with_another_id_is_not_reported_as_absent(state):
    planned = _plan_among(("web",), ask(state, id="u-none"))
    assert _refusal(planned).startswith("web: there is no VM with ID u-none; the VM of this name has another ID")
    assert verbs_of(_plan_among(("db",), ask("absent", id="u-none"))) == []


def test_id_alone_says_what_is_absent_where_names_are_not_unique():
    traits = replace(TRAITS, unique_names=False)
    assert plan(absent(), ask("absent", id="u-none"), traits, ("web",)).refusal is None
    assert "another ID" in _refusal(plan(absent(), ask("present", id="u-none"), traits, ("web",)))


def test_support_files_of_a_foreign_vm_are_kept():
    seed = File("/d/seed.iso", "support", ours=True)
    (delete,) = _plan(found(files=(seed,), mark={"id": "another"}), ask("absent")).steps
    kept = {"/d/seed.iso": "not created by this collection"}
    assert (delete.arguments["files"], delete.arguments["kept"]) == ((), kept)
    (delete,) = _plan(found(files=(seed,)), ask("absent", delete_disks="none")).steps
    assert delete.arguments["files"] == ("/d/seed.iso",)


def test_stopped_vm_is_not_killed_before_a_restore():
    assert verbs_of(_plan(found(snapshots=(Snapshot("s1"),)), ask_snapshot("s1", "restored"))) == ["restore"]


def test_errors_show_human_readable_sizes():
    assert "memory: 32M is less than the minimum of 64M. Set at least 64M." in _refusal(
        _plan(found(), ask(memory="32M"))
    )


def test_no_snapshot_of_a_vm_in_unknown_state():
    assert "nothing is changed" in _refusal(_plan(found("unknown"), ask_snapshot("s1")))


@pytest.mark.parametrize("option", ["id", "name"])
def test_vms_are_not_renamed(option):
    request = ask("absent", name="other", id="u-web") if option == "name" else ask("absent", id="u-web")
    planned = _plan(found(), request)
    assert ("not renamed" in str(planned.refusal)) == (option == "name")


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


class TestRecreating:
    def test_settings_are_kept_and_only_own_files_are_deleted(self):
        planned = _plan(OURS, ask(disks=[{"slot": "disk1", "size": "2G"}], **UEFI))
        assert verbs_of(planned) == ["delete", "create"]
        assert planned.steps[0].arguments["files"] == ("/d/0", "/d/1")
        config = planned.after.config
        assert (config["firmware"], config["cpus"]) == ("uefi", 1)
        assert config["networks"] == OURS.config["networks"]
        assert config["disks"] == {"disk0": {"size": 8 * G}, "disk1": {"size": 2 * G}, "disk2": {"source": "/x"}}

    def test_previous_power_state_is_restored(self):
        running, paused = OURS.having(power="running"), OURS.having(power="paused")
        assert verbs_of(_plan(running, ask(**UEFI))) == ["stop", "delete", "create", "start"]
        assert verbs_of(_plan(paused, ask(**UEFI))) == ["resume", "stop", "delete", "create", "start", "pause"]

    def test_on_a_platform_that_starts_new_vms(self):
        planned = _plan(OURS, ask(**UEFI), power_after_create=RUNNING)
        assert verbs_of(planned) == ["delete", "create", "stop"]
        assert verbs_of(_plan(OURS, ask("started", **UEFI), power_after_create=RUNNING)) == ["delete", "create"]

    @pytest.mark.parametrize(
        ("changed", "options", "error"),
        [
            ({}, {"allow_recreate": False}, "Set allow_recreate: true to delete the VM"),
            ({}, {"allow_recreate": False, "image": None}, "Set allow_recreate: true, and image, clone or iso, to"),
            ({"mark": {"id": "another"}}, {"allow_recreate": False, "adopt": True}, "delete the VM yourself first"),
            ({"snapshots": (Snapshot("s1"),)}, {"allow_recreate": False}, "yourself first: it has snapshots"),
            ({"mark": {"id": "another"}}, {}, "has no record of creation by this collection"),
            ({"mark": {"id": "another"}}, {"adopt": True}, "Delete it yourself"),
            ({"snapshots": (Snapshot("s1"),)}, {}, "it has snapshots"),
            ({}, {"delete_disks": "none"}, "its disks are deleted with it, and delete_disks: none is set"),
            ({}, {"image": None}, "sets no source"),
            ({}, {"state": "paused"}, "Start it first"),
            ({"files": (File("/d/0", "disk", ours=True, bound=True, used_by=("clone",)),)}, {}, "Delete clone first"),
        ],
    )
    def test_is_rejected(self, changed, options, error):
        assert error in _refusal(_plan(OURS.having(**changed), ask(**{**UEFI, **options})))


@pytest.mark.parametrize(
    ("power", "options", "verbs"),
    [
        ("running", {"stop_mode": "force"}, ["kill", "start"]),
        ("running", {}, ["stop", "start"]),
        ("stopped", {}, ["start"]),
        # The first of the two starts restores the saved memory, so it is not a cold start.
        ("suspended", {}, ["start", "stop", "start"]),
    ],
)
def test_only_the_last_start_resets_nvram(power, options, verbs):
    planned = _plan(found(power), ask("restarted", reset_nvram=True, **options))
    assert verbs_of(planned) == verbs
    assert [step.arguments.get("reset_nvram", False) for step in planned.steps] == [False] * (len(verbs) - 1) + [True]


def test_nvram_is_not_reset_unless_requested():
    planned = _plan(found("running"), ask("restarted", stop_mode="force"))
    assert [(step.verb, dict(step.arguments)) for step in planned.steps] == [("reset", {})]
