# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module that can change something, in each way to run it: whether a task expects a plan is a fact about the task.

The action plugin, the validation of the options and the module's own ``main`` are those of the collection. Only what
the module would do is replaced: it asks for an approval and counts what was carried out.
"""

from __future__ import annotations

import json
from importlib import import_module
from types import SimpleNamespace

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.module_utils import basic
from ansible_collections.polyvirt.core.plugins import action as actions
from ansible_collections.polyvirt.core.plugins import modules
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import unexpected
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import Option
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import changing, run_module
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.controller_action import ControllerAction
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.in_process import InProcess
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.on_windows import OnWindows
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.over_platforms import OverPlatforms

from collection_path import CHECKOUT

VARIABLE, EXPECTED = "polyvirt_approved_plans", "expect_plan"
NAMES = sorted(path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py"))
MODULES = {name: getattr(import_module(f"{modules.__name__}.{name}"), "MODULE", None) for name in NAMES}
CHANGING = {name: module for name, module in MODULES.items() if module and module.can_change}
ROUTES = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text(encoding="utf-8"))["plugin_routing"]["modules"]
PLUGINS = {name: ROUTES.get(name, {"action_plugin": name})["action_plugin"].rpartition(".")[2] for name in CHANGING}
ACTIONS = {name: import_module(f"{actions.__name__}.{plugin}").ActionModule for name, plugin in PLUGINS.items()}
WITH_MACHINES = [name for name in CHANGING if "machines" in CHANGING[name].options and name != "vm"]
IN_PROCESS, SHIPPED = "in process", "shipped"
#: Values for options.
_VALUES = {"str": "web", "list": ["web"], "path": "/tmp/web", "dict": {}, "raw": "web", "int": 1, "bool": True}
_TWO = [{"name": "web", "platform": "libvirt"}, {"name": "db", "platform": "virtualbox"}]
#: {how a task gives the plan that it expects: (its arguments, whether it may change something)}; "own": its own digest.
GIVEN = {
    "omitted": ({}, True),
    "its own plan": ({EXPECTED: "own"}, True),
    "null": ({EXPECTED: None}, False),
    "empty": ({EXPECTED: ""}, False),
    "another plan": ({EXPECTED: "plan-x"}, False),
    "null as a text": ({EXPECTED: "None"}, False),
}


class Run:
    """A task of one module; ``carried_out`` are the modules that have changed something."""

    def __init__(self, name, way, variables=(), **task):
        self.name, self.way, self.carried_out = name, way, []
        self._variables = {"inventory_hostname": "web", **dict(variables)}
        self._task = {"delegate_to": None, **task}

    def __call__(self, arguments, check=False):
        self.carried_out.clear()
        try:
            return self._action(self.name, self._as_task(arguments, check)).run(task_vars=self._variables)
        except AnsibleError as error:
            return {"failed": True, "msg": str(error)}

    def plan(self, arguments):
        result = self(arguments, check=True)
        assert result.get("plan"), (self.name, self.way, result)
        return result["plan"]

    def _as_task(self, arguments, check):
        task = SimpleNamespace(
            args=arguments, async_val=0, check_mode=check, environment=[None], diff=False, no_log=False,
            action=self.name, module_defaults=[], get_name=lambda: "Change", get_ds=lambda: None, loop=None,
            loop_with=None, **self._task,
        )  # fmt: skip
        task.copy = lambda: SimpleNamespace(**vars(task))
        return task

    def _action(self, name, task):
        run, kind = self, ACTIONS[name]

        class Action(kind):
            module = MODULES[name]
            if not issubclass(kind, OverPlatforms):
                module = replace(module, answer=run.answer(name))

            def _runs_here(self, task_vars):
                return run.way == IN_PROCESS

            def _execute_module(self, **how):
                return _shipped(self.module, self._task)

            def _remove_tmp_path(self, path):
                pass

            def _knowledge_of(self, name):
                return None

        if issubclass(kind, ControllerAction):
            Action._answer = lambda _self, *asked: run.answer(name)(*asked)
        loader = SimpleNamespace(get=lambda _plugin, task, **_more: run._action(task.action.rpartition(".")[2], task))
        action = Action(task, _CONNECTION, play_context=None, loader=None, templar=_TEMPLAR, shared_loader_obj=None)
        # Newer versions of ansible-core take their own, whatever they are given.
        action._shared_loader_obj = SimpleNamespace(action_loader=loader)
        return action

    def answer(self, name):
        def answer(_params, check, approval):
            approval.permit([name], [("web", [f"web: {name}"])])
            self.carried_out.extend([] if check else [name])
            vms = [{"name": "web"}] if self.name == "vm" else []
            return {"changed": True, "warnings": [], "vms": vms}

        return answer


_TEMPLAR = SimpleNamespace(template=lambda value: value)
_CONNECTION = SimpleNamespace(
    transport="local", become=None, has_native_async=False, get_options=dict, _shell=SimpleNamespace(tmpdir=None)
)


def _shipped(declaration, task):
    """The result of the module's own ``main``, which gets its arguments as JSON."""
    arguments = {**json.loads(json.dumps(task.args)), "_ansible_check_mode": task.check_mode}
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        patch.setattr(basic.AnsibleModule, "_return_formatted", lambda _self, result: found.append(result))
        with pytest.raises(SystemExit):
            run_module(declaration)
    return found[0]


