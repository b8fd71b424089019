# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of events and progress: a change that is not reported, or twice, or as another one."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/plugin_utils"
_OUTCOMES = "plugins/plugin_utils/outcomes"
_RECORDS, _RECORDS_TESTS = f"{_OUTCOMES}/records.py", [f"{_UNIT}/test_outcome_records.py"]
_READER, _READER_TESTS = f"{_OUTCOMES}/reader.py", ["tests/unit/callback/test_events_by_ansible.py"]
_SINKS, _SINKS_TESTS = f"{_OUTCOMES}/sinks.py", [f"{_UNIT}/test_event_sinks.py"]
_ROLES, _ROLES_TESTS = f"{_OUTCOMES}/host_roles.py", [f"{_UNIT}/test_host_roles.py"]
_MESSAGES = "plugins/plugin_utils/tasks/progress_messages.py"
_MESSAGES_TESTS = [f"{_UNIT}/test_progress_messages.py"]

MUTATIONS = (
    Mutation("rejected-vm-has-failed", _RECORDS, 'entry.get("plan", "") is None', "False", _RECORDS_TESTS),
    Mutation("drift-is-a-change", _RECORDS, "DRIFT if check else event_of(_1)", "event_of(_1)", _RECORDS_TESTS),
    Mutation(
        "steps-that-were-not-done-count",
        _RECORDS,
        '{one["verb"] for one in steps if one["done"]}',
        '{one["verb"] for one in steps}',
        _RECORDS_TESTS,
    ),
    Mutation("hidden-result-is-read", _RECORDS, '"censored" in result', "False", _RECORDS_TESTS),
    Mutation("deleted-network-was-changed", _RECORDS, 'result.get(about["kind"]) is None', "False", _RECORDS_TESTS),
    Mutation("loop-is-counted-twice", _READER, "self._loops.add(_)", "pass", _READER_TESTS),
    Mutation("started-task-counts", _READER, "job[1] is None or is_ended", "True", _READER_TESTS),
    Mutation("attempts-without-a-change-count", _READER, 'one["changed"] or not only_changes', "True", _READER_TESTS),
    Mutation("partial-line-is-continued", _SINKS, "_is_partial(descriptor)", "False", _SINKS_TESTS),
    Mutation("check-mode-prepares-a-host", _ROLES, '_ or running.context["check"]', "running.has_failed", _ROLES_TESTS),
    Mutation("short-task-shows-steps", _MESSAGES, "seconds < _QUIET or step is None", "step is None", _MESSAGES_TESTS),
    Mutation(
        "steps-of-no-log-are-shown",
        _MESSAGES,
        "_ignore if tell is None else progress.report",
        "progress.report",
        _MESSAGES_TESTS,
    ),
)
