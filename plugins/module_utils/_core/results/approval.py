# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the plan of a task was approved: its digest is compared with those that the user permits.

The action plugin passes what a module cannot know in the hidden option ``approval`` (plugin_utils/tasks/approvals.py).
A value that is not understood permits nothing.
"""

from __future__ import annotations

import json

from ..errors import InvalidInput, Refused
from ..options.option import CONNECTION
from ..texts import without_credentials

#: The variable with the digests that a play or job permits, and the one with the texts of these plans.
VARIABLE, TEXTS = "polyvirt_approved_plans", "polyvirt_plans"
#: The hidden option, and the one with the digest that a task expects.
OPTION, EXPECTED = "approval", "expect_plan"
#: Keys of the hidden option. WORKFLOW is the ID of AWX's workflow job.
HOST, TASK, REVISION, WORKFLOW, REACHED = "host", "task", "revision", "workflow", "reached"
PROGRAMS = "programs"
#: The longest text of the plans of one task, in bytes. Each later job of a workflow gets it as a variable.
_LONGEST = 64 * 1024
_REMEDY = "Run the task in check mode again, and have the new plan approved. Nothing was changed."


class Approval:
    """What a task permits, and after ``permit`` the digest of its plan.

    ``given`` is the value of the hidden option, ``expected`` the digest that the task itself sets. ``connections`` are
    the options that say where the VMs are. Raises InvalidInput.
    """

    def __init__(self, given=None, expected=None, connections=()):
        given = given or {}
        self._context = {key: given.get(key) for key in (HOST, REVISION, REACHED, PROGRAMS)}
        self._connections = connections
        self._task, self._workflow, self._expected = given.get(TASK), given.get(WORKFLOW), expected
        self._approved = _entries(given[VARIABLE]) if VARIABLE in given else None
        self._texts = texts_of(given[TEXTS], given) if TEXTS in given else []
        #: The digest of the plan; empty if nothing is to be done, None if it is not known or was not permitted.
        self.plan = None
        #: Whether ``permit`` was called: each action that changes something has to ask.
        self.was_asked = False
        self._shown = []
        self.warnings = []

    @property
    def is_limited(self):
        """Whether only plans that were approved may be carried out."""
        return self._approved is not None or self._expected is not None

    def permit(self, parts, shown, obstacle=""):
        """Permit the plan of a task before its first step, or raise Refused.

        ``parts`` is the content of the plan as data (plan_content.py), ``shown`` [(name of the VM or None, lines)], and
        ``obstacle`` why it cannot be approved. A task that changes nothing (no ``parts``) is always permitted.
        """
        self.was_asked = True
        if not parts:
            self.plan = ""
            return
        plan = self.digest_of(parts)
        if self.is_limited and (obstacle or not (self._is_expected(plan) and self._is_listed(plan))):
            raise Refused(self._message(plan, shown, obstacle), _REMEDY)
        if obstacle:
            self.warnings.append(f"The plan of this task cannot be approved: {obstacle}")
            return
        self.plan, self._shown = plan, shown

    def digest_of(self, parts):
        """Return the digest of the plan of a task with these ``parts``."""
        from .plan_content import digest  # Most tasks change nothing.

        self._connections = tuple(self._connections)
        return digest({**self._context, "connections": self._connections, "parts": parts})

    def permit_parts(self, plans, shown):
        """Permit a task of several parts with their own digests (``plans``: {name of the part: digest})."""
        missing = [name for name, plan in plans.items() if plan is None]
        parts = plans if missing or any(plans.values()) else {}
        self.permit(parts, shown, f"{', '.join(missing)}: its part has no digest." if missing else "")

    def _is_expected(self, plan):
        return self._expected in (None, plan)

    def _is_listed(self, plan):
        """An approval counts only in its own workflow job; one without a workflow job, only outside of them."""
        return self._approved is None or any(
            approved == plan and str(workflow) == str(self._workflow) for approved, workflow in self._approved
        )

    def _message(self, plan, shown, obstacle):
        if obstacle:
            return f"This plan cannot be approved: {obstacle}"
        lines = [f"This plan was not approved: {plan}", *[line for _name, lines in shown for line in lines]]
        if not self._is_expected(plan):
            lines.append(f"expect_plan is {self._expected or 'null or empty, which permits no change'}.")
        elif plan in (approved for approved, _workflow in self._approved or ()):
            where = "outside of this workflow job" if self._workflow else "in a workflow job"
            lines = [f"This plan was approved {where}, which does not count here: {plan}"]
        for entry in self._texts:
            lines += [f"Approved for this task was: {entry.get('plan')}", *map(str, entry.get("lines") or ())]
        if not self._texts:
            lines.append("The text of no approved plan of this task is known.")
        return "\n".join(lines) + "\n"

    def artifacts(self):
        """What the result of check mode hands to the next job of a workflow, as ``ansible_stats``."""
        entries = [
            {"plan": self.plan, HOST: self._context["host"], TASK: self._task, "vm": name, "lines": lines}
            for name, lines in self._shown
        ]
        if len(json.dumps(entries)) > _LONGEST:
            self.warnings.append(
                f"The plan of this task cannot be approved: its text is longer than {_LONGEST // 1024} kB. Divide the"
                " task."
            )
            entries = []
        approved = [{"plan": self.plan, WORKFLOW: self._workflow}] if entries else []
        return {"data": {VARIABLE: approved, TEXTS: entries}, "per_host": False, "aggregate": True}


def explicit(arguments):
    """Return the arguments of a task in which an expected plan that is null is an empty text, as no plan has.

    That the task expects a plan is a fact about the task, whatever its variables are.
    """
    is_null = EXPECTED in arguments and arguments[EXPECTED] is None
    return {**arguments, EXPECTED: ""} if is_null else arguments


def connections(params, options):
    """Yield the options of a task and its ``machines`` that select the host of the VMs, without secrets."""
    names = [name for name, one in options.items() if one.role == CONNECTION and not (one.secret or one.hidden)]
    tasks = [params, *(one for one in params.get("machines") or () if isinstance(one, dict))]
    given = [
        {name: without_credentials(str(one[name])) for name in names if one.get(name) is not None} for one in tasks
    ]
    yield from (one for place, one in enumerate(given) if one not in given[:place])


def texts_of(value, given):
    """Return only the texts of the plans of this task on this host; all texts together may be too long to show."""
    entries = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return [one for one in entries if all(one.get(key) == given.get(key) for key in (HOST, TASK))]


def _entries(value):
    """Return [(digest, workflow or None)] of the variable."""
    if not isinstance(value, list):
        raise InvalidInput(
            f"{VARIABLE}: it is {'not set' if value is None else 'no list'}.",
            "Set a list of digests; an empty list permits no change. Nothing was changed.",
        )
    return [_entry(one) for one in value]


def _entry(value):
    if isinstance(value, str):
        return value, None
    if isinstance(value, dict) and isinstance(value.get("plan"), str) and set(value) <= {"plan", WORKFLOW}:
        return value["plan"], value.get(WORKFLOW)
    raise InvalidInput(
        f"{VARIABLE}: an entry is neither a digest nor {{plan: ..., workflow: ...}}.", "Nothing was changed."
    )
