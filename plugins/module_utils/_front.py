# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a module's or an action plugin's parameters to requests, and from the outcome to its exit."""

from __future__ import annotations

import traceback

from ansible.module_utils.basic import AnsibleModule

from ._info import look_around, look_at_snapshots
from ._lifecycle.errors import PolyvirtError
from ._lifecycle.options import SNAPSHOT, SNAPSHOT_INFO, VM, VM_INFO
from ._lifecycle.request import requests, snapshot_requests
from ._runner import run

_DOCUMENTS = ("user_data", "meta_data", "network_config")
_MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


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
    shown = _without_seed(module)
    outcome = _guarded(module, lambda: run(make_driver(module.params), read_requests(module.params), module.check_mode))
    for warning in outcome.warnings:
        module.warn(warning)
    result = {"changed": outcome.changed, "vms": outcome.vms, "diff": outcome.diff, "invocation": shown}
    if outcome.failed:
        module.fail_json(msg=outcome.msg, **result)
    module.exit_json(**result)


def run_info_module(own_options, make_driver):
    """The whole of a ``<platform>_vm_info`` module."""
    _run_look({**VM_INFO, **own_options}, make_driver, look_around)


def run_snapshot_info_module(own_options, make_driver):
    """The whole of a ``<platform>_snapshot_info`` module."""
    _run_look({**VM_INFO, **SNAPSHOT_INFO, **own_options}, make_driver, look_at_snapshots)


def _run_look(argument_spec, make_driver, look):
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    module.exit_json(changed=False, **_guarded(module, lambda: look(make_driver(module.params), module.params)))


def _without_seed(module):
    """The invocation to show, with the seed's documents masked.

    Ansible would blot every word of the user data out of the whole result, and with a word such as ``1`` the ids and
    addresses of machines too. The documents are in no result but the invocation, so they are masked there alone.
    """
    seed = module.params.get("cloud_init") or {}
    module.no_log_values.difference_update(_words(seed.get("user_data")))
    masked = {name: _MASK if name in _DOCUMENTS and value else value for name, value in seed.items()}
    return {"module_args": {**module.params, **({"cloud_init": masked} if masked else {})}}


def _words(value):
    if isinstance(value, dict):
        return {word for part in value.values() for word in _words(part)}
    if isinstance(value, (list, tuple)):
        return {word for part in value for word in _words(part)}
    return {str(value)}


def _guarded(module, action):
    """Run ``action``; every error becomes a message, the unexpected ones with a plea to report them."""
    try:
        return action()
    except PolyvirtError as error:
        module.fail_json(msg=str(error))
    except Exception as error:  # A user is never shown a traceback; it is there at verbosity 3.
        module.fail_json(
            msg=f"Unexpected {type(error).__name__}: {error}. This is a fault of polyvirt.core; please report it.",
            exception=traceback.format_exc(),
        )
