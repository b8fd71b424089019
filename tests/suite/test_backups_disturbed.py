# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of the real QEMU: to a disk that becomes full, with an agent that stops answering, of two hosts."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.backup_tasks import (
    WEB,
    assert_worked,
    backing_up,
    bring,
    content,
    guest_program,
    manifests,
    powered,
    restoring,
    virsh,
)
from suite.limits import scaled, wait_until

pytestmark = pytest.mark.full

#: Is before the real command on PATH. The space was checked before the command that writes; 2 MiB are left.
_FILLED = """#!/bin/sh
case " $* " in
*{word}*)
    dd if=/dev/zero of={place}/filler bs=1M 2>/dev/null
    truncate -s -2M {place}/filler
    ;;
esac
exec {real} "$@"
"""


@pytest.fixture(name="small")
def _small(place):
    """A file system of 48 MiB for backups."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=711", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize(
    ("power", "command", "word"), [(RUNNING, "virsh", "backup-begin"), (STOPPED, "qemu-img", " convert ")]
)
def test_disk_that_becomes_full_leaves_nothing(qemu, carry, small, tmp_path, monkeypatch, power, command, word):
    """Nothing counts that is not whole, the VM is as before, and the next task completes."""
    (disk,) = bring(qemu, carry, STOPPED, disks=[{"size": "32M"}]).values()
    subprocess.run(["qemu-io", "-f", disk[1], "-c", "write -q -P 7 0 20M", disk[0]], check=True)
    before = content(*disk)
    if power == RUNNING:
        assert_worked(carry(qemu, [powered("started")], [WEB]), started=True)
    wrapper = tmp_path / "bin" / command
    wrapper.parent.mkdir()
    wrapper.write_text(_FILLED.format(word=word.replace(" ", "\\ "), place=small, real=shutil.which(command)))
    wrapper.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(wrapper.parent), prepend=":")
        answer = carry(qemu, [backing_up("full", small)], [WEB])["full"]
    assert (answer.failed, answer.changed, answer.truth[WEB]["power"]) == (True, False, power), answer.result
    assert "No space left on device" in answer.msg
    assert [one.name for one in small.rglob("*")] == ["filler"]
    (small / "filler").unlink()
    answers = carry(qemu, [backing_up("made", small)], [WEB])
    assert_worked(answers, made=True)
    assert answers["made"].truth[WEB]["power"] == power
    (image,) = small.rglob("vda.qcow2")
    assert content(image, "qcow2") == before or power == RUNNING
    assert_worked(carry(qemu, [powered("absent")], [WEB]), absent=True)


_STARTED = """#!/bin/sh
[ "$1" != convert ] || virsh start {name} >/dev/null 2>&1
exec {real} "$@"
"""


def test_vm_that_is_started_while_it_is_copied_keeps_running(qemu, carry, place, tmp_path, monkeypatch):
    """The copy holds no lock that QEMU would meet, and it is not taken for a backup."""
    bring(qemu, carry, STOPPED)
    wrapper = tmp_path / "bin" / "qemu-img"
    wrapper.parent.mkdir()
    wrapper.write_text(_STARTED.format(name=WEB, real=shutil.which("qemu-img")))
    wrapper.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(wrapper.parent), prepend=":")
        answer = carry(qemu, [backing_up("made", place)], [WEB])["made"]
    assert (answer.failed, answer.changed, answer.truth[WEB]["power"]) == (True, False, RUNNING), answer.result
    assert "the VM was started while it was backed up" in answer.msg, answer.msg
    assert not list(place.rglob("*"))
    assert_worked(carry(qemu, [powered("stopped"), backing_up("again", place)], [WEB]), again=True)


#: An agent that answers neither the first request to freeze nor the first one to thaw. While a guest boots, the port
#: appears after its programs have begun, and it has an end, as a file has, until the host has opened it.
_AGENT = """#!/bin/sh
freeze=silent thaw=silent
until [ -e /dev/vport0p1 ] || [ -e /dev/vport1p1 ]; do sleep 1; done
for port in /dev/vport[01]p1; do exec 3<>$port; done
while true; do
    read -r line <&3 || sleep 1
    case $line in
    *guest-sync*) id=${line##*'"id":'}; echo "{\\"return\\": ${id%%'}'*}}" >&3 ;;
    *freeze-freeze*) [ $freeze = silent ] || echo '{"return": 2}' >&3; freeze= ;;
    *freeze-thaw*) [ $thaw = silent ] || echo '{"return": 2}' >&3; thaw= ;;
    ?*) echo '{"return": {}}' >&3 ;;
    esac
