# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks do when SSH answers: they wait for cloud-init, and fail with the stage that failed.

The guest is this host, with a program that reports as cloud-init does.
"""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.plugin_utils.guests.cloud_init_report import report_of

from collection_path import CHECKOUT

TASKS = CHECKOUT / "playbooks/tasks/wait_for_cloud_init.yml"
ENDED = {"status": "done", "datasource": "nocloud", "errors": [], "recoverable_errors": {}}
BROKEN = {"status": "error", "datasource": "nocloud", "modules-final": {"errors": ["runcmd failed"]}}
WARNED = {**ENDED, "recoverable_errors": {"WARNING": ["no such locale"]}}


@pytest.fixture
def run(ansible_playbook, tmp_path):
    """``run(script)``: the tasks in a guest with this script as its cloud-init. (exit code, output)."""

    def run(script):
        _program(tmp_path, script)
        play = {"hosts": "web1", "gather_facts": False, "connection": "local"}
        play["tasks"] = [{"ansible.builtin.import_tasks": str(TASKS)}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        code, output = ansible_playbook("-i", "web1,", tmp_path / "play.yml", environment=path)
        return code, " ".join(output.split())

    return run


def _program(folder, script):
    program = folder / "cloud-init"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)


def reporting(report, rc=0):
    return f"echo '{json.dumps(report)}'; exit {rc}"


def test_failed_stage_fails_the_playbook(run):
    code, output = run(reporting(BROKEN))  # Ubuntu patches the exit code of errors.
    assert code != 0
    assert "web1: cloud-init failed in stage modules-final: runcmd failed. See /var/log/cloud-init-output.log" in output


def test_problems_that_cloud_init_recovered_from_are_shown(run):
    code, output = run(reporting(WARNED, 2))
    assert code == 0, output
    assert "[WARNING]: web1: cloud-init is done, but reported problems: no such locale." in output


def test_guest_that_is_ready_is_not_complained_about(run):
    code, output = run(reporting(ENDED))
    assert code == 0, output
    assert "failed=0" in output
    assert "[WARNING]: web1" not in output


@pytest.mark.parametrize(
    ("script", "state"),
    [
        (reporting(ENDED), "done"),
        (reporting(BROKEN, 1), "failed"),
        ('case "$*" in *--format*) echo usage >&2; exit 2;; *) echo status: done;; esac', "done"),
        ("echo to stderr >&2; exit 124", "running"),
        (None, "missing"),
    ],
)
def test_shell_command_works_with_every_version(script, state, tmp_path):
    if script is not None:
        _program(tmp_path, script)
    command = yaml.safe_load(TASKS.read_text("utf-8"))[0]["block"][0]["ansible.builtin.raw"]
    path = f"{tmp_path}:/usr/bin:/bin"
    assert subprocess.run(["/bin/sh", "-c", "! command -v cloud-init"], env={"PATH": "/usr/bin:/bin"}, check=True)
    done = subprocess.run(["/bin/sh", "-c", command], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert report_of(done.stdout, done.returncode)["state"] == state


def test_wait_is_repeated_until_cloud_init_is_done(run, tmp_path):
    """The status of the first attempt is that of a command which timeout has ended."""
    fake = tmp_path / "timeout"
    fake.write_text('#!/bin/sh\nshift\n"$@" || exit 124\n', encoding="utf-8")
    fake.chmod(0o755)
    code, output = run(f"mkdir {tmp_path}/waited 2>/dev/null && exit 1; {reporting(ENDED)}")
    assert code == 0, output
    assert (tmp_path / "waited").is_dir()
    assert "FAILED - RETRYING" in output


@pytest.mark.parametrize(
    ("report", "rc", "state", "problem", "warning"),
    [
        (BROKEN, 1, "failed", True, False),
        ({**BROKEN, "datasource": "none"}, 1, "failed", False, False),
        (WARNED, 2, "degraded", False, True),
        (ENDED, 0, "done", False, False),
        ({"status": "running"}, 124, "running", False, True),
        ({"status": "?"}, 0, "unreadable", False, True),
        ("", 127, "missing", False, False),
        ("", 124, "running", False, True),
    ],
)
def test_only_a_failure_of_a_seed_is_a_problem(report, rc, state, problem, warning):
    found = report_of(json.dumps(report) if report else "", rc, "web1")
    assert (found["state"], bool(found["problem"]), bool(found["warning"])) == (state, problem, warning)
