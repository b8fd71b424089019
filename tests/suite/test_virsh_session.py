# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lasting virsh by which the suite reads answers as a new process does, or leaves the command to one."""

from __future__ import annotations

import subprocess

import pytest

from platforms.libvirt.session import Session

_URI = "test:///default"


@pytest.fixture(name="session")
def _session():
    session = Session(_URI, None)
    yield session
    session.close()


def _process(*words):
    done = subprocess.run(["virsh", "-q", "-c", _URI, *words], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


ANSWERED = [
    ("list", "--all", "--uuid", "--name"), ("dumpxml", "test", "--inactive"), ("domstate", "-no such vm; list"),
    ("dumpxml no; echo MARK; " * 300,), ("echo ''; domstate test; ",),
]  # fmt: skip


def test_an_answer_is_that_of_a_process(session):
    for words in ANSWERED * 2:
        assert session.answer(*words) == _process(*words)


@pytest.mark.parametrize("word", ["a\tb", "a\nb", "ä", "it's", ""])
def test_words_that_virsh_reads_otherwise_are_left_to_a_process(session, word):
    assert session.answer("domstate", word) is None or word == ""
    assert session.answer("domstate", "test") == ("running\n", "")


def test_lost_connection_and_ended_session_are_left_to_a_process(session):
    for commands in ("connect test+unix:///default?socket=/nonexistent; list", "quit; list", "list"):
        assert session.answer(commands) is None


def test_what_changes_vms_starts_a_process_each_time(ground, monkeypatch):
    platform = ground.open("libvirt_test", "pvc-")
    platform.define("pvc-read")
    commands, run = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda words, **named: commands.append(words) or run(words, **named))
    platform.move("pvc-read", "running")
    assert platform.truth(["pvc-read", "pvc-none"])["pvc-read"]["power"] == "running"
    assert [words[4:] for words in commands] == [["start", "pvc-read"]]
    with pytest.raises(AssertionError, match="failed to get domain"):
        platform.virsh("dumpxml", "pvc-none")
