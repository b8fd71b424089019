# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The port to a Windows host, with a host simulated in Python: requests, answers, errors, lost connections."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, windows, windows_request
from ansible_collections.polyvirt.core.plugins.module_utils._ports.windows_request import (
    NULL,
    Chain,
    Joined,
    Ref,
    call,
    in_background,
    pick,
    properties,
    read,
    repeated,
    run,
    write,
)
from hypothesis import given
from hypothesis import strategies as st

from platforms.windows.failures import Failed
from platforms.windows.objects import as_text
from platforms.windows.programs import Files, Finished, quote, split
from platforms.windows.sample import sample_host

ALPHA = "00000001-0000-4000-8000-000000000000"
GET, SET, WAIT = "Sample\\Get-SampleMachine", "Sample\\Set-SampleMachine", "Sample\\Wait-Sample"
NAMES = properties("Name")
READ_ALPHA = call(GET, {"Id": ALPHA}, show=properties("Name", "Notes"))


class Connection:
    """The functions that an action plugin passes to the port."""

    def __init__(self, **options):
        self.host, self.resets = sample_host(**options), 0
        self.port = windows.Windows(self._send, self._reset, self.host.clock)

    def _send(self, text):
        try:
            return json.loads(self.host.answer(text))
        except ConnectionError as error:
            raise windows.Lost(str(error)) from None

    def _reset(self):
        self.resets += 1


@pytest.fixture
def connection():
    return Connection()


def _change(notes="x"):
    return Chain("alpha", (call(GET, {"Id": ALPHA}, keep="vm"), call(SET, {"Machine": Ref("vm"), "Notes": notes})))


def _one(connection, *calls, **how):
    return connection.port.call([Chain("one", calls)], **how)[0]


def _notes(connection):
    return _one(connection, READ_ALPHA).answers[0].objects[0]["Notes"]


def test_chain_returns_objects_of_each_call(connection):
    result = _one(connection, call(GET, keep="vms"), pick("vms", "off", conditions={"State": "Off"}, show=NAMES))
    assert [answer.objects for answer in result.answers] == [(), ({"Name": "alpha"},)]
    assert (result.is_complete, result.steps_done, result.answers[1].details["count"]) == (True, 2, 1)


@pytest.mark.parametrize(("fewer", "answers"), [(1, 2), (2, 3)])
def test_chain_goes_on_if_fewer_objects_fit(connection, fewer, answers):
    off = pick("vms", "off", conditions={"State": "Off"}, fewer=fewer)
    result = _one(connection, call(GET, keep="vms"), off, READ_ALPHA)
    assert (len(result.answers), result.is_complete) == (answers, answers == 3)
    assert getattr(result.error, "id", None) == (None if result.is_complete else "NotFewer")


@given(st.text())
def test_any_text_arrives_unchanged(text):
    shown = properties("Value", "Text", "Type")
    one = call("Sample\\Get-SampleValue", {"Value": text, "Text": text}, show=shown)
    assert _one(Connection(), one).answers[0].objects == ({"Value": text, "Text": text, "Type": "String"},)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_arguments_of_programs_arrive_unchanged(arguments):
    assert split(quote(arguments)) == arguments


@pytest.mark.parametrize(
    "wrong", [None, float("nan"), float("inf"), 1 << 64, -(1 << 63) - 1, b"x", {"a": b"x"}, object()]
)
def test_value_of_an_unsupported_type_is_rejected(wrong):
    with pytest.raises(ValueError, match="no value of a request"):
        call(GET, {"Id": [wrong]})


@pytest.mark.parametrize("text", ["", "a", '"=', "2026-01-01T00:00:00"])
def test_joined_parts_are_one_text(connection, text):
    keeping = [call(GET, {"Id": ALPHA}, keep="vm"), pick("vm", "id", path=["Id"])]
    joined = Joined((text, Ref("id"), '"}'))
    _one(connection, *keeping, call(SET, {"Machine": Ref("vm"), "Notes": joined}))
    assert _notes(connection) == f'{text}{ALPHA}"}}'
    missing = _one(connection, call(SET, {"Machine": Ref("vm"), "Notes": joined}))
    assert missing.error.id == "NothingKept"


