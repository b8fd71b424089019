# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: events
type: notification
short_description: Write what happens to VMs to a file or to syslog
version_added: 1.0.0
description:
  - Writes one line of JSON for each VM that a task of this collection has changed, or that it failed for, for each
    rejected task, and when a role that prepares a host has ended there. In check mode, a change that is due is written
    as C(drift).
  - The guide to events describes the lines. They never contain a secret. Of a task with C(no_log), an event only says
    that something was changed, or that the task has failed.
  - If the file or syslog cannot be used, a warning is shown once, and the play continues.
  - Needs O(path) or O(syslog).
author:
  - polyvirt contributors (@polyvirt)
requirements:
  - V(polyvirt.core.events) in C(callbacks_enabled) of C(ansible.cfg) or in E(ANSIBLE_CALLBACKS_ENABLED)
options:
  path:
    description:
      - File to which the events are appended. Several jobs can share it. It is created with the mode C(0640) or a
        stricter one, its directory must exist.
    type: str
    env:
      - name: POLYVIRT_EVENTS_PATH
    ini:
      - section: polyvirt_events
        key: path
  syslog:
    description:
      - V(local) for the syslog of the controller, or a host with an optional port (V(logs.example.com:514)) to which
        the events are sent by UDP.
      - An event of more than 8 KiB is sent without its C(diff).
    type: str
    env:
      - name: POLYVIRT_EVENTS_SYSLOG
    ini:
      - section: polyvirt_events
        key: syslog
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = polyvirt.core.events

  [polyvirt_events]
  path = /var/log/polyvirt/events.jsonl
  syslog = logs.example.com:514
"""

from ..plugin_utils.outcomes.events import event_from
from ..plugin_utils.outcomes.reader import OutcomeCallback
from ..plugin_utils.outcomes.sinks import Delivery, EventFile, Syslog
from ..plugin_utils.tasks.progress_messages import LISTENERS


class CallbackModule(OutcomeCallback):
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "polyvirt.core.events"
    CALLBACK_NEEDS_ENABLED = True

    def set_options(self, task_keys=None, var_options=None, direct=None):
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        try:
            sinks = self._sinks()
        except ValueError as error:
            self._display.warning(f"polyvirt.core.events: {error}")
            sinks = []
        LISTENERS.append(self._progressed)
        self._deliveries = [Delivery(sink, self._display.warning) for sink in sinks]

    def _sinks(self):
        # An empty variable of the environment is not set.
        path, syslog = self.get_option("path"), self.get_option("syslog")
        if not path and not syslog:
            raise ValueError("set path or syslog, otherwise no event is written.")
        return [*([EventFile(path)] if path else []), *([Syslog(syslog)] if syslog else [])]

    def take(self, records):
        events = [event for event in map(event_from, records) if event is not None]
        for delivery in self._deliveries:
            delivery.write(events)

    def _progressed(self, task, variables, progress):
        """Called in the process of the task."""
        event = {**event_from(self.progress_record(task, variables)), "progress": progress}
        for delivery in self._deliveries:
            delivery.try_to_write(event)

    def v2_playbook_on_stats(self, stats):
        super().v2_playbook_on_stats(stats)
        for delivery in self._deliveries:
            delivery.close()
