# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for backups: which existing one is enough, what is created, kept, deleted and restored, what is rejected."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup.backup import Backup, own_backups
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    LIVE,
    NEVER,
    NEXT_BOOT,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    Change,
    Field,
    File,
    Plan,
    Snapshot,
    Step,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.backup import BACKUP, backup_requests
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.planned_steps import disturbs_jobs
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.plan_content import content_of, digest
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import warnings_about
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import BACKUP_VERBS, VERBS

NOW, HOUR = 1801396800, 3600
TRAITS = Traits(
    platform="any",
    verbs=frozenset(VERBS) | BACKUP_VERBS,
    fields={
        "backup.take": Field(cost=lambda vm, change: NEVER if vm.power == SUSPENDED else LIVE, instead="Start it.")
    },
)
OLD, YOUNG = "20270130T120000Z-u1", "20270131T110000Z-u1"


def _backup(backup_id=YOUNG, age=HOUR, birth="u1", **more):
    return Backup(**{"id": backup_id, "vm": "web1", "birth": birth, "start": NOW - age, "consistency": "crash", **more})


def _vm(*backups, power=RUNNING, **more):
    return Vm(**{"name": "web1", "id": "u1", "power": power, "backups": backups, **more})


def _absent(*backups, name="web1"):
    return Vm.absent(name).having(backups=backups)


def _asked(**options):
    given = {"name": ["web1"], "state": "present", "controller_time": NOW, "timeout": 300, **options}
    if given["state"] == "present":
        given.setdefault("max_age", "20h")
    defaults = {name: option.default for name, option in BACKUP.items() if option.default is not None}
    return backup_requests({**defaults, **given}, BACKUP)[0]


def _plan(vm, **options):
    return plan(vm, _asked(**options), TRAITS)


def _verbs(vm, **options):
    found = _plan(vm, **options)
    assert found.refusal is None, found.refusal
    return [step.verb for step in found.steps]


@pytest.mark.parametrize(
    ("backup", "options"),
    [
        pytest.param(_backup(age=21 * HOUR), {}, id="too_old"),
        pytest.param(_backup(age=-400), {}, id="in_the_future"),
        pytest.param(_backup(age=0), {"max_age": "0m"}, id="of_this_second"),
        pytest.param(_backup(age=-200), {"max_age": "0m"}, id="clock_a_little_ahead_with_age_0"),
        pytest.param(_backup(consistency="crash"), {"consistency": "filesystem"}, id="too_weak"),
        pytest.param(_backup(excluded=("vdb",)), {}, id="lacks_a_disk"),
        pytest.param(_backup(damaged="a file is missing"), {}, id="damaged"),
        pytest.param(_backup(unfinished="its task failed", is_foreign=True), {}, id="unfinished"),
        pytest.param(_backup(birth="u2"), {}, id="of_another_vm_of_this_name"),
    ],
)
def test_backup_that_does_not_count(backup, options):
    assert _verbs(_vm(backup), **options) == ["backup"]


@pytest.mark.parametrize(
    ("backup", "options"),
    [
        pytest.param(_backup(), {}, id="young"),
        pytest.param(_backup(age=-200), {}, id="clock_a_little_ahead"),
        pytest.param(_backup(consistency="stopped"), {"consistency": "filesystem"}, id="stronger"),
        pytest.param(_backup(excluded=("vdb",)), {"exclude": ["vda", "vdb"]}, id="without_an_excluded_disk"),
    ],
)
def test_backup_that_is_enough(backup, options):
    assert _verbs(_vm(backup), **options) == []


def test_birth_that_the_record_lists_continues():
    """A restored VM has the backups that it had before."""
    mark = {"v": 2, "id": "u1", "births": ["u0"]}
    assert _verbs(_vm(_backup(birth="u0"), mark=mark)) == []
    assert _verbs(_vm(_backup(birth="u0"), mark={**mark, "id": "u9"})) == ["backup"]


