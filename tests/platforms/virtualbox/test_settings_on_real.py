# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit tests of the driver about settings, images and further deletions, on the real VirtualBox.

Each run has them on the double.
"""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vbox import (
    test_broken_images,
    test_clone,
    test_configure,
    test_create,
    test_delete,
    test_deleted_images,
    test_older_versions,
    test_power,
    test_preflight,
    test_snapshots,
)
from unit.module_utils._drivers.vbox.settings import (
    test_cdroms,
    test_fixed_addresses,
    test_networks,
    test_secure_boot,
    test_serial_log,
)

pytestmark = pytest.mark.deep(
    "tests/unit/module_utils/_drivers/vbox, on the double that the recordings are compared with"
)

#: Chosen as those of test_same_on_real.py.
TESTS = (
    test_broken_images.test_file_in_the_place_of_a_detached_disk_is_not_attached,
    test_broken_images.test_file_that_another_vm_of_the_task_moves_is_rejected,
    test_broken_images.test_files_that_others_have_are_moved_with_the_directory,
    test_broken_images.test_large_vdi_is_created,
    test_broken_images.test_replaced_image_is_not_used_before_virtualbox_forgets_the_other,
    test_broken_images.test_vm_with_a_replaced_disk_below_a_snapshot_is_not_started,
    test_broken_images.test_vm_with_a_replaced_disk_is_not_started,
    test_clone.test_disk_grown_since_a_snapshot_is_not_copied,
    test_clone.test_slot_of_a_new_disk_is_compared_with_the_source_of_the_clone,
    test_configure.test_all_settings_are_changed_at_once,
    test_configure.test_autostart_is_switched_on_and_off,
    test_configure.test_controller_gets_the_ports_that_it_lacks,
    test_configure.test_disk_is_added_to_a_free_port,
    test_configure.test_disk_is_added_to_a_running_vm_at_a_sata_controller_without_disks,
    test_configure.test_disk_is_attached_grown_and_detached,
    test_configure.test_immutable_disk_is_identified_by_its_own_path,
    test_configure.test_mount_of_a_share_that_is_not_requested_is_kept,
    test_configure.test_native_setting_of_a_running_vm_is_changed,
    test_configure.test_new_disk_is_created_in_the_folder_of_a_new_group,
    test_configure.test_new_disk_size_is_read_before_the_start,
    test_configure.test_overlay_of_a_disk_with_a_snapshot_grows,
    test_configure.test_shares_are_changed,
    test_configure.test_vm_with_a_leading_dash_is_managed,
    test_configure.test_vm_with_a_slash_in_its_name_is_managed_by_its_id,
    test_create.test_disk_is_a_copy_of_the_image,
    test_create.test_log_of_an_earlier_vm_does_not_affect_a_new_one,
    test_create.test_vm_that_is_deleted_while_it_is_created_is_an_error,
    test_delete.test_disk_attached_again_has_its_previous_size,
    test_delete.test_foreign_disk_is_deleted_with_the_snapshots_on_request,
    test_delete.test_foreign_disk_of_a_snapshot_is_not_deleted,
    test_delete.test_image_on_top_of_an_immutable_disk_is_deleted_with_the_vm,
    test_delete.test_partly_deleted_vm_is_reported,
    test_delete.test_snapshot_is_deleted_with_a_disk_detached_since,
    test_delete.test_snapshot_that_a_detached_disk_and_the_vm_need_is_not_deleted,
    test_delete.test_vm_that_is_being_cloned_is_not_deleted,
    test_delete.test_vm_that_others_delete_first_is_no_error,
    test_delete.test_vm_with_a_disk_detached_since_a_snapshot_is_deleted,
    test_deleted_images.test_disk_of_a_user_that_is_newer_than_the_snapshots_is_detached,
    test_deleted_images.test_image_below_a_disk_in_a_snapshot_needs_permission,
    test_deleted_images.test_image_below_a_disk_of_a_user_is_deleted_on_request_only,
    test_cdroms.test_all_drives_of_a_vm_are_described,
    test_cdroms.test_clone_gets_no_drive_in_the_slot_of_its_seed,
    test_cdroms.test_disk_takes_the_slot_of_a_drive_that_is_removed_in_the_same_task,
    test_cdroms.test_drive_of_a_seed_is_reserved,
    test_cdroms.test_drive_of_another_controller_waits_until_the_vm_is_off,
    test_cdroms.test_drives_are_added_filled_emptied_and_removed,
    test_cdroms.test_file_of_the_second_drive_is_missing,
    test_cdroms.test_filled_drive_is_added_to_a_running_vm_empty_first,
    test_cdroms.test_iso_does_not_replace_a_new_disk,
    test_fixed_addresses.test_reservation_lives_as_long_as_its_vm,
    test_networks.test_changed_rules_stay_at_their_nics,
    test_networks.test_nic_is_removed,
    test_networks.test_number_of_nics_is_limited_by_the_chipset,
    test_networks.test_rules_are_changed_and_removed,
    test_networks.test_source_and_type_are_set_separately,
    test_older_versions.test_pasted_description_is_not_parsed_as_another_vm,
    test_power.test_failed_power_off_ends_the_process_of_the_vm,
    test_power.test_guest_that_ignores_the_power_button_is_powered_off_on_request_only,
    test_power.test_guest_that_shuts_down_first_is_no_error,
    test_power.test_vm_that_is_deleted_while_it_is_stopped_is_an_error,
    test_power.test_vm_that_others_start_first_is_no_error,
    test_power.test_vm_that_would_wait_for_another_host_is_not_started,
    test_preflight.test_clone_is_checked_against_its_source,
    test_preflight.test_memory_beyond_that_of_the_host_is_a_warning,
    test_snapshots.test_snapshot_below_the_one_that_a_clone_needs_is_deleted,
    test_snapshots.test_description_that_looks_like_a_snapshot_is_none,
    test_snapshots.test_disk_that_is_newer_than_the_restored_snapshot_is_attached_again,
    test_snapshots.test_restored_vm_has_the_settings_of_its_snapshot,
    test_snapshots.test_snapshot_of_a_disk_that_two_vms_have_is_rejected,
    test_secure_boot.test_existing_variables_are_kept,
    test_secure_boot.test_secure_boot_is_switched,
    test_secure_boot.test_snapshot_brings_secure_boot_back,
    test_serial_log.test_clone_has_no_log,
    test_serial_log.test_file_that_somebody_creates_after_the_plan_is_no_log,
    test_serial_log.test_former_log_that_a_snapshot_has_is_still_that_of_the_vm,
    test_serial_log.test_log_in_a_directory_that_moves_is_rejected,
    test_serial_log.test_log_is_described_and_another_port_is_named,
    test_serial_log.test_log_is_set_recorded_and_deleted_with_the_vm,
    test_serial_log.test_log_of_an_existing_vm_is_recorded_before_its_path_is_set,
    test_serial_log.test_log_that_was_given_up_is_not_deleted_with_the_vm,
    test_serial_log.test_snapshot_that_brings_back_the_log_of_another_vm_is_not_restored,
)
globals().update({test.__name__: test for test in TESTS})
FIXTURES = (test_broken_images._disk, test_broken_images._paths, test_delete._detached, test_snapshots._source)
globals().update({f"_of_unit_tests_{number}": fixture for number, fixture in enumerate(FIXTURES)})
