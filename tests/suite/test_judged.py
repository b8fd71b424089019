# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode on the real libvirt: what libvirt would not store, or not start, is rejected before the first step.

Each task runs in check mode, for real, and again: all three agree, and a rejected task changes nothing.
"""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite.answer import Task

NAME, SECOND = "pvg-judged", "pvg-judged2"
ABSENT_TASK = {"name": [NAME, SECOND], "state": "absent", "stop_mode": "force"}
_DISKS = [{"slot": "vda", "size": "1M"}, {"slot": "vdb", "size": "1M"}]


@pytest.fixture(name="stopped")
def _stopped(qemu, carry):
    """A stopped VM with two disks."""
    qemu.clean()
    agree(qemu, carry, {**qemu.creation, "name": [NAME], "disks": _DISKS, "networks": [{"type": "nat"}]})
    return qemu


def definition(platform, name=NAME):
    return platform.virsh("dumpxml", "--inactive", name)


def three(platform, carry, options, names=(NAME,)):
    """The answers of a task in check mode, for real, and again; tasks without a name are those of the VM."""
    options = {"name": list(names), **options}
    tasks = [Task("check", options, check=True), Task("run", options), Task("again", options)]
    return carry(platform, tasks, list(names))


def agree(platform, carry, options, names=(NAME,)):
    """Assert that a task does what its check mode says, and then nothing more."""
    answers = three(platform, carry, options, names)
    for answer in answers.values():
        assert not answer.failed, answer.msg
    assert [answers[label].changed for label in ("check", "run", "again")] == [True, True, False]
    assert answers["check"].result["diff"] == answers["run"].result["diff"]
    return answers


def rejected(platform, carry, options, *words):
    """Assert that a task is rejected in check mode and in a run with the same message, and changes nothing."""
    exists = NAME in platform.ids()
    before = definition(platform) if exists else None
    answers = three(platform, carry, options)
    for answer in answers.values():
        assert answer.failed, answer.result
        assert not answer.changed
        assert all(re.search(word, answer.msg) for word in (NAME, *words)), answer.msg
    assert answers["check"].msg == answers["run"].msg == answers["again"].msg
    assert (NAME in platform.ids()) == exists
    assert not exists or definition(platform) == before
    return answers["check"]


#: {what: (options, words of the message)}: libvirt would reject the definition, or the VM could never start.
REJECTED = {
    "more CPUs than the machine type has": ({"cpus": 100000}, "cpus", "288"),
    "machine type": ({"native": {"os/type@machine": "nope"}}, "native", "nope"),
    "CPU model": ({"native": {"cpu@mode": "custom", "cpu/model": "NoSuchCPU"}}, "native", "NoSuchCPU"),
    "memory": ({"memory": "1P"}, "memory", "1P"),
    "MAC of zeros": ({"networks": [{"mac": "00:00:00:00:00:00"}]}, "networks.0.mac", "00:00:00:00:00:00"),
    "value that libvirt drops": ({"native": {"foo/bar": "x"}}, "native: 'foo/bar'", "does not store"),
    "value that libvirt rewrites": ({"native": {"cputune/shares": "007"}}, "native: 'cputune/shares'", "'7'"),
    "removal of what libvirt adds again": ({"native": {"clock": None}}, "native: 'clock' cannot be removed"),
    "path of two disks": ({"native": {"devices/disk/serial": "x"}}, "matches 3 elements", r"disk\[1\]"),
    "gap in a list": ({"native": {"qemu:commandline/qemu:arg[2]@value": "x"}}, "0 elements arg", r"arg\[1\]"),
    "path of an option": (
        {"networks": [{"source": "default"}], "native": {"devices/interface[1]/source@network": "x"}}, "networks",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("options", "words"), [(one[0], one[1:]) for one in REJECTED.values()], ids=REJECTED)
def test_change_that_libvirt_rejects_is_rejected_in_check_mode(stopped, carry, options, words):
    rejected(stopped, carry, options, *words)


@pytest.mark.parametrize(("options", "words"), [(one[0], one[1:]) for one in REJECTED.values()], ids=REJECTED)
def test_creation_that_libvirt_rejects_is_rejected_in_check_mode(qemu, carry, options, words):
    """Nothing remains: no VM, and no disk."""
    qemu.clean()
    words = [word for word in words if word not in ("cpus", "native", "nope")]
    rejected(qemu, carry, {**qemu.creation, "disks": _DISKS, **options}, *words)
    assert qemu.files() == []


_CELLS = {
    "cpu/numa/cell[@id='0']@cpus": "0-1",
    "cpu/numa/cell[@id='0']@memory": "131072",
    "cpu/numa/cell[@id='0']@unit": "KiB",
}


def test_fewer_cpus_than_numa_cells_are_rejected(qemu, carry):
    qemu.clean()
    agree(qemu, carry, {**qemu.creation, "cpus": 2, "memory": "128M", "native": _CELLS})
    rejected(qemu, carry, {"cpus": 1}, "cpus", "numa")


#: Values that are created with their elements, of a certain disk and in namespaces.
CREATED = {
    "serial, wwn and limits of the second disk": {
        "devices/disk[2]/serial": "second",
        "devices/disk[2]/iotune/total_iops_sec": "100",
        "devices/disk[2]/iotune/total_bytes_sec": "1000000",
    },
    "arguments of QEMU": {
        "qemu:commandline/qemu:arg[1]@value": "-name",
        "qemu:commandline/qemu:arg[2]@value": "guest=other",
        "qemu:commandline/qemu:env[@name='A']@value": "b",
    },
    "element with an attribute": {"clock/timer[@name='hpet']@present": "no"},
}
#: What a task removes again.
REMOVED = dict(
    zip(
        map(tuple, CREATED.values()),
        (
            ["devices/disk[2]/serial", "devices/disk[2]/iotune"],
            ["qemu:commandline"],
            ["clock/timer[@name='hpet']"],
        ),
    )
)


@pytest.mark.parametrize("native", CREATED.values(), ids=CREATED)
def test_native_creates_elements_of_lists_and_namespaces(stopped, carry, native):
    agree(stopped, carry, {"native": native})
    agree(stopped, carry, {"native": dict.fromkeys(REMOVED[tuple(native)])})


@pytest.mark.parametrize("native", CREATED.values(), ids=CREATED)
def test_new_vm_has_elements_of_lists_and_namespaces(qemu, carry, native):
    qemu.clean()
    agree(qemu, carry, {**qemu.creation, "disks": _DISKS, "native": native})
    assert all(value in definition(qemu) for value in native.values())


def test_removal_that_moves_another_path_is_rejected(stopped, carry):
    path = "qemu:commandline/qemu:arg[{}]@value"
    agree(stopped, carry, {"native": {path.format(1): "-name", path.format(2): "guest=other"}})
    elements = {path.format(1).removesuffix("@value"): None}
    rejected(stopped, carry, {"native": elements}, "another path")


# What was wrong before ------------------------------------------------------------------------------------------------


def test_problem_that_the_vm_already_has_is_a_warning(stopped, carry):
    """libvirt stores a disk with a passphrase that is missing on this host, and cannot start the VM."""
    uuid = "6e1b0b0c-0000-4000-8000-000000000001"
    encryption = f"<encryption format='luks'><secret type='passphrase' uuid='{uuid}'/></encryption>"
    text = definition(stopped).replace("<target dev='vdb'", f"{encryption}<target dev='vdb'").replace("qcow2", "raw")
    path = stopped.storage / "encrypted.xml"
    path.write_text(text, encoding="utf-8")
    stopped.virsh("define", str(path))
    path.unlink()
    answers = agree(stopped, carry, {"description": "changed"})
    for label in ("check", "run"):
        assert any("with this change or without it" in one for one in answers[label].result["warnings"])
        assert any(uuid in one for one in answers[label].result["warnings"])
    rejected(stopped, carry, {"cpus": 100000}, "cpus", "288")


# Costs ----------------------------------------------------------------------------------------------------------------


def _judging(answer):
    return [call.argv for call in answer.calls if any("domxml-to-native" in word for word in call.argv)]


def test_several_vms_are_judged_by_one_process_and_an_unchanged_one_by_none(qemu, carry):
    qemu.clean()
    names = [NAME, SECOND]
    options = {**qemu.creation, "native": {"clock@offset": "localtime"}}
    answers = three(qemu, carry, options, names)
    assert [len(_judging(answers[label])) for label in ("check", "run", "again")] == [1, 1, 0]
    assert all(name in definition(qemu, name) for name in names)
    tags = three(qemu, carry, {"tags": ["a"]}, names)
    assert [len(_judging(tags[label])) for label in ("check", "run", "again")] == [0, 0, 0]
    changed = three(qemu, carry, {"cpus": 2}, names)
    assert [len(_judging(changed[label])) for label in ("check", "run", "again")] == [1, 1, 0]
    assert not any("qemu-system" in str(answer.result) for answer in answers.values())
