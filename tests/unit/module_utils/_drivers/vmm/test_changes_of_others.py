# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator writes to vm.conf or starts stays, also while a task runs."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vmm.in_process import DISKS, FOREIGN, InProcess, foreign, rejected, task, well


def during_copy(host, change):
    """Return commands with which an administrator does something while a disk image is copied."""
    return InProcess(host, before={"-i": change})


def added(host, text):
    """Return a function that adds a text to vm.conf, before the lines of this collection."""
    return lambda: host.write("/etc/vm.conf", text + host.text())


def meanwhile(host, change):
    """Run a task during whose copy somebody changes vm.conf; assert that it fails, and that nothing of it remains."""
    before = host.files()
    commands = during_copy(host, change)
    outcome = task(host, commands=commands, image={"source": host.disk("image.qcow2")})
    assert (outcome.failed, outcome.changed) == (True, False), outcome.msg
    assert "/etc/vm.conf: changed meanwhile by another client. Run the task again." in outcome.msg
    assert host.files() == sorted({*before, "image.qcow2", "user.qcow2"})
    assert '"making"' not in host.text()


def test_edit_of_the_administrator_during_a_copy_stays(host):
    well(host, name=["other"], **DISKS)
    text = host.text()
    mail = FOREIGN.format(disk=host.disk(), more="\tdisable\n")
    meanwhile(host, added(host, mail))
    assert host.text() == mail + text
    well(host, image={"source": host.disk("image.qcow2")})
    assert host.states() == {"mail": "stopped", "other": "stopped", "web": "stopped"}
    well(host, state="absent")
    well(host, name=["other"], state="absent")
    assert host.text() == mail


def test_edit_of_another_vm_of_this_collection_during_a_copy_stays(host):
    well(host, name=["other"], memory="64M", **DISKS)
    host.disk()

    def edit():
        host.write("/etc/vm.conf", host.text().replace("memory 64M", "memory 80M"))

    meanwhile(host, edit)
    assert "memory 80M" in host.text()
    well(host, image={"source": host.disk("image.qcow2")})
    assert (task(host, check=True, name=["other"], memory="80M").changed, host.states()["web"]) == (False, "stopped")


def test_switch_without_its_interface_that_was_added_during_a_copy_does_not_end_vmd(host):
    switch = 'switch "uplink" { interface bridge0 }\n'
    host.disk()
    meanwhile(host, added(host, switch))
    assert (host.text(), host.states()) == (switch, {})


def test_edit_during_a_reload_stays(host):
    host.write("/etc/vm.conf", "# mine\n")
    well(host, commands=InProcess(host, before={"reload": added(host, "# new\n")}), **DISKS)
    assert host.text().startswith("# new\n# mine\n# BEGIN")
    assert '"making"' not in host.text()


def test_edit_during_a_reload_that_fails_stays(host):
    host.write("/etc/vm.conf", "# mine\n")
    host.fails("vmctl", "reload")
    outcome = task(host, commands=InProcess(host, before={"reload": added(host, "# new\n")}), **DISKS)
    assert (outcome.failed, host.text(), host.files()) == (True, "# new\n# mine\n", [])


def test_vm_with_the_same_name_that_was_added_during_a_copy_is_left_alone(host):
    text = FOREIGN.format(disk=host.disk(), more="").replace("mail", "web")
    meanwhile(host, added(host, text))
    assert host.text() == text


def test_changed_file_with_a_vm_that_the_task_changes_is_planned_again(host):
    foreign(host, more="\tdisable\n")
    well(host, name=["web"], **DISKS)
    commands = InProcess(host, before={"create": added(host, "# new\n")})
    options = {"name": ["mail"], "disks": [{"slot": "disk1", "size": "16M"}], "allow_foreign_edit": True}
    well(host, commands=commands, **options)
    assert host.text().startswith("# new\n")
    assert "mail-disk1.qcow2" in host.text()


def test_vm_that_the_administrator_starts_during_a_copy_keeps_running(host):
    foreign(host)
    host.well("vmctl", "stop", "-fw", "mail")
    host.sleep(30)
    commands = during_copy(host, lambda: host.well("vmctl", "start", "mail"))
    well(host, commands=commands, image={"source": host.disk("image.qcow2")})
    assert host.states() == {"mail": "running", "web": "stopped"}
    assert not [call for call in commands.calls if call[:2] == ("vmctl", "stop")]


def test_own_vm_that_the_administrator_starts_during_a_copy_is_enabled_in_the_file_that_vmd_reads(host):
    well(host, name=["auto"], autostart=True, **DISKS)
    host.sleep(30)
    commands = during_copy(host, lambda: host.well("vmctl", "start", "auto"))
    well(host, commands=commands, image={"source": host.disk()})
    assert host.states() == {"auto": "running", "web": "stopped"}


def test_vm_that_was_started_while_a_disk_was_created_is_planned_again(host):
    well(host, memory="64M", **DISKS)
    host.sleep(30)
    commands = InProcess(host, before={"create": lambda: host.well("vmctl", "start", "web")})
    done = well(host, commands=commands, memory="96M", disks=[{}, {"slot": "disk1", "size": "16M"}])
    assert (done.vms[0]["restart_required"], host.states()["web"]) == (["disks.disk1", "memory"], "running")


@pytest.mark.parametrize(
    "given",
    [{"state": "absent"}, {"memory": "512M"}, {"autostart": True}, {"description": "main"}],
    ids=["absent", "memory", "autostart", "description"],
)
def test_block_of_the_administrator_between_the_marked_lines_stays(host, given):
    well(host, **DISKS)
    mail = "# by hand\n" + FOREIGN.format(disk=host.disk(), more="\tdisable\n")
    host.write("/etc/vm.conf", host.text().replace("# END", mail + "# END"))
    host.well("vmctl", "reload")
    well(host, **given)
    assert mail in host.text()
    assert host.states()["mail"] == "stopped"
    well(host, state="absent")
    assert (mail in host.text(), host.states()) == (True, {"mail": "stopped"})


def test_vm_without_its_mark_stays_when_the_vm_before_it_changes(host):
    well(host, name=["a"], **DISKS)
    well(host, name=["b"], **DISKS)
    lines = host.text().splitlines(keepends=True)
    host.write("/etc/vm.conf", "".join(line for line in lines if '"id":"b"' not in line))
    well(host, name=["a"], memory="512M")
    assert 'vm "b" {' in host.text()
    rejected(host, "allow_foreign_edit", name=["b"], memory="512M")
    well(host, name=["b"], memory="768M", allow_foreign_edit=True)
    assert ("memory 512M" in host.text(), "memory 768M" in host.text()) == (True, True)
    well(host, name=["a"], state="absent")
    assert host.states() == {"b": "stopped"}