def test_protection_is_changed_only_if_it_is_requested():
    protected = _backup(protected=True)
    assert _verbs(_vm(protected)) == []
    assert _verbs(_vm(protected), protected=False) == ["edit_backup"]
    assert _verbs(_vm(_backup()), protected=True) == ["edit_backup"]


def test_rules_delete_only_after_the_new_backup_and_nothing_protected_or_damaged():
    old = [
        _backup("a", 90 * HOUR),
        _backup("b", 80 * HOUR, protected=True),
        _backup("c", 70 * HOUR, damaged="it is"),
        _backup("d", 60 * HOUR),
    ]
    found = _plan(_vm(*old), keep_last=2)
    assert [step.verb for step in found.steps] == ["backup", "drop_backup"]
    assert found.steps[-1].arguments["ids"] == ("a",)


def test_new_backup_is_the_newest_whatever_clock_dated_the_others():
    """Rules that keep the newest one, and a restore of the newest one, mean the one of this task."""
    ahead = _backup("ahead", -200)
    found = _plan(_vm(ahead), max_age="0m", keep_last=1)
    assert [step.arguments.get("ids") for step in found.steps] == [None, ("ahead",)]
    assert own_backups(found.after)[-1].start == ahead.start + 1
    assert plan(found.after, _asked(max_age="0m").target(), TRAITS).steps == []


def test_what_interrupted_tasks_have_left_is_removed_but_not_that_of_another_host():
    left = _backup("a", unfinished="x")
    foreign = _backup("b", unfinished="x", is_foreign=True)
    found = _plan(_vm(left, foreign, _backup()))
    assert [(step.verb, step.arguments["ids"], step.arguments["unfinished"]) for step in found.steps] == [
        ("drop_backup", ("a",), ("a",))
    ]


def test_running_job_is_completed_and_any_other_is_waited_for():
    written = _backup("job", unfinished="x", is_written=True)
    found = _plan(_vm(written, busy="backup"))
    assert [(step.verb, step.arguments["made"].id) for step in found.steps] == [("backup", "job")]
    found = _plan(_vm(written, busy="backup"), max_age="0m")
    assert [(step.verb, step.arguments["made"].id == "job") for step in found.steps] == [
        ("backup", True),
        ("backup", False),
    ]
    assert _plan(_vm(busy="backup")).busy == "backup"
    assert _verbs(_vm(_backup(), busy="backup")) == []
    assert _plan(_vm(written, busy="backup"), state="restored", backup="newest", replace=True).busy == "backup"


def test_plans_that_a_running_job_forbids():
    def is_disturbing(*steps):
        return disturbs_jobs(Plan(_vm(), _vm(), (steps,)))

    def configure(change):
        return Step("configure", (change,))

    for verb in ("stop", "kill", "suspend", "delete", "snapshot", "restore", "drop_snapshot", "backup"):
        assert is_disturbing(Step(verb)), verb
    for verb in ("start", "resume", "pause", "drop_backup", "edit_backup", "edit_snapshot"):
        assert not is_disturbing(Step(verb)), verb
    removed = Change("disks", {"size": 1}, None, key="vdb")
    assert is_disturbing(configure(removed))
    assert is_disturbing(configure(Change("disks", 1, 2, key="vdb", attribute="size")))
    assert not is_disturbing(configure(Change("disks", 1, 2, key="vdb", attribute="size", cost=NEXT_BOOT)))
    assert not is_disturbing(configure(Change("disks", None, {}, key="vdc")))
    assert not is_disturbing(configure(Change("memory", 1, 2)))
    assert disturbs_jobs(_plan(_vm(_backup()), state="restored", backup="newest", replace=True))
    # A job that never ends can only be completed by the task that owns its files.
    assert not disturbs_jobs(_plan(_vm(_backup(unfinished="x", is_written=True))))


