# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a module's or an action plugin's parameters to requests, and from the outcome to its exit.

Ansible compiles a module anew in every run, so what only some modules or tasks need is imported where it is needed.
"""

from __future__ import annotations

import re

from ansible.module_utils.basic import AnsibleModule

from ._engine.task import run
from ._lifecycle.errors import PolyvirtError, unexpected
from ._lifecycle.model import RUNNING
from ._lifecycle.options import FACETS, SNAPSHOT, SNAPSHOT_INFO, VM, VM_INFO
from ._lifecycle.request import requests, snapshot_requests
from ._lifecycle.results import MASK
from ._ports.net import ssh_banner

_ASKED_AT_ONCE = 16
#: Keys in a document of which the values are secrets, wherever they occur.
_SECRET_KEY = re.compile(r"passw|passphrase|secret|token|credential|psk|private", re.IGNORECASE)


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

    _run_look({**VM_INFO, **FACETS, **own_options}, make_driver, _look_at_health if with_health else look_around)


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
    """The invocation to show: each secret option masked by its key.

    Ansible masks every value of a secret option wherever it occurs in the result. That is right for a password. Of a
    document (cloud-init's user data, environment variables) it would be every word: with a value such as ``1`` also the
    ids and addresses of VMs. So only those words of a document are masked everywhere that are secrets themselves.
    """
    secrets, words = _secrets(module.argument_spec, module.params)
    module.no_log_values.difference_update(words - secrets)
    return {"module_args": _masked(module.argument_spec, module.params)}


def _secrets(spec, params):
    """(secrets, all words of documents): the values of secret options, and those with a secret's key in documents."""
    secrets, words = set(), set()
    for name, option in spec.items():
        value = params.get(name)
        if option.get("no_log") and isinstance(value, (dict, list)):
            words |= _words(value)
            secrets |= _secret_words(value)
        elif option.get("no_log") and value is not None:
            (words if option["type"] == "raw" else secrets).add(str(value))
        for entry in _entries(option, value):
            more_secrets, more_words = _secrets(option["options"], entry)
            secrets, words = secrets | more_secrets, words | more_words
    return secrets, words


def _masked(spec, params):
    """``params`` with MASK for what is secret."""
    shown = dict(params)
    for name, option in spec.items():
        value = params.get(name)
        if option.get("no_log") and value:
            shown[name] = MASK
        elif _entries(option, value):
            masked = [_masked(option["options"], entry) for entry in _entries(option, value)]
            shown[name] = masked if isinstance(value, list) else masked[0]
    return shown


def _entries(option, value):
    """The dictionaries of an option with suboptions."""
    if not option.get("options") or not value:
        return []
    return [value] if isinstance(value, dict) else value


def _secret_words(value):
    """The words in ``value`` under a key such as ``password``."""
    if isinstance(value, dict):
        found = [_words(part) if _SECRET_KEY.search(str(key)) else _secret_words(part) for key, part in value.items()]
    else:
        found = [_secret_words(part) for part in value] if isinstance(value, (list, tuple)) else []
    return {word for words in found for word in words}


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
