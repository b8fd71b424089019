# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the results of tasks, and kills ansible-playbook after a given number of them, or after a given task."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kill_after
type: notification
short_description: Kill ansible-playbook after a number of results
description:
  - Each result is a line in a file; after the given number of lines, the process is killed. The numbers of the lines
    of tasks that changed something are in a second file.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kill_after"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._left = int(os.environ["POLYVIRT_KILL_AFTER"])
        self._task = os.environ["POLYVIRT_KILL_TASK"]
        self._names = Path(os.environ["POLYVIRT_KILL_NAMES"])

    def v2_runner_on_ok(self, result):
        # Without the announcement at its end, which is a template in some versions of ansible-core, and text in others.
        name = re.split("[{]{2}|;", result._task.get_name())[0]
        with self._names.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")
        if result.is_changed():
            with self._names.with_suffix(".changed").open("a", encoding="utf-8") as file:
                file.write(f"{len(self._names.read_text(encoding='utf-8').splitlines())}\n")
        self._left -= 1
        if self._left == 0 or name == self._task:
            os.kill(os.getpid(), signal.SIGKILL)
