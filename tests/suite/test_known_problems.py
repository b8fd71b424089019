# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unexpected behaviour of libvirt and its tools, and tests that the module handles it.

``SHOWN_BY`` is {problem: its test}; problems that no other file tests are tested here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.answer import Task

_CLONING = "tests/unit/module_utils/_drivers/virsh/test_clone.py"
_VIRSH = "tests/unit/module_utils/_tools/test_virsh.py"
_HERE = "tests/suite/test_known_problems.py"
_GUESTS, _OWNERSHIP = "tests/suite/test_guests.py", "tests/suite/test_ownership.py"
_SNAPSHOTS = "tests/suite/test_snapshot_problems.py"
SHOWN_BY = {
    "blockresize makes a disk smaller without a warning": f"{_HERE}::test_disks_never_shrink",
    "blockcommit without a base writes to the backing file": f"{_SNAPSHOTS}::test_external_snapshots",
    "undefine --remove-all-storage also deletes ISO images": f"{_OWNERSHIP}::test_files_of_other_vms_remain",
    "a definition without UUID or MAC address gets new ones": f"{_HERE}::test_settings_that_are_not_requested_remain",
    "a revert also restores the old definition": f"{_SNAPSHOTS}::test_files_newer_than_a_restored_snapshot_are_deleted",
    "a revert also restores the old size of disks": f"{_SNAPSHOTS}::test_restored_disk_size_is_reported",
    "shutdown succeeds although the guest keeps running": f"{_GUESTS}::test_guests_that_ignore_the_power_button",
    "a DHCP lease does not prove that the guest has booted": (
        f"{_GUESTS}::test_life_of_a_guest_from_cloud_init_to_absent"
    ),
    "an image can have two snapshots with the same name": f"{_SNAPSHOTS}::test_internal_snapshots",
    "cloud kernels have no driver for a seed ISO on SATA": f"{_HERE}::test_seed_iso_is_on_a_bus_of_every_kernel",
    "a call may hang forever": f"{_VIRSH}::test_hanging_virsh_is_killed",
    "undefine of a running VM leaves a transient VM": "tests/suite/test_power.py::test_row_of_the_power_table",
    "virsh takes a name of digits for an id": f"{_OWNERSHIP}::test_name_that_the_tool_reads_as_the_id_of_another_vm",
    "the exit code of a batch hides errors": f"{_HERE}::test_error_in_a_batch_is_not_parsed_as_an_answer",
    "the first call takes eight seconds": f"{_HERE}::test_daemon_that_starts_slowly_is_waited_for",
    "a revert to a snapshot without content ends the guest first": f"{_SNAPSHOTS}::test_internal_snapshots",
    "deletion of an external snapshot loses internal ones": f"{_SNAPSHOTS}::test_internal_snapshots_in_an_overlay",
    "a start with an inactive pool fails late": f"{_HERE}::test_start_with_a_volume_of_an_inactive_pool_is_rejected",
    "the memory of NUMA cells replaces any other": f"{_HERE}::test_memory_of_numa_cells",
    "only the newest external snapshot of a stopped VM can be deleted": f"{_SNAPSHOTS}::"
    "test_snapshots_that_this_libvirt_cannot_delete_or_restore",
    "after a revert, saved memory no longer fits the disks": "tests/suite/test_snapshots.py::"
    "test_restore_discards_saved_memory",
    "the memory file of an external snapshot is not deleted": f"{_SNAPSHOTS}::test_external_snapshots",
    "VMs with UEFI in flash memory have no internal snapshots": f"{_SNAPSHOTS}::test_snapshots_of_uefi_vms",
    "the content of a raw disk can look like an image with a backing file": f"{_CLONING}::"
    "test_raw_disk_with_qcow2_header_is_copied_unchanged",
    "two VMs created at the same time share their files": "tests/suite/test_many_at_once.py::"
    "test_two_tasks_with_the_same_request",
}


@pytest.fixture(name="name")
def _name(qemu):
    qemu.clean()
    return f"{qemu.prefix}problem"


@pytest.mark.core
@pytest.mark.parametrize("power", [STOPPED, RUNNING])
def test_disks_never_shrink(qemu, carry, name, power):
    qemu.bring({name: power})
    smaller = {"name": [name], "disks": [{"size": "8M"}]}
    answer = carry(qemu, [Task("shrink", smaller)], [name])["shrink"]
    assert (answer.failed, answer.changed) == (True, False)
    assert "shrunk" in answer.msg
    info = subprocess.run(["qemu-img", "info", "-U", qemu.disk_of(name)], capture_output=True, text=True, check=True)
    assert "16 MiB" in info.stdout


def test_settings_that_are_not_requested_remain(qemu, carry, name):
    """The id, MAC, devices and metadata of other tools are kept when settings are changed and a NIC is added."""
    qemu.define(name)
    foreign = "<metadata><x:y xmlns:x='https://example.org/x'>kept</x:y></metadata>"
    nic = "<interface type='network'><source network='default'/><mac address='52:54:00:11:22:33'/></interface>"
    _redefine(qemu, name, ("</name>", f"</name>{foreign}"), ("</devices>", f"{nic}</devices>"))
    # The machine type q35 has a watchdog of its own in newer versions of libvirt, and all must have the same action.
    action = dict(re.findall(r"<watchdog model='(\w+)' action='(\w+)'", qemu.virsh("dumpxml", name))).get("itco")
    watchdog = f"<watchdog model='i6300esb' action='{action or 'pause'}'/>"
    _redefine(qemu, name, ("</devices>", f"{watchdog}</devices>"))
    before = qemu.truth([name])[name]
    changes = {"memory": "96M", "description": "changed", "networks": [{}, {"type": "user"}], "tags": ["a"]}
    answer = carry(qemu, [Task("change", {"name": [name], **changes})], [name])["change"]
    assert not answer.failed, answer.msg
    after = answer.truth[name]
    assert after["id"] == before["id"]
    assert re.findall(r"<mac address='([^']+)'", after["stored"])[0] == "52:54:00:11:22:33"
    for kept in (">kept</x:y>", "i6300esb", f"action='{action or 'pause'}'", "isa-serial"):
        assert kept in after["stored"], kept