done
"""


def _is_answered(tried):
    command = ["virsh", "qemu-agent-command", WEB, '{"execute":"guest-ping"}']
    tried.append(subprocess.run(command, capture_output=True, text=True, check=False))
    return tried[-1].returncode == 0


def test_agent_that_stops_answering_leaves_no_frozen_guest(qemu, carry, place):
    """It is thawed again until that is confirmed, and a backup that is weaker than requested leaves nothing."""
    with guest_program(qemu, _AGENT) as native:
        bring(qemu, carry, RUNNING, native=native)
        tried = []
        wait_until(lambda: _is_answered(tried), lambda: f"an answer of the agent: {tried[-1].stderr}")
        virsh("guest-agent-timeout", WEB, "--timeout", f"{round(scaled(2))}")
        tasks = [backing_up(label, place, consistency="filesystem") for label in ("silent", "made")]
        answers = carry(qemu, [tasks[0]], [WEB])
        assert (answers["silent"].failed, answers["silent"].changed) == (True, False), answers["silent"].result
        assert "could not freeze the file systems" in answers["silent"].msg
        assert not list(place.rglob("*"))
        made = carry(qemu, [tasks[1]], [WEB])
        assert_worked(made, made=True)
        assert [one["consistency"] for one in manifests(place)] == ["filesystem"]
        assert_worked(carry(qemu, [powered("absent")], [WEB]), absent=True)


def _bytes_in(folder):
    return {str(one): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def test_two_hosts_with_a_vm_of_the_same_name_use_one_directory(qemu, carry, place):
    """Each task reads and deletes backups of its own VM only, and touches nothing that the other host has begun."""
    bring(qemu, carry, STOPPED)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    (path,) = place.glob("*/*/manifest.json")
    other = {**json.loads(path.read_text()), "host": "other"}
    path.write_text(json.dumps(other))
    # What the other host writes now.
    begun = path.parents[1] / "20990101T000000Z-00000000"
    shutil.copytree(path.parent, begun)
    (begun / "manifest.json").write_text(json.dumps({**other, "id": begun.name, "unfinished": True}))
    theirs = _bytes_in(path.parents[1])
    disks = bring(qemu, carry, STOPPED)
    own = carry(qemu, [backing_up("own", place, check=True), backing_up("made", place, keep_last=1)], [WEB])
    assert_worked(own, own=True, made=True)
    (backup,) = own["made"].vm(WEB)["backups"]
    assert (backup["birth"], backup["host"]) != (other["birth"], "other")
    before = {slot: content(*disk) for slot, disk in disks.items()}
    restored = carry(qemu, [restoring("newest", place, replace=True)], [WEB])
    assert_worked(restored, newest=True)
    assert _bytes_in(path.parents[1]) == theirs
    named = [restoring("theirs", place, backup=other["id"], replace=True), backing_up("same", place)]
    answers = carry(qemu, [*named, powered("absent"), restoring("lost", place)], [WEB])
    assert "is of another VM with this name" in answers["theirs"].msg
    assert not answers["same"].changed
    assert answers["lost"].failed
    for one in (other["id"], backup["id"]):
        assert one in answers["lost"].msg
    assert _bytes_in(path.parents[1]) == theirs
    chosen = carry(qemu, [restoring("chosen", place, backup=backup["id"])], [WEB])
    assert_worked(chosen, chosen=True)
    found = chosen["chosen"].vm(WEB)
    assert {one["slot"]: content(one["source"], one["format"]) for one in found["disks"]} == before
    assert found["id"] == backup["birth"]
    assert_worked(carry(qemu, [powered("absent")], [WEB]), absent=True)
