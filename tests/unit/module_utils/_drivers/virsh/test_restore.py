# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores in place on a double of libvirt with real images: killed at each call, rejected, interrupted, repeated."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup.backup import Backup, births_of
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import (
    CommandFailed,
    PolyvirtError,
    Refused,
    Stale,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.backup import BACKUP, backup_requests
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import simulate
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import backup_checks, backups, needed
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.own_files import files_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.disks import set_disk_file
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.table import config_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files, folders
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import HERE, UUID, driver_of, opened_elsewhere
from unit.module_utils._drivers.virsh.host_of_restores import Host, Killed

pytestmark = pytest.mark.usefixtures("may_destroy")

NOW = 1801396800


@pytest.fixture(name="host")
def _host(tmp_path, monkeypatch):
    (tmp_path / "m1-vda.raw").write_bytes(b"original" * 8192)
    for place in (needed.VirshFiles, folders):  # That of the tests may be in memory, which would be a warning.
        monkeypatch.setattr(place, "is_in_memory", staticmethod(lambda _folder: False))
    host = Host(tmp_path)

    def counted(change, counts):
        def call(*words, **more):
            found = change(*words, **more)
            if counts(words):
                host.count()
            return found

        return call

    monkeypatch.setattr(Commands, "run", counted(Commands.run, lambda words: "convert" in words[1]))
    for name in ("remove", "rename_into_place"):
        monkeypatch.setattr(files, name, counted(getattr(files, name), bool))
    host.stored.set_mark({**HERE, "v": 2, "id": UUID, "created": "", "disks": [str(tmp_path / "m1-vda.raw")]})
    _back_up(host, tmp_path)
    return host


def _driver(host, folder):
    # The definition has a console log outside of the directories of images.
    driver = driver_of(host, folder, directory=str(folder / "backups"), controller_time=NOW, allow_host_access=True)
    driver.hypervisor, driver.library = "QEMU", "9.0.0"
    return driver


def _back_up(host, folder, start=NOW, excluded=()):
    driver, vm = _driver(host, folder), Vm(name="m1", id=UUID, power=STOPPED)
    made = Backup(id=f"b{start}", vm="m1", birth=UUID, start=start, consistency="stopped", excluded=excluded)
    backups.backup(driver, vm, Step("backup", arguments={"made": made, "consistency": "crash"}))
    (folder / "m1-vda.raw").write_bytes(b"changed " * 8192)


def _planned(host, folder, backup="newest", used=()):
    """(driver, plan) of a task that replaces the VM m1 by a backup; another VM uses the files ``used``."""
    given = {"name": ["m1"], "state": "restored", "backup": backup, "replace": True, "controller_time": NOW}
    defaults = {name: option.default for name, option in BACKUP.items() if option.default is not None}
    (request,) = backup_requests({**defaults, **given, "timeout": 300}, BACKUP)
    driver, definition = _driver(host, folder), Definition(host.stored.text())
    vm = Vm(name="m1", id=UUID, power=host.power, config=config_of(definition, {}, (), ()), mark=definition.mark)
    found = [replace(one, used_by=("other",)) if one.path in used else one for one in files_of(vm, [definition], True)]
    vm = vm.having(files=tuple(found), revision=definition.stored)
    vm = vm.having(backups=tuple(driver.backups(vm, request.backup, True)))
    return driver, plan(vm, request, virsh_traits("QEMU", "9.0.0", True))


def _carry_out(driver, planned, count=None):
    """Carry out the first ``count`` steps, or all; returns the VM after them."""
    vm = planned.before
    for step in planned.steps[:count]:
        driver.verbs[step.verb](driver, vm, step)
        vm = simulate(vm, [step]).having(mark=vm.mark)
    return vm


def _restore(host, folder, backup="newest"):
    driver, planned = _planned(host, folder, backup)
    assert planned.refusal is None, planned.refusal
    _carry_out(driver, planned)
    return planned


def _images(folder):
    return sorted(one.name for one in folder.iterdir() if one.is_file())


def test_restore_killed_after_each_change_is_completed_by_the_next_task(host, tmp_path):
    """Until the new disks are complete, the VM runs; a VM that runs, or can be started, always has its disk."""
    host.run("start", UUID)
    before = Definition(host.stored.text())
    host.calls = 0
    _restore(host, tmp_path)
    calls, states = host.calls, set()
    assert (host.disk(), host.power, len(_images(tmp_path))) == (b"original", RUNNING, 1)
    for number in range(1, calls):
        for name in _images(tmp_path):
            os.unlink(tmp_path / name)
        (tmp_path / "m1-vda.raw").write_bytes(b"changed " * 8192)
        host.stored, host.power, host.running = Definition(before.text()), RUNNING, Definition(before.text())
        host.calls, host.kill_at = 0, number
        with pytest.raises(Killed):
            _restore(host, tmp_path)
        host.kill_at = None
        states.add((host.power, host.disk()))
        is_replaced = host.stored.mark.get("replacing", {}).get("id") is not None
        assert is_replaced or host.disk() == b"changed ", number
        planned = _restore(host, tmp_path)
        assert (host.disk(), host.power) == (b"original", RUNNING), (number, planned.steps)
        assert len(_images(tmp_path)) == 1, (number, _images(tmp_path))
        assert not {"making", "replacing"} & set(host.stored.mark), (number, host.stored.mark)
        assert host.stored.mark["disks"] == [str(tmp_path / _images(tmp_path)[0])], number
        # A task that finishes an interrupted restore does not stop a VM that was started again.
        assert not is_replaced or "kill" not in [step.verb for step in planned.steps], number
    expected = {(RUNNING, b"changed "), (STOPPED, b"changed "), (STOPPED, b"original"), (RUNNING, b"original")}
    assert states == expected


def test_restore_that_was_killed_twice_starts_the_vm_again(host, tmp_path):
    host.run("start", UUID)
    for count in (2, 1):
        _carry_out(*_planned(host, tmp_path), count)
    assert host.power == STOPPED
    _restore(host, tmp_path)
    assert (host.disk(), host.power) == (b"original", RUNNING)


def test_each_step_that_is_sent_twice_ends_the_same(host, tmp_path):
    driver, planned = _planned(host, tmp_path)
    vm = planned.before
    for step in planned.steps:
        driver.verbs[step.verb](driver, vm, step)
        driver.verbs[step.verb](driver, vm, step)
        vm = simulate(vm, [step]).having(mark=vm.mark)
    assert (host.disk(), len(_images(tmp_path))) == (b"original", 1)


def test_copy_that_differs_leaves_the_running_vm_as_it_was(host, tmp_path, monkeypatch):
    host.run("start", UUID)
    before, done = host.stored.text(), len(host.done)
    driver, planned = _planned(host, tmp_path)
    monkeypatch.setattr(type(driver.storage.qemu_img), "same_content", lambda *_words: False)
    with pytest.raises(PolyvirtError, match="differs from the backup after it was copied"):
        _carry_out(driver, planned)
    assert (host.power, host.disk(), _images(tmp_path)) == (RUNNING, b"changed ", ["m1-vda.raw"])
    assert Definition(before).content == host.stored.content
    assert "destroy" not in [words[0] for words in host.done[done:]]


@pytest.mark.parametrize("verb", ["prepare_restore", "restore_backup"])
def test_change_of_another_client_is_not_overwritten(host, tmp_path, monkeypatch, verb):
    """The copy takes minutes, in which the stored definition may be changed."""
    host.run("start", UUID)
    driver, planned = _planned(host, tmp_path)
    vm, same = planned.before, type(driver.storage.qemu_img).same_content

    def change():
        host.stored.set("description", "theirs")

    if verb == "prepare_restore":
        monkeypatch.setattr(type(driver.storage.qemu_img), "same_content", lambda *words: (change(), same(*words))[1])
    else:
        vm = _carry_out(driver, planned, 2)
        change()
    step = next(one for one in planned.steps if one.verb == verb)
    with pytest.raises(Stale, match="another client changed its stored definition"):
        driver.verbs[verb](driver, vm, step)
    assert (host.stored.get("description"), host.disk()) == ("theirs", b"changed ")


@pytest.mark.parametrize("problem", ["rejected", "started"])
def test_definition_that_is_not_stored_leaves_the_vm_as_it_was(host, tmp_path, problem):
    """The VM is off then, and the engine starts it again, because nothing was changed."""
    host.run("start", UUID)
    before = host.stored.content
    driver, planned = _planned(host, tmp_path)
    vm = _carry_out(driver, planned, 2)
    if problem == "rejected":
        host.errors["define"] = lambda text: '"restored_from"' in text
    else:
        host.run("start", UUID)
    with pytest.raises(PolyvirtError) as caught:
        driver.verbs["restore_backup"](driver, vm, planned.steps[2])
    assert ("it is rejected" if problem == "rejected" else "was started while") in str(caught.value)
    assert (host.stored.content, host.disk(), _images(tmp_path)) == (before, b"changed ", ["m1-vda.raw"])


def test_old_disks_exist_until_the_vm_is_started_again(host, tmp_path):
    """A start that fails keeps them, and the next task deletes them."""
    host.run("start", UUID)
    host.errors["start"] = lambda _text: True
    with pytest.raises(CommandFailed):
        _restore(host, tmp_path)
    assert (host.power, host.disk(), len(_images(tmp_path))) == (STOPPED, b"original", 2)
    host.errors.clear()
    planned = _restore(host, tmp_path)
    assert [step.verb for step in planned.steps] == ["start", "finish_restore"]
    assert (host.power, host.disk(), len(_images(tmp_path))) == (RUNNING, b"original", 1)


def test_leftovers_of_another_restore_are_removed_and_nothing_else(host, tmp_path):
    """A restore of another backup was killed: only the files that the record names are removed."""
    _back_up(host, tmp_path, start=NOW - 1000)
    theirs = tmp_path / "m1-vda-2.raw"
    theirs.write_bytes(b"theirs")
    host.calls, host.kill_at = 0, None
    driver, planned = _planned(host, tmp_path, backup=f"b{NOW - 1000}")
    driver.verbs["prepare_restore"](driver, planned.before, planned.steps[0])
    assert _images(tmp_path) == ["m1-vda-2.raw", "m1-vda-3.raw", "m1-vda.raw"]
    _restore(host, tmp_path)
    assert (host.disk(), len(_images(tmp_path)), theirs.read_bytes()) == (b"original", 2, b"theirs")


def test_disk_that_another_process_uses_is_kept_and_recorded(host, tmp_path):
    driver, planned = _planned(host, tmp_path)
    with opened_elsewhere(tmp_path / "m1-vda.raw"):
        _carry_out(driver, planned)
    assert (tmp_path / "m1-vda.raw").exists()
    assert str(tmp_path / "m1-vda.raw") in host.stored.mark["disks"]


#: How the definition of another VM names a file.
_NAMING = {
    "disks": "<devices><disk device='disk'><source file='{}'/></disk></devices>",
    "nvram": "<os><nvram>{}</nvram></os>",
}


def _with_nvram(host, folder):
    nvram = folder / "m1.nvram"
    nvram.write_bytes(b"variables")
    host.stored.set("os/nvram", str(nvram))
    host.stored.set_mark({**host.stored.mark, "nvram": [str(nvram)]})
    return nvram


@pytest.mark.parametrize("kind", list(_NAMING))
def test_former_file_that_another_vm_has_now_is_kept_and_recorded(host, tmp_path, kind):
    """It was defined after the checks; libvirt itself lets two VMs have a file."""
    former = {"disks": tmp_path / "m1-vda.raw", "nvram": _with_nvram(host, tmp_path)}
    driver, planned = _planned(host, tmp_path)
    host.other = Definition(f"<domain><uuid>u2</uuid><name>other</name>{_NAMING[kind].format(former[kind])}</domain>")
    _carry_out(driver, planned)
    assert {name for name, path in former.items() if path.exists()} == {kind}
    assert str(former[kind]) in host.stored.mark[kind]


def test_nvram_that_the_plan_keeps_is_kept(host, tmp_path):
    nvram = _with_nvram(host, tmp_path)
    driver, planned = _planned(host, tmp_path, used={str(nvram)})
    assert planned.steps[-1].arguments["kept"] == {str(nvram): "used by other"}
    _carry_out(driver, planned)
    assert nvram.exists() and not (tmp_path / "m1-vda.raw").exists()


def test_edited_record_deletes_no_file_that_the_vm_does_not_own(host, tmp_path):
    theirs = tmp_path / "theirs.raw"
    theirs.write_bytes(b"theirs")
    _restore(host, tmp_path)
    (backup,) = os.listdir(tmp_path / "backups" / UUID)
    host.stored.set_mark({**host.stored.mark, "replacing": {"power": STOPPED, "id": backup, "files": [str(theirs)]}})
    driver, planned = _planned(host, tmp_path)
    (step,) = planned.steps
    assert (step.verb, step.arguments["files"]) == ("finish_restore", ())
    (warning,) = backup_checks.check_backup_step(driver, planned.before, step)
    assert f"m1: An interrupted task has restored '{backup}'" in warning
    driver.verbs[step.verb](driver, planned.before, Step(step.verb, arguments={"files": (str(theirs),)}))
    assert (theirs.exists(), "replacing" in host.stored.mark) == (True, False)


def test_restored_vm_continues_its_births(host, tmp_path):
    """The record of a VM lists earlier births, also after a restore in place."""
    host.stored.set_mark({**host.stored.mark, "births": ["u0"]})
    _restore(host, tmp_path)
    vm = Vm(name="m1", id=UUID, mark=json.loads(json.dumps(host.stored.mark)))
    assert births_of(vm) == (UUID, "u0")


def _back_up_without_vdb(host, folder):
    """Return the id of a backup without the disk vdb of another user."""
    path, start = folder / "theirs-then.raw", NOW - 10
    path.write_bytes(b"then")
    disk = ET.SubElement(host.stored.devices, "disk", {"type": "file", "device": "disk"})
    ET.SubElement(disk, "driver", {"name": "qemu", "type": "raw"})
    ET.SubElement(disk, "source", {"file": str(path)})
    ET.SubElement(disk, "target", {"dev": "vdb", "bus": "virtio"})
    _back_up(host, folder, start, excluded=("vdb",))
    return f"b{start}"


def test_disk_that_the_backup_lacks_remains_as_the_vm_has_it(host, tmp_path):
    """Since the backup, somebody has given vdb an overlay, which has the newer data."""
    backup = _back_up_without_vdb(host, tmp_path)
    overlay, disk = tmp_path / "theirs-now.qcow2", host.stored.drives("disk")[1]
    overlay.write_bytes(b"now")
    set_disk_file(disk, str(overlay), "qcow2")
    ET.SubElement(disk, "readonly")
    planned = _restore(host, tmp_path, backup)
    restored = host.stored.drives("disk")[1]
    assert (restored.find("source").get("file"), restored.find("driver").get("type")) == (str(overlay), "qcow2")
    assert restored.find("readonly") is not None
    assert planned.after.config["disks"]["vdb"]["source"] == str(overlay)


@pytest.mark.parametrize("lost", ["file", "disk"])
def test_disk_that_the_backup_and_the_vm_lack_rejects_the_restore(host, tmp_path, lost):
    """Otherwise the VM is stopped, and cannot be started."""
    backup = _back_up_without_vdb(host, tmp_path)
    driver, planned = _planned(host, tmp_path, backup)
    assert not backup_checks.check_backup_step(driver, planned.before, planned.steps[1])
    os.unlink(tmp_path / "theirs-then.raw")
    if lost == "disk":
        host.stored.devices.remove(host.stored.drives("disk")[1])
    driver, planned = _planned(host, tmp_path, backup)
    with pytest.raises(Refused, match=f"does not contain disk vdb, and .*{'exist' if lost == 'file' else 'no such'}"):
        backup_checks.check_backup_step(driver, planned.before, planned.steps[1])


def test_shareable_disk_is_not_replaced_by_a_copy(host, tmp_path):
    """Two VMs of a cluster would continue with different data."""
    backup = _back_up_without_vdb(host, tmp_path)
    disks = host.stored.drives("disk")
    ET.SubElement(disks[1], "shareable")
    driver, planned = _planned(host, tmp_path, backup)
    assert not backup_checks.check_backup_step(driver, planned.before, planned.steps[1])
    ET.SubElement(disks[0], "shareable")
    with pytest.raises(Refused, match="disk vda is shareable"):
        backup_checks.check_backup_step(driver, planned.before, planned.steps[1])


def test_vm_that_was_renamed_is_not_lost(host, tmp_path):
    """Its UUID is in use, so the VM of the backup would never appear."""
    driver, planned = _planned(host, tmp_path)
    step = Step("create_from_backup", arguments=planned.steps[1].arguments)
    # This one was begun by an interrupted task.
    assert not backup_checks.check_backup_step(driver, Vm.absent("m1"), step)
    host.stored.set("name", "m2")
    driver = _driver(host, tmp_path)
    with pytest.raises(Refused, match=r"exists with the name m2.* name: m2 and replace: true"):
        backup_checks.check_backup_step(driver, Vm.absent("m1"), step)
    (warning,) = backup_checks.check_backup_step(driver, Vm.absent("copy"), step)
    assert warning.startswith("copy: the restored VM does not have: file, device or socket of the host (/var/log/")


def test_backup_that_is_dated_ahead_is_restored_by_its_id_only(host, tmp_path):
    """The clock of the controller may be behind; the settings of the backup are read all the same."""
    _back_up(host, tmp_path, start=NOW + 86400)
    for asked, expected in (("newest", f"b{NOW}"), (f"b{NOW + 86400}", f"b{NOW + 86400}")):
        _driver_of_host, planned = _planned(host, tmp_path, asked)
        chosen = [step.arguments["backup"] for step in planned.steps if "backup" in step.arguments]
        assert {(one.id, one.config is not None) for one in chosen} == {(expected, True)}


def test_restore_needs_the_backup_that_was_planned(host, tmp_path):
    driver, planned = _planned(host, tmp_path)
    (manifest,) = (tmp_path / "backups").glob("*/*/manifest.json")
    manifest.unlink()
    with pytest.raises(Refused, match="does not exist any more"):
        _carry_out(driver, planned)
    assert _images(tmp_path) == ["m1-vda.raw"]


def test_space_of_the_leftovers_of_a_restore_counts_as_free(host, tmp_path, monkeypatch):
    driver, planned = _planned(host, tmp_path)
    monkeypatch.setattr(backup_checks.files, "free_space", lambda _folder: 0)
    monkeypatch.setattr(type(driver.storage.qemu_img), "needed", lambda *_words: 65536)
    with pytest.raises(Refused, match="restored disks in"):
        backup_checks.check_backup_step(driver, planned.before, planned.steps[1])
    driver.verbs["prepare_restore"](driver, planned.before, planned.steps[0])
    driver, planned = _planned(host, tmp_path)
    assert planned.steps[1].verb == "restore_backup"
    assert not backup_checks.check_backup_step(driver, planned.before, planned.steps[1])


@pytest.mark.parametrize("has_tpm", [False, True])
def test_space_of_unfinished_backups_counts_as_free_and_a_tpm_is_not_contained(host, tmp_path, monkeypatch, has_tpm):
    (tmp_path / "vms").mkdir()
    os.rename(tmp_path / "m1-vda.raw", tmp_path / "vms" / "m1-vda.raw")
    host.stored.drives("disk")[0].find("source").set("file", str(tmp_path / "vms" / "m1-vda.raw"))
    if has_tpm:
        host.stored.find_or_add("devices/tpm/backend").set("type", "emulator")
    driver, made = _driver(host, tmp_path), Backup(id="b1", vm="m1", birth=UUID, start=1)
    left = replace(made, id="b0", unfinished="its task was killed", size=65536)
    monkeypatch.setattr(backup_checks.files, "free_space", lambda _folder: 0)
    monkeypatch.setattr(type(driver.storage.qemu_img), "needed", lambda *_words: 65536)
    vm, step = Vm(name="m1", id=UUID, power=STOPPED), Step("backup", arguments={"made": made})
    for kept in ((), (replace(left, is_foreign=True),)):
        with pytest.raises(Refused, match="directory"):
            backup_checks.check_backup_step(driver, vm.having(backups=kept), step)
    warnings = backup_checks.check_backup_step(driver, vm.having(backups=(left,)), step)
    assert any("do not contain the state of its TPM" in one for one in warnings) == has_tpm
