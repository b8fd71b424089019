# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of VBoxManage 7.2.22: whole outputs by name, and a session of calls with streams and exit codes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed

RECORDED = Path(__file__).parents[2] / "fixtures" / "vbox" / "7.2.22"
_WRITTEN = RECORDED.parent / "6.1"
_CALL = re.compile(
    r"^\$ VBoxManage (?P<words>.*?)\n--stdout--\n(?P<stdout>.*?)--stderr--\n(?P<stderr>.*?)--rc=(?P<rc>\d+)--\n",
    re.DOTALL | re.MULTILINE,
)


def recorded(name):
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


def written(name):
    """Output of 6.1, written from examples that users published: the program itself was not available."""
    return (_WRITTEN / f"{name}.txt").read_text(encoding="utf-8")


def calls():
    """All recorded calls, in order."""
    return [_completed(call) for call in _CALL.finditer(recorded("calls"))]


def call_that_prints(text):
    """The first recorded call with this text in its output."""
    return next(call for call in calls() if text in call.stdout + call.stderr)


def _completed(call):
    argv = ("VBoxManage", *shlex.split(call["words"]))
    return Completed(argv, int(call["rc"]), call["stdout"], call["stderr"])
