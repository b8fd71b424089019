# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one session of calls on any Vagrant, and write a transcript in which variable parts are replaced."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

SESSION = Path(__file__).with_name("session.txt")
#: The project of the session. The box of db does not exist; its pool is set because Vagrant creates the pool first.
PROJECT = {
    "machines": [
        {"name": "web", "provider": "libvirt", "box": "polyvirt/fast", "primary": True},
        {
            "name": "db",
            "provider": "libvirt",
            "box": "polyvirt/missing",
            "autostart": False,
            "native": {"storage_pool_name": "polyvirt-vagrant"},
        },
    ]
}

_REPLACEMENTS = [
    (re.compile(r"^\d+,", re.MULTILINE), "TIME,"),
    (re.compile(r"192\.168\.121\.\d+"), "ADDRESS"),
    (re.compile(r"https?://[^\"\s\\]+"), "URL"),
    # The network error for a box that cannot be downloaded.
    (re.compile(r"(\\nError: )[^\n]*"), r"\1REASON"),
    # The number of attempts until a guest answers.
    (re.compile(r"^TIME,web,ui,detail,    web: Warning: .* Retrying\.\.\.\n", re.MULTILINE), ""),
    # Stack traces of errors in Vagrant itself.
    (re.compile(r"^\tfrom .*\n", re.MULTILINE), ""),
]


def session():
    """The lines of the session, one call each."""
    lines = SESSION.read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line.strip() and not line.startswith("#")]


def transcript(call, folder, lines=None):
    """The output of all calls. ``call(*words)`` runs one; ``folder`` is replaced in the output."""
    return "".join(_run_line(call, line, folder) for line in (session() if lines is None else lines))


def _run_line(call, line, folder):
    done = call(*shlex.split(line), "--machine-readable")
    output = f"$ {line}\n{done.stdout}--stderr--\n{done.stderr}--rc={done.returncode}--\n"
    for pattern, replacement in _REPLACEMENTS:
        output = pattern.sub(replacement, output)
    return output.replace(str(folder), "{folder}")
