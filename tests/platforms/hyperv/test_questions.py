# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions of the playbook acceptance to Windows hosts: they arrive as written, and no answer is taken for another."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from collection_path import CHECKOUT
from platforms.windows.winrm_server import WinRMServer, _script

BOOKS = CHECKOUT / "playbooks"
QUESTIONS = yaml.safe_load((BOOKS / "vars/acceptance_questions.yml").read_text(encoding="utf-8"))[
    "acceptance_questions"
]
BY_ID = {one["id"]: one for one in QUESTIONS}
#: What writes: a question that has one of these is asked only if the user wants it.
WRITES = re.compile(r"\b(New|Set|Add|Remove|Start|Stop)-(?!Sleep)\w+|Invoke-CimMethod|& \(Get-Process")


def asked(folder, ansible_playbook, answers, **variables):
    """([scripts that the host received], [answers that are noted])."""
    received = []

    def answer(line, _stdin):
        received.append(_script(line))
        return answers(received[-1])

    play = {
        "hosts": "win",
        "gather_facts": False,
        "vars": {"acceptance_questions_answered": []},
        "vars_files": [str(BOOKS / "vars/acceptance_questions.yml")],
        "tasks": [
            {"include_tasks": str(BOOKS / "tasks/acceptance_ask.yml")},
            {
                "copy": {"content": "{{ acceptance_questions_answered | to_json }}", "dest": str(folder / "noted")},
                "delegate_to": "localhost",
                "vars": {"ansible_connection": "local"},
            },
        ],
    }
    with WinRMServer(answer) as server:
        hosts = {"all": {"hosts": {"win": server.variables}}}
        for name, content in (("play", [play]), ("hosts", hosts), ("variables", variables)):
            (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        code, output = ansible_playbook(
            "-i", folder / "hosts.json", folder / "play.json", "-e", f"@{folder / 'variables.json'}"
        )
    assert code == 0, output
    return received, json.loads((folder / "noted").read_text(encoding="utf-8"))


def names(platform, ask):
    """Ids of the questions to a platform: first those to all Windows hosts."""
    asked_here = [one for one in QUESTIONS if ask or not one.get("changes")]
    of_all = [one["id"] for one in asked_here if "needs" not in one]
    return of_all + [one["id"] for one in asked_here if platform in one.get("needs", ())]


def test_questions_that_create_something_say_so_and_remove_it():
    for one in QUESTIONS:
        reads = re.sub(r"Remove-TypeData|Set-VM\b", "", one["command"])
        assert bool(WRITES.search(reads)) == bool(one.get("changes")), one["id"]
        if re.search(r"\bNew-(VM|VHD|Item)\b|Set-Content|-RedirectStandardOutput", one["command"]):
            assert "} finally {" in one["command"], one["id"]
        assert "'yes" in one["command"] or '"yes' in one["command"], one["id"]
        assert not re.search(r"\{\{|\{%|\{#", one["command"]), one["id"]


@pytest.mark.full
@pytest.mark.parametrize(("platform", "ask"), [("hyperv", True), ("wsl", False)])
def test_commands_arrive_as_written_and_answers_are_judged(tmp_path, ansible_playbook, platform, ask):
    answers = {
        "build": (0, b"no 9200 26100\r\n", b""), "json": (1, b"", b"error in another language"),
        "lists": (0, b"", b""), "runspace": (0, b"nothing that is known\r\n", b""),
    }  # fmt: skip

    def answer(script):
        name = next(one["id"] for one in QUESTIONS if one["command"].strip() in script)
        return answers.get(name, (0, b"yes 1\r\n", b""))

    received, noted = asked(tmp_path, ansible_playbook, answer, acceptance_platform=platform, acceptance_ask=ask)
    assert [one["id"] for one in noted] == names(platform, ask)
    for script, one in zip(received, noted):
        assert BY_ID[one["id"]]["command"].strip() in script
    outcomes = {one["id"]: one["outcome"] for one in noted}
    wanted = {"build": "different", "json": "unknown", "lists": "unknown", "runspace": "unknown"}
    assert outcomes == {name: wanted.get(name, "as expected") for name in names(platform, ask)}
    assert next(one for one in noted if one["id"] == "json")["answer"] == "error in another language"


@pytest.mark.parametrize(("platform", "count"), [("hyperv", 7), ("wsl", 5)])
def test_without_permission_only_questions_that_change_nothing_are_asked(platform, count):
    assert len(names(platform, False)) == count
