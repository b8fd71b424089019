# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program that must go on when this process is killed: in a session of its own, with files instead of pipes."""

from __future__ import annotations

import os
import subprocess

from .._core import errors
from . import change_counter


def run(argv, out, err, limit):
    """Return the exit code of a program; None if it has not ended after ``limit`` seconds: it is not killed."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
    try:
        with open(out, "wb") as stdout, open(err, "wb") as stderr:
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with # as in command.py
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise errors.Unavailable(f"{argv[0]} could not be run: {error.strerror}.", why="missing") from error
    try:
        rc = process.wait(limit)
    except subprocess.TimeoutExpired:
        change_counter.note(doubtful=True)
        return None
    change_counter.note(doubtful=rc != 0)
    return rc


def text_of(path):
    """Return what a program has written to a file."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
