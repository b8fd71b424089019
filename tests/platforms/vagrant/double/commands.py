# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call: from words to what is printed."""

from __future__ import annotations

import time
from typing import NamedTuple

from . import power, snapshots, telling
from .project import Project
from .registry import Registry, run_program
from .speech import EarlyFailure, Failure, Speech
from .targets import Call

COMMANDS = {
    "status": telling.status,
    "ssh-config": telling.ssh_config,
    "validate": telling.validate,
    "version": telling.version,
    "box": telling.boxes,
    "plugin": telling.plugins,
    "up": power.up,
    "halt": power.halt,
    "suspend": power.suspend,
    "resume": power.resume,
    "reload": power.reload,
    "destroy": power.destroy,
    "snapshot": snapshots.snapshot,
}
#: Options that take the next word.
_WITH_VALUE = ("--provider", "--name")


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def call(folder, words, environment, clock=time, run=run_program):
    """What vagrant would answer, started with this environment.

    ``clock`` is what it sleeps by, ``run(argv)`` what it starts other programs with.
    """
    registry, speech = Registry(folder, clock, run), Speech("--machine-readable" in words)
    registry.note(words, environment)
    if words[:1] in (["--version"], ["-v"]):
        return Answer(0, f"Vagrant {registry.look()['version']}\n", "")
    try:
        return _answer(speech, _do(registry, speech, _joined(words), environment))
    except EarlyFailure as failure:
        speech.fail_early(failure)
    except Failure as failure:
        speech.fail(failure)
    return _answer(speech, 1)


def _do(registry, speech, words, environment):
    command, *rest = [word for word in words if word != "--machine-readable"]
    done = COMMANDS[command](Call(registry, Project(environment), speech, rest))
    return done or 0


def _joined(words):
    """``--provider x`` as ``--provider=x``."""
    joined, words = [], list(words)
    while words:
        word = words.pop(0)
        joined.append(f"{word}={words.pop(0)}" if word in _WITH_VALUE and words else word)
    return joined


def _answer(speech, rc):
    return Answer(rc, "".join(speech.stdout), "".join(speech.stderr))
