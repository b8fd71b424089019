# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode on the real libvirt: what libvirt would not store, or not start, is rejected before the first step.

Each task runs in check mode, for real, and again: all three agree, and a rejected task changes nothing.
"""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING

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
    "more CPUs than the machine type has": ({"cpus": 100000}, "cpus", r"limit \d+"),
    "machine type": ({"native": {"os/type@machine": "nope"}}, "native", "nope"),
    "CPU model": ({"native": {"cpu@mode": "custom", "cpu/model": "NoSuchCPU"}}, "native", "NoSuchCPU"),
    "memory": ({"memory": "1P"}, "memory", "1P"),
    "MAC of zeros": ({"networks": [{"mac": "00:00:00:00:00:00"}]}, "networks.0.mac", "00:00:00:00:00:00"),
    "value that libvirt drops": ({"native": {"foo/bar": "x"}}, "native: 'foo/bar'", "does not store"),
    "value that libvirt rewrites": ({"native": {"cputune/shares": "007"}}, "native: 'cputune/shares'", "'7'"),
    "removal of what libvirt adds again": ({"native": {"clock": None}}, "native: 'clock' cannot be removed"),
    "path of two disks": ({"native": {"devices/disk/iotune/group_name": "x"}}, "matches 3 elements", r"disk\[1\]"),
    "model of a NIC that QEMU lacks": ({"networks": [{"model": "rtl9999"}]}, "no device rtl9999", "e1000e"),
    "controller that QEMU lacks": ({"native": {"devices/controller[@type='scsi']@model": "ibmvscsi"}}, "spapr-vscsi"),
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
    "limits of the second disk": {
        "devices/disk[2]/iotune/write_iops_sec": "100",
        "devices/disk[2]/iotune/write_bytes_sec": "1000000",
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
            ["devices/disk[2]/iotune/write_iops_sec", "devices/disk[2]/iotune/write_bytes_sec"],
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
        warnings = str(answers[label].result["warnings"])
        assert "with this change or without it" in warnings and uuid in warnings
    rejected(stopped, carry, {"cpus": 100000}, "cpus", r"limit \d+")


# What no option describes ---------------------------------------------------------------------------------------------


def redefined(platform, *replacements):
    """Store the definition of the VM with replacements (old, new), as another program does."""
    text = definition(platform)
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = platform.storage / "other.xml"
    path.write_text(text, encoding="utf-8")
    platform.virsh("define", str(path))
    path.unlink()


_ENCRYPTION = (
    "<encryption format='luks'><secret type='passphrase' uuid='6e1b0b0c-0000-4000-8000-000000000002'/></encryption>"
)
#: {what: (task, words of the message)}
OF_ENCRYPTED = {
    "full clone": ({"name": [SECOND], "clone": {"source": NAME}}, "clone.source", "vdb", "encrypted"),
    "linked clone": ({"name": [SECOND], "clone": {"source": NAME, "linked": True}}, "clone.source", "vdb", "encrypted"),
    "growth": ({"name": [NAME], "disks": [{"slot": "vdb", "size": "8M"}]}, "disks.size", "vdb", "encrypted"),
}


@pytest.mark.parametrize(("options", "words"), [(one[0], one[1:]) for one in OF_ENCRYPTED.values()], ids=OF_ENCRYPTED)
def test_encrypted_disk_is_not_copied_or_enlarged(stopped, carry, options, words):
    """The clone would run on the ciphertext, and a larger disk would never have the requested size."""
    redefined(stopped, ("<target dev='vdb'", f"{_ENCRYPTION}<target dev='vdb'"))
    rejected(stopped, carry, options, *words)


def snapshot_rejected(platform, carry, *words):
    before = definition(platform)
    options = {"name": [NAME], "snapshot": "s", "kind": "external"}
    tasks = [Task(label, options, check=label == "check", about="snapshot") for label in ("check", "run")]
    answers = carry(platform, tasks, [NAME])
    for answer in answers.values():
        assert answer.failed and all(word in answer.msg for word in (NAME, *words)), answer.result
    assert answers["check"].msg == answers["run"].msg
    assert definition(platform) == before


def test_encrypted_disk_gets_no_external_snapshot(stopped, carry):
    redefined(stopped, ("<target dev='vdb'", f"{_ENCRYPTION}<target dev='vdb'"))
    snapshot_rejected(stopped, carry, "vdb", "encrypted")


def test_disk_on_another_host_gets_no_external_snapshot(stopped, carry):
    remote = (
        "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd' name='one'><host"
        " name='localhost'/></source><target dev='vdc' bus='virtio'/></disk></devices>"
    )
    redefined(stopped, ("</devices>", remote))
    snapshot_rejected(stopped, carry, "vdc")


def test_firmware_by_files_keeps_its_nvram(stopped, carry):
    """virt-install and Terraform name the files. Another firmware would begin with an empty NVRAM."""
    nvram = stopped.storage / "theirs.fd"
    loader = (
        "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
        f"<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>{nvram}</nvram><boot dev='hd'/>"
    )
    redefined(stopped, ("<boot dev='hd'/>", loader))
    rejected(stopped, carry, {"secure_boot": True}, "secure_boot", "lost", re.escape(str(nvram)))
    if "firmware='efi'" in definition(stopped):  # This libvirt knows what the files have.
        answers = three(stopped, carry, {"secure_boot": False})
        assert [(answer.failed, answer.changed) for answer in answers.values()] == [(False, False)] * 3
    else:
        rejected(stopped, carry, {"secure_boot": False}, "secure_boot", "lost")
    agree(stopped, carry, {"cpus": 2})
    assert str(nvram) in definition(stopped)


def test_directly_attached_nic_keeps_its_mode(stopped, carry):
    direct = "<interface type='direct'><source dev='eth-none' mode='private'/>"
    network = definition(stopped).partition("<interface ")[2].partition("<mac")[0]
    redefined(stopped, (f"<interface {network}", direct))
    agree(stopped, carry, {"networks": [{"source": "lo"}]})
    assert re.search("<source dev='lo' mode='private'/>", definition(stopped))


def test_disk_of_a_paused_vm_is_detached_at_its_next_start(qemu, carry):
    """A paused guest does not release it."""
    qemu.clean()
    agree(qemu, carry, {**qemu.creation, "disks": _DISKS})
    qemu.move(NAME, RUNNING)
    qemu.virsh("suspend", NAME)
    agree(qemu, carry, {"disks": [{"slot": "vdb", "state": "absent"}]})
    assert "'vdb'" not in definition(qemu)
    assert "'vdb'" in qemu.virsh("dumpxml", NAME)


def test_remedy_for_a_transient_vm_makes_it_permanent(qemu, carry):
    qemu.clean()
    agree(qemu, carry, {**qemu.creation, "disks": _DISKS[:1]})
    qemu.move(NAME, RUNNING)
    qemu.virsh("undefine", NAME)
    stopped = {"name": [NAME], "state": "stopped", "stop_mode": "force"}
    rejection = carry(qemu, [Task("check", stopped, check=True)], [NAME])["check"]
    assert rejection.failed
    assert "exists only while it runs" in rejection.msg
    command = re.search(r"(virsh dumpxml .*) \| (virsh define /dev/stdin)\.", rejection.msg)
    assert command, rejection.msg
    read, define = (words.split()[1:] for words in command.groups())
    qemu.virsh(*define, stdin=qemu.virsh(*read))
    run = carry(qemu, [Task("run", stopped)], [NAME])["run"]
    assert not run.failed, run.msg


def test_device_that_is_not_plugged_in_does_not_prevent_other_changes(stopped, carry):
    device = (
        "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0xbeef'/></source></hostdev>"
    )
    redefined(stopped, ("</devices>", f"{device}</devices>"))
    answers = agree(stopped, carry, {"cpus": 2})
    assert not answers["run"].result.get("warnings")


def test_new_vm_has_a_video_device_and_an_existing_one_is_left_alone(qemu, carry):
    """GRUB hangs in its graphics mode without one."""
    qemu.clean()
    agree(qemu, carry, {**qemu.creation})
    assert "<model type='vga'" in definition(qemu)
    assert "<graphics" not in definition(qemu)
    text = re.sub(r"<video>.*</video>", "", definition(qemu), flags=re.DOTALL)
    path = qemu.storage / "other.xml"
    path.write_text(text, encoding="utf-8")
    qemu.virsh("define", str(path))
    path.unlink()
    agree(qemu, carry, {"cpus": 2})
    assert "<video>" not in definition(qemu)


# Costs ----------------------------------------------------------------------------------------------------------------


def _judging(answer):
    return [call.argv for call in answer.calls if any("domxml-to-native" in word for word in call.argv)]


def test_several_vms_are_judged_by_one_process_and_an_unchanged_one_by_none(qemu, carry):
    qemu.clean()
    names = [NAME, SECOND]
    options = {**qemu.creation, "native": {"on_crash": "restart"}}
    answers = three(qemu, carry, options, names)
    assert [len(_judging(answers[label])) for label in ("check", "run", "again")] == [1, 1, 0]
    assert all(name in definition(qemu, name) for name in names)
    tags = three(qemu, carry, {"tags": ["a"]}, names)
    assert [len(_judging(tags[label])) for label in ("check", "run", "again")] == [0, 0, 0]
    changed = three(qemu, carry, {"cpus": 2}, names)
    assert [len(_judging(changed[label])) for label in ("check", "run", "again")] == [1, 1, 0]
    assert not any("qemu-system" in str(answer.result) for answer in answers.values())


def test_serial_number_of_a_disk(stopped, carry):
    """It is in the definition of new disks, those added to a running VM too, and in force at the next start."""
    agree(stopped, carry, {"disks": [{"slot": "vdb", "serial": "data 1+2"}]})
    assert "<serial>data 1+2</serial>" in definition(stopped)
    stopped.move(NAME, RUNNING)
    agree(stopped, carry, {"disks": [{"slot": "vdc", "size": "1M", "serial": "third"}]})
    assert "<serial>third</serial>" in stopped.virsh("dumpxml", NAME)
    answers = agree(stopped, carry, {"disks": [{"slot": "vdc", "serial": "later"}]})
    assert answers["again"].vm(NAME)["restart_required"]
    assert "<serial>later</serial>" in definition(stopped)
    rejected(stopped, carry, {"native": {"devices/disk[1]/serial": "x"}}, "Use the option disks")
    stopped.clean()
    agree(stopped, carry, {**stopped.creation, "name": [NAME], "disks": [{"size": "1M", "serial": "new"}]})
    assert "<serial>new</serial>" in definition(stopped)


def test_limits_of_a_disk(stopped, carry):
    """They are in the definition of new disks, in force in a running VM, and QEMU starts the VM with them."""
    agree(stopped, carry, {"disks": [{"slot": "vdb", "iops_limit": 100, "bandwidth_limit": "2M"}]})
    assert "<total_bytes_sec>2097152</total_bytes_sec>" in definition(stopped)
    stopped.move(NAME, RUNNING)
    agree(stopped, carry, {"disks": [{"slot": "vdc", "size": "1M", "iops_limit": 7}]})
    assert "total_iops_sec : 7" in _limits_of(stopped, "vdc")
    answers = agree(stopped, carry, {"disks": [{"slot": "vdb", "iops_limit": 0, "bandwidth_limit": "1M"}]})
    assert not answers["again"].vm(NAME)["restart_required"]
    assert "total_bytes_sec: 1048576" in _limits_of(stopped, "vdb")
    assert "total_iops_sec : 0" in _limits_of(stopped, "vdb")
    assert "total_iops_sec>" not in definition(stopped).partition("'vdb'")[2].partition("</disk>")[0]


def _limits_of(platform, slot):
    return " ".join(platform.virsh("blkdeviotune", NAME, slot).split())


@pytest.mark.parametrize("found", ["read_iops_sec", "total_iops_sec_max"])
def test_limit_that_qemu_does_not_start_is_rejected_with_its_remedy(stopped, carry, found):
    """The remedy of the message, in the same task, is followed."""
    path = f"devices/disk[1]/iotune/{found}"
    first = {"devices/disk[1]/iotune/write_iops_sec": 20} if found.startswith("total") else {}
    agree(stopped, carry, {"native": {"devices/disk[1]/iotune/read_iops_sec": 20, **first}})
    if found.startswith("total"):
        rejected(stopped, carry, {"native": {path: 5}}, "iops_limit", found, "that alone")
        return
    disks = {"disks": [{"slot": "vda", "iops_limit": 10}]}
    rejected(stopped, carry, disks, "disks.vda.iops_limit", found, "with both", re.escape(f"{path}: null"))
    agree(stopped, carry, {**disks, "native": {path: None}})
    stopped.move(NAME, RUNNING)


def test_limit_that_the_running_vm_does_not_take_is_rejected(stopped, carry):
    stopped.move(NAME, RUNNING)
    stopped.virsh("blkdeviotune", NAME, "vda", "--live", "--read-iops-sec", "50")
    disks = {"disks": [{"slot": "vda", "iops_limit": 10}]}
    rejected(stopped, carry, disks, "of the running VM", "read_iops_sec 50", "--read-iops-sec 0")
    stopped.virsh("blkdeviotune", NAME, "vda", "--live", "--read-iops-sec", "0")
    agree(stopped, carry, disks)


def test_emulator_of_a_task_is_not_run_in_check_mode(stopped, carry, tmp_path):
    """Whoever may set it may also have only the right to check."""
    program, ran = tmp_path / "emulator", tmp_path / "ran"
    program.write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
    program.chmod(0o755)
    tmp_path.chmod(0o777)
    options = {"name": [NAME], "native": {"devices/emulator": str(program)}}
    answers = carry(stopped, [Task("check", options, check=True)], [NAME])
    assert not ran.exists()
    assert (answers["check"].failed, answers["check"].changed) == (False, True)
    assert f"libvirt does not report {program}, so it is not run" in str(answers["check"].result["warnings"])
    own = definition(stopped).partition("<emulator>")[2].partition("<")[0]
    link = tmp_path / "link"
    link.symlink_to(own)
    answers = carry(
        stopped, [Task("link", {"name": [NAME], "native": {"devices/emulator": str(link)}}, check=True)], [NAME]
    )
    assert not answers["link"].result.get("warnings")
