# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts run once in a guest. The guest is this host, without a usable Python interpreter for Ansible."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.full

SECRET = "secret-4711"
INVENTORY = "guest ansible_connection=local ansible_python_interpreter=/nowhere/python3 ansible_become=false\n"


@pytest.fixture(name="run")
def _run(ansible_playbook, tmp_path):
    """Run the role with the scripts; return (exit code, output)."""

    def run(scripts, *options):
        play = [
            {
                "hosts": "guest",
                "gather_facts": False,
                "roles": ["polyvirt.core.guest_scripts"],
                "vars": {
                    "guest_scripts": scripts,
                    "guest_scripts_folder": str(tmp_path),
                    "guest_scripts_directory": str(tmp_path / "in guest"),
                },
            }
        ]
        (tmp_path / "play.yml").write_text(json.dumps(play), encoding="utf-8")
        (tmp_path / "hosts").write_text(INVENTORY, encoding="utf-8")
        return ansible_playbook("-i", tmp_path / "hosts", tmp_path / "play.yml", *options)

    return run


def counting(name, folder, tail=""):
    """A script that appends a line to the file ``name`` each time it runs."""
    return {"name": name, "script": f"echo \"it's {SECRET} $HOME\"\necho x >>'{folder}/{name}'\n{tail}"}


def ran(folder, name):
    """How often the script has run."""
    return len((folder / name).read_text().splitlines()) if (folder / name).exists() else 0


def test_scripts_run_once_and_their_output_is_kept(run, tmp_path):
    (tmp_path / "file.sh").write_text(f"#!/bin/sh -e\necho from a file\necho x >>'{tmp_path}/two'\n", encoding="utf-8")
    scripts = [counting("one", tmp_path), {"name": "two", "path": "file.sh"}]
    code, output = run(scripts, "--check")
    assert (code, "changed=2" in output, ran(tmp_path, "one")) == (0, True, 0), output
    code, output = run(scripts, "-vvv")
    assert (code, "changed=2" in output) == (0, True), output
    assert SECRET not in output
    assert (tmp_path / "in guest" / "two.log").read_text() == "from a file\n"
    assert SECRET in (tmp_path / "in guest" / "one.log").read_text()
    code, output = run(scripts)
    assert (code, "changed=0" in output) == (0, True), output
    assert (ran(tmp_path, "one"), ran(tmp_path, "two")) == (1, 1)
    changed = [counting("one", tmp_path, "true"), scripts[1]]
    code, output = run(changed)
    assert (code, "changed=1" in output) == (0, True), output
    assert (ran(tmp_path, "one"), ran(tmp_path, "two")) == (2, 1)


def test_failed_script_ends_the_role_and_runs_again(run, tmp_path):
    scripts = [counting("one", tmp_path, "echo the reason >&2; exit 3"), counting("two", tmp_path)]
    code, output = run(scripts)
    assert code
    assert "guest_scripts: one failed with exit code 3" in output
    assert "the reason" in output
    assert "one.log in the guest" in output
    assert ran(tmp_path, "two") == 0
    code, output = run([counting("one", tmp_path), scripts[1]])
    assert code == 0, output
    assert (ran(tmp_path, "one"), ran(tmp_path, "two")) == (2, 1)


#: (scripts, error)
WRONG = [
    ([{"name": "a/b", "script": "true"}], "guest_scripts: a/b must have a name of letters"),
    ([{"name": "a"}], "either a script or the path"),
    ([{"name": "a", "script": "true", "path": "x"}], "either a script or the path"),
    ([{"name": "a", "path": "missing.sh"}], "/missing.sh)"),
    ([{"name": "a", "script": "true"}, {"name": "a", "script": "false"}], "a name is used twice"),
    ([{"name": "a", "script": "x" * 70000}], "at most 65536 characters"),
]


def test_wrong_scripts_are_rejected(ansible_playbook, tmp_path):
    """All in one play: each error is recorded, and the next case runs."""
    role = {"name": "polyvirt.core.guest_scripts", "tasks_from": "validate"}
    record_error = {"found": "{{ found | default([]) + [ansible_failed_result | to_json] }}"}
    tasks = [
        {
            "block": [{"ansible.builtin.include_role": role}],
            "rescue": [{"ansible.builtin.set_fact": record_error}],
            "vars": {"guest_scripts": scripts},
        }
        for scripts, _error in WRONG
    ]
    tasks.append({"ansible.builtin.copy": {"content": "{{ found | to_json }}", "dest": str(tmp_path / "found")}})
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(json.dumps(play), encoding="utf-8")
    code, output = ansible_playbook(tmp_path / "play.yml")
    assert code == 0, output
    found = json.loads((tmp_path / "found").read_text())
    assert len(found) == len(WRONG)
    for result, (_scripts, error) in zip(found, WRONG):
        assert error in " ".join(result.split())


def test_nothing_runs_if_one_script_is_wrong(run, tmp_path):
    code, output = run([counting("one", tmp_path), {"name": "two"}])
    assert (code != 0, "guest_scripts: two must have" in " ".join(output.split())) == (True, True), output
    assert ran(tmp_path, "one") == 0
