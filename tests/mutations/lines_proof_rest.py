# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what is known of the sizes of disks, of stored images, and of half-made VMs."""

from __future__ import annotations

from mutations.mutation import Mutation

_SIZES = "tests/unit/module_utils/_drivers/virsh/test_disk_sizes.py"
_CHECKS = ("tests/unit/module_utils/_core/sharing/test_file_checks.py",)
_HYPERV, _WSL_IMAGES = "tests/platforms/hyperv/test_images.py", "tests/platforms/wsl/test_image_files.py"
_FAILED = "tests/unit/module_utils/_drivers/vagrant/test_failed_steps.py"
_VAGRANT = "tests/unit/module_utils/_drivers/vagrant/test_checks.py"


def _of(file, *tests):
    return tuple(f"{file}::{test}" for test in tests)


MUTATIONS = (
    Mutation(
        "new-disk-has-any-size",
        "_core/sharing/file_checks.py::_check_sizes",
        "added_disks(one.step).items()",
        "()",
        _CHECKS,
    ),
    Mutation(
        "disk-grows-to-any-size",
        "_core/sharing/file_checks.py::_check_sizes",
        'change.kind == "disks.size"',
        "False",
        _CHECKS,
    ),
    Mutation(
        "largest-size-itself-is-rejected",
        "_core/sharing/file_checks.py::_check_sizes",
        "size > most",
        "size >= most",
        _CHECKS,
    ),
    Mutation(
        "cluster-size-of-an-image-does-not-count",
        "_media/disk_header.py::largest_qcow2",
        "_NEW_CLUSTER if path is None else _cluster(begin[20:24])",
        "_NEW_CLUSTER",
        _of(_SIZES, "test_largest_qcow2_depends_on_its_clusters"),
    ),
    Mutation(
        "subclusters-do-not-count",
        "_media/disk_header.py::largest_qcow2",
        "16 if is_extended else 8",
        "8",
        _of(_SIZES, "test_largest_qcow2_depends_on_its_clusters"),
    ),
    Mutation(
        "file-system-is-not-asked",
        "_ports/largest_file.py",
        "error.errno == errno.EFBIG",
        "False",
        _of(_SIZES, "test_largest_new_disk_is_that_of_qemu_img", "test_raw_disk_grows_at_most_to_the_largest_file"),
    ),
    Mutation(
        "raw-disk-grows-to-any-size",
        "_drivers/virsh/needed.py::largest",
        "dirname(path) if path else _1",
        '"/proc" if path else _1',
        _of(_SIZES, "test_raw_disk_grows_at_most_to_the_largest_file"),
    ),
    Mutation(
        "disk-of-wsl-has-any-size",
        "_drivers/wsl/needed.py",
        "64 << 40",
        "64 << 50",
        _of("tests/platforms/wsl/test_settings.py", "test_disk_is_not_larger_than_a_virtual_disk_can_be"),
    ),
    Mutation(
        "disk-of-vagrant-has-any-size",
        "_drivers/vagrant/needed.py",
        'self.plan.after.config.get("provider") != "libvirt"',
        "True",
        _of(_VAGRANT, "test_disk_in_libvirt_is_not_larger_than_qcow2_can_be"),
    ),
    # Stored images.
    Mutation(
        "replaced-image-on-windows-is-used",
        "_media/store.py",
        "self.content_of(stored) != stored.content",
        "False",
        _of(_HYPERV, "test_stored_image_that_was_changed_on_the_host_is_rejected")
        + _of(_WSL_IMAGES, "test_stored_archive_that_was_changed_on_the_host_is_rejected"),
    ),
    Mutation(
        "time-of-an-image-on-windows-does-not-count",
        "_media/windows/store.py",
        "[self.size_of(path), self._times.get(_1)]",
        "[self.size_of(path), None]",
        _of(_HYPERV, "test_stored_image_with_another_time_is_read_again"),
    ),
    Mutation(
        "each-image-on-windows-is-read-again",
        "_media/store.py",
        "self.seen(stored.path) == list(stored.seen or ())",
        "False",
        _of(_HYPERV, "test_stored_image_that_was_changed_on_the_host_is_rejected"),
    ),
    # A half-made VM.
    Mutation(
        "start-of-a-half-made-vm-is-not-foreseen",
        "_drivers/vagrant/checks.py",
        "check_detachable(*_)",
        "pass",
        _of(_FAILED, "test_start_of_a_half_made_vm_with_a_disk_of_others_is_foreseen"),
    ),
)
