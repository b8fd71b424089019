# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what a user reads after others have changed a VM with the platform's own tool, written by hand.

For each platform, situation and task: the outcome and words that the user reads, or the test that shows it, or the
reason why there is none. ``state`` is an info module, ``check`` and ``run`` are the playbook that created the VM with
more memory, and ``absent`` is its deletion, in check mode and for real.
"""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, RUNNING, STOPPED, SUSPENDED

ASKS = ("state", "check", "run", "absent")
SITUATIONS = (
    "undefined", "undefined while it runs", "renamed", "disk attached", "nic attached", "checkpoint", "adopted state",
    "moved", "snapshot of a guarded run deleted",
)  # fmt: skip
#: Outcomes of tasks. A rejected one has the same message in check mode and in the run, and changes nothing.
CHANGED, UNCHANGED, REJECTED = "changed", "unchanged", "rejected"

_UNIT, _SUITE = "tests/unit/module_utils/_drivers", "tests/suite"
_VAGRANT = "tests/platforms/vagrant/test_elsewhere.py"
_VMM = f"{_UNIT}/vmm/test_unread_vm_conf.py"
_ATTACHED = f"{_SUITE}/test_ways_to_delete.py::test_what_is_not_the_vms_own_survives"
_GUARDED = "That the snapshot is gone is decided by the core, which the rows of real platforms show."
_NO_SAVED_STATE = "The platform cannot adopt a file of saved memory."
_NIC_OF_OTHERS = "A NIC is a line in the configuration of the VM, which the generated pairs have."


def _row(state, playbook, absent):
    return {"state": state, "check": playbook, "run": playbook, "absent": absent}


def _shown(text):
    """One test, or one reason, for all tasks."""
    return dict.fromkeys(ASKS, text)


_NOT_OURS = "not created by this collection"
TABLE = {
    "libvirt_qemu": {
        "undefined": _row((ABSENT,), (REJECTED, "-vda.qcow2 already exists", "disks[].source"), (UNCHANGED,)),
        "undefined while it runs": _row(
            (RUNNING,), (REJECTED, "exists only while it runs", "virsh define"), (CHANGED, "-vda.qcow2")
        ),
        "renamed": _row((ABSENT,), (REJECTED, "is a disk of pvg-renamed"), (UNCHANGED,)),
        "disk attached": _row(
            (RUNNING, "disks.vdb"),
            (CHANGED, "takes effect at the next start: disks.vdb, memory"),
            (CHANGED, "theirs.qcow2", _NOT_OURS),
        ),
        "nic attached": _row((RUNNING, "networks.0"), (CHANGED, "networks.0"), (CHANGED,)),
        "checkpoint": _row((RUNNING,), (CHANGED, "memory"), (CHANGED, "-vda.qcow2")),
        # libvirt itself knows nothing of memory that was saved to a file.
        "adopted state": _row((STOPPED,), (CHANGED, "memory"), (CHANGED, "-vda.qcow2")),
        "moved": _row((STOPPED, "moved.qcow2"), (CHANGED, "moved.qcow2"), (CHANGED, "moved.qcow2", _NOT_OURS)),
        "snapshot of a guarded run deleted": _row((STOPPED,), (CHANGED, "memory"), (CHANGED, "-vda.qcow2")),
    },
    "virtualbox": {
        "undefined": _row((ABSENT,), (REJECTED, ".vbox already exists", "registervm"), (UNCHANGED,)),
        "undefined while it runs": _shown("VirtualBox does not unregister a VM that is on."),
        # VirtualBox renames the files, too, so the playbook creates the VM again. The renamed one remains.
        "renamed": _row((ABSENT,), (CHANGED, "create"), (CHANGED, "pvb-others-SATA-0.vdi")),
        "disk attached": _row((STOPPED, "theirs.vdi"), (CHANGED, "memory"), (CHANGED, "theirs.vdi", _NOT_OURS)),
        "nic attached": _row((STOPPED, "nat"), (CHANGED, "nat"), (CHANGED,)),
        "checkpoint": _row((STOPPED, "theirs"), (CHANGED, "memory"), (CHANGED, "pvb-others-SATA-0.vdi")),
        "adopted state": _row(
            (SUSPENDED,), (REJECTED, "only while the VM is off", "allow_restart"), (REJECTED, "theirs.sav", "discard")
        ),
        "moved": _row((STOPPED, "/away/"), (CHANGED, "/away/"), (CHANGED, "/away/")),
        "snapshot of a guarded run deleted": _row((STOPPED,), (CHANGED, "memory"), (CHANGED,)),
    },
    "vagrant": {
        "undefined": _shown(f"{_VAGRANT}::test_vm_after_what_others_did"),
        "undefined while it runs": _shown(
            "For Vagrant, this is a running VM until it is off, and then an undefined one."
        ),
        "renamed": _shown(f"{_VAGRANT}::test_vm_that_others_gave_a_nic_saved_and_renamed"),
        "disk attached": _shown("tests/platforms/vagrant/test_destroyed.py::test_disks_and_media_of_a_user_are_kept"),
        "nic attached": _shown(f"{_VAGRANT}::test_vm_that_others_gave_a_nic_saved_and_renamed"),
        "checkpoint": _shown(f"{_VAGRANT}::test_vm_after_what_others_did"),
        "adopted state": _shown(f"{_VAGRANT}::test_vm_that_others_gave_a_nic_saved_and_renamed"),
        "moved": _shown(f"{_UNIT}/vagrant/test_ownership.py::test_moved_project_keeps_its_vm"),
        "snapshot of a guarded run deleted": _shown(f"{_VAGRANT}::test_vm_that_others_gave_a_nic_saved_and_renamed"),
    },
    "proxmox": {
        "undefined": _shown("The server forgets a VM only with its volumes."),
        "undefined while it runs": _shown("The server forgets no VM that runs."),
        "renamed": _shown(f"{_UNIT}/proxmox/test_renaming.py::test_vm_of_others_can_be_renamed_too"),
        "disk attached": _shown(_ATTACHED),
        "nic attached": _shown(
            f"{_UNIT}/proxmox/test_races.py::test_change_that_somebody_else_makes_first_is_not_made_again"
        ),
        "checkpoint": _shown("The server has snapshots only, and a task reads all of them."),
        "adopted state": _shown(_NO_SAVED_STATE),
        "moved": _shown(
            f"{_UNIT}/proxmox/test_states.py::test_vm_that_moves_to_another_node_meanwhile_is_observed_again"
        ),
        "snapshot of a guarded run deleted": _shown(_GUARDED),
    },
    "vmm": {
        "undefined": _row(
            f"{_VMM}::test_vm_without_its_block_is_neither_started_nor_changed",
            f"{_VMM}::test_vm_without_its_block_is_neither_started_nor_changed",
            f"{_VMM}::test_vm_without_its_block_is_forgotten_by_absent",
        ),
        "undefined while it runs": _shown(f"{_VMM}::test_running_vm_without_its_block_is_deleted"),
        "renamed": _shown("The name is the identity of a VM in vm.conf: a renamed block is another VM."),
        "disk attached": _shown(_ATTACHED),
        "nic attached": _shown(_NIC_OF_OTHERS),
        "checkpoint": _shown("The platform has no snapshots."),
        "adopted state": _shown(_NO_SAVED_STATE),
        "moved": _shown(f"{_SUITE}/test_moved_vms.py::test_file_of_a_record_in_a_copied_vm_conf_is_kept_and_named"),
        "snapshot of a guarded run deleted": _shown("The platform has no snapshots."),
    },
    "hyperv": {
        "undefined": _shown(
            "Remove-VM leaves the disks, and no fact says what a new VM finds there; files are compared."
        ),
        "undefined while it runs": _shown("Hyper-V removes no VM that runs."),
        "renamed": _shown("A VM is known by its id, and Rename-VM leaves its files as they are."),
        "disk attached": _shown(_ATTACHED),
        "nic attached": _shown(_NIC_OF_OTHERS),
        "checkpoint": _shown(
            "tests/platforms/hyperv/test_lost_files.py::test_vm_with_checkpoints_is_deleted_with_its_disk"
        ),
        "adopted state": _shown(_NO_SAVED_STATE),
        "moved": _shown(
            "tests/platforms/hyperv/test_moved_vms.py::test_recorded_path_that_is_not_attached_is_kept_and_named"
        ),
        "snapshot of a guarded run deleted": _shown(_GUARDED),
    },
    "wsl": {
        "undefined": _shown("WSL unregisters a distribution only with its disk."),
        "undefined while it runs": _shown("WSL unregisters a distribution only with its disk."),
        "renamed": _shown("WSL has no command that renames a distribution."),
        "disk attached": _shown("A distribution has one disk."),
        "nic attached": _shown("All distributions share the network of WSL."),
        "checkpoint": _shown("The platform has no snapshots."),
        "adopted state": _shown(_NO_SAVED_STATE),
        "moved": _shown("tests/platforms/wsl/test_files.py::test_disk_that_was_moved_after_the_plan_is_not_deleted"),
        "snapshot of a guarded run deleted": _shown("The platform has no snapshots."),
    },
}
