# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that must fail: one clear message, no traceback, and no change of the backend."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite.answer import Task
from suite.scenarios.refusals import KNOWN, NEW, OTHER, refusals


@pytest.mark.core
def test_refusals(platform, carry):
    platform.clean()
    platform.bring({KNOWN: STOPPED, OTHER: STOPPED})
    platform.define_network()
    if platform.handles_files:
        (platform.storage / "text").write_text("no image\n")
    cases = refusals(platform)
    machines, files = platform.truth([KNOWN, OTHER, NEW]), platform.files()
    answers = carry(platform, [Task(case.label, case.options) for case in cases], [KNOWN, OTHER, NEW])
    faults = [
        f"{case.label}: {fault}" for case in cases for fault in _faults(platform, case, answers[case.label], machines)
    ]
    assert not faults, "\n".join(faults)
    assert platform.files() == files


def _faults(platform, case, answer, machines):
    """All errors in the result of one task, so that one run reports all of them."""
    if (answer.failed, answer.changed) != (True, False):
        yield f"it was not refused: {answer.result}"
    if "\n" in answer.msg or "Unexpected" in answer.msg:
        yield f"this is no clear message: {answer.msg}"
    yield from (f"{word!r} is not in: {answer.msg}" for word in case.words if word not in answer.msg)
    if any(platform.is_write(call) for call in answer.calls):
        yield f"it wrote: {[call.argv for call in answer.calls]}"
    if answer.truth != machines:
        yield "a machine has changed"


def test_missing_permission_on_the_socket(qemu, carry):
    """virsh runs as the user nobody, which is for the daemon the same as a task of this user."""
    qemu.clean()
    program = qemu.storage / "virsh-as-nobody"
    # The real virsh, because the user nobody cannot write the shim's records.
    nobody = f"setpriv --reuid=65534 --regid=65534 --clear-groups {shutil.which('virsh')}"
    program.write_text(f'#!/bin/sh\nexec {nobody} "$@"\n')
    program.chmod(0o755)
    task = Task("denied", {"name": [KNOWN], "state": "started", "executable": str(program)})
    answer = carry(qemu, [task])["denied"]
    assert (answer.failed, answer.changed) == (True, False)
    for word in (qemu.uri, "Permission is missing", "group libvirt", "become"):
        assert word in answer.msg
