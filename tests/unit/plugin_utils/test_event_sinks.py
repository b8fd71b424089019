# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where events are written, what becomes of those that cannot be written, and what is in a line."""

from __future__ import annotations

import json
import os
import socket
from contextlib import closing
from multiprocessing import get_context

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.outcomes.events import event_from, line_of, short_line_of
from ansible_collections.polyvirt.core.plugins.plugin_utils.outcomes.sinks import Delivery, EventFile, Syslog


def _event(name="web1", severity="info", **values):
    known = {"time": "2026-11-25T17:00:12.000Z", "event": "vm.started", "severity": severity, "message": ""}
    return {**known, "vm": {"name": name}, "diff": None, **values}


def _names(path):
    return [json.loads(line)["vm"]["name"] for line in path.read_text(encoding="utf-8").splitlines() if line[-1] == "}"]


def test_event_has_all_of_a_record_but_the_whole_vm():
    record = {"event": "vm.started", "vm": {"name": "web1"}, "info": {"disks": []}}
    event = {"version": 1, "progress": None, "event": "vm.started", "vm": {"name": "web1"}}
    assert event_from(record) == event


def test_record_of_an_unchanged_vm_is_no_event():
    assert event_from({"event": None, "info": {}}) is None


def test_line_has_no_line_break():
    assert "\n" not in line_of(_event(message="two\nlines\u2028"))


def test_long_event_for_syslog_has_no_diff():
    long = _event(diff={"after": "x" * 9000}, message="y" * 5000)
    assert json.loads(short_line_of(long)) == {**long, "diff": None, "message": "y" * 1000}
    short = _event(diff={"after": "x"})
    assert json.loads(short_line_of(short)) == short


# Files ----------------------------------------------------------------------------------------------------------------


def test_lines_are_appended_to_a_file_that_only_owner_and_group_read(tmp_path):
    path = tmp_path / "events.jsonl"
    before = os.umask(0)
    try:
        for name in ("a", "b"):
            EventFile(str(path)).write(_event(name))
    finally:
        os.umask(before)
    assert _names(path) == ["a", "b"]
    assert path.stat().st_mode & 0o777 == 0o640


def test_partial_line_of_another_job_is_ended_first(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"ended":1}\n{"broken', encoding="utf-8")
    sink = EventFile(str(path))
    sink.write(_event("a"))
    sink.write(_event("b"))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ['{"ended":1}', '{"broken']
    assert [json.loads(line)["vm"]["name"] for line in lines[2:]] == ["a", "b"]


def _append(path, worker):
    for number in range(200):
        EventFile(path).write(_event(f"{worker}-{number}", message="x" * number))


def test_lines_of_several_processes_are_whole(tmp_path):
    path, workers = tmp_path / "events.jsonl", range(4)
    context = get_context("fork")
    processes = [context.Process(target=_append, args=(str(path), worker)) for worker in workers]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = [json.loads(line)["vm"]["name"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert sorted(found) == sorted(f"{worker}-{number}" for worker in workers for number in range(200))


def test_named_pipe_that_nobody_reads_does_not_block(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    sink = EventFile(str(path))
    with open(os.open(path, os.O_RDWR | os.O_NONBLOCK), "rb"), pytest.raises(OSError):
        for _number in range(1000):
            sink.write(_event(message="x" * 4000))


# What cannot be written -----------------------------------------------------------------------------------------------


def test_full_disk_is_one_warning():
    warnings = []
    delivery = Delivery(EventFile("/dev/full"), warnings.append)
    for name in ("a", "b"):
        delivery.write([_event(name)])
    assert warnings == ["/dev/full: events cannot be written: No space left on device."]


def test_events_are_written_later_and_in_order_if_they_cannot_be_written_now(tmp_path):
    path, warnings = tmp_path / "later" / "events.jsonl", []
    delivery = Delivery(EventFile(str(path)), warnings.append)
    delivery.write([_event("a")])
    delivery.write([_event("b")])
    path.parent.mkdir()
    delivery.write([_event("c")])
    assert _names(path) == ["a", "b", "c"]
    assert len(warnings) == 1
    delivery.write([])
    assert _names(path) == ["a", "b", "c"]


# Syslog ---------------------------------------------------------------------------------------------------------------


def _received(receiver):
    receiver.settimeout(10)
    return receiver.recv(65536).decode()


@pytest.mark.parametrize("severity, priority", [("info", 14), ("warning", 12), ("error", 11)])
def test_event_is_sent_by_udp(severity, priority):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        with closing(Syslog(f"127.0.0.1:{receiver.getsockname()[1]}")) as sink:
            sink.write(_event(severity=severity))
        header, _brace, event = _received(receiver).partition("{")
    first = f"<{priority}>1 2026-11-25T17:00:12.000Z {socket.gethostname()} polyvirt.core {os.getpid()} - - "
    assert header == first
    assert json.loads("{" + event)["vm"] == {"name": "web1"}


def _local(path):
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(path))
    return receiver


def test_event_is_sent_to_the_local_syslog_also_after_it_was_started_again(tmp_path):
    path, warnings = tmp_path / "log", []
    sink = Syslog("local", local=[str(path)])
    delivery = Delivery(sink, warnings.append)
    with _local(path) as receiver:
        delivery.write([_event("a")])
        assert _received(receiver).startswith(f'<14>polyvirt.core[{os.getpid()}]: {{"diff"')
    delivery.write([_event("b")])
    path.unlink()
    with _local(path) as receiver:
        delivery.write([_event("c")])
        assert [json.loads(_received(receiver).partition(": ")[2])["vm"]["name"] for _name in "bc"] == ["b", "c"]
    sink.close()
    assert warnings == [f"{sink.name}: events cannot be written: Connection refused."]


def test_local_syslog_that_hangs_does_not_block(tmp_path):
    warnings = []
    with _local(tmp_path / "log"), closing(Syslog("local", local=[str(tmp_path / "log")])) as sink:
        Delivery(sink, warnings.append).write([_event(str(number), message="x" * 4000) for number in range(1000)])
    assert len(warnings) == 1


def test_unknown_host_is_looked_up_once():
    looked_up = []

    def look_up(*_words, **_more):
        looked_up.append(1)
        raise socket.gaierror(-2, "Name or service not known")

    warnings = []
    delivery = Delivery(Syslog("logs.invalid", look_up=look_up), warnings.append)
    for name in ("a", "b"):
        delivery.write([_event(name)])
    assert warnings == ["syslog (logs.invalid): events cannot be written: logs.invalid: Name or service not known."]
    assert looked_up == [1]


@pytest.mark.parametrize(
    "place, address",
    [
        ("logs", ("logs", 514)),
        ("logs:5140", ("logs", 5140)),
        ("::1", ("::1", 514)),
        ("[::1]", ("::1", 514)),
        ("[::1]:5140", ("::1", 5140)),
    ],
)
def test_address_of_syslog(place, address):
    assert Syslog(place).address == address


@pytest.mark.parametrize("place", ["logs:", "logs:udp", ":514", "[::1]:x"])
def test_address_that_is_not_valid(place):
    with pytest.raises(ValueError, match="neither local"):
        Syslog(place)
