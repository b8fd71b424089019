# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several VMs in one task that share something: what one of them makes or lets go of counts for the others.

Each test runs its task in check mode, for real, and again. A rejected task leaves everything as it was.
"""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import NEVER, RUNNING, STOPPED, Vm

from suite.answer import Task
from suite.scenarios.options import has, rejection
from suite.test_clones import LINKED, _cost_of_cloning

RUNS = ("check", "real", "again")
ORDERS = pytest.mark.parametrize("is_reversed", [False, True], ids=["listed", "reversed"])


class Names:
    """The names of one test, in the platform's namespace."""

    def __init__(self, platform):
        self.one, self.two, self.other = (f"{platform.prefix}{word}" for word in ("one", "two", "other"))
        self.all = [self.one, self.two, self.other]


def run(carry, platform, names, entries, is_reversed=False, runs=RUNS, **options):
    """Run a task with these entries in check mode, for real and again: {run: Answer}."""
    machines = entries[::-1] if is_reversed else entries
    return carry(platform, [Task(one, {"machines": machines, **options}, one == "check") for one in runs], names.all)


def assert_done(answers, again=True):
    check, real = answers["check"], answers["real"]
    assert not real.failed, real.msg
    assert (check.failed, check.changed, check.diff) == (False, True, real.diff), check.msg
    if again:
        repeated = answers["again"]
        assert (repeated.failed, repeated.changed, repeated.truth) == (False, False, real.truth), repeated.msg


def assert_rejected(platform, answers, before, *words):
    """The task is rejected with these words, in check mode as in a real run, and nothing has changed."""
    truth, files = before
    for answer in answers.values():
        assert (answer.failed, answer.changed, answer.truth) == (True, False, truth), answer.result
        assert [word for word in words if word not in answer.msg] == [], answer.msg
        assert [call.argv for call in answer.calls if platform.is_write(call)] == []
    assert answers["check"].msg == answers["real"].msg
    assert platform.files() == files


def present(platform, names):
    return platform.truth(names.all), platform.files()


# One VM ---------------------------------------------------------------------------------------------------------------


@ORDERS
@pytest.mark.parametrize("states", [("started", "absent"), ("present", "present")], ids=["start-delete", "settings"])
def test_vm_that_is_listed_by_name_and_by_id_is_rejected(platform, carry, states, is_reversed):
    names = Names(platform)
    platform.clean()
    platform.bring({names.one: STOPPED})
    entries = [{"name": names.one, "state": states[0]}, {"id": platform.ids()[names.one], "state": states[1]}]
    entries[0]["description"] = "by its name"
    before = present(platform, names)
    assert_rejected(platform, run(carry, platform, names, entries, is_reversed), before, names.one, "listed twice")


# Sources and clones ---------------------------------------------------------------------------------------------------


def skip_without_clones(platform, linked=False):
    options = {"name": ["x"], "clone": {"source": "y", "linked": linked}}
    if not has(platform.traits(), "clone") or rejection(platform.traits(), options):
        pytest.skip(f"{platform.name} has no such clones: conformance expects the rejection in test_clones.py")


@pytest.mark.core
@ORDERS
def test_source_and_its_clone_are_created_in_one_task(platform, carry, is_reversed):
    skip_without_clones(platform)
    names = Names(platform)
    platform.clean()
    source = {**platform.creation, "name": names.one, "description": "a source"}
    clone = {"name": names.two, "clone": {"source": names.one}, "description": "a clone"}
    answers = run(carry, platform, names, [source, clone], is_reversed)
    assert_done(answers)
    made = answers["real"].truth
    assert [made[name]["power"] for name in (names.one, names.two)] == [STOPPED, STOPPED]
    assert not platform.identities(made[names.one]) & platform.identities(made[names.two])
    settings = [platform.settings(made[name])["description"] for name in (names.one, names.two)]
    assert settings == ["a source", "a clone"]


@pytest.mark.real
@ORDERS
def test_source_and_its_clone_are_deleted_in_one_task(platform, carry, is_reversed):
    """Nothing of them remains, whichever of the two is listed first; the base of a linked clone goes last."""
    skip_without_clones(platform, linked=True)
    names = Names(platform)
    platform.clean()
    files = platform.files()
    tasks = [Task("source", {**platform.creation, "name": [names.one]})]
    assert not carry(platform, tasks)["source"].failed
    snapshot = {}
    if _cost_of_cloning(platform, Vm(names.one, power=STOPPED), linked=True) == NEVER:
        platform.take_clone_base(names.one, "base")
        snapshot = {"snapshot": "base"} if platform.linked_needs == "snapshot" else {}
    clone = {"name": [names.two], "clone": {"source": names.one, "linked": True, **snapshot}}
    made = carry(platform, [Task("clone", clone)])["clone"]
    assert not made.failed, made.msg
    entries = [{"name": names.one, "state": "absent"}, {"name": names.two, "state": "absent"}]
    answers = run(carry, platform, names, entries, is_reversed)
    assert_done(answers)
    assert answers["real"].truth == dict.fromkeys(names.all)
    assert [vm["kept"] for vm in answers["real"].vms] == [[], []]
    assert platform.files() == files


