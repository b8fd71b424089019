# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit tests of the driver about what is deleted or kept, on the real VirtualBox: one of each kind.

Each run has all of them on the double; a deep run has the others on the real one, too (test_settings_on_real.py).
"""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vbox import test_clone, test_delete, test_deleted_images, test_snapshots

pytestmark = pytest.mark.full

#: Tests whose fixture ``vbox`` may be the real one: they neither set its networks or values nor use its clock.
TESTS = (
    test_clone.test_failed_clone_deletes_nothing_of_its_source,
    test_delete.test_foreign_disk_is_kept_unless_delete_disks_is_all,
    test_delete.test_vm_that_a_new_clone_needs_is_kept,
    test_deleted_images.test_base_of_a_linked_clone_remains_whoever_unregistered_its_vm,
    test_deleted_images.test_disk_attached_after_the_plan_prevents_the_deletion,
    test_deleted_images.test_image_in_the_place_of_an_own_one_is_kept,
    test_deleted_images.test_vm_keeps_its_disks_if_it_cannot_be_deleted,
    test_snapshots.test_snapshot_that_a_clone_needs_is_not_deleted,
)
globals().update({test.__name__: test for test in TESTS})
FIXTURES = (test_delete._detached, test_snapshots._source)
globals().update({f"_of_unit_tests_{number}": fixture for number, fixture in enumerate(FIXTURES)})