def test_stopped_consistency_stops_with_permission_and_starts_again():
    assert "allow_restart: true" in str(_plan(_vm(), consistency="stopped").refusal)
    assert _verbs(_vm(), consistency="stopped", allow_restart=True) == ["stop", "backup", "start"]
    assert _verbs(_vm(power=STOPPED), consistency="stopped") == ["backup"]


@pytest.mark.parametrize(
    ("vm", "options", "words"),
    [
        (_vm(power=SUSPENDED), {}, ("suspended", "Start it.")),
        (_vm(power=PAUSED), {"consistency": "filesystem"}, ("paused", "consistency: crash")),
        (_absent(), {}, ("does not exist",)),
        (_vm(_backup()), {"state": "restored", "backup": "newest"}, ("exists", "new_name", "replace: true")),
        (
            _vm(_backup(birth="u2")),
            {"state": "restored", "backup": YOUNG, "replace": True},
            ("another VM with this name", "new_name"),
        ),
        (_vm(), {"state": "restored", "backup": "newest", "replace": True}, ("no complete backup",)),
        (_vm(_backup()), {"state": "restored", "backup": "nope", "replace": True}, ("no backup 'nope'", YOUNG)),
        (
            _vm(_backup(damaged="it is short")),
            {"state": "restored", "backup": YOUNG, "replace": True},
            ("it is short",),
        ),
        (
            _absent(_backup(), _backup(OLD, birth="u2")),
            {"state": "restored", "backup": "newest"},
            ("several VMs", YOUNG, OLD),
        ),
        (_vm(_backup(protected=True)), {"state": "absent", "backup": YOUNG}, ("protected",)),
        (_vm(_backup(is_written=True, unfinished="x")), {"state": "absent", "backup": YOUNG}, ("being written",)),
        (
            _vm(_backup(damaged="its manifest is not valid")),
            {"state": "absent", "backup": YOUNG},
            ("cannot be deleted: its manifest is not valid. Delete its directory yourself", f"u1/{YOUNG}"),
        ),
    ],
)
def test_rejected(vm, options, words):
    found = _plan(vm, **options)
    assert found.refusal is not None
    assert [word for word in words if word not in str(found.refusal)] == []
    assert not found.changed


def test_platform_without_backups_names_what_it_has():
    traits = Traits(platform="any", instead={"backup": "Export the VM."})
    refusal = plan(_vm(), _asked(), traits).refusal
    assert (refusal.kind, "Export the VM." in str(refusal)) == ("unsupported", True)


def test_absent_deletes_one_backup_also_of_a_vm_that_is_gone():
    assert _verbs(_vm(_backup()), state="absent", backup=YOUNG) == ["drop_backup"]
    assert _verbs(_absent(_backup()), state="absent", backup=YOUNG) == ["drop_backup"]
    assert _verbs(_vm(_backup()), state="absent", backup=OLD) == []


def test_restore_beside_is_done_once():
    options = {"state": "restored", "backup": "newest", "new_name": "copy"}
    assert _verbs(_absent(_backup(), name="copy"), **options) == ["create_from_backup"]
    mark = {"v": 2, "id": "u7", "restored_from": {"id": YOUNG, "birth": "u1"}}
    copy = Vm(name="copy", id="u7", backups=(_backup(),), mark=mark)
    assert _verbs(copy, **options) == []
    other = copy.having(mark={**mark, "restored_from": {"id": OLD, "birth": "u1"}})
    assert "was not restored from" in str(_plan(other, **options).refusal)


