# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vm.conf that vmd has not read, or will reject: check mode and run end alike, at once, and name the cause."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vmm.in_process import DISKS, FOREIGN, InProcess, foreign, info, task, well

KERNEL = 'vm "bad" {{\n\tdisable\n\tboot "{file}"\n}}\n'
#: Blocks that ``vmd -n`` accepts, and words of the reason why vmd rejects them.
REJECTED = {
    "boot without disk": (KERNEL, "neither a disk nor"),
    "no devices": ('vm "bad" {{\n\tdisable\n}}\n', "no devices"),
    "name": ('vm "-x" {{\n\tdisable\n\tdisk "{file}"\n}}\n', "accept its name"),
    "no parent": ('vm "late" instance "bad" {{\n\tdisable\n\tdisk "{file}"\n}}\n', "not defined before it"),
}


def _both(host, **given):
    """Run a task in check mode, then without: both must end alike, and within half a minute."""
    before, text = host.timer.now(), host.text()
    check = task(host, check=True, **given)
    assert host.text() == text
    outcome = task(host, **given)
    assert host.timer.now() - before < 2 * 30, outcome.msg
    assert (check.failed, check.changed) == (outcome.failed, outcome.changed), (check.msg, outcome.msg)
    return outcome


def _without_block(host, name="web", with_mark=False):
    """Remove the block of a VM from vm.conf by hand; vmd does not read the file."""
    lines, kept, inside = host.text().splitlines(keepends=True), [], False
    for line in lines:
        inside = inside or line.startswith(f'vm "{name}"')
        is_mark = f'"id":"{name}"' in line
        if not (inside or (is_mark and with_mark)):
            kept.append(line)
        inside = inside and line.rstrip() != "}"
    host.write("/etc/vm.conf", "".join(kept))


# A block that was removed by hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_mark", [False, True], ids=["record", "no record"])
@pytest.mark.parametrize("given", [{"state": "started"}, {"memory": "256M"}], ids=str)
def test_vm_without_its_block_is_neither_started_nor_changed(host, with_mark, given):
    well(host, **DISKS)
    _without_block(host, with_mark=with_mark)
    outcome = _both(host, **given)
    assert (outcome.failed, outcome.changed) == (True, False)
    assert "does not define the VM" in outcome.msg and "state: absent" in outcome.msg
    assert host.states() == {"web": "stopped"}
    assert "was removed from vm.conf" in info(host, "web")["vms"][0]["reason"]


@pytest.mark.parametrize("with_mark", [False, True], ids=["record", "no record"])
def test_vm_without_its_block_is_forgotten_by_absent(host, with_mark):
    well(host, **DISKS)
    _without_block(host, with_mark=with_mark)
    assert _both(host, state="absent").changed
    assert host.states() == {}
    # Without the record, nobody knows that the disk was created for it.
    assert host.files() == (["web-disk0.qcow2"] if with_mark else [])
    assert not _both(host, state="absent").changed


@pytest.mark.parametrize("with_mark", [False, True], ids=["record", "no record"])
def test_running_vm_without_its_block_is_deleted(host, with_mark):
    well(host, state="started", **DISKS)
    _without_block(host, with_mark=with_mark)
    outcome = _both(host, state="absent", stop_mode="force")
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert host.states() == {}
    assert not well(host, state="absent").changed


def test_block_that_is_put_back_can_be_used(host):
    well(host, **DISKS)
    text = host.text()
    _without_block(host)
    assert task(host, state="started").failed
    host.write("/etc/vm.conf", text)
    well(host, state="started")


# A block that vmd rejects ---------------------------------------------------------------------------------------------


def _with_rejected(host, kind):
    text, words = REJECTED[kind]
    block = text.format(file=host.disk())
    host.write("/etc/vm.conf", block + host.text())
    assert host.call("vmd", "-n", "-f", str(host.config_file)).returncode == 0
    return words


@pytest.mark.parametrize("kind", REJECTED)
def test_block_that_a_reload_rejects_is_foreseen(host, kind):
    well(host, **DISKS)
    words = _with_rejected(host, kind)
    text, states = host.text(), host.states()
    for given in ({"memory": "256M"}, {"state": "absent"}, {"name": ["new"], **DISKS}):
        outcome = _both(host, **given)
        assert (outcome.failed, outcome.changed) == (True, False)
        assert words in outcome.msg and "Correct or remove that block" in outcome.msg, outcome.msg
    assert (host.text(), host.states()) == (text, states)
    # What vmd need not read is changed.
    assert well(host, description="x").changed
    assert well(host, state="started").changed


def test_rejected_block_itself_can_be_deleted(host):
    well(host, **DISKS)
    _with_rejected(host, "boot without disk")
    well(host, name=["bad"], state="absent", allow_foreign_edit=True)
    well(host, memory="256M")


def test_vm_that_vmd_would_reject_is_not_created(host):
    foreign(host, more="\tdisable\n")
    text = host.text()
    outcome = _both(host, name=["mail"], disks=[{"slot": "disk0", "state": "absent"}], allow_foreign_edit=True)
    assert (outcome.failed, "neither a disk nor" in outcome.msg, host.text()) == (True, True, text), outcome.msg


def _after_failed_reload(host):
    """A host on which vmd has rejected vm.conf: the VM mail is listed as waiting, and never started."""
    foreign(host)
    host.well("vmctl", "stop", "-fw", "mail")
    host.sleep(30)
    _with_rejected(host, "no devices")
    assert host.call("vmctl", "reload").returncode == 1
    assert host.states()["mail"] == "waiting"


def test_vm_that_waits_after_a_failed_reload_is_not_waited_for(host):
    _after_failed_reload(host)
    outcome = _both(host, name=["mail"], state="started")
    assert (outcome.failed, "no devices" in outcome.msg, "'bad'" in outcome.msg) == (True, True, True), outcome.msg
    assert not _both(host, name=["mail"], state="stopped").changed
    assert "rejected vm.conf" in info(host, "mail")["vms"][0]["reason"]


def test_vm_that_waits_is_started_after_the_block_was_corrected(host):
    _after_failed_reload(host)
    host.write("/etc/vm.conf", FOREIGN.format(disk=host.disk(), more=""))
    assert _both(host, name=["mail"], state="started").changed
    assert host.states() == {"mail": "running"}


def test_vm_that_waits_for_its_staggered_start_is_busy(host):
    host.write("/etc/vm.conf", "staggered start parallel 1 delay 30\n")
    text = host.text()
    blocks = [FOREIGN.format(disk=host.disk(f"{name}.qcow2"), more="").replace("mail", name) for name in ("a", "b")]
    host.write("/etc/vm.conf", text + "".join(blocks))
    host.well("vmctl", "reload")
    assert host.states() == {"a": "running", "b": "waiting"}
    commands = InProcess(host)
    assert not task(host, name=["b"], commands=commands, state="started").failed
    assert not [call for call in commands.calls if call[:2] == ("vmctl", "start")]
