# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module is, as data; and running it as a module. Its action plugin runs the same in the controller's process.

Ansible compiles a module again in every run, so what only some modules or tasks need is imported where it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from ansible.module_utils.basic import AnsibleModule

from ._engine.task import run
from ._lifecycle.errors import PolyvirtError, unexpected
from ._lifecycle.model import RUNNING
from ._lifecycle.options import FACETS, SNAPSHOT, SNAPSHOT_INFO, VM, VM_INFO
from ._lifecycle.request import requests, snapshot_requests
from ._masking import masked, secrets_and_words
from ._ports.net import ssh_banner

_ASKED_AT_ONCE = 16


@dataclass(frozen=True)
class Declaration:
    """A module: its options, and ``answer(params, check)``, which returns its result or raises."""

    argument_spec: dict
    answer: Callable

    def result(self, params, asked):
        """The result for validated ``params``, whatever happens; ``warnings`` are among its keys.

        ``asked`` is what knows whether this is check mode: the module, or the task of an action plugin.
        ``invocation`` is always in the result: Ansible would add the parameters as they are.
        """
        shown = {"invocation": {"module_args": masked(self.argument_spec, params)}}
        try:
            return {**self.answer(params, asked.check_mode), **shown}
        except PolyvirtError as error:
            return {"failed": True, "msg": str(error), "warnings": [], **shown}
        except Exception as error:  # A user is never shown a traceback; it is there at verbosity 3.
            fault = unexpected(error)
            return {"failed": True, "msg": str(fault), "exception": fault.trace, "warnings": [], **shown}

    def secrets(self, params):
        """The values that no output may show."""
        return secrets_and_words(self.argument_spec, params)[0]


def run_module(declaration):
    """The whole of a module's ``main()``."""
    module = AnsibleModule(argument_spec=declaration.argument_spec, supports_check_mode=True)
    secrets, words = secrets_and_words(declaration.argument_spec, module.params)
    module.no_log_values.difference_update(words - secrets)
    result = declaration.result(module.params, module)
    for warning in result.pop("warnings"):
        module.warn(warning)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def vm_module(own_options, make_driver, own_settings=()):
    """A ``<platform>_vm`` module: ``make_driver`` turns its parameters into a driver.

    ``own_settings`` are those of its own options that are settings of a machine and not of the connection.
    """

    def answer(params, check):
        return _outcome(run(make_driver(params), requests(params, own_settings), check))

    return Declaration({**VM, **own_options}, answer)


def snapshot_module(own_options, make_driver):
    """A ``<platform>_snapshot`` module."""

    def answer(params, check):
        return _outcome(run(make_driver(params), snapshot_requests(params), check))

    return Declaration({**SNAPSHOT, **own_options}, answer)


def _outcome(outcome):
    result = {key: getattr(outcome, key) for key in ("changed", "vms", "diff", "warnings")}
    if outcome.failed:
        result.update(failed=True, msg=outcome.msg, **({"exception": outcome.trace} if outcome.trace else {}))
    return result


def info_module(own_options, make_driver, with_health=False):
    """A ``<platform>_vm_info`` module; ``with_health``: it also reports which VMs answer by SSH."""

    def answer(params, _check):
        from ._engine.inspect import look_around

        found = look_around(make_driver(params), params)
        return {"changed": False, **found, "vms": _with_health(found["vms"]) if with_health else found["vms"]}

    return Declaration({**VM_INFO, **FACETS, **own_options}, answer)


def _with_health(vms):
    """What runs and answers is healthy. Many are asked at once, for one that is silent costs seconds."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=_ASKED_AT_ONCE) as pool:
        return [{**vm, "healthy": is_healthy} for vm, is_healthy in zip(vms, pool.map(_is_healthy, vms))]


def _is_healthy(vm):
    ssh = vm["ssh"]
    return vm["state"] == RUNNING and ssh is not None and ssh_banner(ssh["host"], ssh["port"]) is not None


def snapshot_info_module(own_options, make_driver):
    """A ``<platform>_snapshot_info`` module."""

    def answer(params, _check):
        from ._engine.inspect import look_at_snapshots

        return {"changed": False, **look_at_snapshots(make_driver(params), params)}

    return Declaration({**VM_INFO, **SNAPSHOT_INFO, **own_options}, answer)
