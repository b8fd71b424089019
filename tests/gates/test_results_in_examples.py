# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examples and guides that use how to connect to a VM also work in check mode, where a new VM has no address yet."""

from __future__ import annotations

import re

import yaml

from collection_path import CHECKOUT

_BLOCK = re.compile(r"^```ya?ml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXAMPLES = re.compile(r'^EXAMPLES = r"""\n(.*?)^"""', re.MULTILINE | re.DOTALL)
_CONNECTION = re.compile(r"\.ssh\.\w")


def tasks_in(parsed):
    """The tasks of parsed YAML, those of plays and blocks, too."""
    found, left = [], [parsed]
    while left:
        one = left.pop()
        if isinstance(one, list):
            left += one
        elif isinstance(one, dict):
            found.append(one)
            left += [
                one[name] for name in ("tasks", "block", "rescue", "always", "pre_tasks", "post_tasks") if name in one
            ]
    return found


def unguarded(tasks):
    """The tasks that use the connection of a VM, and do not ask whether it has one."""
    using = [task for task in tasks if "tasks" not in task and "block" not in task and _CONNECTION.search(str(task))]
    return [task for task in using if "ssh" not in str(task.get("when", "")) and "selectattr('ssh')" not in str(task)]


def _texts():
    """(file, YAML) of the examples of modules, and of the blocks in guides and READMEs."""
    for path in sorted((CHECKOUT / "plugins/modules").glob("*.py")):
        yield from ((path.name, text) for text in _EXAMPLES.findall(path.read_text(encoding="utf-8")))
    for path in (
        *sorted((CHECKOUT / "docs").glob("*.md")),
        CHECKOUT / "README.md",
        *CHECKOUT.glob("roles/*/README.md"),
    ):
        yield from ((path.name, text) for text in _BLOCK.findall(path.read_text(encoding="utf-8")))


def _parsed(text):
    try:
        return list(yaml.load_all(text, Loader=yaml.BaseLoader))
    except yaml.YAMLError:
        return []  # A part of a file, or with tags.


def test_connections_of_vms_are_used_only_if_they_exist():
    found = [(name, task) for name, text in _texts() for task in unguarded(tasks_in(_parsed(text)))]
    assert found == []


def test_unguarded_task_is_found():
    message = {"debug": {"msg": "{{ item.ssh.host }}"}}
    play = [{"hosts": "a", "tasks": [message, {"block": [{**message, "when": "item.ssh is not none"}]}]}]
    assert unguarded(tasks_in(play)) == [message]
    assert unguarded(tasks_in([{**message, "loop": "{{ x.vms | selectattr('ssh') }}"}])) == []
    used = [name for name, text in _texts() for task in tasks_in(_parsed(text)) if _CONNECTION.search(str(task))]
    assert len(used) >= 5
