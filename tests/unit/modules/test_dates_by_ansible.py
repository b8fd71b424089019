# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``expires`` as people write it in YAML, with several versions of ansible-core: YAML turns a date that is not quoted
into an object, which Ansible converts in its own ways.

Module ``expiry`` of a collection for this test has the option of the collection's modules, and returns its time. It
runs in the process of Ansible and as a shipped module, in a time zone with daylight saving time.
"""

from __future__ import annotations

import json
import os

import pytest

from collection_path import collections_path
from suite.by_ansible import EACH_CORE, run_ansible

#: {text in a playbook: the time that follows}. In Berlin, 02:30 does not exist on 2037-03-29, and twice on 2037-10-25.
DATES = {
    "2037-03-29": "2037-03-30T00:00:00Z",
    "'2037-03-29'": "2037-03-30T00:00:00Z",
    "2037-03-29T02:30:00+01:00": "2037-03-29T01:30:00Z",
    "2037-03-29 02:30:00 +02:00": "2037-03-29T00:30:00Z",
    "2037-10-25T02:30:00+02:00": "2037-10-25T00:30:00Z",
    "2037-10-25T02:30:00+01:00": "2037-10-25T01:30:00Z",
    "2037-10-25t02:30:00.25Z": "2037-10-25T02:30:00Z",
    '"2037-10-25T02:30:00-03:30"': "2037-10-25T06:00:00Z",
    '"{{ date }}"': "2037-03-30T00:00:00Z",
    '"{{ time }}"': "2037-10-25T00:30:00Z",
}
#: Without a zone, nobody knows which time is meant.
WITHOUT_ZONE = ["2037-03-29 02:30:00", "2037-03-29T02:30:00", '"2037-03-29T02:30:00"']
#: Each is transferred as JSON, so a date, a time, and one without a zone are enough.
SHIPPED = [*list(DATES)[:4], WITHOUT_ZONE[0]]
MODULE = """
DOCUMENTATION = '''
module: expiry
short_description: Returns the time of an expiry
author: polyvirt contributors
description: Returns the time of an expiry.
options: {}
'''
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import iso
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import Declaration, run_module

OPTIONS = {name: VM[name] for name in ("name", "id", "state", "expires", "expired_for", "wait_for", "timeout")}


def answer(params, check):
    at = iso(requests({"name": ["web1"], **params}, OPTIONS)[0].config["expires"].at)
    return {"changed": False, "at": at, "warnings": []}


MODULE = Declaration(OPTIONS, answer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
"""
ACTION = """
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.in_process import InProcess
from ansible_collections.test.dates.plugins.modules.expiry import MODULE


class ActionModule(InProcess):
    module = MODULE
"""
PLAY = """
- hosts: all
  connection: local
  gather_facts: false
  vars:
    date: 2037-03-29
    time: 2037-10-25 02:30:00 +02:00
  tasks:
"""
TASK = """
    - test.dates.expiry:
        name: web1
        expires: {text}
      ignore_errors: true
      environment: {environment}
      register: found_{number}
"""
RESULTS = """
    - ansible.builtin.copy:
        dest: {path}
        content: "{{{{ {found} | to_json }}}}"
"""
#: A task with an environment is shipped.
WAYS = {"in_process": "{}", "shipped": "{ANY: thing}"}


@pytest.mark.parametrize("core", EACH_CORE, ids=lambda path: path.name)
def test_dates_of_yaml(core, tmp_path):
    plugins = tmp_path / "ansible_collections/test/dates/plugins"
    for kind, text in (("modules", MODULE), ("action", ACTION)):
        (plugins / kind).mkdir(parents=True)
        (plugins / kind / "expiry.py").write_text(text, encoding="utf-8")
    cases = [("in_process", text) for text in [*DATES, *WITHOUT_ZONE]] + [("shipped", text) for text in SHIPPED]
    found = _run(core, tmp_path, cases)
    for (way, text), result in zip(cases, found):
        if text in DATES:
            assert (way, text, result.get("at") or result) == (way, text, DATES[text])
        else:
            assert result["failed"], (way, text)
            assert "not a duration, a date or a time with a zone" in result["msg"], (way, text)


def _run(core, folder, cases):
    """Run a task for each (way, text), and return the results."""
    tasks = [TASK.format(text=text, environment=WAYS[way], number=n) for n, (way, text) in enumerate(cases)]
    names = ", ".join(f"found_{n}" for n in range(len(cases)))
    written = RESULTS.format(path=folder / "results.json", found=f"[{names}]")
    (folder / "playbook.yml").write_text("".join([PLAY, *tasks, written]), encoding="utf-8")
    environment = {
        "ANSIBLE_PYTHON_INTERPRETER": str(core / "bin/python"),
        "ANSIBLE_COLLECTIONS_PATH": f"{folder}{os.pathsep}{collections_path()}",
        "TZ": "Europe/Berlin",
    }
    words = ["-i", "localhost,", folder / "playbook.yml"]
    done = run_ansible(folder, "ansible-playbook", words, environment, core / "bin")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))
