# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a module's or an action plugin's parameters to requests, and from the outcome to its exit.

Ansible compiles a module anew in every run, so what only some modules or tasks need is imported where it is needed.
"""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ._engine.task import run
from ._lifecycle.errors import PolyvirtError, unexpected
from ._lifecycle.model import RUNNING
from ._lifecycle.options import SNAPSHOT, SNAPSHOT_INFO, VM, VM_INFO
from ._lifecycle.request import requests, snapshot_requests
from ._lifecycle.results import MASK
from ._ports.net import ssh_banner

_ASKED_AT_ONCE = 16
_DOCUMENTS = ("user_data", "meta_data", "network_config")


def run_vm_module(own_options, make_driver, own_settings=()):
    """The whole of a ``<platform>_vm`` module: ``make_driver`` turns its parameters into a driver.

    ``own_settings`` are those of its own options that are settings of a machine and not of the connection.
    """
    _run_module({**VM, **own_options}, make_driver, lambda params: requests(params, own_settings))


def run_snapshot_module(own_options, make_driver):
    """The whole of a ``<platform>_snapshot`` module."""
    _run_module({**SNAPSHOT, **own_options}, make_driver, snapshot_requests)


def _run_module(argument_spec, make_driver, read_requests):
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    shown = _without_secrets(module)
    outcome = _guarded(
        module,
        lambda: run(make_driver(module.params), read_requests(module.params), module.check_mode),
        invocation=shown,
    )
    for warning in outcome.warnings:
        module.warn(warning)
    result = {"changed": outcome.changed, "vms": outcome.vms, "diff": outcome.diff, "invocation": shown}
    if outcome.failed:
        trace = {"exception": outcome.trace} if outcome.trace else {}
        module.fail_json(msg=outcome.msg, **result, **trace)
    module.exit_json(**result)


def run_info_module(own_options, make_driver, with_health=False):
    """The whole of a ``<platform>_vm_info`` module; ``with_health``: it tells which machines answer by SSH, too."""
    from ._engine.inspect import look_around

    _run_look({**VM_INFO, **own_options}, make_driver, _look_at_health if with_health else look_around)


def _look_at_health(driver, params):
    """What runs and answers is healthy. Many are asked at once, for one that is silent costs seconds."""
    from concurrent.futures import ThreadPoolExecutor

    from ._engine.inspect import look_around

    told = look_around(driver, params)
    with ThreadPoolExecutor(max_workers=_ASKED_AT_ONCE) as pool:
        health = list(pool.map(_is_healthy, told["vms"]))
    return {**told, "vms": [{**vm, "healthy": is_healthy} for vm, is_healthy in zip(told["vms"], health)]}


def _is_healthy(vm):
    ssh = vm["ssh"]
    return vm["state"] == RUNNING and ssh is not None and ssh_banner(ssh["host"], ssh["port"]) is not None


def run_snapshot_info_module(own_options, make_driver):
    """The whole of a ``<platform>_snapshot_info`` module."""
    from ._engine.inspect import look_at_snapshots

    _run_look({**VM_INFO, **SNAPSHOT_INFO, **own_options}, make_driver, look_at_snapshots)


def _run_look(argument_spec, make_driver, look):
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    told = _guarded(module, lambda: look(make_driver(module.params), module.params))
    for warning in told.pop("warnings"):
        module.warn(warning)
    module.exit_json(changed=False, **told)


def _without_secrets(module):
    """The invocation to show, with the seed's documents and the values of variables masked.

    Ansible would blot every word of them out of the whole result, and with a word such as ``1`` the ids and addresses
    of machines too. Where a result tells of them they are masked already, so it is done in the invocation alone.
    """
    seed, scripts = module.params.get("cloud_init") or {}, module.params.get("provisioners") or []
    variables = [module.params.get("environment"), *(one["env"] for one in scripts)]
    module.no_log_values.difference_update(_words([seed.get("user_data"), *variables]))
    masked = {
        "cloud_init": {name: MASK if name in _DOCUMENTS and value else value for name, value in seed.items()},
        "provisioners": [{**one, "env": _masked(one["env"])} for one in scripts],
        "environment": _masked(variables[0]),
    }
    return {"module_args": {**module.params, **{name: value for name, value in masked.items() if value}}}


def _masked(variables):
    return variables and dict.fromkeys(variables, MASK)


def _words(value):
    if isinstance(value, dict):
        return {word for part in value.values() for word in _words(part)}
    if isinstance(value, (list, tuple)):
        return {word for part in value for word in _words(part)}
    return {str(value)}


def _guarded(module, action, **shown):
    """Run ``action``; every error becomes a message, the unexpected ones with the request to report them.

    ``shown`` goes into a failed result: Ansible adds the parameters as they are where no ``invocation`` is given.
    """
    try:
        return action()
    except PolyvirtError as error:
        module.fail_json(msg=str(error), **shown)
    except Exception as error:  # A user is never shown a traceback; it is there at verbosity 3.
        fault = unexpected(error)
        module.fail_json(msg=str(fault), exception=fault.trace, **shown)
