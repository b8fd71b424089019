# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the ways of an image to its platform: uploads to Proxmox VE, box files, unfinished VMs of Hyper-V."""

from __future__ import annotations

from mutations.mutation import Mutation

_UPLOADED = ["tests/unit/module_utils/_drivers/proxmox/test_uploaded_images.py"]
_STORE, _IMAGES = "_drivers/proxmox/store.py", "_drivers/proxmox/images.py"
_VAGRANT = ["tests/unit/module_utils/_drivers/vagrant/test_images.py"]

MUTATIONS = (
    Mutation(
        "upload-that-a-node-is-storing-is-a-complete-image",
        f"{_IMAGES}::located",
        "self.await_uploads(patience)",
        "pass",
        [f"{_UPLOADED[0]}::test_upload_that_runs_already_is_waited_for"],
    ),
    Mutation(
        "uploads-to-other-nodes-of-a-shared-storage-are-ignored",
        _IMAGES,
        "resources.is_shared(self.store.name)",
        "False",
        [f"{_UPLOADED[0]}::test_upload_of_another_task_to_another_node_of_a_shared_storage_is_waited_for"],
    ),
    Mutation(
        "incomplete-image-is-kept",
        _STORE,
        "self._remove_incomplete(path, error)",
        "pass",
        [f"{_UPLOADED[0]}::test_upload_that_fails_half_way_leaves_no_incomplete_image"],
    ),
    Mutation(
        "size-of-the-unpacked-image-does-not-count",
        _IMAGES,
        "self.store.check_space(local.file_size, _1)",
        "pass",
        [f"{_UPLOADED[0]}::test_storage_that_is_too_small_for_the_unpacked_image_gets_nothing"],
    ),
    Mutation(
        "upload-needs-the-privilege-to-download",
        _IMAGES,
        'None if isinstance(image["fetch"], Copy) else self._node',
        "self._node",
        [f"{_UPLOADED[0]}::test_upload_needs_no_privilege_to_download"],
    ),
    Mutation(
        "image-is-uploaded-for-each-vm",
        _IMAGES,
        'image["source"] in self.store.volumes()',
        "False",
        [f"{_UPLOADED[0]}::test_vms_of_one_task_need_one_upload"],
    ),
    Mutation(
        "file-to-upload-is-read-as-a-whole",
        "_ports/proxmox_upload.py",
        "self._parts[0].read(size)",
        "self._parts[0].read()",
        ["tests/unit/module_utils/_ports/test_proxmox_api.py::test_uploaded_file_is_never_whole_in_memory"],
    ),
    Mutation(
        "box-of-another-provider-is-used-for-a-box-file",
        "_drivers/vagrant/images.py",
        "_is_for(os.path.join(folder, one), provider)",
        "True",
        [f"{_VAGRANT[0]}::test_box_that_was_added_from_a_file_of_this_name_needs_no_request"],
    ),
    Mutation(
        "any-of-two-versions-of-a-box-file-is-used",
        "_drivers/vagrant/images.py",
        "len(added) == 1",
        "added",
        [f"{_VAGRANT[0]}::test_of_two_added_versions_the_vendor_says_which_is_the_newest"],
    ),
    Mutation(
        "password-of-an-address-is-written-to-the-vagrantfile",
        "_drivers/vagrant/images.py",
        "form == URL and without_credentials(source) != source",
        "False",
        [f"{_VAGRANT[0]}::test_other_images_are_rejected_with_an_alternative"],
    ),
    Mutation(
        "check-mode-keeps-the-image-of-another-box",
        "_core/planner/simulate.py",
        "step.arguments.get('forgets_image')",
        "False",
        [f"{_VAGRANT[0]}::test_another_box_forgets_the_image_in_check_mode_too"],
    ),
    Mutation(
        "any-change-forgets-the-image",
        "_core/planner/plan.py",
        "any(change.field in task.traits.instead_of_image for change in changes)",
        "True",
        [f"{_VAGRANT[0]}::test_another_box_forgets_the_image_in_check_mode_too"],
    ),
    Mutation(
        "prepared-image-has-one-spelling-only",
        "_media/windows/store.py",
        "return key_of(name) if ntpath.splitdrive(name)[0] else super().recorded_name(name)",
        "return super().recorded_name(name)",
        ["tests/platforms/hyperv/test_boot_prompt.py::test_prepared_image_is_removed_by_any_spelling_of_its_path"],
    ),
    Mutation(
        "interrupted-creation-takes-a-newer-image",
        "_drivers/hyperv/images.py",
        "stored.digest == digest",
        "False",
        ["tests/platforms/hyperv/test_images.py::test_unfinished_vm_is_created_from_the_image_that_it_began_with"],
    ),
    Mutation(
        "leftover-that-is-removed-first-blocks-the-creation",
        "_core/sharing/file_checks.py",
        "item.content and item.content.fetched and not host.removes_leftovers",
        "item.content and item.content.fetched",
        ["tests/platforms/hyperv/test_images.py::test_unfinished_vm_whose_image_was_removed_gets_the_newest_one"],
    ),
    Mutation(
        "disk-of-an-interrupted-task-does-not-count",
        "_media/images.py",
        "has_begun_with and self.begun(asked, has_begun_with)",
        "None",
        ["tests/unit/module_utils/_media/test_keeping.py"],
    ),
    Mutation(
        "begun-image-of-another-checksum",
        "_media/images.py",
        "one.name == name and one.asked_checksum == checksum",
        "one.name == name",
        ["tests/unit/module_utils/_media/test_keeping.py"],
    ),
    Mutation(
        "option-of-a-download-is-ignored-for-a-path",
        "_core/options/image_names.py",
        "given",
        "False",
        ["tests/platforms/wsl/test_images.py::test_option_of_a_download_is_rejected_for_a_path"],
    ),
)
