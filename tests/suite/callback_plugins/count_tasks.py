# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one line for each task that Ansible starts for a host: also for includes and for tasks that are skipped."""

from __future__ import annotations

import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: count_tasks
type: notification
short_description: The tasks of a run
description:
  - Writes the host and the name of each task that is started, for tests and measurements that count them.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "count_tasks"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_start(self, host, task):
        with open(os.environ["POLYVIRT_TASKS"], "a", encoding="utf-8") as file:
            file.write(f"{host}: {task.get_name()}\n")
