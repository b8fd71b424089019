# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be refused is refused: one clear message, no traceback, and the backend is as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import STOPPED

from collection_path import collections_path
from conformance.playbook import Task
from conformance.scenarios.refusals import KNOWN, NEW, OTHER, refusals

#: A user who may do nothing in particular.
NOBODY = 65534


def test_refusals(platform, playing):
    platform.clean()
    platform.bring({KNOWN: STOPPED, OTHER: STOPPED})
    platform.define_network()
    (platform.storage / "text").write_text("no image\n")
    machines, files = platform.truth([KNOWN, OTHER, NEW]), platform.files()
    cases = refusals(platform)
    answers = playing(platform, [Task(case.label, case.options) for case in cases], [KNOWN, OTHER, NEW])
    faults = [
        f"{case.label}: {fault}" for case in cases for fault in _faults(platform, case, answers[case.label], machines)
    ]
    assert not faults, "\n".join(faults)
    assert platform.files() == files


def _faults(platform, case, answer, machines):
    """All that is wrong with one refusal, so that one run tells of every one."""
    if (answer.failed, answer.changed) != (True, False):
        yield f"it was not refused: {answer.result}"
    if "\n" in answer.msg or "Unexpected" in answer.msg:
        yield f"this is no clear message: {answer.msg}"
    yield from (f"{word!r} is not in: {answer.msg}" for word in case.words if word not in answer.msg)
    if any(platform.is_write(call) for call in answer.calls):
        yield f"it wrote: {[call.argv for call in answer.calls]}"
    if answer.truth != machines:
        yield "a machine has changed"


def test_no_permission_on_the_socket(qemu, tmp_path):
    """The module itself, as somebody libvirt does not know; ansible-playbook could not leave that user's traces."""
    completed = _run_as_nobody(qemu, {**qemu.connection, "name": [KNOWN], "state": "started"})
    assert completed.returncode == 1
    assert "Traceback" not in completed.stdout + completed.stderr
    said = json.loads(completed.stdout)
    assert said["failed"]
    assert qemu.uri in said["msg"]
    assert "Permission is missing" in said["msg"]
    assert "become" in said["msg"]


def _run_as_nobody(platform, options):
    # Everything is imported before the user changes: the checkout may lie where nobody else can read.
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_remote_tmp": "/tmp"}})
    module = f"ansible_collections.polyvirt.core.plugins.modules.{platform.module.rpartition('.')[2]}"
    program = (
        f"import os, sys; sys.path.insert(0, {str(collections_path())!r}); import {module} as module;"
        f" os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); module.main()"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        input=arguments,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ,
        check=False,
    )
