# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``report``: results of earlier tasks in, files on the controller out."""

from __future__ import annotations

from ...module_utils._core.errors import InvalidInput, Refused
from ..outcomes.reader import now, started_by
from ..tasks.approvals import CHECK_ONLY
from ..tasks.controller_action import ControllerAction
from . import files
from .formats import texts
from .model import build, in_utc
from .results import records_of_registered


class Report(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        # A report is no change: a job that only checks writes it, too.
        result = super().run(tmp, {name: value for name, value in (task_vars or {}).items() if name != CHECK_ONLY})
        # They would be in the output a second time, and can be long.
        result["invocation"]["module_args"].pop("results", None)
        return result

    def _answer(self, options, check):
        options = {**options, "time": _time(options["time"])}
        report = build(self._records(options, check), self._about(options))
        written = texts(report, options["formats"])
        try:
            former = files.read(options["folder"], written)
            changed = [name for name, text in written.items() if former[name] != text]
            if not check:
                files.write(options["folder"], {name: written[name] for name in changed})
        except OSError as error:
            raise Refused(f"The report cannot be written: {error}.", "Set folder to a writable directory.") from error
        return {
            "changed": bool(changed),
            "files": [f"{options['folder']}/{name}" for name in written],
            "summary": report["summary"],
            "diff": [_difference(name, former[name], written[name]) for name in changed] if self._task.diff else [],
            "warnings": [],
        }

    def _records(self, options, check):
        context = {
            **{"time": options["time"], "playbook": None, "play": None, "task": None, "module": "vm"},
            **{"platform": None, "is_ignored": False},
            **started_by(self._task_vars),
            "check": check if options["check"] is None else options["check"],
        }
        records = []
        for place, one in enumerate(options["results"]):
            if not isinstance(one["result"], dict):
                raise InvalidInput(
                    f"results[{place}].result is not a result.", "Set it to a variable that a task has registered."
                )
            host = one["host"] or self._task_vars.get("inventory_hostname", "localhost")
            records += records_of_registered(host, one["result"], {**context, "task": one["task"]})
        return records

    def _about(self, options):
        return {
            **{"title": options["title"], "created": options["time"], "playbook": options["playbook"]},
            **started_by(self._task_vars),
        }


def _time(given):
    time = in_utc(given or now())
    if time is None:
        raise InvalidInput(f"time: {given} is not a time with a zone.", "Set it as in 2026-11-25T20:40:00Z.")
    return time


def _difference(name, before, after):
    return {"before_header": name, "after_header": name, "before": before or "", "after": after}