def _sample(option):
    value = option.choices[0] if option.choices else _VALUES.get(option.type, "web")
    return [value] if option.type == "list" and not isinstance(value, list) else value


def _minimal(name):
    if name == "vm":
        return {"platform": "libvirt", "name": "web"}
    if name == "vm_backup":  # Which place is required depends on the platform.
        return {"platform": "libvirt", "name": "web", "directory": "/tmp/web"}
    of_platform = {"platform": "libvirt"} if "platform" in CHANGING[name].options else {}
    return {**{key: _sample(one) for key, one in CHANGING[name].options.items() if one.required}, **of_platform}


def _ways(name):
    """Modules for Windows hosts, and those about all hosts of a play, run on the controller only."""
    kind = ACTIONS[name]
    is_shipped = issubclass(kind, (InProcess, OverPlatforms)) and not issubclass(kind, OnWindows)
    return [IN_PROCESS, SHIPPED] if is_shipped else [IN_PROCESS]


def _own(given, plan):
    return {key: plan if value == "own" else value for key, value in given.items()}


def _problems(run, arguments, label):
    """Yield for each case None, or how an expected plan permits what it must not, or the other way round."""
    plan = run.plan(arguments)
    for how, (given, permits) in GIVEN.items():
        for check in (True, False):
            result = run({**arguments, **_own(given, plan)}, check)
            is_right = result.get("failed", False) is not permits and bool(run.carried_out) is (permits and not check)
            yield None if is_right else f"{label}: {how}, check mode {check}: {result}"


def test_expected_plan_of_each_module_in_each_way(record_property):
    found = [
        problem
        for name in CHANGING
        for way in _ways(name)
        for problem in _problems(Run(name, way), _minimal(name), f"{name}, {way}")
    ]
    assert list(filter(None, found)) == []
    assert len(CHANGING) >= 20
    record_property("summary", f"expected plans: {len(found)} cases of {len(CHANGING)} modules")


def test_expected_plan_next_to_each_option(record_property):
    """No other option makes a plan that is null a permission."""
    found = []
    for name, module in CHANGING.items():
        run, minimal = Run(name, IN_PROCESS), _minimal(name)
        for option, described in module.options.items():
            if option == EXPECTED or described.hidden:
                continue
            run({**minimal, option: _sample(described), EXPECTED: None})
            found.append(f"{name}: {option}" if run.carried_out else None)
    assert list(filter(None, found)) == []
    record_property("summary", f"options next to an expected plan that is null: {len(found)} cases")


@pytest.mark.parametrize("way", [IN_PROCESS, SHIPPED])
@pytest.mark.parametrize("arguments", [{"machines": _TWO}, {"name": "web", "platform": "libvirt"}])
@pytest.mark.parametrize("by_options", [False, True])
def test_expected_plan_of_vm_with_several_platforms_and_by_the_options_of_one(way, arguments, by_options):
    run = Run("vm", way)
    arguments = {"platform": "libvirt", **({"name": "web"} if by_options else {}), **arguments}
    plan = run.plan(arguments)
    for how, (given, permits) in GIVEN.items():
        own = _own(given, plan)
        result = run({**arguments, **({"options": own} if by_options and own else own)})
        assert (result.get("failed", False), bool(run.carried_out)) == (not permits, permits), (how, result)
        assert permits or result["plan"] is None


