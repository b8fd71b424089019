# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program that must go on when this process is killed: in a session of its own, with files instead of pipes.

The files have no name, so none remains. They are in the directory for temporary files: the file system of a backup may
be full, and then the message that says so would be lost.
"""

from __future__ import annotations

import os
import subprocess
import tempfile

from .._core import errors
from . import change_counter


def run(argv, limit):
    """Return the output and the errors of a program, two texts. None if it has not ended after ``limit`` seconds.

    It is not killed then.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        try:
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
        return _text_of(stdout), _text_of(stderr)


def _text_of(file):
    file.seek(0)
    return file.read().decode("utf-8", "surrogateescape")
