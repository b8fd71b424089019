# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a task runs: in Ansible's own process only if the module would run with the same user and Python."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
from ansible.module_utils import basic
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import Option, Texts
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import Declaration, run_module
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.in_process import InProcess

OPTIONS = {
    **{"name": Texts(), "count": Option("int"), "password": Option(secret=True)},
    "part": Option("dict", options={"key": Option()}),
}


def _answer(params, check):
    said = f"{params['name']} {params['count']}"
    return {"changed": True, "check": check, "said": said, "warnings": ["one"], "pair": (1, {2: params["password"]})}


class Action(InProcess):
    """An action plugin as Ansible creates it, except that no module is run."""

    module = Declaration(OPTIONS, _answer)

    def __init__(self, transport="local", become=None, environment=(), variables=None, **task):
        asked = {
            "args": {"name": "web"},
            "async_val": 0,
            "check_mode": False,
            "delegate_to": None,
            "action": "module",
            **task,
        }
        # The defaults of a task.
        asked["environment"] = [None, *environment]
        super().__init__(
            task=SimpleNamespace(
                **asked,
                diff=False,
                no_log=False,
                get_name=lambda: "task",
                get_ds=lambda: None,
                loop=None,
                loop_with=None,
            ),
            connection=SimpleNamespace(
                transport=transport,
                become=become,
                has_native_async=False,
                get_options=dict,
                _shell=SimpleNamespace(tmpdir=None, env_prefix=lambda **words: str(words or "")),
            ),
            play_context=None,
            loader=None,
            templar=SimpleNamespace(
                template=lambda value: sys.executable if value == "{{ ansible_playbook_python }}" else value
            ),
            shared_loader_obj=None,
        )
        self.variables = variables or {}
        self.shipped = []

    def _execute_module(self, **how):
        self.shipped.append(how["wrap_async"])
        return {"shipped": True}

    def done(self):
        return self.run(task_vars=self.variables)


def _by_the_module(args):
    """The result of the module's own ``main``, which gets its arguments as JSON."""
    found, arguments = [], {**args, "_ansible_module_name": "polyvirt.core.module"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        patch.setattr(basic.AnsibleModule, "_return_formatted", lambda _self, result: found.append(result))
        with pytest.raises(SystemExit):
            run_module(Action.module)
    return {key: found[0][key] for key in ("failed", "msg", "invocation")}


@pytest.mark.parametrize("transport", ["local", "ssh"])
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"name": [["web1", "web2"]]}, "name: an entry of the list is a list."),
        ({"name": [{"name": "web1"}]}, "name: an entry of the list is a dictionary."),
        ({"name": "web", "count": "many"}, "argument 'count' is of type"),
        ({"nmae": "web"}, "nmae is not an option of this module. Did you mean name?"),
        ({"bootdisk": "vda"}, "Unsupported parameters for (polyvirt.core.module) module: bootdisk."),
        ({"bootdisk": "vda", "part": {"hue": 1}}, "parameters for (polyvirt.core.module) module: bootdisk, part.hue."),
        ({"bootdisk": "vda", "count": "many"}, "argument 'count' is of type"),
    ],
)
def test_no_module_is_shipped_to_report_a_wrong_parameter(args, expected, transport):
    args = {**args, "password": "topsecret"}
    action = Action(args=args, transport=transport, action="polyvirt.core.module")
    result = action.done()
    assert action.shipped == []
    assert expected in result["msg"]
    assert result == _by_the_module(args)
    assert "topsecret" not in str(result)


def test_wrong_parameter_of_an_asynchronous_task_is_reported_immediately():
    action = Action(args={"name": "web", "count": "many"}, async_val=60)
    assert (action.done()["failed"], action.shipped) == (True, [])


def test_result_is_that_of_the_module():
    result = Action(args={"name": "web", "count": "3", "password": "topsecret"}, check_mode=True).done()
    assert {key: result[key] for key in ("changed", "check", "said", "warnings")} == {
        "changed": True,
        "check": True,
        "said": "['web'] 3",
        "warnings": ["one"],
    }
    assert result["pair"] == [1, {"2": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}]
    assert "topsecret" not in str(result)


