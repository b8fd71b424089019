# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules for platforms on Windows run on the controller and send calls through a connection that may be lost."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import Option, Texts
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.platform import Platform
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import Declaration
from ansible_collections.polyvirt.core.plugins.module_utils._ports.windows import Lost, connection
from ansible_collections.polyvirt.core.plugins.module_utils._ports.windows_request import Chain, call, properties
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.on_windows import OnWindows

from platforms.windows.sample import sample_host

OPTIONS = {"name": Texts(), "password": Option(secret=True), "state": Option(choices=("started", "stopped"))}
PLATFORM = Platform("Sample", {"tpm": "Use another one."})


def _answer(params, check):
    one = call("Sample\\Get-SampleMachine", {"Name": params["name"]}, show=properties("Name", "Id"), partial=True)
    (result,) = connection().call([Chain("names", (one,))])
    found = [shown["Name"] for shown in result.answers[0].objects]
    return {"changed": False, "found": found, "password": params["password"], "warnings": []}


class Action(OnWindows):
    """An action plugin. Its connection leads to a simulated host, or raises the errors in ``connection_errors``."""

    module = Declaration(OPTIONS, _answer, PLATFORM)

    def __init__(self, args, connection_errors=(), results=(), transport="winrm"):
        self.resets, self.host = 0, sample_host()
        self.connection_errors, self.results = list(connection_errors), list(results)
        task = {"args": args, "async_val": 0, "check_mode": False, "delegate_to": None, "diff": False, "no_log": False}
        connection = {"transport": transport, "connected": True, "reset": self._count, "get_options": dict}
        super().__init__(
            task=SimpleNamespace(**task, environment=[], action="module"),
            connection=SimpleNamespace(
                **connection, _shell=SimpleNamespace(tmpdir=None, _IS_WINDOWS=transport != "local")
            ),
            play_context=None,
            loader=None,
            templar=None,
            shared_loader_obj=None,
        )

    def _count(self):
        self.resets += 1
        raise AnsibleConnectionFailure("the host is still away")

    def _execute_module(self, module_name, module_args, task_vars):
        assert module_name == "polyvirt.core.windows_calls"
        if self.connection_errors:
            raise self.connection_errors.pop(0)
        if self.results:
            return self.results.pop(0)
        return {"changed": False, "answer": json.loads(self.host.answer(module_args["request"]))}


def _library_error(module):
    kind = type("TransportError", (Exception,), {"__module__": module})
    return kind("lost")


def test_module_reads_through_the_connection():
    action = Action({"name": "alpha", "password": "topsecret"})
    result = action.run(task_vars={})
    assert result["found"] == ["alpha"]
    assert "topsecret" not in str(result)
    assert len(action.host.requests) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        ConnectionResetError("lost"),
        AnsibleConnectionFailure("lost"),
        _library_error("requests.exceptions"),
        _library_error("winrm.exceptions"),
        _library_error("pypsrp.exceptions"),
    ],
    ids=lambda trouble: type(trouble).__module__,
)
def test_lost_connection_of_any_plugin_is_reset_and_read_again(trouble):
    action = Action({"name": "alpha"}, [trouble])
    assert action.run(task_vars={})["found"] == ["alpha"]
    assert action.resets == 1


def test_process_that_ends_without_an_answer_is_a_lost_connection():
    died = {"failed": True, "module_stdout": "", "module_stderr": "", "rc": -1, "msg": "MODULE FAILURE"}
    action = Action({"name": "alpha"}, results=[died])
    assert action.run(task_vars={})["found"] == ["alpha"]
    assert action.resets == 1


def test_process_that_never_answers_is_an_error_with_its_output():
    died = {"failed": True, "module_stdout": "", "module_stderr": "no memory", "rc": -1}
    result = Action({"name": "alpha"}, results=[died] * 3).run(task_vars={})
    assert result["failed"]
    assert "exit code -1: no memory" in result["msg"]


