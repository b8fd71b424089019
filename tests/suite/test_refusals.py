# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be refused is refused: one clear message, no traceback, and the backend is as it was."""

from __future__ import annotations

import shutil

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import STOPPED

from suite.answer import Task
from suite.scenarios.refusals import KNOWN, NEW, OTHER, refusals


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


def test_missing_permission_on_the_socket(qemu, carry):
    """virsh itself runs as nobody: the daemon cannot tell that from a task that does."""
    qemu.clean()
    program = qemu.storage / "virsh-as-nobody"
    # The real one, for nobody may not write the shim's notes.
    nobody = f"setpriv --reuid=65534 --regid=65534 --clear-groups {shutil.which('virsh')}"
    program.write_text(f'#!/bin/sh\nexec {nobody} "$@"\n')
    program.chmod(0o755)
    task = Task("denied", {"name": [KNOWN], "state": "started", "executable": str(program)})
    answer = carry(qemu, [task])["denied"]
    assert (answer.failed, answer.changed) == (True, False)
    for word in (qemu.uri, "Permission is missing", "group libvirt", "become"):
        assert word in answer.msg