@pytest.mark.parametrize("own", [None, "", "plan-x"])
@pytest.mark.parametrize("name", WITH_MACHINES)
def test_expected_plan_of_an_entry_of_machines_is_rejected(name, own):
    """It would not be compared."""
    params = {key: option.default for key, option in CHANGING[name].options.items()}
    params["machines"] = [{"name": "web", EXPECTED: own}]
    result = CHANGING[name].result(params, SimpleNamespace(check_mode=True))
    assert result["failed"] and "expect_plan is an option of the task as a whole" in result["msg"], result


@pytest.mark.parametrize("is_permitted", [True, False])
@pytest.mark.parametrize("of_delegate", [True, False])
def test_vms_of_several_platforms_on_the_host_of_delegate_to(is_permitted, of_delegate):
    """The variable of either host limits the whole task, and not its parts once more."""
    plan = Run("vm", IN_PROCESS, delegate_to="hv").plan({"machines": _TWO})
    limits = {VARIABLE: [plan if is_permitted else "plan-x"]}
    delegated = {"ansible_delegated_vars": {"hv": {**limits, "ansible_host": "hv"}}}
    run = Run("vm", IN_PROCESS, delegated if of_delegate else {**limits, **delegated}, delegate_to="hv")
    result = run({"machines": _TWO})
    assert (result.get("failed", False), len(run.carried_out)) == (not is_permitted, 2 if is_permitted else 0), result


def test_approval_of_a_workflow_job_is_enough_for_the_parts_of_a_task():
    of_job = {"awx_workflow_job_id": 7}
    plan = Run("vm", IN_PROCESS, of_job).plan({"machines": _TWO})
    for workflow, carried_out in ((7, 2), (8, 0), (None, 0)):
        run = Run("vm", IN_PROCESS, {**of_job, VARIABLE: [{"plan": plan, "workflow": workflow}]})
        result = run({"machines": _TWO})
        assert (result.get("failed", False), len(run.carried_out)) == (not carried_out, carried_out), result


@pytest.mark.parametrize("limits", [{}, {VARIABLE: "own"}])
def test_part_of_a_task_that_becomes_another_plan_after_its_check(limits):
    plan = Run("vm", IN_PROCESS).plan({"machines": _TWO})
    run = Run("vm", IN_PROCESS, {key: [plan] for key in limits})
    same = run.answer

    def other(name):
        return lambda params, check, approval: same(name if check else f"other {name}")(params, check, approval)

    run.answer = other
    result = run({"machines": _TWO})
    assert (result.get("failed", False), len(run.carried_out)) == ((True, 0) if limits else (False, 2)), result


def test_refused_task_of_several_platforms_has_no_plan():
    run = Run("vm", IN_PROCESS)
    refused = {"failed": True, "changed": False, "msg": "no", "vms": [], "warnings": []}
    run.answer = lambda _name: lambda _params, _check, _approval: refused
    result = run({"machines": _TWO}, check=True)
    assert (result["failed"], result["plan"]) == (True, None)


def test_change_without_a_question_for_its_approval_is_an_error():
    module = changing({"name": Option()}, lambda _params, _check, _approval: {"changed": True, "warnings": []})
    result = module.result({**dict.fromkeys(module.options), "name": "web"}, SimpleNamespace(check_mode=True))
    assert result["failed"] and "no approval could limit" in result["exception"]


def test_bug_in_one_part_of_a_task_is_shown_with_its_trace():
    """Also if the part has made an error of it, as the reading of VMs does."""

    def answer(_params, _check, _approval):
        raise unexpected(KeyError("a bug"))

    module = changing({"name": Option()}, answer)
    result = module.result({**dict.fromkeys(module.options), "name": "web"}, SimpleNamespace(check_mode=True))
    assert "a bug" in result["msg"]
    assert "KeyError" in result["exception"]
