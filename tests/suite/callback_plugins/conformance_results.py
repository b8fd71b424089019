# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the result of every task, and the state of its VMs afterwards, as lines of JSON for the tests."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

from platforms.known import PLATFORMS

DOCUMENTATION = """
name: conformance
type: notification
short_description: Results for the conformance suite
description:
  - One line of JSON for each task, with the machines' state looked up behind the module's back.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "conformance"

    def __init__(self):
        super().__init__()
        self._platform = PLATFORMS[os.environ["POLYVIRT_TEST_PLATFORM"]](os.environ["POLYVIRT_PREFIX"])
        self._machines = json.loads(os.environ["POLYVIRT_MACHINES"])

    def v2_playbook_on_task_start(self, task, is_conditional):
        # For tasks that run in this process; a transferred module has the label in its own environment.
        os.environ["POLYVIRT_SHIM_LABEL"] = task.get_name()

    def v2_runner_on_ok(self, result):
        self._write(result, failed=False)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write(result, failed=True)

    def _write(self, result, failed):
        line = {
            "task": result._task.get_name(),
            "failed": failed,
            "result": result._result,
            "truth": self._platform.truth(self._machines) if self._machines else {},
            # Calls that are not commands, which the shim cannot record.
            "calls": self._platform.recorded_calls() if hasattr(self._platform, "recorded_calls") else [],
        }
        with open(os.environ["POLYVIRT_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
