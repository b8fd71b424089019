# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known problems of Proxmox VE and its API: {problem: the test that shows that the driver handles it}."""

from __future__ import annotations

_DRIVER = "tests/unit/module_utils/_drivers/proxmox"
_CASES, _RACES, _LOST, _OWN = (
    f"{_DRIVER}/test_{name}.py" for name in ("cases", "races", "lost_answers", "own_options")
)
_TOOL = "tests/unit/module_utils/_tools/test_proxmox.py"
_PORT = "tests/unit/module_utils/_ports/test_proxmox_api.py"
SHOWN_BY = {
    "a NIC gets a new MAC if its option is set again without the MAC": (
        f"{_CASES}::test_nic_keeps_its_mac_and_all_other_sub_keys"
    ),
    "a disk is allocated a second time if its size is set again": (
        f"{_CASES}::test_disk_grows_and_is_never_created_twice"
    ),
    "the API does not accept True and False as booleans": f"{_TOOL}::test_booleans_are_sent_as_numbers",
    "the list of the cluster is up to ten seconds old": (
        f"{_CASES}::test_power_state_is_read_from_the_node_not_from_the_cluster"
    ),
    "a creation with a start ends with OK although the start fails later": (
        f"{_DRIVER}/test_undoing.py::test_failed_creation_is_undone_even_if_protected"
    ),
    "a change that takes effect at the next start is answered with OK": (
        f"{_DRIVER}/test_native.py::test_setting_of_a_running_vm_waits_for_its_next_start"
    ),
    "a hotplug that fails leaves the change stored": f"{_RACES}::test_failed_hotplug_is_a_warning",
    "only the end of a task's log has its error": f"{_TOOL}::test_error_of_a_failed_task_has_the_end_of_its_log",
    "a task that ends with warnings does not end with OK": f"{_TOOL}::test_warnings_of_a_task_are_not_a_failure",
    "for a moment, a task that ends has no exit status": f"{_TOOL}::test_unexpected_status_is_read_twice",
    "the work of a request continues after the client's timeout": (
        f"{_LOST}::test_result_of_a_write_is_checked_after_a_gateway_error"
    ),
    "two VMs may have the same name": f"{_RACES}::test_second_task_at_any_moment_leaves_one_vm",
    "the next free VM id is not reserved": f"{_RACES}::test_vm_id_that_others_take_at_any_moment",
    "the id of a deleted VM is used again": f"{_CASES}::test_vm_id_that_was_reused_by_others_is_not_deleted",
    "SSH keys are URL-encoded twice": f"{_OWN}::test_cloud_init_options_reach_a_running_vm",
    "a password cannot be read back": f"{_OWN}::test_password_is_set_once_and_never_shown",
    "a shutdown that is requested too early is lost": f"{_CASES}::test_guest_that_ignores_a_shutdown_keeps_running",
    "with the agent enabled and not running, a shutdown does not press the power button": (
        f"{_CASES}::test_failing_shutdown_is_repeated_and_then_forced"
    ),
    "a start by high availability is answered with OK before it begins": (
        f"{_CASES}::test_start_by_high_availability_is_waited_for"
    ),
    "REQUESTS_CA_BUNDLE takes precedence over the CA file of a session": (
        f"{_PORT}::test_ca_path_takes_precedence_over_the_environment"
    ),
    "proxmoxer ends the process if the library requests is missing": f"{_PORT}::test_missing_library_is_reported",
    "a rejected upload is reported as a checksum mismatch": "tests/platforms/proxmox/test_modules.py::"
    "test_iso_is_uploaded_from_the_host_of_the_task",
}
