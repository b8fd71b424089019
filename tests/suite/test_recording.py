# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded sessions in README, on the start page and in the gallery are what a run shows today.

``POLYVIRT_RECORD=DIRECTORY scripts/test.sh run tests/suite/test_recording.py`` writes new sessions;
scripts/docsite/recording.py draws one.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from collection_path import CHECKOUT
from suite.by_ansible import start_ansible

pytestmark = pytest.mark.full

FOLDER = CHECKOUT / "scripts" / "docsite"
VM = "web1"
RUN = "ansible-playbook web.yml"
#: {session: its title, and steps: (command, what its task sets)}.
SESSIONS = {
    "first-run": (
        "Check mode with a diff, the run, a second run without changes, and a changed value",
        ((f"{RUN} --check --diff", {}), (RUN, {}), (RUN, {}), (f"{RUN} --diff", {"memory": "1G"})),
    ),
    "error": (
        "A run creates a VM, and a disk that would become smaller is rejected in check mode",
        ((RUN, {}), (f"{RUN} --check", {"disks": [{"size": "10G"}]})),
    ),
}


def play(qemu, changes):
    """The play of a session: a VM from a small disk, since its guest is not shown."""
    options = {"name": VM, "state": "started", "memory": "512M", "cpus": 1, "tags": ["web"], "disks": [{"size": "20G"}]}
    options.update(changes)
    tasks = [{"name": "Create a web server", "polyvirt.core.virsh_vm": options}]
    # How the VM is emulated in the world of the tests is no part of the session.
    defaults = {"polyvirt.core.virsh_vm": {**qemu.options("vm"), "networks": []}}
    return [{"hosts": "localhost", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}]


def plain(step):
    """What a step shows, without colors and without the width, which depends on the version of ansible-core."""
    words = re.sub(r"\x1b\[[\d;]*m|\*+", "", step["output"]).split()
    return step["command"], sorted(words)


@pytest.mark.parametrize("name", SESSIONS)
def test_recorded_session_is_what_a_run_shows(qemu, shim, tmp_path, name):
    qemu.clean()
    title, commands = SESSIONS[name]
    steps = []
    around = {**shim.environment(programs=qemu.programs), "ANSIBLE_FORCE_COLOR": "true", "COLUMNS": "79"}
    around = {**around, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    try:
        for command, changes in commands:
            (tmp_path / "web.yml").write_text(yaml.safe_dump(play(qemu, changes), sort_keys=False), encoding="utf-8")
            program, *words = command.split()
            process = start_ansible(tmp_path, program, words, around, cwd=tmp_path)
            output, _nothing = process.communicate()
            assert process.returncode == (2 if "disks" in changes else 0), output
            # The result of a task that failed has more than its message, such as an ID.
            output = re.sub(r', "plan": .*\}', ", ...}", output.replace(str(tmp_path), "/home/anna"))
            steps.append({"command": command, "output": output})
    finally:
        qemu.virsh("destroy", VM, check=False)
        qemu.virsh("undefine", VM, "--remove-all-storage", check=False)
    if os.environ.get("POLYVIRT_RECORD"):
        session = {"title": title, "steps": steps}
        path = Path(os.environ["POLYVIRT_RECORD"], f"{name}.json")
        path.write_text(json.dumps(session, indent=1) + "\n", encoding="utf-8")
        return
    recorded = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert [plain(step) for step in steps] == [plain(step) for step in recorded["steps"]]