def test_dictionary_is_a_table_of_values():
    """Of arguments of a WMI method: its texts and references are those of other values."""
    assert call(GET, {"Id": {"keyCode": 38, "text": "2026-01-01"}})["with"] == {
        "Id": {"table": {"keyCode": 38, "text": "=2026-01-01"}}
    }


def test_null_is_sent_only_by_its_name():
    assert call(GET, {"Id": NULL})["with"] == {"Id": None}


@pytest.mark.parametrize("name", ["Get-VM", "ls", "Hyper-V\\Get-*", "Hyper-V\\Get-VM; x", "a\\b\\Get-VM", ""])
def test_only_whole_names_of_commands_are_sent(name):
    with pytest.raises(ValueError, match="not a command"):
        call(name)


def test_wait_of_a_call_is_limited():
    for wait in (lambda one: repeated(one, [{}], 31), lambda one: in_background(one, 31)):
        with pytest.raises(ValueError, match="poll instead"):
            wait(call(WAIT))


def test_call_in_background_has_no_result():
    with pytest.raises(ValueError, match="no result"):
        in_background(READ_ALPHA, 5)


def test_background_call_that_does_not_end_is_abandoned(connection):
    result = _one(connection, in_background(call(WAIT, {"Seconds": 500}), 5), READ_ALPHA)
    assert [answer.details.get("pending") for answer in result.answers] == [True, None]
    assert connection.host.clock.now() == 5


def test_failure_ends_its_chain_only(connection):
    failing = Chain("nobody", (call(GET, {"Name": ["nobody"]}), READ_ALPHA))
    first, second = connection.port.call([failing, Chain("alpha", (READ_ALPHA,))])
    assert (first.error.id, first.error.source, first.steps_done) == ("InvalidParameter", "Get-SampleMachine", 0)
    assert (first.error.category, first.error.codes) == ("InvalidArgument", {0x80070057})
    assert second.is_complete
    assert not first.is_complete


def test_chain_goes_on_after_an_expected_error(connection):
    result = _one(connection, call(GET, {"Name": ["nobody"]}, go_on=True))
    assert (result.is_complete, result.error, result.answers[0].error.id) == (True, None, "InvalidParameter")


def test_partial_call_returns_objects_and_errors(connection):
    (answer,) = _one(connection, call(GET, {"Name": ["nobody", "alpha"]}, show=NAMES, partial=True)).answers
    assert answer.objects == ({"Name": "alpha"},)
    assert [(error.id, error.target) for error in answer.errors] == [("InvalidParameter", "nobody")]


def test_hresult_within_a_localised_message_is_found():
    error = windows.CallFailed({"id": "OperationFailed,X", "hresult": "0x80131500", "message": "Fehler (0x80070070)."})
    assert error.codes == {0x80131500, 0x80070070}


def test_many_vms_are_split_into_requests_of_limited_size(connection):
    chains = [_change('"' * 40_000)] * 30
    results = connection.port.call(chains)
    assert len(results) == 30
    assert all(result.is_complete for result in results)
    assert len(connection.host.requests) > 1
    assert max(size for size, _rest in connection.host.sizes) <= windows_request.LONGEST_REQUEST


def test_data_larger_than_a_request_are_rejected_before_sending(connection):
    with pytest.raises(errors.InvalidInput, match="too large"):
        _one(connection, write("C:\\x", bytes(800_000)))
    assert connection.host.requests == []


def test_no_chains_still_report_about_the_host():
    connection = Connection(about={"powershell": "5.1"})
    assert connection.port.call([], about=True) == []
    assert connection.port.about == {"powershell": "5.1"}


