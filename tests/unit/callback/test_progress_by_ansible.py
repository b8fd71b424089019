# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``ansible-playbook`` shows of a task that takes long, and its events, with the settings of the guide.

Module ``steps`` of a collection for this test reports how far it is. It does not take long, so its action plugin
removes the time in which nothing is shown.
"""

from __future__ import annotations

import json
import os
import re

import pytest

from collection_path import CHECKOUT, collections_path
from suite.by_ansible import EACH_CORE, run_ansible, write
from suite.event_lines import read_events

MODULE = """
DOCUMENTATION = '''
module: steps
short_description: Reports how far it is
author: polyvirt contributors
description: Reports how far it is.
options: {}
'''
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import Declaration, run_module
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import Option
from ansible_collections.polyvirt.core.plugins.module_utils._ports.progress import report


def answer(params, check):
    report("web1: create")
    for part in range(5):
        report("download of x.img", part << 20, 4 << 20)
    report(None)
    return {"changed": False, "warnings": []}


MODULE = Declaration({"name": Option()}, answer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
"""
ACTION = """
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks import progress_messages
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.in_process import InProcess
from ansible_collections.test.progress.plugins.modules.steps import MODULE

progress_messages._QUIET = 0


class ActionModule(InProcess):
    module = MODULE
"""
LINES = [
    "localhost: web1: create (* s)",
    *(f"localhost: download of x.img ({25 * part} %, {part} MiB, * s)" for part in range(5)),
]


def _of_guide(path):
    """The settings in the guide, with another file and without a host for syslog."""
    block = (CHECKOUT / "docs/events.md").read_text(encoding="utf-8").partition("```ini\n")[2].partition("```")[0]
    kept = [line for line in block.splitlines() if not line.startswith("syslog")]
    return "\n".join(kept).replace("/var/log/polyvirt/events.jsonl", str(path))


@pytest.mark.parametrize("programs", EACH_CORE, ids=lambda path: path.name)
def test_steps_are_lines_and_events(tmp_path, programs):
    collection = tmp_path / "ansible_collections/test/progress/plugins"
    write(collection / "modules/steps.py", MODULE)
    write(collection / "action/steps.py", ACTION)
    task = {"test.progress.steps": {"name": "web1"}}
    tasks = [
        {"name": "shown", **task},
        {"name": "hidden", **task, "no_log": True},
        {"name": "shipped", **task, "environment": {"X": "1"}},
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    write(tmp_path / "playbook.json", json.dumps([play]))
    write(tmp_path / "ansible.cfg", _of_guide(tmp_path / "events.jsonl"))
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": f"{tmp_path}{os.pathsep}{collections_path()}",
        "ANSIBLE_PYTHON_INTERPRETER": str(programs / "bin/python"),
    }
    words = ["-i", "localhost,", tmp_path / "playbook.json"]
    done = run_ansible(tmp_path, "ansible-playbook", words, environment, programs / "bin")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = [re.sub(r"\d+ s\)", "* s)", line) for line in done.stdout.splitlines() if line.startswith("localhost: ")]
    assert shown == LINES
    events = read_events(tmp_path / "events.jsonl")
    assert {(one["event"], one["task"], one["module"], one["host"]) for one in events} == {
        ("progress", "shown", "steps", "localhost")
    }
    told = [(one["progress"]["step"], one["progress"]["percent"], one["progress"]["mib"]) for one in events]
    assert told == [("web1: create", None, None), *(("download of x.img", 25 * part, part) for part in range(5))]
