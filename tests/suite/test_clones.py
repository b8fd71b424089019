# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones: a VM with the source's configuration and its own identity; the source is not changed."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import NEVER, RUNNING, STOPPED, Change, Vm

from suite.answer import Task
from suite.scenarios.options import has, rejection

RUNS = ("check", "real", "again")
KEYS = {"ssh_authorized_keys": [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43} test"]}
#: A linked clone is the one that shares a file with its source.
REAL = pytest.mark.real
LINKED = pytest.mark.parametrize("linked", [False, True], ids=["full", "linked"])
THEN, NOW = 0x11, 0x22


class Names:
    """The names of one test, in the platform's namespace."""

    def __init__(self, platform):
        self.source, self.clone, self.other = (f"{platform.prefix}{word}" for word in ("template", "clone", "other"))
        self.all = [self.source, self.clone, self.other]


def _made(platform, carry, names, **more):
    """Create the source VM and write to its disk; returns its state."""
    platform.clean()
    options = _known(platform, {"networks": [platform.cloneable_nic], "tags": ["template"], **more})
    answer = carry(platform, [Task("source", {**platform.creation, "name": [names.source], **options})])["source"]
    assert not answer.failed, answer.msg
    platform.write(names.source, THEN)
    return platform.truth([names.source])[names.source]


def _known(platform, options):
    """The options that the platform supports."""
    return {option: value for option, value in options.items() if has(platform.traits(), option)}


def _clone(names, linked=False, snapshot=None, name=None, **more):
    return {
        "name": [name or names.clone],
        "clone": {"source": names.source, "linked": linked, **({"snapshot": snapshot} if snapshot else {})},
        **more,
    }


def _reads_only(platform, answer):
    return [call.argv for call in answer.calls if platform.is_write(call)] == []


def _otherwise(platform, linked):
    """Options with which a clone differs from its source, if the platform supports them."""
    more = {"memory": "192M", "description": "a clone", "networks": [{}, platform.cloneable_nic]}
    more = _known(platform, more)
    if platform.traits().fields["disks.size"].cost == NEVER or (linked and not platform.linked_disks_grow):
        return more
    return {**more, "disks": [{"size": platform.grown_size}]}


def _cannot_be_cloned(platform, carry, names):
    """The platform does not support clones: the error names the alternative."""
    platform.clean()
    platform.bring({names.source: STOPPED})
    before = platform.truth(names.all)
    answer = carry(platform, [Task("clone", _clone(names))], names.all)["clone"]
    assert (answer.failed, answer.changed, answer.truth) == (True, False, before)
    assert platform.traits().instead["clone"] in answer.msg
    assert _reads_only(platform, answer)


@pytest.mark.core
@pytest.mark.parametrize("linked", [pytest.param(False, id="full"), pytest.param(True, id="linked", marks=REAL)])
def test_clones_of_a_stopped_vm(platform, carry, linked):
    """Two clones in one task, with other settings: check mode predicts them, and a second run changes nothing."""
    names = Names(platform)
    if not has(platform.traits(), "clone"):
        _cannot_be_cloned(platform, carry, names)
        return
    if linked and rejection(platform.traits(), _clone(names, linked)):
        _cannot_be_linked(platform, carry, names)
        return
    frozen = platform.disks_of(_made(platform, carry, names, cloud_init=KEYS))
    base = _prepare_base(platform, carry, names) if linked else None
    source, files = platform.truth([names.source])[names.source], platform.contents()
    options = {**_clone(names, linked, base, **_otherwise(platform, linked)), "name": [names.clone, names.other]}
    answers = carry(platform, [Task(run, options, run == "check") for run in RUNS], names.all)
    check, real, again = (answers[run] for run in RUNS)
    assert not real.failed, real.msg
    assert (check.failed, check.changed, check.diff) == (False, True, real.diff), check.msg
    assert check.truth == {names.source: source, names.clone: None, names.other: None}
    assert _reads_only(platform, check)
    assert (again.failed, again.changed, again.diff, again.truth) == (False, False, [], real.truth), again.msg
    assert _reads_only(platform, again)
    assert real.truth[names.source] == source
    assert {name: digest for name, digest in platform.contents().items() if name in files} == files
    _are_clones(platform, names, real, set(frozen.values()) if linked else set())


def _cannot_be_linked(platform, carry, names):
    before = _made(platform, carry, names)
    answer = carry(platform, [Task("linked", _clone(names, linked=True))], names.all)["linked"]
    assert (answer.failed, answer.msg) == (True, rejection(platform.traits(), _clone(names, linked=True)))
    assert answer.truth == {names.source: before, names.clone: None, names.other: None}


def _prepare_base(platform, carry, names):
    """Create the base of linked clones, if it is not the VM itself; returns the name of the snapshot, if it is one."""
    if _cost_of_cloning(platform, Vm(names.source, power=STOPPED), linked=True) != NEVER:
        return None
    answer = carry(platform, [Task("on nothing", _clone(names, linked=True))], names.all)["on nothing"]
    assert (answer.failed, answer.changed, answer.truth[names.clone]) == (True, False, None)
    assert platform.linked_needs in answer.msg
    assert _reads_only(platform, answer)
    platform.take_clone_base(names.source, "base")
    return "base" if platform.linked_needs == "snapshot" else None


def _are_clones(platform, names, answer, below):
    source = answer.truth[names.source]
    clones = [answer.truth[name] for name in (names.clone, names.other)]
    identities = [platform.identities(machine) for machine in (source, *clones)]
    assert len(set.union(*identities)) == sum(len(own) for own in identities), identities
    for clone in clones:
        assert clone["power"] == STOPPED
        had, settings = platform.settings(source), platform.settings(clone)
        _is_changed(platform, had, settings)
        assert platform.seeds_of(clone) == []
        assert platform.holds(clone, THEN)
        assert platform.backing_files(clone) == below


def _is_changed(platform, had, found):
    assert found["description"] == "a clone"
    if has(platform.traits(), "memory"):
        assert found["memory"] == 192 << 20
    if has(platform.traits(), "networks"):
        assert found["networks"] == [*had["networks"], platform.cloneable_nic["type"]]
    kept = [key for key in ("cpus", "native", "disks") if key not in platform.changed_by_clones]
    assert [found.get(key) for key in kept] == [had.get(key) for key in kept]


def test_writes_of_a_clone_do_not_change_its_source(qemu, carry):
    """Neither the source nor another clone contains the write, and deleting clones deletes nothing of the source."""
    names = Names(qemu)
    source = _made(qemu, carry, names)
    files = qemu.contents()
    options = {**_clone(names, linked=True, cloud_init=KEYS, state="started"), "name": [names.clone, names.other]}
    made = carry(qemu, [Task("make", options)], names.all)["make"]
    assert not made.failed, made.msg
    assert [made.truth[name]["power"] for name in names.all] == [STOPPED, RUNNING, RUNNING]
    seeds = [qemu.seeds_of(made.truth[name]) for name in (names.clone, names.other)]
    assert [len(seed) for seed in seeds] == [1, 1]
    assert seeds[0] != seeds[1]
    off = {"name": [names.clone, names.other], "state": "stopped", "stop_mode": "force"}
    stopped = carry(qemu, [Task("stop", off)], names.all)["stop"]
    qemu.write(names.clone, NOW)
    assert qemu.holds(stopped.truth[names.clone], NOW)
    assert qemu.holds(stopped.truth[names.other], THEN)
    gone = {"name": [names.clone, names.other], "state": "absent"}
    answer = carry(qemu, [Task("remove", gone)], names.all)["remove"]
    assert not answer.failed, answer.msg
    assert answer.truth == {names.source: source, names.clone: None, names.other: None}
    assert qemu.contents() == files


def test_clones_of_snapshots(qemu, carry):
    """While the source runs, a clone has the disk and settings of the snapshot: copied, or linked if it is external."""
    names = Names(qemu)
    _made(qemu, carry, names)
    qemu.take_snapshot(names.source, "inside")
    qemu.write(names.source, NOW)
    changed = carry(qemu, [Task("change", {"name": [names.source], "memory": "96M", "state": "started"})])["change"]
    assert not changed.failed, changed.msg
    before = qemu.truth([names.source])
    answers = carry(
        qemu,
        [
            Task("refused", _clone(names, linked=True, snapshot="inside")),
            Task("real", _clone(names, snapshot="inside")),
            Task("again", _clone(names, snapshot="inside")),
        ],
        names.all,
    )
    assert answers["refused"].failed
    assert "external" in answers["refused"].msg
    assert _reads_only(qemu, answers["refused"])
    real = answers["real"]
    assert not real.failed, real.msg
    assert not answers["again"].changed
    assert real.truth[names.source] == before[names.source]
    clone = real.truth[names.clone]
    assert qemu.holds(clone, THEN)
    assert qemu.settings(clone)["memory"] == 128 << 20
    assert not qemu.identities(clone) & qemu.identities(before[names.source])


def test_source_of_a_linked_clone_of_an_external_snapshot_may_start(qemu, carry):
    names = Names(qemu)
    source = _made(qemu, carry, names)
    frozen = qemu.disks_of(source)["vda"]
    qemu.take_clone_base(names.source, "base")
    tasks = [
        Task("clone", _clone(names, linked=True, snapshot="base")),
        Task("start", {"name": names.all[:2], "state": "started"}),
        Task("stop", {"name": names.all[:2], "state": "stopped", "stop_mode": "force"}),
    ]
    answers = carry(qemu, tasks, names.all)
    for answer in answers.values():
        assert not answer.failed, answer.msg
    qemu.write(names.source, NOW)
    clone = answers["stop"].truth[names.clone]
    assert qemu.backing_files(clone) == {frozen}
    assert qemu.holds(clone, THEN)
    assert qemu.holds(qemu.truth([names.source])[names.source], NOW)


# What clones stand on -------------------------------------------------------------------------------------------------


def test_disk_under_linked_clones_is_never_written(qemu, carry):
    """Tasks that would write the base disk fail before any change; the clone itself, and a clone of it, may run."""
    names = Names(qemu)
    _made(qemu, carry, names)
    qemu.take_snapshot(names.source, "inside")
    middle = {"name": [names.other], "clone": {"source": names.clone, "linked": True}}
    made = carry(qemu, [Task("clone", _clone(names, linked=True)), Task("chain", middle)], names.all)
    for answer in made.values():
        assert not answer.failed, answer.msg
    before, files = qemu.truth(names.all), qemu.contents()
    writing = {
        "start": {"name": [names.source], "state": "started"},
        "restart": {"name": [names.source], "state": "restarted"},
        "grow": {"name": [names.source], "disks": [{"size": "24M"}]},
        "clone of the clone": {"name": [names.clone], "state": "started"},
        "one refusal ends all": {"name": [names.other, names.source], "state": "started"},
    }
    answers = carry(qemu, [Task(label, options) for label, options in writing.items()], names.all)
    for label, answer in answers.items():
        assert (answer.failed, answer.changed) == (True, False), label
        assert "must not be written to" in answer.msg, label
        assert _reads_only(qemu, answer), label
        assert answer.truth == before, label
    assert qemu.contents() == files
    top = carry(qemu, [Task("start", {"name": [names.other], "state": "started"})], names.all)["start"]
    assert not top.failed, top.msg
    assert top.truth[names.other]["power"] == RUNNING


def test_source_with_linked_clones_is_not_restored(qemu, carry):
    names = Names(qemu)
    _made(qemu, carry, names)
    qemu.take_snapshot(names.source, "inside")
    carry(qemu, [Task("clone", _clone(names, linked=True))])
    before, files = qemu.truth(names.all), qemu.contents()
    restore = {"name": [names.source], "snapshot": "inside", "state": "restored"}
    answer = carry(qemu, [Task("restore", restore, about="snapshot")], names.all)["restore"]
    assert (answer.failed, answer.changed, answer.truth) == (True, False, before)
    assert "must not be written to" in answer.msg
    assert qemu.contents() == files


def test_disk_under_clones_remains_when_its_vm_is_deleted(qemu, carry):
    names = Names(qemu)
    source = _made(qemu, carry, names)
    disk = qemu.disks_of(source)["vda"]
    chain = {"name": [names.other], "clone": {"source": names.clone, "linked": True}}
    tasks = [
        Task("clone", _clone(names, linked=True)),
        Task("chain", chain),
        Task("source goes", {"name": [names.source], "state": "absent", "delete_disks": "all"}),
        Task("clone goes", {"name": [names.clone], "state": "absent"}),
    ]
    answers = carry(qemu, tasks, names.all)
    for answer in answers.values():
        assert not answer.failed, answer.msg
    assert [kept["path"] for kept in answers["source goes"].vm(names.source)["kept"]] == [disk]
    left = answers["clone goes"].truth
    assert (left[names.source], left[names.clone]) == (None, None)
    assert len(qemu.backing_files(left[names.other])) == 2
    assert qemu.holds(left[names.other], THEN)


# Refusals -------------------------------------------------------------------------------------------------------------


def test_refusals(platform, carry):
    names = Names(platform)
    if not has(platform.traits(), "clone"):
        _cannot_be_cloned(platform, carry, names)
        return
    _made(platform, carry, names)
    running = f"{platform.prefix}running"
    platform.bring({running: RUNNING})
    of_files = _refused_for_files(platform, names) if platform.handles_files else {}
    before, files = platform.truth([*names.all, running]), platform.files()
    cases = {
        "unknown source": (_clone(names) | {"clone": {"source": "nosuch"}}, ("nosuch", names.source, running)),
        "unknown snapshot": (_clone(names, snapshot="nosuch"), (names.source, "nosuch", "Its snapshots: none")),
        "with an image": (_clone(names, image={"source": platform.disk_of(running)}), ("clone", "image")),
        "of itself": (_clone(names) | {"clone": {"source": names.clone}}, (names.clone, "no VM")),
        **of_files,
    }
    if _cost_of_cloning(platform, Vm(running, power=RUNNING), linked=False) == NEVER:
        of_running = _clone(names) | {"clone": {"source": running}}
        cases["source runs"] = (of_running, (running, "running", "Stop it first"))
    answers = carry(
        platform, [Task(label, options) for label, (options, _words) in cases.items()], [*names.all, running]
    )
    for label, (options, words) in cases.items():
        answer, never = answers[label], rejection(platform.traits(), options)
        words = (never,) if never else words
        assert (answer.failed, answer.changed, answer.truth) == (True, False, before), f"{label}: {answer.result}"
        assert [word for word in words if word not in answer.msg] == [], f"{label}: {answer.msg}"
        assert _reads_only(platform, answer), label
    assert platform.files() == files


def _refused_for_files(platform, names):
    """Additional errors on platforms on which disks are files of the host."""
    text, of = platform.blocking_file(names.other), {"clone": {"source": names.source}}
    text.write_text("somebody's letters\n")
    return {
        "file is there": ({"name": [names.other], **of}, (text.name, "already exists")),
        "one of two": ({"name": [names.clone, names.other], **of}, (text.name, "already exists")),
        "relative folder": (_clone(names, storage_path="/nonexistent"), ("storage_path", "/nonexistent")),
    }


def _cost_of_cloning(platform, source, linked):
    change = Change("clone", None, {"source": source.name, "linked": linked})
    return platform.traits().fields["clone"].cost_of(source, change)


def test_disk_that_is_not_a_file(qemu, carry):
    names = Names(qemu)
    _made(qemu, carry, names)
    stored = qemu.virsh("dumpxml", names.source, "--inactive")
    block = stored.replace("<disk type='file' device='disk'>", "<disk type='block' device='disk'>")
    qemu.virsh(
        "define",
        "/dev/stdin",
        stdin=block.replace(f"<source file='{qemu.disk_of(names.source)}'", "<source dev='/dev/null'"),
    )
    answer = carry(qemu, [Task("clone", _clone(names))], names.all)["clone"]
    assert (answer.failed, answer.truth[names.clone]) == (True, None)
    assert "vda" in answer.msg
    assert "not a file" in answer.msg
    qemu.virsh("undefine", names.source)


# Base images ----------------------------------------------------------------------------------------------------------


@LINKED
def test_images_of_every_kind(qemu, carry, linked):
    """Raw and compressed qcow2 images: a copy or an overlay has the same content, and the image is not changed."""
    qemu.clean()
    plain = qemu.base_image()
    subprocess.run(["qemu-io", "-c", f"write -P {THEN} 0 64k", plain], check=True, stdout=subprocess.DEVNULL)
    for name, words in (("base.raw", ("-O", "raw")), ("packed.qcow2", ("-c", "-O", "qcow2"))):
        subprocess.run(["qemu-img", "convert", *words, plain, qemu.storage / name], check=True)
    files = qemu.contents()
    machines = {f"{qemu.prefix}of-{name.partition('.')[0]}": name for name in files}
    tasks = [
        Task(name, {**qemu.creation, "name": [name], "disks": [{"size": "24M"}],
                    "image": {"source": str(qemu.storage / base), "linked": linked}})
        for name, base in machines.items()
    ]  # fmt: skip
    answers = carry(qemu, tasks, list(machines))
    for name, base in machines.items():
        assert not answers[name].failed, answers[name].msg
        machine = answers[name].truth[name]
        assert qemu.holds(machine, THEN)
        assert qemu.backing_files(machine) == ({str(qemu.storage / base)} if linked else set())
        assert answers[name].vm(name)["disks"][0]["size"] == "24M"
    assert {name: digest for name, digest in qemu.contents().items() if name in files} == files


def test_image_becomes_the_disk_of_its_slot(qemu, carry):
    """Check mode, run and again; the disk has the content of the image on the bus of the slot, and no second one."""
    qemu.clean()
    plain, name = qemu.base_image(), f"{qemu.prefix}on-sata"
    subprocess.run(["qemu-io", "-c", f"write -P {THEN} 0 64k", plain], check=True, stdout=subprocess.DEVNULL)
    made = {**qemu.creation, "name": [name], "disks": [{"size": "24M"}], "image": {"source": plain, "slot": "sata0"}}
    tasks = [Task("check", made, check=True), Task("run", made), Task("again", made)]
    answers = carry(qemu, tasks, [name])
    assert not answers["run"].failed, answers["run"].msg
    assert (answers["check"].truth[name], answers["again"].changed) == (None, False)
    assert answers["check"].result["diff"] == answers["run"].result["diff"]
    assert qemu.holds(answers["run"].truth[name], THEN, "sda")
    disks = answers["again"].vm(name)["disks"]
    assert [(one["slot"], one["bus"], one["size"]) for one in disks] == [("sda", "sata", "24M")]
