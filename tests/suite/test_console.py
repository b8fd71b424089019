# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console of a VM on every platform: its last lines where the platform keeps them, else how to get them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.answer import Task

VM = "pvc-console"
_LOG = b"first\n\x1b[1mbooting\x1b[0m   1 %\rbooted\r\n"


@pytest.mark.real
@pytest.mark.core
def test_console_of_a_vm(platform, carry):
    platform.clean()
    platform.bring({VM: STOPPED})
    log = platform.log_console(VM)
    if log:
        Path(log).write_bytes(_LOG)
    console = _console(platform, carry)
    if log:
        assert console == {"lines": ["booted"], "file": str(log), "terminal": None, "how": None}
        return
    assert (console["lines"], console["file"], console["terminal"]) == (None, None, None)
    _assert_explained(platform, console)
    platform.move(VM, RUNNING)
    console = _console(platform, carry)
    assert console["lines"] is None
    assert bool(console["terminal"]) == platform.has_terminals
    _assert_explained(platform, console)


def _console(platform, carry):
    tasks = [Task("read", {"name": VM, "console": 1}, about="vm_info"), Task("without", {"name": VM}, about="vm_info")]
    answers = carry(platform, tasks, [VM])
    assert not answers["read"].failed, answers["read"].msg
    assert "console" not in answers["without"].vm(VM)
    return answers["read"].vm(VM)["console"]


def _assert_explained(platform, console):
    """``how`` is what the platform's traits report, for this VM."""
    text = platform.traits().console
    assert console["how"].startswith(text.split("<")[0])
    assert "<" not in console["how"]
    assert "<name>" not in text or VM in console["how"]


def test_lines_that_a_guest_has_printed(qemu, carry):
    name = f"{qemu.prefix}console"
    qemu.clean()
    qemu.bring({name: RUNNING}, obeying=[name])
    task = Task("read", {"name": name, "console": 500}, about="vm_info")
    console = carry(qemu, [task], [name])["read"].vm(name)["console"]
    assert any("guest: ready" in line for line in console["lines"]), console
    assert console["file"] == str(qemu.log_console(name))
