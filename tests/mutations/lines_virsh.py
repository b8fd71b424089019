# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the libvirt driver."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/virsh"

MUTATIONS = (
    Mutation(
        "restore-forgets-own-files",
        "_drivers/virsh",
        "_add_to_mark(driver, vm, recorded)",
        "pass",
        [f"{_UNIT}/test_snapshots.py"],
    ),
    Mutation(
        "memory-of-a-vm-with-a-device-is-saved",
        "_drivers/virsh",
        "check_memory(driver, one.vm, one.step)",
        "pass",
        [f"{_UNIT}/test_host_devices.py"],
    ),
    Mutation(
        "device-of-the-host-is-no-claim",
        "_drivers/virsh",
        "dict.fromkeys(passed_through(definition))",
        "()",
        [f"{_UNIT}/test_host_devices.py"],
    ),
    Mutation(
        "memory-of-suspended-vm-loses-its-disk",
        "_drivers/virsh",
        "external and vm.power == SUSPENDED",
        "external and vm.power == PAUSED",
        [f"{_UNIT}/test_snapshot_checks.py"],
    ),
    Mutation(
        "merge-ruins-a-linked-clone",
        "_drivers/virsh",
        'yield from ((MERGE, f"{SNAPSHOTS}.{snapshot.name}", path) for path in frozen.values())',
        "pass",
        [f"{_UNIT}/test_snapshot_checks.py"],
    ),
    Mutation(
        "overlay-without-vm-is-no-user",
        "_drivers/virsh",
        "[*found, *self._unused_images(deleted, found)]",
        "found",
        [f"{_UNIT}/test_own_files.py"],
    ),
    Mutation(
        "shared-disk-is-deleted",
        "_drivers/virsh",
        'drive.find("shareable") is not None or drive.find("readonly") is not None',
        'drive.find("readonly") is not None',
        [f"{_UNIT}/test_own_files.py"],
    ),
    Mutation(
        "base-image-is-started-and-written",
        "_drivers/virsh",
        'claims += [Claim(FILE, self.identity(path), BASE, "bases", path) for path in bases]',
        "pass",
        [f"{_UNIT}/test_clone_checks.py"],
    ),
    Mutation(
        "undo-removes-disk-of-another-task",
        "_drivers/virsh",
        "os.path.realpath(path) not in used",
        "files.exists(path)",
        [f"{_UNIT}/test_create.py"],
    ),
    Mutation(
        "nvram-to-keep-is-deleted",
        "_drivers/virsh",
        '"--keep-nvram" if step.arguments.get("keep_nvram") else "--nvram"',
        '"--nvram"',
        [f"{_UNIT}/test_create.py"],
    ),
    Mutation(
        "running-disk-grows-in-kib",
        "_drivers/virsh",
        'f"{change.new}B"',
        'f"{change.new}"',
        [f"{_UNIT}/test_configure.py"],
    ),
    Mutation(
        "wrong-nic-is-removed", "_drivers/virsh", "-int(change.key)", "int(change.key)", [f"{_UNIT}/test_configure.py"]
    ),
    Mutation(
        "passwords-are-lost-by-a-change",
        "_drivers/virsh",
        'self.virsh.run("dumpxml", uuid, "--inactive", "--security-info")',
        'self.virsh.run("dumpxml", uuid, "--inactive")',
        [f"{_UNIT}/test_configure.py"],
    ),
    Mutation(
        "save-of-much-memory-is-cut-off",
        "_drivers/virsh",
        'driver.virsh.run("managedsave", vm.id, "--running", timeout=_SAVE_TIMEOUT)',
        'driver.virsh.run("managedsave", vm.id, "--running")',
        ("tests/unit/module_utils/_drivers/virsh/test_power.py",),
    ),
    Mutation(
        "change-that-is-sent-again-is-made-again",
        "_drivers/virsh",
        "definition.text() != text_before",
        "False",
        [f"{_UNIT}/test_sent_twice.py"],
    ),
    Mutation(
        "base-of-a-foreign-overlay-is-written-to",
        "_drivers/virsh",
        "is_raw or not self._reads_images",
        "True",
        [f"{_UNIT}/test_clone_checks.py"],
    ),
    Mutation(
        "failed-deletion-of-a-snapshot-is-a-change",
        "_drivers/virsh",
        "len(remaining) == len(overlays)",
        "not overlays",
        [f"{_UNIT}/test_snapshots.py"],
    ),
    Mutation(
        "removed-file-of-a-rejected-disk-is-a-change",
        "_drivers/virsh::_attach_disk",
        "writes.set_back(before)",
        "pass",
        [f"{_UNIT}/test_configure.py"],
    ),
    Mutation(
        "failed-restore-changes-nothing",
        "_tools",
        "words[0] in _MAY_CHANGE_AND_FAIL",
        "not words",
        ["tests/unit/module_utils/_tools/test_virsh.py"],
    ),
    Mutation(
        "snapshot-that-cannot-be-loaded-is-created",
        "_drivers/virsh",
        "root is not None and has_added_cpus(root) and version_numbers(driver.library) < _ADDED_CPUS_SINCE",
        "root is None and version_numbers(driver.library) < _ADDED_CPUS_SINCE",
        [f"{_UNIT}/test_snapshot_checks.py"],
    ),
    Mutation(
        "older-external-snapshot-of-a-stopped-vm-is-deleted",
        "_drivers/virsh",
        "external and vm.power == STOPPED and version_numbers(driver.library) < EXTERNAL_RESTORED_SINCE",
        "external and vm.power == SUSPENDED and version_numbers(driver.library) < EXTERNAL_RESTORED_SINCE",
        [f"{_UNIT}/test_snapshot_checks.py"],
    ),
    Mutation(
        "memory-beyond-numa-cells-is-stored",
        "_drivers/virsh",
        "requested <= allowed and (change.field == name or requested == allowed)",
        'name != "cpus" or requested <= allowed and (change.field == name or requested == allowed)',
        [f"{_UNIT}/settings/test_memory_cpus.py"],
    ),
    Mutation(
        "volume-of-an-inactive-pool-is-started",
        "_drivers/virsh",
        "if answer.error:\n    ...",
        "if not answer:\n    ...",
        [f"{_UNIT}/test_checks_of_host.py"],
    ),
    Mutation(
        "forward-to-ssh-is-not-used",
        "_drivers/virsh",
        "_ssh_through_forward(answers) or _ssh(vm, addresses)",
        "_ssh(vm, addresses)",
        [f"{_UNIT}/test_observe_ssh.py"],
    ),
    Mutation(
        "reservation-of-somebody-else-is-recorded",
        "_drivers/virsh",
        "wanted - foreign",
        "wanted",
        [f"{_UNIT}/settings/test_addresses.py"],
    ),
    Mutation(
        "address-outlives-its-vm",
        "_drivers/virsh",
        "update(driver, reserved, set())",
        "update(driver, set(), set())",
        [f"{_UNIT}/settings/test_addresses.py"],
    ),
    Mutation(
        "two-nics-get-one-address",
        "_core",
        "new.is_added and claim.where == other.where",
        "False",
        [f"{_UNIT}/settings/test_addresses.py"],
    ),
)
