# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one command: from its arguments to its output."""

from __future__ import annotations

import time
from typing import NamedTuple

from . import power, queries, snapshots
from .output import EarlyFailure, Failure, Output
from .project import Project
from .registry import Registry, run_program
from .targets import Call

COMMANDS = {
    "status": queries.status,
    "ssh-config": queries.ssh_config,
    "validate": queries.validate,
    "version": queries.version,
    "box": queries.boxes,
    "plugin": queries.plugins,
    "up": power.up,
    "halt": power.halt,
    "suspend": power.suspend,
    "resume": power.resume,
    "reload": power.reload,
    "destroy": power.destroy,
    "snapshot": snapshots.snapshot,
}
#: Options that take the next argument as their value.
_WITH_VALUE = ("--provider", "--name")


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def call(folder, words, environment, clock=time, run=run_program):
    """Run ``vagrant WORDS`` with this environment.

    The double sleeps with ``clock`` and starts other programs with ``run(argv)``.
    """
    registry, output = Registry(folder, clock, run), Output("--machine-readable" in words)
    registry.record_call(words, environment)
    if words[:1] in (["--version"], ["-v"]):
        return Answer(0, f"Vagrant {registry.read()['version']}\n", "")
    try:
        return _answer(output, _do(registry, output, _joined(words), environment))
    except EarlyFailure as failure:
        output.fail_early(failure)
    except Failure as failure:
        output.fail(failure)
    return _answer(output, 1)


def _do(registry, output, words, environment):
    command, *rest = [word for word in words if word != "--machine-readable"]
    done = COMMANDS[command](Call(registry, Project(environment), output, rest))
    return done or 0


def _joined(words):
    """Join options with their values: ``--provider x`` becomes ``--provider=x``."""
    joined, words = [], list(words)
    while words:
        word = words.pop(0)
        joined.append(f"{word}={words.pop(0)}" if word in _WITH_VALUE and words else word)
    return joined


def _answer(output, rc):
    return Answer(rc, "".join(output.stdout), "".join(output.stderr))
