# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded calls of Vagrant 2.3.4 with vagrant-libvirt 0.11.2."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed

RECORDED = Path(__file__).parents[2] / "fixtures" / "vagrant" / "2.3.4"
_CALL = re.compile(
    r"^\$ (?:\w+=\S+ )?vagrant (?P<words>[^\n|;]*)\n(?:--stdout--\n(?P<stdout>.*?))?(?:--stderr--\n(?P<stderr>.*?))?"
    r"--rc=(?P<rc>\d+) t=\d+ms--\n",
    re.DOTALL | re.MULTILINE,
)


def calls():
    """All recorded calls of vagrant, in order."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(RECORDED.glob("*.txt"))]
    return [_completed(call) for text in texts for call in _CALL.finditer(text)]


def recorded(*words, says=""):
    """The first recorded call with these arguments and with ``says`` in its output."""
    return next(call for call in calls() if call.argv[1:] == words and says in call.stdout + call.stderr)


def _completed(call):
    argv = ("vagrant", *shlex.split(call["words"]))
    return Completed(argv, int(call["rc"]), call["stdout"] or "", call["stderr"] or "")


def session_transcript():
    """The output of the calls of tests/platforms/vagrant/session.txt."""
    return (RECORDED / "session.transcript").read_text(encoding="utf-8")
