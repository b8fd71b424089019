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
    "a card that is sent again gets another MAC": f"{_CASES}::test_nic_keeps_its_mac_and_all_other_sub_keys",
    "a disk that is sent again is made a second time": f"{_CASES}::test_disk_grows_and_is_never_created_twice",
    "True is no truth on the wire": f"{_TOOL}::test_booleans_are_sent_as_numbers",
    "the cluster's list is ten seconds old": f"{_CASES}::test_power_state_is_read_from_the_node_not_from_the_cluster",
    "a creation that starts says OK before the start fails": f"{_CASES}::test_new_vm_that_does_not_start_is_removed",
    "a stored change says OK though nothing took it": f"{_CASES}::test_memory_change_waits_for_next_start",
    "a plug that fails leaves the change stored": f"{_RACES}::test_failed_hotplug_is_a_warning",
    "a task that fails says so in its end alone": f"{_TOOL}::test_error_of_a_failed_task_has_the_end_of_its_log",
    "warnings look like a failure": f"{_TOOL}::test_warnings_of_a_task_are_not_a_failure",
    "a worker that ends looks like one that died": f"{_TOOL}::test_unexpected_status_is_read_twice",
    "work goes on after a call was given up": f"{_LOST}::test_request_carried_out_after_a_timeout_is_not_an_error",
    "two machines may have one name": f"{_RACES}::test_two_tasks_in_turns_leave_one_vm",
    "the next free number is free for everybody": f"{_RACES}::test_vm_id_that_others_take_at_any_moment",
    "a number changes hands": f"{_CASES}::test_vm_id_that_was_reused_by_others_is_not_deleted",
    "keys are encoded twice": f"{_OWN}::test_cloud_init_options_reach_a_running_vm",
    "a password cannot be read back": f"{_OWN}::test_password_is_set_once_and_never_shown",
    "a shutdown that was asked too early is lost": f"{_CASES}::test_guest_that_ignores_a_shutdown_keeps_running",
    "an agent that is not there keeps the button unpressed": f"{_CASES}::"
    "test_failing_shutdown_is_repeated_and_then_forced",
    "high availability says OK before it begins": f"{_CASES}::test_start_by_high_availability_is_waited_for",
    "REQUESTS_CA_BUNDLE goes before a session's own": f"{_PORT}::test_ca_path_takes_precedence_over_the_environment",
    "proxmoxer ends the process without requests": f"{_PORT}::test_missing_library_is_reported",
    "an upload that is refused says checksum mismatch too": "tests/platforms/proxmox/test_modules.py::"
    "test_iso_is_uploaded_from_the_host_of_the_task",
}
