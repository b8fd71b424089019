# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of the first serial port: a new file, deleted with its VM, and of nobody once the VM has another log."""

from __future__ import annotations

import pytest

from suite.answer import Task

_PLATFORMS = ["libvirt_qemu", "virtualbox", pytest.param("virtualbox_double", marks=pytest.mark.full)]
pytestmark = [pytest.mark.core, pytest.mark.parametrize("platform_name", _PLATFORMS, indirect=True, scope="session")]


@pytest.fixture(name="name")
def _name(platform):
    platform.clean()
    return f"{platform.prefix}logged"


def _rejected(platform, carry, options, path):
    (name,) = options["name"]
    before = platform.truth([name])
    for is_check in (True, False):
        answer = carry(platform, [Task("rejected", options, check=is_check)], [name])["rejected"]
        assert (answer.failed, answer.changed, answer.truth) == (True, False, before)
        assert f"{name}: serial_log: {path} already exists" in answer.msg


def _accepted(platform, carry, options):
    answer = carry(platform, [Task("accepted", options)], options["name"])["accepted"]
    assert not answer.failed, answer.msg
    return answer.changed


def test_log_is_a_new_file_and_is_deleted_with_its_vm(platform, carry, name):
    log, letter = platform.storage / "logged.log", platform.storage / "letter.txt"
    letter.write_text("a letter", encoding="utf-8")
    new = {**platform.creation, "name": [name]}
    _rejected(platform, carry, {**new, "serial_log": str(letter)}, letter)
    started = {**new, "serial_log": str(log), "state": "started"}
    assert [_accepted(platform, carry, started) for _run in ("made", "same")] == [True, False]
    assert log.exists()
    _rejected(platform, carry, {"name": [name], "serial_log": str(letter), **platform.consent}, letter)
    _accepted(platform, carry, {"name": [name], "state": "absent", "stop_mode": "force"})
    assert (log.exists(), letter.read_text(encoding="utf-8")) == (False, "a letter")


def test_log_that_a_vm_gives_up_is_not_deleted_with_it(platform, carry, name):
    former, log = platform.storage / "former.log", platform.storage / "present.log"
    _accepted(platform, carry, {**platform.creation, "name": [name], "serial_log": str(former), "state": "started"})
    off = {"name": [name], "state": "stopped", "stop_mode": "force"}
    assert _accepted(platform, carry, {**off, "serial_log": ""})
    former.unlink(missing_ok=True)
    former.write_text("a letter", encoding="utf-8")
    _rejected(platform, carry, {**off, "serial_log": str(former)}, former)
    assert _accepted(platform, carry, {"name": [name], "serial_log": str(log), "state": "started"})
    assert log.exists()
    _accepted(platform, carry, {"name": [name], "state": "absent", "stop_mode": "force"})
    assert (log.exists(), former.read_text(encoding="utf-8")) == (False, "a letter")
    former.unlink()
