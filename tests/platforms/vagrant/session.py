# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One session of calls, made on any Vagrant, as a transcript in which only chance is blotted out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

SESSION = Path(__file__).with_name("session.txt")
#: The project of the session; db has a box that is not there. Before Vagrant looks for a box it makes the pool.
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

_BLOTS = [
    (re.compile(r"^\d+,", re.MULTILINE), "TIME,"),
    (re.compile(r"192\.168\.121\.\d+"), "ADDRESS"),
    (re.compile(r"https?://[^\"\s\\]+"), "URL"),
    # What the network of the host says about a box that cannot be had.
    (re.compile(r"(\\nError: )[^\n]*"), r"\1REASON"),
    # How often a guest is asked before it answers.
    (re.compile(r"^TIME,web,ui,detail,    web: Warning: .* Retrying\.\.\.\n", re.MULTILINE), ""),
    # What only its authors need of a fault in Vagrant itself.
    (re.compile(r"^\tfrom .*\n", re.MULTILINE), ""),
]


def session():
    """The calls, as lines."""
    lines = SESSION.read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line.strip() and not line.startswith("#")]


def transcript(call, folder, lines=None):
    """What all calls said. ``call(*words)`` does one; ``folder`` is blotted out."""
    return "".join(_answer(call, line, folder) for line in (session() if lines is None else lines))


def _answer(call, line, folder):
    done = call(*shlex.split(line), "--machine-readable")
    said = f"$ {line}\n{done.stdout}--stderr--\n{done.stderr}--rc={done.returncode}--\n"
    for pattern, blot in _BLOTS:
        said = pattern.sub(blot, said)
    return said.replace(str(folder), "{folder}")