@pytest.mark.parametrize(
    "how",
    [
        {"transport": "ssh"},
        {"become": object()},
        {"environment": [{"A": "b"}]},
        {"variables": {"ansible_python_interpreter": "/opt/other/bin/python3"}},
        {
            "variables": {"ansible_delegated_vars": {"hv": {"ansible_python_interpreter": "/opt/other/bin/python3"}}},
            "delegate_to": "hv",
        },
    ],
)
def test_task_with_another_result_in_process_runs_as_a_module(how):
    action = Action(**how)
    assert (action.done(), action.shipped) == ({"shipped": True}, [False])


def test_asynchronous_task_runs_as_an_asynchronous_module():
    action = Action(async_val=60)
    assert (action.done(), action.shipped) == ({"shipped": True}, [True])


def test_task_runs_as_a_module_if_a_library_is_missing():
    class Needs(Action):
        libraries = ("json", "no_such_library")

    assert Needs().done() == {"shipped": True}


@pytest.mark.parametrize("interpreter", ["auto", "auto_silent", sys.executable, "{{ ansible_playbook_python }}"])
def test_own_python_needs_no_second_process(interpreter):
    action = Action(variables={"ansible_python_interpreter": interpreter})
    assert (action.done()["changed"], action.shipped) == (True, [])


@pytest.fixture
def environments(tmp_path, monkeypatch):
    """Two virtual environments of one Python, each with ``python`` and ``python3``; Ansible runs in ``one``."""
    for name in ("one", "two"):
        folder = tmp_path / name / "bin"
        folder.mkdir(parents=True)
        (folder / "python").symlink_to(sys.executable)
        (folder / "python3").symlink_to("python")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "one/bin/python3"))
    return tmp_path


def test_another_name_of_the_own_python_needs_no_second_process(environments):
    action = Action(variables={"ansible_python_interpreter": str(environments / "one/bin/python")})
    assert (action.done()["changed"], action.shipped) == (True, [])


def test_python_of_another_environment_is_not_the_own_one(environments):
    action = Action(variables={"ansible_python_interpreter": str(environments / "two/bin/python3")})
    assert (action.done(), action.shipped) == ({"shipped": True}, [False])


# Images ---------------------------------------------------------------------------------------------------------------

_KNOWN = {"known": True}


def _seen(option_names, monkeypatch, args, variables=None):
    """The parameters of an answer whose module has these options beside ``name``."""

    class Images(Action):
        module = Declaration(
            {"name": Texts(), **{name: Option("dict" if name == "catalogue" else "str") for name in option_names}},
            lambda params, _check: {"seen": params},
        )

        def _knowledge_of(self, name):
            return {**_KNOWN, "of": name}

    monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", "/from/environment")
    return Images(args=args, variables=variables).done()["seen"]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("debian-13", ["debian-13"]),
        ("debian-13, alpine-3.23", ["debian-13", "alpine-3.23"]),
        (["debian-13", "https://example.org/x.qcow2", "/srv/x.qcow2", "C:\\x.vhdx"], ["debian-13"]),
        ([], []),
    ],
)
def test_names_of_images_get_what_the_catalogue_knows(monkeypatch, name, known):
    seen = _seen(["catalogue", "image_directory"], monkeypatch, {"name": name})
    assert seen["catalogue"] == {one: {**_KNOWN, "of": one} for one in known}


def test_module_without_names_of_images_gets_the_directory_only(monkeypatch):
    variables = {"polyvirt_image_directory": "/from/variable"}
    args = {"name": "debian-13"}
    assert _seen(["image_directory"], monkeypatch, args)["image_directory"] == "/from/environment"
    assert _seen(["image_directory"], monkeypatch, args, variables)["image_directory"] == "/from/variable"
    args["image_directory"] = "/from/task"
    assert _seen(["image_directory"], monkeypatch, args, variables)["image_directory"] == "/from/task"
