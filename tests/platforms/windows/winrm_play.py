# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-playbook on a simulated Windows host behind a WinRM server."""

from __future__ import annotations

import json


def winrm_play(folder, ansible_playbook, tasks, variables=None, environment=()):
    """Return a function ``run(server, *words)``, which runs the tasks and returns {label: result}.

    ``tasks`` is {label: (module, options)}; ``variables`` are further ones of the host,
    ``environment`` that of ansible-playbook. The files of the play are written to ``folder``.
    """
    listed = [{"name": label, module: options, "register": label} for label, (module, options) in tasks.items()]
    results = ", ".join(f"'{label}': {label}" for label in tasks)
    write = {"copy": {"content": "{{ {" + results + "} | to_json }}", "dest": str(folder / "results")}}
    listed.append({**write, "delegate_to": "localhost", "check_mode": False})
    playbook = [{"hosts": "all", "gather_facts": False, "tasks": listed}]
    (folder / "play.json").write_text(json.dumps(playbook), encoding="utf-8")

    def run(server, *words):
        hosts = {"all": {"hosts": {"win": {**server.variables, **(variables or {})}}}}
        (folder / "hosts.json").write_text(json.dumps(hosts), encoding="utf-8")
        everything = ["-i", folder / "hosts.json", *words, folder / "play.json"]
        code, output = ansible_playbook(*everything, environment=environment)
        assert code == 0, output
        return json.loads((folder / "results").read_text(encoding="utf-8"))

    return run
