# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks with ansible-playbook in a guest through its guest agent, on libvirt and Proxmox VE."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from simulators.proxmox import worlds
from suite.limits import scaled
from unit.connection.kinds import KINDS

#: Plays take seconds each.
SECRET = "a-word-that-nobody-may-see"
#: Binary data, larger than the limit of one call.
LARGE = bytes(range(256)) * 400


@pytest.fixture
def play(ansible_playbook, tmp_path):
    """Run tasks in the guest: ``play(kind, tasks, pipelining)`` returns ({label: result}, output, platform)."""

    def run(kind, tasks, pipelining=True, variables=(), **settings):
        folder = tmp_path / f"{kind}-{pipelining}"
        folder.mkdir()
        results, playbook = folder / "results", folder / "play.yml"
        listed = [{**task, "register": f"result_{number}", "ignore_errors": True} for number, task in enumerate(tasks)]
        listed = [{**task, "ignore_unreachable": True} for task in listed]
        told = ", ".join(f"'{task['name']}': result_{number}" for number, task in enumerate(tasks))
        written = {"content": f"{{{{ {{ {told} }} | to_json }}}}", "dest": str(results)}
        local = {"delegate_to": "localhost", "vars": {"ansible_connection": "local"}}
        listed.append({"ansible.builtin.copy": written, **local})
        with KINDS[kind](folder, **settings) as platform:
            own = {"ansible_connection": "polyvirt.core.guest_agent", "ansible_python_interpreter": sys.executable}
            given = {**own, **platform.variables, **dict(variables), "ansible_guest_agent_timeout": int(scaled(3))}
            body = {"hosts": "web1", "gather_facts": False, "vars": given, "tasks": listed}
            playbook.write_text(json.dumps([body]), encoding="utf-8")
            environment = {**platform.environment, "ANSIBLE_PIPELINING": str(pipelining).lower()}
            _code, output = ansible_playbook("-i", "web1,", "-vvv", playbook, environment=environment)
        assert results.exists(), output
        assert "Traceback" not in output
        return json.loads(results.read_text(encoding="utf-8")), output, platform

    return run


def _tasks(folder):
    guest, controller = folder / "guest", folder / "controller"
    for one in (guest, controller):
        one.mkdir()
    (controller / "large").write_bytes(LARGE)
    (controller / "template.j2").write_text("{{ inventory_hostname }}: ü\n", encoding="utf-8")
    return [
        {"name": "raw", "ansible.builtin.raw": "echo out; echo err >&2; pwd; exit 3"},
        {"name": "bytes", "ansible.builtin.raw": "printf 'ü\\n'"},
        {"name": "killed", "ansible.builtin.raw": "kill -9 $$"},
        {"name": "command", "ansible.builtin.command": {"argv": ["cat"], "stdin": f"{SECRET}'\"\\"}},
        {"name": "copy", "ansible.builtin.copy": {"src": str(controller / "large"), "dest": str(guest / "large")}},
        {"name": "again", "ansible.builtin.copy": {"src": str(controller / "large"), "dest": str(guest / "large")}},
        {
            "name": "template",
            "ansible.builtin.template": {"src": str(controller / "template.j2"), "dest": str(guest / "it's")},
        },
        {"name": "slurp", "ansible.builtin.slurp": {"src": str(guest / "it's")}},
        {
            "name": "fetch",
            "ansible.builtin.fetch": {"src": str(guest / "large"), "dest": str(controller / "back"), "flat": True},
        },
        {
            "name": "fetch nothing",
            "ansible.builtin.fetch": {"src": str(guest / "none"), "dest": str(controller / "none"), "flat": True},
        },
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_tasks_run_in_the_guest(play, tmp_path, kind):
    results, output, platform = play(kind, _tasks(tmp_path))
    failed = {name for name, result in results.items() if result.get("failed")}
    assert failed == {"raw", "killed", "fetch nothing"}, output
    assert (results["raw"]["rc"], results["raw"]["stdout_lines"][0], results["raw"]["stderr"]) == (3, "out", "err\n")
    assert results["raw"]["stdout_lines"][1] == str(Path.home())
    assert results["bytes"]["stdout"] == "ü\n"
    assert results["killed"]["rc"] == 137
    assert results["command"]["stdout"] == f"{SECRET}'\"\\"
    assert [results[name]["changed"] for name in ("copy", "again", "template")] == [True, False, True]
    assert (tmp_path / "guest/large").read_bytes() == LARGE
    assert (tmp_path / "controller/back").read_bytes() == LARGE
    assert results["slurp"]["content"] == "d2ViMTogw7wK"
    assert (SECRET in platform.shown(), worlds.TOKEN_SECRET in output) == (False, False)


def test_modules_run_without_pipelining(play, tmp_path):
    tasks = [task for task in _tasks(tmp_path) if task["name"] in ("command", "copy")]
    results, output, platform = play("libvirt", tasks, pipelining=False)
    assert results["command"]["stdout"] == f"{SECRET}'\"\\", output
    assert (tmp_path / "guest/large").read_bytes() == LARGE
    assert SECRET not in platform.shown()


#: A program of a guest with an agent that is not root.
_SUDO = """#!/bin/sh
while [ "$1" != /bin/sh ]; do
    [ "$1" != -p ] || prompt=$2
    [ "$1" != -n ] || [ -e PASSWORDLESS ] || { echo 'sudo: a password is required' >&2; exit 1; }
    shift
done
[ -e PASSWORDLESS ] && exec "$@"
echo "$prompt" >&2
read -r password
[ "$password" = right ] || { echo 'Sorry, try again.' >&2; exit 1; }
exec "$@"
"""


def test_password_that_is_not_asked_for_is_no_input_of_the_module(play, tmp_path, monkeypatch):
    _add_sudo(tmp_path, monkeypatch)
    (tmp_path / "passwordless").touch()
    tasks = [
        {"name": "module", "ansible.builtin.command": {"argv": ["cat"], "stdin": "own"}, "become": True},
        {"name": "raw", "ansible.builtin.raw": "cat", "become": True},
    ]
    given = {"ansible_become_password": SECRET, "ansible_guest_agent_user": "agent"}
    results, output, _platform = play("libvirt", tasks, variables=given)
    assert (results["module"]["stdout"], results["raw"]["stdout"]) == ("own", ""), output
    assert SECRET not in output


def _add_sudo(tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sudo").write_text(_SUDO.replace("PASSWORDLESS", str(tmp_path / "passwordless")), encoding="utf-8")
    (programs / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("password", ["right", "wrong"])
def test_password_for_become_is_read_from_standard_input(play, tmp_path, monkeypatch, password):
    _add_sudo(tmp_path, monkeypatch)
    task = {"name": "module", "ansible.builtin.command": "echo done", "become": True}
    given = {"ansible_become_password": password, "ansible_guest_agent_user": "agent"}
    results, output, platform = play("libvirt", [task], variables=given)
    if password == "right":
        assert results["module"]["stdout"] == "done", output
    else:
        assert "Incorrect sudo password" in results["module"]["msg"], output
    assert password not in platform.shown()


def test_agent_that_does_not_answer_makes_the_host_unreachable(play):
    results, _output, _platform = play(
        "libvirt", [{"name": "raw", "ansible.builtin.raw": "true"}], trouble="not connected"
    )
    assert results["raw"]["unreachable"]
    assert "web1: the guest agent does not answer: Guest agent is not responding" in results["raw"]["msg"]
    assert "Check that the VM runs" in results["raw"]["msg"]
