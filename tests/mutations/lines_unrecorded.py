# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what is nobody's by the record: VMs, volumes, images and files that a task must not take for its own."""

from __future__ import annotations

from mutations.mutation import Mutation

_OTHERS = "tests/platforms/wsl/test_names_of_others.py"
_VBOX, _VAGRANT = (f"tests/unit/module_utils/_drivers/{name}" for name in ("vbox", "vagrant"))
_HALF_MADE = f"{_VAGRANT}/test_half_made.py"
_STORE = "tests/unit/module_utils/_media/test_store_tasks.py"

MUTATIONS = (
    Mutation(
        "file-of-a-killed-task-makes-a-distribution-ours",
        "_drivers/wsl/observe.py",
        'self.creating.get(raw["DistributionName"].lower())',
        'self.creating.get(raw["DistributionName"].lower()) or self.folder(raw["DistributionName"])',
        [f"{_OTHERS}::test_file_of_an_interrupted_task_proves_nothing_about_a_distribution_without_a_record"],
    ),
    Mutation(
        "distribution-of-a-failed-program-is-marked",
        "_drivers/wsl/create.py",
        'pick("ended", "registered", conditions={"exit_code": 0})',
        'pick("ended", "registered")',
        [f"{_OTHERS}::test_distribution_that_is_registered_first_is_left_alone"],
    ),
    Mutation(
        "export-removes-a-file-of-others",
        "_drivers/wsl/configure.py",
        'f"{root}.polyvirt-{driver.nonce}{extension}"',
        'f"{root}.polyvirt{extension}"',
        ["tests/platforms/wsl/test_settings.py::test_export_removes_no_file_of_others"],
    ),
    Mutation(
        "vm-with-disks-and-without-its-mark-is-unfinished",
        "_drivers/vbox/mark.py",
        "marks.is_unfinished(mark) if is_mark_of(mark, uuid) else not has_disks",
        "marks.is_unfinished(mark) if is_mark_of(mark, uuid) else True",
        [f"{_VBOX}/test_create.py::test_vm_with_disks_and_without_its_mark_is_foreign"],
    ),
    Mutation(
        "unregistered-vm-with-disks-is-unfinished",
        "_drivers/vbox/create.py",
        "is_unfinished(file.uuid, parsed(file.extra_data.get(KEY)), file.has_disks, logs)",
        "is_unfinished(file.uuid, parsed(file.extra_data.get(KEY)), False, logs)",
        [f"{_VBOX}/test_create.py::test_vm_without_its_mark_that_is_not_registered_is_left_alone"],
    ),
    Mutation(
        "unregistered-vm-that-has-run-is-unfinished",
        "_drivers/vbox/create.py",
        'os.path.join(os.path.dirname(path), "Logs")',
        'os.path.join(os.path.dirname(path), "No logs")',
        [f"{_VBOX}/test_create.py::test_vm_without_a_disk_that_has_run_is_left_alone_if_it_is_not_registered"],
    ),
    Mutation(
        "clone-without-its-mark-stays-after-a-failure",
        "_drivers/vbox/delete.py",
        "kept is not None or vbox_vm.has_own_mark",
        "True",
        [f"{_VBOX}/test_clone.py::test_failed_clone_deletes_nothing_of_its_source"],
    ),
    Mutation(
        "killed-first-start-permits-any-name",
        "_drivers/vagrant/checks.py",
        "project_vm.created is not None or not config.get('provider')",
        "project_vm.created is not None or project_vm.begun or not config.get('provider')",
        [f"{_HALF_MADE}::test_name_that_is_taken_after_a_killed_first_start_is_foreseen"],
    ),
    Mutation(
        "left-over-volume-is-nobodys",
        "_drivers/vagrant/in_libvirt.py",
        "locks.is_locked_by_qemu(path) or bool(self._users_of(path))",
        "False",
        [f"{_HALF_MADE}::test_left_over_volume_that_another_vm_uses_is_kept"],
    ),
    Mutation(
        "left-over-volume-is-checked-before-the-plan-only",
        "_drivers/vagrant/power.py",
        "check_name_is_free(driver, project_vm, project_vm.described)",
        "pass",
        [f"{_HALF_MADE}::test_left_over_volume_that_another_vm_uses_is_kept"],
    ),
    Mutation(
        "open-image-is-removed",
        "_media/images.py",
        "self.store.check_unlocked(stored)",
        "pass",
        [f"{_STORE}::test_image_that_a_vm_of_another_connection_has_open_is_kept"],
    ),
    Mutation(
        "image-that-is-opened-during-the-task-is-removed",
        "_media/store.py",
        "self.check_unlocked(stored)",
        "pass",
        [f"{_STORE}::test_image_that_is_opened_during_the_task_is_kept"],
    ),
)
