# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module is, as data; and running it as a module. Its action plugin runs the same in the controller's process.

A module is shipped with all that it imports, so what only some modules need is beside this: changes.py has the
modules that change VMs, snapshots.py those that change snapshots, info.py those that only report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._lifecycle.errors import InvalidInput, PolyvirtError, unexpected
from .._lifecycle.options import Platform, argument_spec
from .masking import masked, secrets_and_words

_ANY = Platform("this platform")


@dataclass(frozen=True)
class Declaration:
    """A module: its options, and ``answer(params, check)``, which returns its result or raises."""

    options: Mapping
    answer: Callable
    platform: Platform = _ANY

    @property
    def argument_spec(self):
        return argument_spec(self.options)

    def result(self, params, asked):
        """The result for validated ``params``, whatever happens; ``warnings`` are among its keys.

        ``asked`` is what knows whether this is check mode: the module, or the task of an action plugin.
        ``invocation`` is always in the result: Ansible would add the parameters as they are.
        """
        shown = {"invocation": {"module_args": masked(self.argument_spec, params)}}
        try:
            return {**self.answer(in_full(params, self.options, self.platform), asked.check_mode), **shown}
        except PolyvirtError as error:
            return {"failed": True, "msg": str(error), "warnings": [], **shown}
        except Exception as error:  # A user is never shown a traceback; it is there at verbosity 3.
            fault = unexpected(error)
            return {"failed": True, "msg": str(fault), "exception": fault.trace, "warnings": [], **shown}

    def secrets(self, params):
        """The values that no output may show."""
        return secrets_and_words(self.argument_spec, params)[0]


def in_full(params, options, platform):
    """``params`` with the ID in its canonical form and without short forms.

    The suboptions of short forms are then checked by Ansible as those of any other option.
    """
    if params.get("id"):
        params = {**params, "id": platform.canonical_id(params["id"])}
    short = {name: one for name, one in options.items() if one.short and params.get(name) is not None}
    if not short:
        return params
    full = {name: option.in_full(params[name], name) for name, option in short.items()}
    checked = ArgumentSpecValidator(argument_spec(short, in_full=True)).validate(full)
    if checked.error_messages:
        rejected = platform.rejected({**params, **checked.validated_parameters})
        if rejected:
            raise rejected
        first, *others = checked.error_messages  # As Ansible itself: one error at a time.
        unknown = "Unsupported parameters: " if checked.unsupported_parameters and not others else ""
        raise InvalidInput(f"{unknown}{first}")
    return {**params, **checked.validated_parameters}


def run_module(declaration):
    """The whole of a module's ``main()``."""
    module = _module(declaration)
    secrets, words = secrets_and_words(declaration.argument_spec, module.params)
    module.no_log_values.difference_update(words - secrets)
    result = declaration.result(module.params, module)
    for warning in result.pop("warnings"):
        module.warn(warning)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def _module(declaration):
    class Module(AnsibleModule):
        """For Ansible an option that the platform lacks is only unknown; this error names the alternative."""

        def fail_json(self, msg, **kwargs):
            super().fail_json(msg=str(declaration.platform.rejected(self.params) or msg), **kwargs)

    return Module(argument_spec=declaration.argument_spec, supports_check_mode=True)
