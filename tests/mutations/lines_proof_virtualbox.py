# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what is proven on VirtualBox: what it deletes, moves, and cannot open."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/vbox"
_DELETED, _BROKEN = f"{_UNIT}/test_deleted_images.py", f"{_UNIT}/test_broken_images.py"
_MOVED = (f"{_BROKEN}::test_file_that_another_vm_of_the_task_moves_is_rejected",)


def _of(file, *tests):
    return tuple(f"{file}::{test}" for test in tests)


MUTATIONS = (
    # A deletion that VirtualBox carries out.
    Mutation(
        "images-below-a-disk-are-not-listed",
        "_tools/vboxmanage_output.py",
        'not below.users and below.kind.startswith("normal")',
        "False",
        _of(_DELETED, "test_base_of_a_linked_clone_remains_whoever_unregistered_its_vm"),
    ),
    Mutation(
        "own-disk-stays-detached-if-it-cannot-be-deleted",
        "_drivers/vbox/delete.py",
        "slot.medium not in to_delete or files.exists(slot.medium)",
        "slot.medium not in to_delete",
        _of(_DELETED, "test_own_disk_on_an_image_that_is_kept_is_attached_again_if_it_cannot_be_deleted"),
    ),
    Mutation(
        "directory-is-always-listed-as-moved",
        "_drivers/vbox/claims.py",
        "_files_in(self._folder(plan, step)[0]) if moved else ()",
        "_files_in(self._folder(plan, step)[0])",
        _of(_BROKEN, "test_directory_that_cannot_be_listed_prevents_no_other_change"),
    ),
    Mutation(
        "vm-starts-while-its-disk-is-moved",
        "_core/sharing/world.py",
        "frozenset({COPY, GROW, RESTORE, SNAPSHOT, MERGE, DELETE, MOVE})",
        "frozenset({COPY, GROW, RESTORE, SNAPSHOT, MERGE, DELETE})",
        _of(
            "tests/unit/module_utils/_core/sharing/test_world.py",
            "test_vm_with_a_file_that_another_one_moves_starts_after_that",
        ),
    ),
    Mutation(
        "vm-with-a-kept-disk-stays-off-if-it-cannot-be-deleted",
        "_drivers/vbox/delete.py",
        "change_counter.set_back(before)",
        "pass",
        _of(_DELETED, "test_vm_with_a_disk_of_a_user_runs_again_if_it_cannot_be_deleted"),
    ),
    Mutation(
        "vm-without-a-disk-is-started-after-a-failed-deletion",
        "_drivers/vbox/delete.py",
        "change_counter.note(doubtful=True)",
        "pass",
        _of(_DELETED, "test_vm_that_has_lost_a_disk_is_not_started_if_it_cannot_be_deleted"),
    ),
    Mutation(
        "deletion-is-not-compared-with-the-plan",
        "_drivers/vbox/delete.py",
        "_check_as_planned(*_)",
        "pass",
        _of(_DELETED, "test_disk_attached_after_the_plan_prevents_the_deletion"),
    ),
    Mutation(
        "disk-detached-since-the-plan-is-deleted",
        "_drivers/vbox/delete.py",
        "sorted(path for path in to_delete - now if files.exists(path))",
        "[]",
        _of(_DELETED, "test_disk_detached_after_the_plan_is_not_deleted"),
    ),
    Mutation(
        "deletion-is-compared-only-before-disks-are-detached",
        "_drivers/vbox/delete.py",
        "_checked(driver, vm, to_delete, kept) if slots else vbox_vm",
        "vbox_vm",
        _of(_DELETED, "test_disk_attached_while_others_are_detached_prevents_the_deletion"),
    ),
    Mutation(
        "detached-disks-are-not-attached-again",
        "_drivers/vbox/delete.py",
        "slot.medium not in to_delete or files.exists(slot.medium)",
        "False",
        _of(_DELETED, "test_vm_keeps_its_disks_if_it_cannot_be_deleted"),
    ),
    Mutation(
        "disk-with-an-image-of-others-below-is-not-detached",
        "_drivers/vbox/own_files.py",
        "[attached, *_deleted_with(vbox_vm, attached)]",
        "[attached]",
        _of(_DELETED, "test_base_of_a_linked_clone_remains_whoever_unregistered_its_vm"),
    ),
    Mutation(
        "disk-newer-than-the-snapshots-counts-as-theirs",
        "_drivers/vbox/own_files.py",
        "one.users.get(vbox_vm.uuid) or (vbox_vm.uuid in one.users and one.uuid not in detached)",
        "vbox_vm.uuid in one.users",
        _of(_DELETED, "test_disk_of_a_user_that_is_newer_than_the_snapshots_is_detached"),
    ),
    Mutation(
        "file-in-the-place-of-an-own-disk-is-own",
        "_drivers/vbox/own_files.py",
        "vm.owned and is_recorded and not medium.is_replaced",
        "vm.owned and is_recorded",
        _of(_DELETED, "test_image_in_the_place_of_an_own_one_is_kept"),
    ),
    Mutation(
        "disk-of-an-unfinished-vm-is-its-own",
        "_drivers/vbox/create.py",
        "found and (base is None or base.uuid not in recorded)",
        "False",
        _of(_BROKEN, "test_disk_of_a_user_at_an_unfinished_vm_is_not_taken_for_its_own"),
    ),
    Mutation(
        "image-below-a-vagrant-disk-is-nobodys",
        "_drivers/vagrant/needed.py",
        "{one.path for one in found if not (one.ours or one.held_by)}",
        "{one.path for one in found}",
        ("tests/unit/module_utils/_drivers/vagrant/test_box_disks.py::test_image_that_no_vm_has_below_a_disk_is_kept",),
    ),
    # Images that it cannot open.
    Mutation(
        "size-of-vhd-is-that-of-vdi",
        "_drivers/vbox/settings/disk_checks.py",
        "_TIMES.get(image_format, _TIMES_OF_OTHERS)",
        "_TIMES_OF_OTHERS",
        _of(_BROKEN, "test_size_that_virtualbox_cannot_open_is_rejected"),
    ),
    Mutation(
        "growth-has-no-limit",
        "_drivers/vbox/settings/disk_checks.py",
        "[change for change in one.changes if change.kind == 'disks.size']",
        "[]",
        _of(_BROKEN, "test_disk_does_not_grow_beyond_what_virtualbox_can_open"),
    ),
    Mutation(
        "broken-image-counts-as-created",
        "_drivers/vbox/settings/disks.py",
        "check_accessible(*_)",
        "pass",
        _of(_BROKEN, "test_broken_disk_leaves_nothing"),
    ),
    Mutation(
        "record-of-a-failed-disk-remains",
        "_drivers/vbox/settings/disks.py",
        "write_mark(driver, vm.id, vm.mark)",
        "pass",
        _of(_BROKEN, "test_broken_disk_leaves_nothing"),
    ),
    Mutation(
        "file-of-others-is-removed-after-a-failure",
        "_drivers/vbox/settings/disks.py",
        '_EXISTS not in getattr(error, "stderr", "")',
        "True",
        _of(_BROKEN, "test_file_that_others_create_at_the_path_of_a_new_disk_remains"),
    ),
    Mutation(
        "file-of-a-broken-image-remains",
        "_drivers/vbox/delete.py",
        "one.error and one.location in to_delete",
        "False",
        _of(_BROKEN, "test_broken_disk_is_deleted_with_its_vm"),
    ),
    Mutation(
        "start-with-a-replaced-disk",
        "_drivers/vbox/settings/disk_checks.py",
        "_check_accessible(vbox_vm, plan)",
        "pass",
        _of(_BROKEN, "test_vm_with_a_replaced_disk_is_not_started"),
    ),
    Mutation(
        "replaced-image-is-used",
        "_drivers/vbox/needed.py",
        "broken or item.purpose == COPIED",
        "item.purpose == COPIED",
        _of(_BROKEN, "test_replaced_image_is_not_used_before_virtualbox_forgets_the_other"),
    ),
    Mutation(
        "replaced-file-is-a-detached-disk",
        "_drivers/vbox/settings/disks.py",
        "found is None or found.is_replaced or _",
        "found is None",
        _of(_BROKEN, "test_file_in_the_place_of_a_detached_disk_is_not_attached"),
    ),
    # Files that a task moves, or that a clone would share.
    Mutation("moved-file-is-no-conflict", "_core/sharing/world.py", "{(MOVE, READ): _always, **_}", "{**_}", _MOVED),
    Mutation(
        "moved-file-counts-as-there",
        "_core/sharing/world.py",
        "{**self._deleted, **moved, **deleted}",
        "{**self._deleted, **deleted}",
        _MOVED,
    ),
    Mutation(
        "file-that-a-vm-had-before-is-a-conflict",
        "_core/sharing/world.py",
        "not self._had(held.owner_id, claim)",
        "True",
        _of(_BROKEN, "test_files_that_others_have_are_moved_with_the_directory"),
    ),
    Mutation(
        "clone-keeps-serial-ports",
        "_drivers/vbox/clone.py",
        "vbox_vm.file.connected_serial_ports if vbox_vm.file else ()",
        "()",
        (f"{_UNIT}/test_clone.py::test_clone_writes_to_no_file_of_its_source",),
    ),
)
