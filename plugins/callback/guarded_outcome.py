# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: guarded_outcome
type: notification
short_description: How a guarded playbook ended, and on which hosts
version_added: 1.0.0
description:
  - Writes how a playbook ended, on which hosts it failed, and what of it Ansible never started, to a file that
    M(polyvirt.core.guarded_run) reads. If the file cannot be written, the playbook is stopped.
  - M(polyvirt.core.guarded_run) enables it for the playbook that it runs. Do not enable it yourself.
author:
  - polyvirt contributors (@polyvirt)
options:
  path:
    description: File to write. If omitted, nothing is written.
    type: path
    env:
      - name: POLYVIRT_GUARDED_OUTCOME
  hosts:
    description: Hosts with a snapshot. Before the first task, a warning names all others on which the playbook runs.
    type: list
    elements: str
    default: []
    env:
      - name: POLYVIRT_GUARDED_HOSTS
"""

import json
import os

from ansible.plugins.callback import CallbackBase

from ..plugin_utils.guarded.child import hosts_of


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "polyvirt.core.guarded_outcome"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self._plays = 0
        #: {play that was started: its hosts for which no batch was started}.
        self._waiting = {}

    def v2_playbook_on_start(self, playbook):
        plays = playbook.get_plays()
        self._plays = len(plays)
        found = {host for play in plays for host in hosts_of(play)} - {*self.get_option("hosts"), "localhost"}
        if found and self.get_option("hosts"):
            self._display.warning(f"The playbook also runs on {', '.join(sorted(found))}, without a snapshot.")

    def v2_playbook_on_play_start(self, play):
        # If the run is killed, only this is written.
        self._write({})
        # Called for each batch. Without serial, there is only one.
        batch = play.get_variable_manager().get_vars(play=play) if play.serial else {}
        waiting = self._waiting.setdefault(play._uuid, set(batch.get("ansible_play_hosts_all", ())))
        waiting.difference_update(batch.get("ansible_play_batch", ()))

    def v2_playbook_on_stats(self, stats):
        failed = {host for counts in (stats.failures, stats.dark) for host, count in counts.items() if count}
        self._write(
            {
                "failed": sorted(failed),
                "stopped": sorted(set().union(*self._waiting.values())),
                "unstarted": self._plays - len(self._waiting),
                "processed": sorted(stats.processed),
                "changed": any(stats.changed.values()),
                # What tasks pass on to the next job of a workflow.
                "stats": stats.custom.get("_run", {}),
            }
        )

    def _write(self, outcome):
        path = self.get_option("path")
        if not path:
            return
        try:
            with open(f"{path}.new", "w", encoding="utf-8", opener=_private) as file:
                json.dump(outcome, file, default=str)
            os.replace(f"{path}.new", path)
        except OSError as error:
            # Ansible ignores exceptions of callback plugins. But a file that is missing means: no play was started.
            raise SystemExit(f"polyvirt.core.guarded_outcome: {path} cannot be written: {error}") from error


def _private(path, flags):
    return os.open(path, flags, 0o600)