def test_restore_in_place_keeps_what_others_created_or_use():
    mark = {"v": 2, "id": "u1", "created": "2027-01-01T00:00:00Z", "disks": ["/own", "/base"]}
    files = (
        File("/own", "disk", ours=True),
        File("/base", "disk", ours=True, used_by=("db1",)),
        File("/theirs", "disk"),
        File("/iso", "medium"),
    )
    # One own disk is detached.
    files += (File("/detached", "disk", ours=True),)
    files += (File("/nvram", "nvram", ours=True, used_by=("db1",)), File("/own-nvram", "nvram", ours=True))
    disks = {"vda": {"source": "/own"}, "vdb": {"source": "/base"}, "vdc": {"source": "/theirs"}}
    whole = _backup(config={"disks": {"vda": {}, "vdb": {}}})
    vm = _vm(whole, mark=mark, files=files, snapshots=(Snapshot("s1"),), config={"disks": disks})
    guarded = vm.having(snapshots=(Snapshot("guarded-patch-job42"),))
    refusal = _plan(guarded, state="restored", backup="newest", replace=True).refusal
    assert "guarded-patch-job42 belongs to a guarded run" in str(refusal)
    found = _plan(vm, state="restored", backup="newest", replace=True)
    assert [step.verb for step in found.steps] == [
        "prepare_restore",
        "kill",
        "restore_backup",
        "start",
        "finish_restore",
    ]
    restore = found.steps[2]
    assert restore.arguments["files"] == ("/own",)
    assert set(restore.arguments["kept"]) == {"/base", "/theirs", "/detached", "/nvram"}
    assert "s1" in restore.also[0]
    assert "/own" in restore.also[1]
    for part in (_backup(config={"disks": {"vdb": {}}}), _backup(config=whole.config, excluded=("vda",))):
        refusal = _plan(vm.having(backups=(part,)), state="restored", backup="newest", replace=True).refusal
        assert "does not contain disk vda, which the VM has" in str(refusal)
    refusal = _plan(vm.having(power=SUSPENDED), state="restored", backup="newest", replace=True).refusal
    assert "saved memory would be lost" in str(refusal)
    foreign = vm.having(mark={"v": 2, "id": "u1", "disks": ["/own"]})
    assert _plan(foreign, state="restored", backup="newest", replace=True).steps[2].arguments["files"] == ()


@pytest.mark.parametrize(
    ("replacing", "power", "verbs"),
    [
        ({"power": RUNNING}, STOPPED, ["prepare_restore", "restore_backup", "start", "finish_restore"]),
        ({"power": RUNNING}, RUNNING, ["prepare_restore", "kill", "restore_backup", "start", "finish_restore"]),
        ({"power": PAUSED, "id": YOUNG, "files": ["/old", "/x"]}, STOPPED, ["start", "pause", "finish_restore"]),
        ({"power": RUNNING, "id": YOUNG, "files": ["/old", "/x"]}, RUNNING, ["finish_restore"]),
        ({"power": STOPPED, "id": YOUNG, "files": ["/old", "/x"]}, STOPPED, ["finish_restore"]),
        (
            {"power": RUNNING, "id": OLD, "files": ["/old", "/x"]},
            STOPPED,
            ["prepare_restore", "restore_backup", "start", "finish_restore"],
        ),
        ("edited by a user", STOPPED, ["prepare_restore", "restore_backup", "finish_restore"]),
    ],
)
def test_interrupted_restore_is_completed_with_the_power_state_before_it(replacing, power, verbs):
    """A file that was replaced is deleted with the next restore, too, unless another VM uses it: then it is named."""
    mark = {"v": 2, "id": "u1", "created": "2027-01-01T00:00:00Z", "disks": ["/old", "/x", "/new"], "making": ["/n"]}
    files = (
        File("/old", "disk", ours=True),
        File("/x", "disk", ours=True, used_by=("db1",)),
        File("/new", "disk", ours=True),
        File("/n", "disk", ours=True),
    )
    whole = _backup(config={"disks": {"vda": {}}})
    config = {"disks": {"vda": {"source": "/new"}}}
    vm = _vm(whole, mark={**mark, "replacing": replacing}, files=files, config=config, power=power)
    found = _plan(vm, state="restored", backup="newest", replace=True)
    assert [step.verb for step in found.steps] == verbs
    assert ("Run it again to restore again" in str(found.steps[-1].also)) == ("restore_backup" not in verbs)
    replaced = {"/old"} if isinstance(replacing, dict) and "files" in replacing else set()
    assert set(found.steps[-1].arguments["files"]) - {"/new"} == replaced
    kept = found.steps[-1].arguments["kept"]
    assert "/n" not in kept
    assert not replaced or kept["/x"] == "used by db1"
    foreign = vm.having(mark={**vm.mark, "id": "another"})
    assert "prepare_restore" in [
        step.verb for step in _plan(foreign, state="restored", backup="newest", replace=True).steps
    ]


