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
    "a card that is sent again gets another MAC": f"{_CASES}::test_a_card_keeps_its_mac_and_all_that_was_not_asked",
    "a disk that is sent again is made a second time": f"{_CASES}::test_a_disk_grows_and_is_never_made_a_second_time",
    "True is no truth on the wire": f"{_TOOL}::test_booleans_are_sent_as_numbers",
    "the cluster's list is ten seconds old": f"{_CASES}::test_the_power_that_leads_to_no_change_is_fresh",
    "a creation that starts says OK before the start fails": f"{_CASES}::test_made_and_started_but_it_does_not_start",
    "a stored change says OK though nothing took it": f"{_CASES}::test_more_memory_becomes_pending",
    "a plug that fails leaves the change stored": f"{_RACES}::test_what_the_running_machine_does_not_take_is_told",
    "a task that fails says so in its end alone": f"{_TOOL}::test_error_of_a_failed_task_has_the_end_of_its_log",
    "warnings look like a failure": f"{_TOOL}::test_warnings_of_a_task_are_not_a_failure",
    "a worker that ends looks like one that died": f"{_TOOL}::test_unexpected_status_is_read_twice",
    "work goes on after a call was given up": f"{_LOST}::test_a_slow_node_that_does_the_work_all_the_same",
    "two machines may have one name": f"{_RACES}::test_two_tasks_by_turns_leave_one_machine",
    "the next free number is free for everybody": f"{_RACES}::test_a_number_that_somebody_takes_at_any_moment",
    "a number changes hands": f"{_CASES}::test_a_number_that_has_changed_hands_is_not_removed",
    "keys are encoded twice": f"{_OWN}::test_what_cloud_init_is_told_reaches_a_running_machine",
    "a password cannot be read back": f"{_OWN}::test_a_password_is_given_once_and_shown_nowhere",
    "a shutdown that was asked too early is lost": f"{_CASES}::test_a_deaf_guest_fails_the_task_and_runs_on",
    "an agent that is not there keeps the button unpressed": f"{_CASES}::"
    "test_an_agent_that_is_not_there_is_no_way_to_ask",
    "high availability says OK before it begins": f"{_CASES}::test_what_high_availability_manages_is_waited_for",
    "REQUESTS_CA_BUNDLE goes before a session's own": f"{_PORT}::test_ca_path_takes_precedence_over_the_environment",
    "proxmoxer ends the process without requests": f"{_PORT}::test_missing_library_is_reported",
    "an upload that is refused says checksum mismatch too": "tests/platforms/proxmox/test_modules.py::"
    "test_iso_is_uploaded_from_the_host_of_the_task",
}
