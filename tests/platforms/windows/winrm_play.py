# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-playbook on a simulated Windows host behind a WinRM server."""

from __future__ import annotations

import json

from suite.event_lines import read_events


def winrm_play(folder, ansible_playbook, tasks, variables=None, environment=()):
    """Return a function ``run(server, *words)``, which runs the tasks and returns {label: result}.

    ``tasks`` is {label: (module, options)}; ``variables`` are further ones of the host,
    ``environment`` that of ansible-playbook. The files of the play are written to ``folder``. Each VM that a task has
    changed must be one event of the callback plugin.
    """
    listed = [{"name": label, module: options, "register": label} for label, (module, options) in tasks.items()]
    results = ", ".join(f"'{label}': {label}" for label in tasks)
    write = {"copy": {"content": "{{ {" + results + "} | to_json }}", "dest": str(folder / "results")}}
    listed.append({**write, "delegate_to": "localhost", "check_mode": False})
    playbook = [{"hosts": "all", "gather_facts": False, "tasks": listed}]
    (folder / "play.json").write_text(json.dumps(playbook), encoding="utf-8")

    events = folder / "events.jsonl"
    written = {"ANSIBLE_CALLBACKS_ENABLED": "polyvirt.core.events", "POLYVIRT_EVENTS_PATH": str(events)}

    def run(server, *words):
        events.unlink(missing_ok=True)
        hosts = {"all": {"hosts": {"win": {**server.variables, **(variables or {})}}}}
        (folder / "hosts.json").write_text(json.dumps(hosts), encoding="utf-8")
        everything = ["-i", folder / "hosts.json", *words, folder / "play.json"]
        code, output = ansible_playbook(*everything, environment={**written, **dict(environment)})
        assert code == 0, output
        done = json.loads((folder / "results").read_text(encoding="utf-8"))
        expected = [
            (label, vm["name"]) for label, result in done.items() for vm in result.get("vms") or () if vm.get("changed")
        ]
        found = read_events(events)
        assert [(one["task"], one["vm"]["name"]) for one in found if one["vm"] and one["changed"]] == expected
        return done

    return run
