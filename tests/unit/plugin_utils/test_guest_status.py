# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""guest_status with ansible-playbook and an ssh that records its calls: one connection, and errors with a cause."""

from __future__ import annotations

import json
from collections import Counter

import pytest

#: The name of a host describes the behaviour of its guest.
SSH = r"""#!/bin/sh
for word; do before=$last; last=$word; done
echo "$before" >>"$POLYVIRT_TEST_LOG"
case $before in
  fine) exec sh -c "$last" ;;
  hangs) exec sleep 600 ;;
  away|stopped) echo 'ssh: connect to host away port 22: No route to host' >&2; exit 255 ;;
  closed) echo 'This account is currently not available.'; exit 1 ;;
  short) exec sh -c "$last" | head -n 5 ;;
esac
"""
HOSTS = ("fine", "hangs", "away", "closed", "short", "stopped")


@pytest.fixture(scope="module", name="answers")
def _answers(ansible_playbook, tmp_path_factory):
    """({host: result}, calls of ssh)"""
    folder = tmp_path_factory.mktemp("guest-status")
    ssh, log, results, playbook = (folder / name for name in ("ssh", "log", "results", "play.yml"))
    ssh.write_text(SSH, encoding="utf-8")
    ssh.chmod(0o755)
    options = {"timeout": "{{ 2 if inventory_hostname == 'hangs' else 60 }}", "services": ["no-such.service"]}
    task = {"polyvirt.core.guest_status": options}
    told = "{{ dict(groups.all | zip(groups.all | map('extract', hostvars, 'result'))) | to_json }}"
    tasks = [
        {**task, "register": "result", "ignore_errors": True, "ignore_unreachable": True, "check_mode": True},
        {
            "ansible.builtin.copy": {"content": told, "dest": str(results)},
            "delegate_to": "localhost",
            "connection": "local",
            "run_once": True,
        },
    ]
    play = {"hosts": "all", "gather_facts": False, "connection": "ssh", "tasks": tasks}
    states = "{{ 'stopped' if inventory_hostname == 'stopped' else 'running' }}"
    variables = {"ansible_ssh_executable": str(ssh), "polyvirt_state": states}
    playbook.write_text(json.dumps([{**play, "vars": variables}]), encoding="utf-8")
    environment = {"POLYVIRT_TEST_LOG": str(log), "ANSIBLE_PIPELINING": "false", "HOME": str(folder)}
    words = ("-i", ",".join(HOSTS) + ",", "-f", str(len(HOSTS)), playbook)
    _code, output = ansible_playbook(*words, environment=environment)
    assert results.exists(), output
    assert "Traceback" not in output
    return json.loads(results.read_text(encoding="utf-8")), log.read_text(encoding="utf-8").split()


def test_each_guest_needs_one_connection(answers):
    assert Counter(answers[1]) == dict.fromkeys(HOSTS, 1)


def test_status(answers):
    result = answers[0]["fine"]
    assert result["changed"] is False
    assert result["guest"]["os"]["kernel"]
    assert result["guest"]["memory_mib"] > 0
    assert result["running"] is True
    assert [one["name"] for one in result["guest"]["named_services"]] == ["no-such.service"]


def test_vm_that_does_not_run_is_reported_as_such(answers):
    result = answers[0]["stopped"]
    assert {name: result[name] for name in ("changed", "running", "state", "guest")} == {
        "changed": False,
        "running": False,
        "state": "stopped",
        "guest": None,
    }
    assert not result.get("unreachable")


@pytest.mark.parametrize(
    ("host", "word", "message"),
    [
        ("hangs", "failed", "No answer within 2 s. The guest or the way to it hangs"),
        ("away", "unreachable", "No route to host"),
        ("closed", "failed", "It needs a POSIX shell. Exit code 1: This account is currently not available."),
        ("short", "failed", "The output of the guest breaks off."),
    ],
)
def test_errors_name_the_cause(answers, host, word, message):
    result = answers[0][host]
    assert result[word]
    assert message in result["msg"]
    assert "guest" not in result