def test_host_without_powershell_is_no_lost_connection():
    no_shell = {"failed": True, "module_stdout": "", "module_stderr": "/bin/sh: pwsh: not found", "rc": 127}
    action = Action({"name": "alpha"}, results=[no_shell] * 3)
    message = action.run(task_vars={"inventory_hostname": "web"})["msg"]
    assert "web is not a Windows host: it has no PowerShell (exit code 127: /bin/sh: pwsh: not found)" in message
    assert all(line in message for line in ("ansible_connection: winrm", "ansible_shell_type: powershell"))
    assert "broke off" not in message
    assert (action.resets, len(action.results)) == (0, 2)


def test_nothing_is_sent_to_a_host_with_the_shell_of_another_system():
    """sudo reports a missing PowerShell with exit code 1, as if the connection were lost; and Linux may have one."""
    action = Action({"name": "alpha"}, transport="local")
    message = action.run(task_vars={"inventory_hostname": "web"})["msg"]
    assert "web is not a Windows host: ansible_connection: local has the shell of another system" in message
    assert all(line in message for line in ("ansible_connection: winrm", "ansible_shell_type: powershell"))
    assert (action.host.requests, action.resets) == ([], 0)


def test_host_that_never_answers_is_unreachable():
    with pytest.raises(AnsibleConnectionFailure, match="no route"):
        Action({"name": "alpha"}, [AnsibleConnectionFailure("no route")] * 3).run(task_vars={})


def test_wrong_password_is_not_retried():
    action = Action({"name": "alpha"}, [AnsibleAuthenticationFailure("no")] * 3)
    with pytest.raises(AnsibleAuthenticationFailure):
        action.run(task_vars={})
    assert (action.resets, len(action.connection_errors)) == (0, 2)


def test_error_of_ansible_is_reported_as_it_is():
    with pytest.raises(AnsibleError, match="no template"):
        Action({"name": "alpha"}, [AnsibleError("no template")]).run(task_vars={})


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"name": "a", "size": 1}, "Unsupported parameters for (module) module: size"),
        ({"name": "a", "tpm": True}, "tpm is not supported on Sample. Use another one."),
        ({"name": {"a": 1}}, "name"),
    ],
)
def test_wrong_parameter_is_an_error_before_anything_is_sent(args, message):
    action = Action(args)
    result = action.run(task_vars={})
    assert result["failed"]
    assert message in result["msg"]
    assert action.host.requests == []


def test_secret_is_masked_in_an_error_about_parameters():
    result = Action({"name": "a", "state": "topsecret", "password": "topsecret"}).run(task_vars={})
    assert result["msg"].startswith("value of state must be one of: started, stopped")
    assert "topsecret" not in str(result)


def test_file_is_sent_by_the_connection():
    sent, action = [], Action({})
    action._connection.put_file = lambda *words: sent.append(words)
    action._put("/tmp/piece", "C:\\piece")
    assert sent == [("/tmp/piece", "C:\\piece")]


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (AnsibleConnectionFailure("lost"), True),
        (_library_error("urllib3.exceptions"), True),
        (ConnectionResetError("lost"), True),
        (AnsibleError("Remote sha1 hash does not match"), False),
        (AnsibleAuthenticationFailure("wrong password"), False),
    ],
)
def test_file_that_cannot_be_sent(error, again):
    def put_file(_local, _remote):
        raise error

    action = Action({})
    action._connection.put_file = put_file
    with pytest.raises(Lost) as found:
        action._put("/tmp/piece", "C:\\piece")
    assert found.value.again is again


def test_bug_of_a_connection_is_not_hidden_when_a_file_is_sent():
    def put_file(_local, _remote):
        raise KeyError("bug")

    action = Action({})
    action._connection.put_file = put_file
    with pytest.raises(KeyError):
        action._put("/tmp/piece", "C:\\piece")


def test_environment_variable_is_not_the_directory_on_the_host(monkeypatch):
    """It is that of the controller."""
    monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", "/srv/images")
    action = Action({})
    action._templar = SimpleNamespace(template=lambda value: value)
    action._task_vars = {}
    assert action._image_directory() is None
    action._task_vars = {"polyvirt_image_directory": "D:\\images"}
    assert action._image_directory() == "D:\\images"