def _redefine(qemu, name, *replacements):
    text = qemu.virsh("dumpxml", name, "--inactive")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    qemu.virsh("define", "/dev/stdin", stdin=text)


def _rejected_twice(qemu, carry, options, *words):
    """The task fails in check mode and in a real run, and nothing is changed."""
    before = qemu.truth(options["name"])
    for check in (True, False):
        answer = carry(qemu, [Task("rejected", options, check)], options["name"])["rejected"]
        assert (answer.failed, answer.changed, answer.truth) == (True, False, before)
        assert [word for word in words if word not in answer.msg] == [], answer.msg


def test_start_with_a_volume_of_an_inactive_pool_is_rejected(qemu, carry, name):
    """libvirt would report it when it starts the VM."""
    qemu.bring({name: STOPPED})
    pool = f"{qemu.prefix}off"
    qemu.virsh("pool-define-as", pool, "dir", "--target", str(qemu.storage))
    volume = f"<source pool='{pool}' volume='{name}-vda.qcow2'/>"
    source = f"<source file='{qemu.disk_of(name)}'/>"
    _redefine(qemu, name, ("type='file' device='disk'", "type='volume' device='disk'"), (source, volume))
    _rejected_twice(qemu, carry, {"name": [name], "state": "started"}, name, "disks.vda", f"virsh pool-start {pool}")
    qemu.virsh("pool-start", pool)
    answer = carry(qemu, [Task("start", {"name": [name], "state": "started"})], [name])["start"]
    qemu.virsh("pool-destroy", pool)
    qemu.virsh("pool-undefine", pool)
    assert not answer.failed, answer.msg


def test_memory_of_numa_cells(qemu, carry, name):
    """libvirt would store the size of the cells instead."""
    qemu.bring({name: STOPPED})
    cell = "<cpu><numa><cell id='0' cpus='0' memory='131072' unit='KiB'/></numa></cpu><devices>"
    _redefine(qemu, name, ("<devices>", cell))
    _rejected_twice(qemu, carry, {"name": [name], "memory": "256M"}, name, "memory", "128M, not 256M", "cpu/numa/cell")
    tasks = [Task(size, {"name": [name], "memory": size}) for size in ("96M", "128M")]
    answers = carry(qemu, [*tasks, replace(tasks[1], label="again")], [name])
    assert [(one.failed, one.changed) for one in answers.values()] == [(False, True), (False, True), (False, False)]


def test_seed_iso_is_on_a_bus_of_every_kernel(qemu, carry, name):
    seed = {"cloud_init": {"user": "admin"}}
    machine = carry(qemu, [Task("make", {**qemu.creation, "name": [name], **seed})], [name])["make"].truth[name]
    (path,) = qemu.seeds_of(machine)
    drive = machine["stored"].partition(f"<source file='{path}'/>")[2].partition("</disk>")[0]
    assert "bus='scsi'" in drive
    assert "model='virtio-scsi'" in machine["stored"]


_VANISHING = """\
#!/bin/sh
# Another client deletes a VM between the list and the queries about it; virsh itself ends with 0.
case "$*" in
    *dumpxml*) [ -e "$0.called" ] || {{ touch "$0.called"; {virsh} -q -c qemu:///system undefine {more}; }} ;;
esac
exec {virsh} "$@"
"""
_SLOW = """\
#!/bin/sh
# Like the first call of a new daemon, which tries every emulator.
[ -e "$0.called" ] || {{ touch "$0.called"; sleep 8; }}
exec {virsh} "$@"
"""


def _program(folder, text, more=""):
    """A script that replaces virsh."""
    path = folder / "virsh-in-between"
    path.write_text(text.format(virsh=shutil.which("virsh"), more=more))
    path.chmod(0o755)
    return str(path)


def test_error_in_a_batch_is_not_parsed_as_an_answer(qemu, carry, name, tmp_path):
    """One of three VMs is deleted between the list and the queries: it is absent, and no data of others is mixed up."""
    names = [name, f"{name}-gone", f"{name}-other"]
    qemu.bring({names[0]: STOPPED, names[1]: STOPPED, names[2]: RUNNING})
    before = qemu.truth([names[0], names[2]])
    program = _program(tmp_path, _VANISHING, names[1])
    task = Task("start", {"name": names, "state": "started", "executable": program})
    answer = carry(qemu, [task], [names[0], names[2]])["start"]
    assert (answer.failed, answer.changed, answer.truth) == (True, False, before)
    assert f"{names[1]}: the VM does not exist" in answer.msg
    assert [vm["state"] for vm in answer.vms] == [STOPPED, "absent", RUNNING]


def test_daemon_that_starts_slowly_is_waited_for(qemu, carry, name, tmp_path):
    qemu.bring({name: STOPPED})
    start = {"name": [name], "state": "started", "executable": _program(tmp_path, _SLOW)}
    answer = carry(qemu, [Task("start", start)], [name])["start"]
    assert not answer.failed, answer.msg
    assert answer.truth[name]["power"] == RUNNING
