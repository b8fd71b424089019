# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One play per platform by real ``ansible-playbook``: what only Ansible can show.

A file of module_utils that is not shipped, a value that Ansible converts in another way, a secret in the output at
``-vvv``, a diff that is lost: the same tasks run in a fork, in Ansible's process and shipped, and must end alike.
"""

from __future__ import annotations

import json
import re

import pytest

from platforms.known import PLATFORMS
from suite.scenarios.tour import CLONE, NAME, SECRET, refusals, tasks

TWINS = {"libvirt_test", "virtualbox"}
#: Modules that run on the controller and need a connection to Windows: tests/platforms/{hyperv,wsl}/test_winrm.py.
REMOTE = {"hyperv", "wsl"}
#: What differs between two VMs that were created alike: ids and digests of them, MAC addresses, numbers, times.
_VOLATILE = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:]{8}Z|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
    r"|plan(?:-[a-z]{4}){8}|\d{4,}|_[0-9a-f]{8}/"
)
#: What a task returns; the rest of a result is Ansible's.
_COMPARED = ("vms", "diff", "msg", "snapshots", "host")


# One platform for each set of modules.
@pytest.mark.core
@pytest.mark.parametrize("platform_name", sorted({*PLATFORMS} - TWINS - REMOTE), indirect=True, scope="session")
def test_ansible_and_a_forked_module_have_the_same_results(platform, carry):
    platform.clean()
    listed, expected = tasks(platform), refusals(platform)
    forked = carry(platform, listed, [NAME, CLONE])
    for way, chosen in (("in_process", listed), ("shipped", [task for task in listed if _ships_more(task)])):
        platform.clean()
        answers = carry(platform, chosen, [NAME, CLONE], by=way, secrets=[SECRET])
        for task in chosen:
            _assert_alike(platform, task, expected, answers[task.label], forked[task.label])
        assert answers["remove"].truth == {NAME: None, CLONE: None}
    for label in ("create", "change", "remove"):
        assert forked[f"{label}, checked"].diff == forked[label].diff


def _ships_more(task):
    """A task that changes nothing imports nothing that those beside it do not import too."""
    return not task.check and "again" not in task.label


def _assert_alike(platform, task, expected, answer, forked):
    assert answer.failed == (task.label in expected), f"{task.label}: {answer.msg}"
    assert expected.get(task.label, "") in answer.msg
    assert answer.failed == forked.failed, task.label
    assert _comparable(answer) == _comparable(forked), task.label
    if task.check or "again" in task.label or task.label in expected:
        assert [call.argv for call in answer.calls if platform.is_write(call)] == [], task.label


def _comparable(answer):
    kept = {"changed": answer.changed, **{key: answer.result.get(key) for key in _COMPARED}}
    return _VOLATILE.sub("*", json.dumps(kept, sort_keys=True, indent=1)).splitlines()
