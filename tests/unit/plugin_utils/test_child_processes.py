# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions in child processes: each is limited in time, and no process remains."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.child_processes import Answer, answers

# Warning about fork with threads: the functions below do not need the threads of the test process.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
#: Seconds; much longer than a process needs to start and end.
LONG = 120


def _fail():
    raise ValueError("not today")


def _exit():
    os._exit(7)


def test_each_function_has_its_own_answer():
    printed = [lambda: {"a": [1, None]}, _fail, _exit, lambda: print("x") or "printed", lambda: "y" * 10**6]
    assert answers(printed, [LONG] * 5) == [
        Answer({"a": [1, None]}),
        Answer(problem="not today"),
        Answer(problem="The process that reads it has ended with exit code 7."),
        Answer("printed"),
        Answer("y" * 10**6),
    ]


def test_time_limit_can_be_longer_than_poll_permits():
    assert answers([lambda: "read"], [100 * 21600 + 60]) == [Answer("read")]


@pytest.mark.parametrize("has_session", [False, True])
def test_hanging_function_is_ended_with_its_child_processes(has_session):
    """Ansible's ssh has a session of its own."""
    reading, writing = os.pipe()

    def hang():
        # Ends only if the code under test fails.
        words = [sys.executable, "-c", f"import time; time.sleep({LONG})"]
        subprocess.Popen(words, pass_fds=[writing], start_new_session=has_session)
        time.sleep(LONG)

    before = time.monotonic()
    found = answers([hang, lambda: "answered"], [1, LONG])
    assert found == [Answer(problem="No answer within 1 s.", is_late=True), Answer("answered")]
    os.close(writing)
    # The pipe is closed when the last process with its write end has exited.
    assert os.read(reading, 1) == b""
    os.close(reading)
    assert time.monotonic() - before < LONG


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports to a process its orphans")
@pytest.mark.parametrize(("title", "remains"), [("ssh", False), ("ssh: /run/x [mux]", True)])
def test_orphan_of_a_function_is_ended_unless_it_is_a_shared_connection(title, remains):
    """A worker of Ansible that is interrupted leaves its ssh; a shared ssh serves other commands, too."""
    reading, writing = os.pipe()
    command = (
        f"bash -c 'exec -a \"{title}\" sleep 60' & echo $! >&{writing};"
        # Between two programs of a process, its command line is empty for a moment.
        f" until [[ $(tr '\\0' ' ' </proc/$!/cmdline) = '{title} '* ]]; do sleep 0.1; done"
    )
    words, ways = ["bash", "-c", command], {"pass_fds": [writing], "start_new_session": True}
    answers([lambda: subprocess.run(words, check=False, **ways).args], [LONG])
    os.close(writing)
    process = int(os.read(reading, 20))
    # The pipe is at its end when the process that inherited it has ended.
    ready, _writing, _failed = select.select([reading], [], [], 0 if remains else LONG)
    os.close(reading)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    assert bool(ready) is not remains


def test_function_cannot_prompt_at_the_terminal():
    (found,) = answers([lambda: [os.getsid(0) == os.getpid(), os.read(0, 1).decode()]], [LONG])
    assert found == Answer([True, ""])
