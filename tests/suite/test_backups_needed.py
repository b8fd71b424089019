# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that others need, on the real libvirt: they are kept and named, do not count, and stop no retention."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite.backup_tasks import COPY, WEB, assert_worked, bring, content, task_about
from suite.carry import _NOW

pytestmark = pytest.mark.full

_VM = (
    "<domain type='qemu'><name>{}</name><memory>16384</memory><os><type>hvm</type></os><devices>"
    "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{}'/><target dev='vda'/></disk>"
    "</devices></domain>"
)


def _taken(label, place, minutes, check=False, **options):
    """A new backup, ``minutes`` after the first one."""
    return task_about(label, place, check, max_age="0m", controller_time=_NOW + 60 * minutes, **options)


def _both(label, place, **options):
    return [task_about(f"{label} checked", place, True, **options), task_about(label, place, **options)]


def _three(qemu, carry, place, power=STOPPED):
    """A VM with three backups; returns their directories, oldest first."""
    bring(qemu, carry, power, disks=[{"size": "16M"}])
    assert_worked(carry(qemu, [_taken(str(number), place, number) for number in range(3)], [WEB]))
    return sorted(place.glob("*/2*"))


def _files(*folders):
    return sorted(str(path) for folder in folders for path in folder.iterdir())


def _overlay(path, base):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(path)], check=True)
    return path


def _of_vm(qemu, disk):
    qemu.virsh("define", "/dev/stdin", stdin=_VM.format(COPY, disk))
    return COPY


def _of_itself(qemu, disk):
    """Somebody looks for a lost file."""
    qemu.virsh("attach-disk", WEB, str(disk), "vdb", "--subdriver", "qcow2", "--config")
    return WEB


def _below_vm(qemu, disk):
    return _of_vm(qemu, _overlay(qemu.storage / "pvg-above.qcow2", disk))


def _below_image(qemu, disk):
    return str(_overlay(qemu.storage / "pvg-above.qcow2", disk))


def _below_damaged_backup(qemu, disk):
    """Somebody has shrunk the second backup with qemu-img rebase: it does not count, and keeps what it needs."""
    later = sorted(disk.parent.parent.glob("2*"))[1] / disk.name
    later.unlink()
    return str(_overlay(later, disk))


@pytest.mark.parametrize("needed_by", [_of_vm, _of_itself, _below_vm, _below_image, _below_damaged_backup])
def test_retention_keeps_backups_that_others_need(qemu, carry, place, needed_by):
    first, second, third = _three(qemu, carry, place)
    who, before = needed_by(qemu, first / "vda.qcow2"), content(first / "vda.qcow2", "qcow2")
    gone = [third] if needed_by is _below_damaged_backup else [second, third]
    listed = _files(*gone)
    tasks = [_taken("checked", place, 3, check=True, keep_last=1), _taken("pruned", place, 3, keep_last=1)]
    answers = carry(qemu, tasks, [WEB, COPY])
    assert_worked(answers, checked=True, pruned=True)
    for answer in answers.values():
        assert answer.vm(WEB)["deleted"] == listed
        text = f"{first.name}: it is kept, because its file vda.qcow2 is needed by {who}"
        assert text in str(answer.result["warnings"]), answer.result["warnings"]
    assert answers["checked"].diff == answers["pruned"].diff
    left = {one.name for one in place.glob("*/2*")}
    assert len(left) == 5 - 1 - len(gone) and left.isdisjoint(one.name for one in gone) and first.name in left
    for answer in carry(qemu, _both("gone", place, state="absent", backup=first.name), [WEB, COPY]).values():
        assert (answer.failed, answer.changed) == (True, False)
        assert f"'{first.name}' cannot be deleted: its file vda.qcow2 is needed by {who}." in answer.msg
    assert content(first / "vda.qcow2", "qcow2") == before
    qemu.virsh("undefine", COPY, check=False)
    qemu.virsh("detach-disk", WEB, "vdb", "--config", check=False)
    for path in (qemu.storage / "pvg-above.qcow2", second / "vda.qcow2"):
        path.unlink(missing_ok=True)
    answers = carry(qemu, _both("gone", place, state="absent", backup=first.name), [WEB])
    assert_worked(answers, **{"gone checked": True, "gone": True})
    assert not first.exists()


def test_needed_backup_does_not_count_for_a_rule(qemu, carry, place):
    """The newest but one is needed: with keep_last 2, the one before it is kept in its place."""
    first, second, third = _three(qemu, carry, place)
    _of_vm(qemu, third / "vda.qcow2")
    assert_worked(carry(qemu, [_taken("pruned", place, 3, keep_last=2)], [WEB, COPY]), pruned=True)
    assert (first.exists(), second.exists(), third.exists()) == (False, True, True)
    qemu.virsh("undefine", COPY)


def test_unreadable_disk_of_a_stranger_is_a_warning(qemu, carry, place):
    first, second, third = _three(qemu, carry, place)
    odd = qemu.storage / "pvg-odd.qcow2"
    words = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", 'json:{"driver":"new"}']
    subprocess.run([*words, odd, "8M"], check=True)
    _of_vm(qemu, odd)
    tasks = _both("gone", place, state="absent", backup=first.name)
    tasks += [_taken("checked", place, 3, check=True, keep_last=1), _taken("pruned", place, 3, keep_last=1)]
    answers = carry(qemu, tasks, [WEB, COPY])
    assert_worked(answers, **{"gone checked": True, "gone": True, "checked": True, "pruned": True})
    for answer in answers.values():
        assert f"{WEB}: backups are deleted, although not all disks could be read: " in str(answer.result["warnings"])
        assert str(odd) in str(answer.result["warnings"])
    assert not any(one.exists() for one in (first, second, third))
    qemu.virsh("undefine", COPY)
    odd.unlink()


def test_backup_that_a_program_has_open_is_kept(qemu, carry, place):
    """Such as a restore by another task, or a mounted disk."""
    first, *others = _three(qemu, carry, place)
    held = subprocess.Popen(["qemu-io", "-f", "qcow2", str(first / "vda.qcow2")], stdin=-1, stdout=-1)
    held.stdin.write(b"length\n")
    held.stdin.flush()
    held.stdout.readline()
    answers = carry(qemu, [_taken("pruned", place, 3, keep_last=1)], [WEB])
    held.communicate()
    assert_worked(answers, pruned=True)
    assert "vda.qcow2 is needed by another program" in str(answers["pruned"].result["warnings"])
    assert [one.exists() for one in (first, *others)] == [True, False, False]
