# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option, in Ansible's own process and as a module shipped over SSH: the results are the same, byte for byte."""

from __future__ import annotations

import json
import re

import pytest

from platforms.known import PLATFORMS
from suite.answer import Task
from suite.scenarios.options import CREATION, has, settings
from suite.sshd import sshd

NAME = "pvc-both-ways"
#: What differs between two VMs that were created alike: ids and digests of them, MAC addresses, numbers, times.
_VOLATILE = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:]{8}Z|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
    r"|plan(?:-[a-z]{4}){8}|\d{4,}"
)
#: What Ansible adds on its own account to the result of a module that it has shipped.
_OF_ANSIBLE = {"invocation", "ansible_facts", "warnings", "deprecations", "_ansible_no_log"}
REAL = {"libvirt_qemu", "virtualbox"}
#: Modules that run on the controller only.
REMOTE = {"hyperv", "wsl"}


@pytest.mark.deep("the tour of each platform: tests/suite/test_tour.py")
@pytest.mark.parametrize("platform_name", sorted({*PLATFORMS} - REAL - REMOTE), indirect=True, scope="session")
def test_results_are_the_same_in_process_and_over_ssh(platform, carry, tmp_path):
    listed = list(_tasks(platform))
    platform.clean()
    in_process = carry(platform, listed, [NAME], by="in_process")
    platform.clean()
    with sshd(tmp_path) as reach:
        over_ssh = carry(platform, listed, [NAME], by="shipped", reach=reach)
    for task in listed:
        assert _text(over_ssh[task.label]) == _text(in_process[task.label]), task.label
    assert not in_process["create"].failed, in_process["create"].msg


def _tasks(platform):
    """Creation with every option, then each option alone, in check mode too; what a platform lacks is rejected."""
    traits, known = platform.traits(), settings(platform)
    usable = [option for option in known if has(traits, option) and option not in platform.unusable]
    first = {option: known[option][0][0] for option in usable}
    named = {**platform.consent, "name": NAME}
    yield Task("create, checked", {**platform.creation, **named, **first}, check=True)
    yield Task("create", {**platform.creation, **named, **first})
    for option in usable:
        yield Task(f"{option}, checked", {**named, option: known[option][1][0]}, check=True)
        yield Task(option, {**named, option: known[option][1][0]})
    for option in {*known, *CREATION} - {*usable}:
        yield Task(f"{option}, not supported", {**named, option: {**known, **CREATION}[option]})
    yield Task("info", {"name": [NAME]}, about="vm_info")
    yield Task("remove", {"name": NAME, "state": "absent"})


def _text(answer):
    kept = {key: value for key, value in answer.result.items() if key not in _OF_ANSIBLE}
    return _VOLATILE.sub("*", json.dumps(kept, sort_keys=True, indent=1))
