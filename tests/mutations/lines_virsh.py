# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the libvirt driver."""

from __future__ import annotations

from mutations.mutation import Mutation

_CODE = "plugins/module_utils/_drivers/virsh"
_UNIT = "tests/unit/module_utils/_drivers/virsh"

MUTATIONS = (
    Mutation(
        "restore-forgets-own-files",
        f"{_CODE}/snapshots.py",
        "_add_to_mark(driver, vm, recorded)",
        "pass",
        {"unit": [f"{_UNIT}/test_snapshots.py"]},
    ),
    Mutation(
        "memory-of-suspended-vm-loses-its-disk",
        f"{_CODE}/checks.py",
        "if external and vm.power == SUSPENDED:",
        "if external and vm.power == PAUSED:",
        {"unit": [f"{_UNIT}/test_snapshot_checks.py"]},
    ),
    Mutation(
        "merge-ruins-a-linked-clone",
        f"{_CODE}/claims.py",
        'yield from ((MERGE, f"{SNAPSHOTS}.{snapshot.name}", path) for path in frozen.values())',
        "pass",
        {"unit": [f"{_UNIT}/test_snapshot_checks.py"]},
    ),
    Mutation(
        "overlay-without-vm-is-no-user",
        f"{_CODE}/claims.py",
        "return [*found, *self._unused_images(deleted, found)]",
        "return found",
        {"unit": [f"{_UNIT}/test_own_files.py"]},
    ),
    Mutation(
        "shared-disk-is-deleted",
        f"{_CODE}/own_files.py",
        'if drive.find("shareable") is not None or drive.find("readonly") is not None:',
        'if drive.find("readonly") is not None:',
        {"unit": [f"{_UNIT}/test_own_files.py"]},
    ),
    Mutation(
        "base-image-is-started-and-written",
        f"{_CODE}/claims.py",
        'claims += [Claim(FILE, self.identity(path), BASE, "bases", path) for path in bases]',
        "pass",
        {"unit": [f"{_UNIT}/test_clone_checks.py"]},
    ),
    Mutation(
        "undo-removes-disk-of-another-task",
        f"{_CODE}/storage.py",
        "if os.path.realpath(path) not in used:",
        "if files.exists(path):",
        {"unit": [f"{_UNIT}/test_create.py"]},
    ),
    Mutation(
        "nvram-to-keep-is-deleted",
        f"{_CODE}/delete.py",
        '_undefine(driver, vm, "--keep-nvram" if step.arguments.get("keep_nvram") else "--nvram")',
        '_undefine(driver, vm, "--nvram")',
        {"unit": [f"{_UNIT}/test_create.py"]},
    ),
    Mutation(
        "running-disk-grows-in-kib",
        f"{_CODE}/settings/disks.py",
        'driver.virsh.run("blockresize", vm.id, change.key, f"{change.new}B")',
        'driver.virsh.run("blockresize", vm.id, change.key, f"{change.new}")',
        {"unit": [f"{_UNIT}/test_configure.py"]},
    ),
    Mutation(
        "wrong-nic-is-removed",
        f"{_CODE}/configure.py",
        'return (1, -int(change.key)) if change.kind == "networks.remove" else (0, 0)',
        'return (1, int(change.key)) if change.kind == "networks.remove" else (0, 0)',
        {"unit": [f"{_UNIT}/test_configure.py"]},
    ),
    Mutation(
        "passwords-are-lost-by-a-change",
        f"{_CODE}/observe.py",
        'return Definition(self.virsh.run("dumpxml", uuid, "--inactive", "--security-info"))',
        'return Definition(self.virsh.run("dumpxml", uuid, "--inactive"))',
        {"unit": [f"{_UNIT}/test_configure.py"]},
    ),
    Mutation(
        "save-of-much-memory-is-cut-off",
        f"{_CODE}/power.py",
        'driver.virsh.run("managedsave", vm.id, "--running", timeout=_SAVE_TIMEOUT)',
        'driver.virsh.run("managedsave", vm.id, "--running")',
        {"unit": ("tests/unit/module_utils/_drivers/virsh/test_power.py",)},
    ),
    Mutation(
        "change-that-is-sent-again-is-made-again",
        f"{_CODE}/driver.py",
        "return definition.text() != text_before",
        "return False",
        {"unit": [f"{_UNIT}/test_sent_twice.py"]},
    ),
    Mutation(
        "base-of-a-foreign-overlay-is-written-to",
        f"{_CODE}/claims.py",
        "return self.file(path, mode, option, is_raw=is_raw or not self._reads_images)",
        "return self.file(path, mode, option, is_raw=True)",
        {"unit": [f"{_UNIT}/test_clone_checks.py"]},
    ),
    Mutation(
        "failed-deletion-of-a-snapshot-is-a-change",
        f"{_CODE}/snapshots.py",
        "if len(remaining) == len(overlays):",
        "if not overlays:",
        {"unit": [f"{_UNIT}/test_snapshots.py"]},
    ),
    Mutation(
        "removed-file-of-a-rejected-disk-is-a-change",
        f"{_CODE}/settings/disks.py",
        "writes.set_back(before)",
        "pass",
        {"unit": [f"{_UNIT}/test_configure.py"]},
    ),
    Mutation(
        "failed-restore-changes-nothing",
        "plugins/module_utils/_tools/virsh.py",
        "if words[0] in _MAY_CHANGE_AND_FAIL:",
        "if not words:",
        {"unit": ["tests/unit/module_utils/_tools/test_virsh.py"]},
    ),
    Mutation(
        "snapshot-that-cannot-be-loaded-is-created",
        f"{_CODE}/checks.py",
        "return root is not None and has_added_cpus(root) and version_numbers(driver.library) < _ADDED_CPUS_SINCE",
        "return root is None and version_numbers(driver.library) < _ADDED_CPUS_SINCE",
        {"unit": [f"{_UNIT}/test_snapshot_checks.py"]},
    ),
    Mutation(
        "older-external-snapshot-of-a-stopped-vm-is-deleted",
        f"{_CODE}/checks.py",
        "if external and vm.power == STOPPED and version_numbers(driver.library) < EXTERNAL_RESTORED_SINCE:",
        "if external and vm.power == SUSPENDED and version_numbers(driver.library) < EXTERNAL_RESTORED_SINCE:",
        {"unit": [f"{_UNIT}/test_snapshot_checks.py"]},
    ),
    Mutation(
        "memory-beyond-numa-cells-is-stored",
        f"{_CODE}/settings/memory_cpus.py",
        "if requested <= allowed and (change.field == name or requested == allowed):",
        'if name != "cpus" or requested <= allowed and (change.field == name or requested == allowed):',
        {"unit": [f"{_UNIT}/settings/test_memory_cpus.py"]},
    ),
    Mutation(
        "volume-of-an-inactive-pool-is-started",
        f"{_CODE}/host_checks.py",
        "if answer.error:",
        "if not answer:",
        {"unit": [f"{_UNIT}/test_checks_of_host.py"]},
    ),
    Mutation(
        "forward-to-ssh-is-not-used",
        f"{_CODE}/answers.py",
        "return vm.having(addresses=addresses, ssh=_ssh_through_forward(answers) or _ssh(vm, addresses))",
        "return vm.having(addresses=addresses, ssh=_ssh(vm, addresses))",
        {"unit": [f"{_UNIT}/test_observe_ssh.py"]},
    ),
)
