# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module is, as data; and running it as a module. Its action plugin runs the same in the controller's process.

A module is shipped with all that it imports, so what only some modules need is beside this: changes.py has the
modules that change VMs and snapshots, info.py those that only report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._core.errors import InvalidInput, PolyvirtError, Refused, Unexpected, unexpected
from .._core.frozen import Frozen
from .._core.options.option import APPROVAL, argument_spec
from .._core.options.option_errors import check_shape, error_messages, misshapen
from .._core.options.platform import Platform
from .._core.results.approval import Approval, connections, explicit
from .masking import long_secrets, masked, masked_options, secrets_of

try:
    from ansible.module_utils.secrets import register_secrets
except ImportError:  # Before ansible-core 2.22.

    def register_secrets(values):
        """Nothing else masks what Ansible displays: there, only results are masked."""


_ANY = Platform("this platform")


class Declaration(Frozen, eq=False):
    """A module: its options, and ``answer(params, check)``, which returns its result or raises.

    ``can_change``: it may change something, so its plan may need an approval: ``answer(params, check, approval)``.
    """

    options: Mapping
    answer: Callable
    platform: Platform = _ANY
    can_change: bool = False

    @property
    def argument_spec(self):
        return argument_spec(self.options)

    def result(self, params, asked):
        """The result for validated ``params``, whatever happens; ``warnings`` are among its keys.

        ``asked`` is what knows whether this is check mode: the module, or the task of an action plugin.
        """
        try:
            answer = (self._approved_answer if self.can_change else self.answer)(
                in_full(params, self.options, self.platform), asked.check_mode
            )
        except Exception as error:  # A user is never shown a traceback; it is there at verbosity 3.
            fault = error if isinstance(error, PolyvirtError) else unexpected(error)
            more = {"exception": fault.trace} if isinstance(fault, Unexpected) else {}
            more.update({"plan": None} if self.can_change and isinstance(fault, Refused) else {})
            answer = {"failed": True, "msg": str(fault), "warnings": [], **more}
        return self.shown(answer, params)

    def _approved_answer(self, params, check):
        """The answer with the digest of its plan. In check mode, AWX passes the plan on to the next job."""
        approval = Approval(params["approval"], params["expect_plan"], connections(params, self.options))
        answer = self.answer(params, check, approval)
        if answer.get("changed") and not approval.was_asked:
            raise AssertionError("A change was made that no approval could limit.")
        # A plan that was rejected as a whole has none.
        has_plan = check and approval.plan is not None
        artifacts = {"ansible_stats": approval.artifacts()} if has_plan else {}
        warnings = [*answer["warnings"], *approval.warnings]
        return {**answer, "plan": approval.plan, **artifacts, "warnings": warnings}

    def shown(self, answer, params):
        """The only place where results are masked: ``answer`` without the secrets of ``params``, which can be invalid.

        ``invocation`` is always in a result: Ansible would add the parameters as they are.
        """
        secrets = secrets_of(self.options, params)
        # Ansible itself masks the values of options that are nothing but a secret.
        register_secrets(sorted(long_secrets(secrets)))
        whole = {**answer, "invocation": {"module_args": masked_options(self.options, params)}}
        result = masked(whole, secrets)
        return result if result.get("plan") == answer.get("plan") else without_plan(result)


def changing(options, answer, platform=_ANY):
    """The Declaration of a module that can change something: ``answer(params, check, approval)``."""
    return Declaration({**options, **APPROVAL}, answer, platform, can_change=True)


def without_plan(result):
    """A result in which the digest of the plan was masked: nobody can read it, so nobody can approve it."""
    kept = {name: value for name, value in result.items() if name != "ansible_stats"}
    warning = "The plan of this task cannot be approved: a secret of the task is a part of its digest."
    return {**kept, "plan": None, "warnings": [*result.get("warnings", ()), warning]}


def in_full(params, options, platform):
    """``params`` with the ID in its canonical form and without short forms.

    The suboptions of short forms are then checked by Ansible as those of any other option.
    """
    if params.get("id"):
        params = {**params, "id": platform.canonical_id(params["id"])}
    short = {name: one for name, one in options.items() if one.short and params.get(name) not in (None, one.default)}
    if not short:
        return params
    full = {name: option.in_full(params[name], name) for name, option in short.items()}
    check_shape(full, short)
    checked = ArgumentSpecValidator(argument_spec(short, in_full=True)).validate(full)
    if checked.error_messages:
        rejected = platform.rejected({**params, **checked.validated_parameters}, options)
        if rejected:
            raise rejected
        raise InvalidInput(error_messages(checked)[0])  # As Ansible itself: one error at a time.
    return {**params, **checked.validated_parameters}


def run_module(declaration):
    """The whole of a module's ``main()``."""
    module = _module(declaration)
    # Until ansible-core 2.21, these would be masked once more, also within words and numbers.
    getattr(module, "no_log_values", set()).clear()
    problem = misshapen(module.given, declaration.options)
    if problem:
        module.fail_json(str(problem))
    result = declaration.result(module.params, module)
    for warning in result.pop("warnings"):
        module.warn(warning)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def _module(declaration):
    class Module(AnsibleModule):
        """An AnsibleModule that masks what it logs, and its errors about parameters."""

        def _load_params(self):
            super()._load_params()
            self.params = explicit(self.params)
            # Ansible removes values that it cannot convert.
            self.given = {**self.params}

        def log(self, msg, log_args=None):
            """Log parameters as ``invocation`` has them. Only they have ``log_args``, one for each parameter."""
            if log_args:
                shown = declaration.shown({}, self.params)["invocation"]["module_args"]
                log_args = {name: str(value) for name, value in shown.items()}
                msg = " ".join(["Invoked with", *(f"{name}={value}" for name, value in log_args.items())])
            super().log(msg, log_args=log_args)

        def fail_json(self, msg, **kwargs):
            """For Ansible an option that the platform lacks is only unknown; this error names the alternative."""
            reason = str(declaration.platform.rejected({**self.params, **self.given}, declaration.options) or msg)
            super().fail_json(**declaration.shown({**kwargs, "msg": reason}, self.params))

    return Module(argument_spec=declaration.argument_spec, supports_check_mode=True)
