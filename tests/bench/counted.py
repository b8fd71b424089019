# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted, not timed: the processes of a creation, and what a task with a wrong parameter starts."""

from __future__ import annotations

import os
import subprocess
from xml.etree import ElementTree

import contestants

from collection_path import CHECKOUT

_TEST = "tests/suite/test_processes.py::test_creation_of_many_linked_vms_asks_about_the_host_once"


def creation(bench):
    """The processes of a creation with real guests, in a world of its own, so a test of the suite counts them."""
    report = bench.folder / "recorded.xml"
    command = [CHECKOUT / "scripts" / "test.sh", "run", _TEST, f"--junitxml={report}", "-o", "junit_family=xunit1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{_TEST} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found = {one.get("name"): one.get("value") for one in ElementTree.parse(report).iter("property")}
    return {"now": {"processes": int(found["processes"])}, "rounds": 1, "load": os.getloadavg()[0]}


def wrong_parameter(bench):
    """How often the Python of the target is started for a task with a wrong parameter, which would be shipped."""
    task = contestants.virsh_vm(contestants.write_node(bench.folder / "node-1.xml", 1), 1)
    task["polyvirt.core.virsh_vm"]["cpus"] = "many"
    task["failed_when"] = "result is not failed"
    playbook = contestants.write_playbook(bench.folder / "wrong.yml", task)
    return {"now": {"modules": bench.processes(playbook)["python3"]}, "rounds": 1, "load": os.getloadavg()[0]}