@LINKED
@ORDERS
def test_source_that_the_same_task_starts(qemu, carry, linked, is_reversed):
    """A full clone is made first if it is listed first. The base of a linked clone is never started."""
    names = Names(qemu)
    qemu.clean()
    made = carry(qemu, [Task("source", {**qemu.creation, "name": [names.one]})])["source"]
    assert not made.failed, made.msg
    before = present(qemu, names)
    clone = {"name": names.two, "clone": {"source": names.one, "linked": linked}}
    entries = [clone, {"name": names.one, "state": "started"}]
    answers = run(carry, qemu, names, entries, is_reversed)
    if linked or is_reversed:
        assert_rejected(qemu, answers, before, names.one, names.two if linked and not is_reversed else "running")
        return
    assert_done(answers)
    assert answers["real"].truth[names.one]["power"] == RUNNING


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(name="images")
def _images(qemu):
    """Create images in the directory of the platform: images(name, *words of qemu-img) returns the path."""
    qemu.clean()
    return qemu.make_image


SLOTS = ("vda", "vdb")


def entry(qemu, name, *sources, **options):
    disks = [{"slot": slot, "source": str(source)} for slot, source in zip(SLOTS, sources)]
    return {**qemu.creation, "name": name, "disks": disks, **options}


def spellings(path):
    """Other names of a file: with .., by a symbolic and by a hard link."""
    (path.parent / "sub").mkdir(exist_ok=True)
    symbolic, hard = path.with_name("symbolic.qcow2"), path.with_name("hard.qcow2")
    symbolic.symlink_to(path)
    hard.hardlink_to(path)
    return {"dots": f"{path.parent}/sub/../{path.name}", "symbolic": symbolic, "hard": hard}


@pytest.mark.parametrize("spelling", ["same", "dots", "symbolic", "hard"])
def test_one_file_for_two_disks_is_rejected(qemu, carry, images, spelling):
    """For two slots of one VM, and for two VMs of one task."""
    names, path = Names(qemu), images("shared.qcow2")
    other = path if spelling == "same" else spellings(path)[spelling]
    before = present(qemu, names)
    one_vm = run(carry, qemu, names, [entry(qemu, names.one, path, other)])
    assert_rejected(qemu, one_vm, before, f"{names.one}: disks.vd", "is also that of ")
    for is_reversed in (False, True):
        two = [entry(qemu, names.one, path), entry(qemu, names.two, other)]
        answers = run(carry, qemu, names, two, is_reversed)
        assert_rejected(qemu, answers, before, names.one, names.two)


@ORDERS
def test_image_is_not_the_base_of_one_vm_and_the_disk_of_another(qemu, carry, images, is_reversed):
    names, path = Names(qemu), images("free.qcow2")
    before = present(qemu, names)
    linked = {**qemu.creation, "name": names.one, "image": {"source": str(path), "linked": True}}
    entries = [linked, entry(qemu, names.two, path, state="started")]
    answers = run(carry, qemu, names, entries, is_reversed)
    assert_rejected(qemu, answers, before, names.one, names.two, str(path))


_IN_JSON = r'json:{"driver": "qcow2", "file": {"driver": "file", "filename": "DIR/\u0062ase.qcow2"}}'


@pytest.mark.parametrize("name", ["base.qcow2", _IN_JSON], ids=["path", "json"])
def test_files_below_the_disks_of_other_vms_are_not_attached(qemu, carry, images, name):
    """The external data file and the backing file of another VM's disk, by a relative path or in JSON."""
    names = Names(qemu)
    data = images("ext.raw", "-f", "raw")
    top = images("top.qcow2", "-o", "data_file=ext.raw,data_file_raw=on")
    base = images("base.qcow2")
    above = images("above.qcow2", "-b", "base.qcow2", "-F", "qcow2")
    owner = carry(qemu, [Task("owner", entry(qemu, [names.other], top, above))])["owner"]
    assert not owner.failed, owner.msg
    in_header = ("-F", "qcow2", "-b", name.replace("DIR", str(base.parent)))
    subprocess.run(["qemu-img", "rebase", "-u", *in_header, above], check=True)
    before = present(qemu, names)
    for path in (data, base):
        answers = run(carry, qemu, names, [entry(qemu, names.one, path)])
        assert_rejected(qemu, answers, before, str(path), names.other)
    gone = carry(qemu, [Task("gone", {"name": [names.other], "state": "absent", "delete_disks": "none"})])["gone"]
    assert not gone.failed, gone.msg


