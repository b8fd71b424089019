# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays of the roles for Windows hosts: ansible-playbook with winrm and pywinrm, on a simulated host."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from platforms.windows.winrm_server import WinRMServer, through
from suite.event_lines import read_events

_EVENTS = "polyvirt.core.events"


def _events(path):
    return [(one["event"], one["changed"]) for one in read_events(path)]


class Played(NamedTuple):
    """The result of a play; ``changed`` are the tasks that reported a change, ``output`` is in one line.

    ``events`` are [(event, whether something was changed)] of the callback plugin.
    """

    code: int
    changed: list
    output: str
    facts: dict
    events: list


class RoleHost:
    """A Machine (platforms/windows/machine.py) as the only host of a play."""

    def __init__(self, machine, folder, ansible_playbook):
        self.machine, self._folder, self._ansible_playbook = machine, folder, ansible_playbook

    def play(self, role, *words, **variables):
        """Run a role once."""
        results = self._folder / "results"
        events = self._folder / "events.jsonl"
        for written in (results, events):
            written.unlink(missing_ok=True)
        show = {"content": f"{{{{ {{'result': {role}_result | default(none)}} | to_json }}}}", "dest": str(results)}
        book = {
            "hosts": "win",
            "gather_facts": False,
            "roles": [f"polyvirt.core.{role}"],
            "post_tasks": [{"copy": show, "delegate_to": "localhost", "check_mode": False, "changed_when": False}],
        }
        with WinRMServer(through(self.machine)) as server:
            inventory = {"all": {"hosts": {"win": server.variables}}}
            for name, content in (("play", [book]), ("inventory", inventory), ("variables", variables)):
                (self._folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
            code, output = self._ansible_playbook(
                "-i", self._folder / "inventory.json", self._folder / "play.json",
                "-e", f"@{self._folder / 'variables.json'}", "--diff", *words,
                environment={"ANSIBLE_CALLBACKS_ENABLED": _EVENTS, "POLYVIRT_EVENTS_PATH": str(events)},
            )  # fmt: skip
        facts = json.loads(results.read_text(encoding="utf-8"))["result"] if results.exists() else {}
        changed = re.findall(r"TASK \[polyvirt\.core\.\w+ : ([^\]]*)\] \*+\n(?:(?!TASK).*\n)*?changed: ", output)
        return Played(code, changed, " ".join(output.split()), facts, _events(events))