def test_missing_module_is_an_error_with_its_remedy():
    with pytest.raises(errors.Unavailable, match="cannot load the module Hyper-V") as caught:
        Connection().port.call([], modules=["Hyper-V"])
    assert caught.value.why == "missing"


def test_module_behind_a_proxy_is_an_error_with_its_remedy():
    with pytest.raises(errors.Unavailable, match="Use Windows PowerShell") as caught:
        Connection(modules=["Hyper-V"], proxied=["Hyper-V"]).port.call([], modules=["Hyper-V"])
    assert caught.value.why == "too_old"


@pytest.mark.parametrize("language", ["nicht gefunden (0x80070002)", "見つかりません (0x80070002)"])
def test_language_of_the_host_changes_only_messages(language):
    calls = (call(SET, {"Name": ["beta"], "State": "Running"}), call(GET, {"Name": ["nobody"]}))
    english, foreign = Connection(), Connection()
    foreign.host.translate = lambda text: language
    (first, error), (second, foreign_error) = (_one(one, *calls).answers for one in (english, foreign))
    assert second.warnings == (language,)
    assert len(first.warnings) == 1
    assert (foreign_error.error.id, foreign_error.error.category) == (error.error.id, error.error.category)
    assert str(foreign_error.error) == language
    assert foreign_error.error.codes == {0x80070057, 0x80070002}


def test_arrays_of_windows_powershell_arrive_as_lists(connection):
    connection.host.edition = "Desktop"
    one = call("Sample\\Get-SampleValue", {"Value": [["a"], ["b", "c"]]}, show=properties("Value"))
    assert _one(connection, one).answers[0].objects == ({"Value": [["a"], ["b", "c"]]},)


@pytest.mark.parametrize("answer", [None, "text", {}, {"version": 2, "missing": [], "chains": []}])
def test_foreign_answer_is_an_error(answer):
    with pytest.raises(errors.Unavailable, match="not from the module"):
        windows.Windows(lambda text: answer, lambda: None).call([])


def test_reading_is_repeated_after_a_lost_answer(connection):
    connection.host.faults.plan("lose", 1)
    assert _one(connection, READ_ALPHA).is_complete
    assert (connection.resets, len(connection.host.requests)) == (1, 2)


def test_reading_gives_up_after_three_lost_answers(connection):
    for place in (1, 2, 3):
        connection.host.faults.plan("lose", place)
    with pytest.raises(windows.ConnectionLost, match="broke off"):
        _one(connection, READ_ALPHA)
    assert connection.resets == 3


@pytest.mark.parametrize(
    ("fault", "is_done"),
    [
        ({"kind": "lose", "call": 1}, True),
        ({"kind": "lose", "call": 2}, True),
        ({"kind": "kill", "call": 1}, False),
        ({"kind": "kill", "call": 2, "before": True}, False),
        ({"kind": "kill", "call": 2}, True),
    ],
)
def test_change_with_a_lost_answer_is_not_repeated(connection, fault, is_done):
    before = change_counter.count()
    connection.host.faults.plan(**fault)
    with pytest.raises(windows.ConnectionLost):
        connection.port.call([_change()])
    assert (connection.resets, len(connection.host.requests)) == (1, 1)
    assert change_counter.count() == (before[0], before[1] + 1)
    assert (_notes(connection) == "x") == is_done


def test_unsent_request_is_not_a_doubtful_change():
    def send(text):
        raise windows.Lost("no route", before=True)

    before = change_counter.count()
    with pytest.raises(windows.ConnectionLost, match="no route"):
        windows.Windows(send, lambda: None).call([_change()])
    assert change_counter.count() == before


def test_changes_are_counted(connection):
    before = change_counter.count()
    connection.port.call([_change(), Chain("r", (READ_ALPHA, read("C:\\x", 10)))])
    assert change_counter.count() == (before[0] + 1, before[1])