def test_files_of_volumes_of_other_vms_are_not_attached(qemu, carry, images):
    names = Names(qemu)
    base, top = images("base.qcow2"), images("top.qcow2", "-b", "base.qcow2", "-F", "qcow2")
    owner = carry(qemu, [Task("owner", entry(qemu, [names.other], top))])["owner"]
    assert not owner.failed, owner.msg
    with qemu.as_volumes(names.other):
        before = present(qemu, names)
        for path in (top, base):
            answers = run(carry, qemu, names, [entry(qemu, names.one, path)])
            assert_rejected(qemu, answers, before, str(path), names.other)


def test_vm_on_the_disk_of_a_running_vm_is_not_started(qemu, carry, images):
    """A copied definition: attaching is no task of this collection, but starting is."""
    names, path = Names(qemu), images("shared.qcow2")
    made = carry(qemu, [Task("one", entry(qemu, [names.one], path, state="started"))])["one"]
    assert not made.failed, made.msg
    qemu.define_copy(names.one, names.two)
    before = present(qemu, names)
    answers = run(carry, qemu, names, [{"name": names.two, "state": "started"}])
    assert_rejected(qemu, answers, before, names.two, names.one, str(path))


def test_disk_moves_from_one_vm_to_the_next_in_list_order(qemu, carry, images):
    names, path = Names(qemu), images("moving.qcow2")
    made = carry(qemu, [Task("one", entry(qemu, [names.one], images("own.qcow2"), path))])["one"]
    assert not made.failed, made.msg
    entries = [
        {"name": names.one, "disks": [{"slot": "vdb", "state": "absent"}]},
        entry(qemu, names.two, path, state="started"),
    ]
    before = present(qemu, names)
    backwards = run(carry, qemu, names, entries, is_reversed=True)
    assert_rejected(qemu, backwards, before, f"List {names.one} before {names.two}.")
    answers = run(carry, qemu, names, entries)
    assert_done(answers)
    assert list(qemu.disks_of(answers["real"].truth[names.two]).values()) == [str(path)]


def test_vms_that_exchange_disks_need_two_tasks(qemu, carry, images):
    names, left, right = Names(qemu), images("left.qcow2"), images("right.qcow2")
    made = [entry(qemu, names.one, left), entry(qemu, names.two, right)]
    assert not carry(qemu, [Task("made", {"machines": made})])["made"].failed
    before = present(qemu, names)
    entries = [
        {"name": name, "disks": [{"slot": "vda", "state": "absent"}, {"slot": "vdb", "source": str(path)}]}
        for name, path in ((names.one, right), (names.two, left))
    ]
    for is_reversed in (False, True):
        answers = run(carry, qemu, names, entries, is_reversed)
        assert_rejected(qemu, answers, before, "exchange", "Use two tasks.")


def test_deleted_disk_is_no_source_and_its_name_is_free(qemu, carry, images):
    """A VM that is created again in the same task, after the one that has its file, waits for the deletion."""
    names = Names(qemu)
    path = images(f"{names.two}-vda.qcow2")
    keeper = entry(qemu, [names.one], path)
    assert not carry(qemu, [Task("one", keeper)])["one"].failed
    before = present(qemu, names)
    gone = {"name": names.one, "state": "absent", "delete_disks": "all"}
    rejected = run(carry, qemu, names, [gone, entry(qemu, names.two, path)])
    assert_rejected(qemu, rejected, before, names.two, f"is deleted by this task with {names.one}")
    new = {**qemu.creation, "name": names.two}
    assert_done(run(carry, qemu, names, [gone, new]))


def test_fleet_with_linked_clones_is_pruned_at_once(qemu, carry):
    names = Names(qemu)
    qemu.clean()
    source = {**qemu.creation, "name": [names.one], "fleet": "lab"}
    clone = {"name": [names.two], "clone": {"source": names.one, "linked": True}, "fleet": "lab"}
    for options in (source, clone):
        made = carry(qemu, [Task("made", options)])["made"]
        assert not made.failed, made.msg
    kept = {**qemu.creation, "name": [names.other], "fleet": "lab", "prune": True, "prune_max": 2}
    answers = carry(qemu, [Task(one, kept, one == "check") for one in RUNS], names.all)
    assert_done(answers)
    assert [answers["real"].truth[name] for name in (names.one, names.two)] == [None, None]


def test_entry_that_needs_what_a_pruned_vm_holds_is_rejected(qemu, carry, images):
    names, path = Names(qemu), images("held.qcow2")
    made = carry(qemu, [Task("made", entry(qemu, [names.one], path, fleet="lab"))])["made"]
    assert not made.failed, made.msg
    before = present(qemu, names)
    entries = [entry(qemu, names.two, path)]
    answers = run(carry, qemu, names, entries, fleet="lab", prune=True, prune_max=1)
    assert_rejected(qemu, answers, before, names.one, "Prune in a task before this one.")
