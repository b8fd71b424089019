# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One play per platform by real ``ansible-playbook``: what only Ansible can show.

A file of module_utils that is not shipped, a value that Ansible converts in another way, a secret in the output at
``-vvv``, a diff that is lost: the same tasks run by Ansible and in a fork, and must end alike.
"""

from __future__ import annotations

import json
import re

import pytest

from platforms.known import PLATFORMS
from suite.scenarios.tour import CLONE, NAME, SECRET, refusals, tasks

TWINS = {"libvirt_test", "virtualbox"}
#: What differs between two VMs that were created alike: ids, MAC addresses, numbers of the host, times.
_VOLATILE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|\d{4,}")
#: What a task returns; the rest of a result is Ansible's.
_COMPARED = ("vms", "diff", "msg", "snapshots", "host")


# One platform for each set of modules.
@pytest.mark.parametrize("platform_name", sorted({*PLATFORMS} - TWINS), indirect=True, scope="session")
def test_ansible_and_a_fork_end_alike(platform, carry):
    platform.clean()
    listed, expected = tasks(platform), refusals(platform)
    forked = carry(platform, listed, [NAME, CLONE])
    platform.clean()
    shipped = carry(platform, listed, [NAME, CLONE], by="ansible", secrets=[SECRET])
    for task in listed:
        answer = shipped[task.label]
        assert answer.failed == (task.label in expected), f"{task.label}: {answer.msg}"
        assert expected.get(task.label, "") in answer.msg
        assert answer.failed == forked[task.label].failed, task.label
        assert _comparable(answer) == _comparable(forked[task.label]), task.label
        if task.check or "again" in task.label or task.label in expected:
            assert [call.argv for call in answer.calls if platform.is_write(call)] == [], task.label
    for label in ("create", "change", "remove"):
        assert shipped[f"{label}, checked"].diff == shipped[label].diff
    assert shipped["remove"].truth == {NAME: None, CLONE: None}


def _comparable(answer):
    kept = {"changed": answer.changed, **{key: answer.result.get(key) for key in _COMPARED}}
    return _VOLATILE.sub("*", json.dumps(kept, sort_keys=True, indent=1)).splitlines()