def test_failed_call_changes_nothing(connection):
    connection.host.faults.plan("fail", 2, error=Failed("AccessDenied,X", "PermissionDenied"))
    (result,) = connection.port.call([_change()])
    assert (result.error.id, result.steps_done, _notes(connection)) == ("AccessDenied", 1, None)


@pytest.mark.parametrize("fault", ["lose", "kill"])
def test_polling_survives_lost_connections(connection, fault):
    beta = connection.host.invoke.__self__.machines[1]
    connection.host.clock.at(200, lambda: beta.change(State="Off"))
    for place in (2, 3, 4, 5, 9):
        connection.host.faults.plan(fault, place)
    one = call(GET, {"Name": ["beta"]}, show=properties("State"))
    answer = connection.port.poll(one, [{"State": "Off"}], 300)
    assert answer.objects == ({"State": "Off"},)
    assert 200 <= connection.host.clock.now() < 220
    assert all(one["chains"][0]["calls"][0]["for"] <= 15 for one in connection.host.requests)


def test_polling_ends_at_its_deadline(connection):
    answer = connection.port.poll(READ_ALPHA, [{"State": "Running"}], 60)
    assert answer.details["met"] is False
    assert 60 <= connection.host.clock.now() <= 62


def test_polling_ends_with_an_error(connection):
    answer = connection.port.poll(call(GET, {"Name": ["nobody"]}), [{"State": "Off"}], 60)
    assert answer.error.id == "InvalidParameter"


def test_file_and_program_are_bytes(connection):
    connection.host.files = Files(["C:\\data"], {"ProgramData": "C:\\data"})
    connection.host.run = lambda file, line, stdin, *_rest: Finished(3, stdin + as_text(split(line)).encode())
    path = "%ProgramData%\\f"
    program = run("wsl.exe", ["--list", "a b"], 10, stdin=b"\xff", environment={"WSL_UTF8": "1"}, reads=True)
    result = _one(connection, program, write(path, b"\0x"), read(path, 9), read("C:\\no", 9))
    done, _written, found, absent = result.answers
    assert (done.details["exit_code"], done.bytes("stdout")) == (3, b"\xff--list a b")
    assert (found.bytes(), found.details["exists"], absent.details["exists"]) == (b"\0x", True, False)


def test_program_that_only_reads_is_run_again_after_a_lost_answer(connection):
    connection.host.run = lambda *_: Finished(0)
    connection.host.faults.plan("lose", 1)
    assert _one(connection, run("wsl.exe", "--list", 10, reads=True)).is_complete
    connection.host.faults.plan("lose", 1)
    with pytest.raises(windows.ConnectionLost):
        _one(connection, run("wsl.exe", "--terminate x", 10))


def test_driver_finds_the_connection_of_its_task(connection):
    with windows.connected(connection.port):
        assert windows.connection() is connection.port
    with pytest.raises(errors.Unavailable, match="needs a connection to a Windows host"):
        windows.connection()


def _putting(error=None):
    """A Windows with a connection that sends files, or raises the error; and the paths that were sent, and resets."""
    done = []

    def put(local, remote):
        done.append((local, remote))
        if error:
            raise error

    return windows.Windows(None, lambda: done.append("reset"), put=put), done


def test_file_is_put():
    port, done = _putting()
    port.put("/tmp/piece", "C:\\piece")
    assert done == [("/tmp/piece", "C:\\piece")]


def test_connection_that_is_lost_while_a_file_is_put():
    port, done = _putting(windows.Lost("gone"))
    with pytest.raises(windows.ConnectionLost, match="broke off"):
        port.put("/tmp/piece", "C:\\piece")
    assert done[-1] == "reset"


def test_file_that_the_connection_cannot_write():
    port, done = _putting(windows.Lost("no space", again=False))
    with pytest.raises(errors.Unavailable, match="could not be written: no space"):
        port.put("/tmp/piece", "C:\\piece")
    assert "reset" not in done