def test_restore_in_place_names_read_only_disks():
    """Such a disk is replaced by a copy, as any other; media of drives remain."""
    mark = {"v": 2, "id": "u1", "created": "2027-01-01T00:00:00Z", "disks": ["/own"]}
    disks = {"vda": {"source": "/own"}, "vdb": {"source": "/theirs"}}
    files = (File("/own", "support", ours=True), File("/theirs", "medium"), File("/iso", "medium"))
    vm = _vm(_backup(config={"disks": {"vda": {}, "vdb": {}}}), mark=mark, files=files, config={"disks": disks})
    restore = _plan(vm, state="restored", backup="newest", replace=True).steps[2]
    assert restore.arguments["files"] == ("/own",)
    assert restore.arguments["kept"] == {"/theirs": "not created by this collection"}
    # One that the backup excludes remains in the VM.
    for excluded, is_refused in ((("vda",), False), ((), True)):
        part = _backup(config={"disks": {"vdb": {}}}, excluded=excluded)
        refusal = _plan(vm.having(backups=(part,)), state="restored", backup="newest", replace=True).refusal
        assert (refusal is not None) == is_refused, refusal


def test_approved_plan_of_a_backup_is_that_of_the_next_day():
    """The ID of a new backup is its time, which an approval cannot know."""
    today, later = _asked(), _asked(controller_time=NOW + HOUR)
    digests = {digest(content_of(plan(_vm(), one, TRAITS), one)) for one in (today, later)}
    assert len(digests) == 1
    other = _asked(exclude=["vdb"])
    assert digest(content_of(plan(_vm(), other, TRAITS), other)) not in digests


def test_warnings_name_what_does_not_count():
    vm = _vm(_backup("a", damaged="vda is short"), _backup("b", age=-1000), _backup("c", 0, notes=("not frozen",)))
    text = "\n".join(filter(None, warnings_about(vm, _asked(), Plan(vm, vm))))
    for words in ("a: vda is short", "b: its date is in the future", "backup c: not frozen"):
        assert words in text
    vm = _vm(_backup())
    assert not list(filter(None, warnings_about(vm, _asked(), Plan(vm, vm))))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_age": None}, "max_age: it is not set"),
        ({"backup": "x"}, "backup: is not supported"),
        ({"state": "absent"}, "backup: it is not set"),
        ({"state": "absent", "backup": "newest"}, "newest is not supported"),
        ({"state": "restored", "backup": "x", "new_name": "web1"}, "the name of the VM itself"),
        ({"state": "restored", "backup": "x", "new_name": "a/b"}, "slash"),
        ({"state": "restored", "backup": "x", "new_name": "c", "replace": True}, "replace: is not supported"),
        ({"state": "restored", "backup": "x", "new_name": "c", "name": ["a", "b"]}, "several names"),
        ({"state": "absent", "backup": "x", "keep_last": 1}, "keep_last: is not supported"),
        ({"keep_last": 0}, "keep_last: 0 is out of range"),
    ],
)
def test_wrong_options(options, words):
    with pytest.raises(InvalidInput) as found:
        _asked(**{"max_age": "1h", **options} if options.get("state", "present") == "present" else options)
    assert words in str(found.value)


def test_absent_vm_has_no_steps_without_a_backup():
    assert _plan(_absent(), state="restored", backup="newest").refusal is not None
    assert _absent().power == ABSENT
