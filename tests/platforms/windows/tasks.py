# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tasks on a simulated Windows host in this process, as their action plugins run them, but without Ansible."""

from __future__ import annotations

import importlib
import json
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task, together
from ansible_collections.polyvirt.core.plugins.module_utils._ports.windows import Lost, Windows, connected

from platforms.windows.failures import Failed

_MODULES = "ansible_collections.polyvirt.core.plugins.modules."


def windows_of(host):
    """The port to a host; a lost answer is a lost connection."""

    def send(text):
        try:
            return json.loads(host.windows.answer(text))
        except ConnectionError as error:
            raise Lost(str(error)) from error

    def put(local, remote):
        try:
            host.windows.put(remote, Path(local).read_bytes())
        except ConnectionError as error:
            raise Lost(str(error)) from error
        except Failed as failed:
            raise Lost(failed.message, again=False) from failed

    return Windows(send, reset=lambda: None, clock=host.clock, put=put)


def run_module(host, module_name, check=False, **options):
    """Run one task of a module with the host's clock; returns its result."""
    module = importlib.import_module(_MODULES + module_name).MODULE
    validated = ArgumentSpecValidator(module.argument_spec).validate(options)
    if validated.error_messages:
        rejected = module.platform.rejected(validated.validated_parameters, module.options)
        return {"failed": True, "changed": False, "msg": str(rejected or validated.error_messages[0])}
    with connected(windows_of(host)), ExitStack() as clocks:
        for engine in (task, together):
            clocks.enter_context(mock.patch.object(engine, "Clock", lambda: host.clock))
        return {"failed": False, **module.result(validated.validated_parameters, SimpleNamespace(check_mode=check))}
