# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded session in README and on the start page is what a run shows today.

``POLYVIRT_RECORD=FILE scripts/test.sh run tests/suite/test_recording.py`` writes a new session;
scripts/docsite/recording.py draws it.
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

SESSION = CHECKOUT / "scripts" / "docsite" / "first-run.json"
VM = "web1"
RUN = "ansible-playbook web.yml"
#: (command, memory of the VM).
STEPS = ((f"{RUN} --check --diff", "512M"), (RUN, "512M"), (RUN, "512M"), (f"{RUN} --diff", "1G"))


def play(qemu, memory):
    """The play of the session: a VM from a small disk, since its guest is not shown."""
    options = {"name": VM, "state": "started", "memory": memory, "cpus": 1, "tags": ["web"], "disks": [{"size": "20G"}]}
    tasks = [{"name": "Create a web server", "polyvirt.core.virsh_vm": options}]
    # How the VM is emulated in the world of the tests is no part of the session.
    defaults = {"polyvirt.core.virsh_vm": {**qemu.options("vm"), "networks": []}}
    return [{"hosts": "localhost", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}]


def plain(step):
    """What a step shows, without colors and without the width, which depends on the version of ansible-core."""
    words = re.sub(r"\x1b\[[\d;]*m|\*+", "", step["output"]).split()
    return step["command"], sorted(words)


def test_recorded_session_is_what_a_run_shows(qemu, shim, tmp_path):
    qemu.clean()
    steps = []
    around = {**shim.environment(programs=qemu.programs), "ANSIBLE_FORCE_COLOR": "true", "COLUMNS": "79"}
    around = {**around, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    try:
        for command, memory in STEPS:
            (tmp_path / "web.yml").write_text(yaml.safe_dump(play(qemu, memory), sort_keys=False), encoding="utf-8")
            program, *words = command.split()
            process = start_ansible(tmp_path, program, words, around, cwd=tmp_path)
            output, _nothing = process.communicate()
            assert process.returncode == 0, output
            steps.append({"command": command, "output": output})
    finally:
        qemu.virsh("destroy", VM, check=False)
        qemu.virsh("undefine", VM, "--remove-all-storage", check=False)
    if os.environ.get("POLYVIRT_RECORD"):
        title = "Check mode with a diff, the run, a second run without changes, and a changed value"
        session = {"title": title, "steps": steps}
        Path(os.environ["POLYVIRT_RECORD"]).write_text(json.dumps(session, indent=1) + "\n", encoding="utf-8")
        return
    recorded = json.loads(SESSION.read_text(encoding="utf-8"))
    assert [plain(step) for step in steps] == [plain(step) for step in recorded["steps"]]
