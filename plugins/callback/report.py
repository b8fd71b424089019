# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: report
type: notification
short_description: Write a report about the VMs of a run
version_added: 1.0.0
description:
  - At the end of a playbook, writes a report about all VMs that tasks of this collection named - their state, what was
    changed, or would be changed in check mode, and errors.
  - With C(ansible-playbook --check), it is a drift report - it shows how the VMs differ from their tasks.
  - The exit code of the playbook is not changed. If the report cannot be written, a warning says so.
  - In AWX, where a pattern cannot enable callback plugins, use M(polyvirt.core.report).
  - docs/report.md describes the formats.
author:
  - polyvirt contributors (@polyvirt)
requirements:
  - enable in configuration, C(callbacks_enabled = polyvirt.core.report)
options:
  folder:
    description:
      - Directory on the controller for the files. It is created if it does not exist. A relative path is relative to
        the current directory.
    type: str
    default: polyvirt-report
    env:
      - name: POLYVIRT_REPORT_FOLDER
    ini:
      - section: polyvirt_report
        key: folder
  formats:
    description:
      - Formats of the report. V(html) is the page C(report.html), V(json) is C(report.json), V(junit) is JUnit XML in
        C(report.xml), V(openmetrics) is OpenMetrics text in C(report.prom).
    type: list
    elements: str
    default: [html, json]
    env:
      - name: POLYVIRT_REPORT_FORMATS
    ini:
      - section: polyvirt_report
        key: formats
  title:
    description: Title of the report.
    type: str
    default: Virtual machines
    env:
      - name: POLYVIRT_REPORT_TITLE
    ini:
      - section: polyvirt_report
        key: title
"""

from ..plugin_utils.outcomes.reader import OutcomeCallback, now
from ..plugin_utils.report import files
from ..plugin_utils.report.formats import FORMATS, HTML, JSON, texts
from ..plugin_utils.report.model import build

#: An empty variable of the environment is not set.
_DEFAULTS = {"folder": "polyvirt-report", "formats": [HTML, JSON], "title": "Virtual machines"}


class CallbackModule(OutcomeCallback):
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "polyvirt.core.report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._records = []

    def take(self, records):
        self._records += records

    def v2_playbook_on_stats(self, stats):
        super().v2_playbook_on_stats(stats)
        folder, formats, title = (self._option(name) for name in _DEFAULTS)
        unknown = sorted({*formats} - {*FORMATS})
        if unknown:
            known = ", ".join(FORMATS)
            self._display.warning(f"polyvirt.core.report: formats: {', '.join(unknown)} is not one of {known}.")
        formats = [one for one in formats if one not in unknown]
        try:
            report = build(self._records, {"title": title, "created": now()})
            files.write(folder, texts(report, formats))
        except Exception as error:  # Whatever happens: a report must not end the run.
            self._display.warning(f"polyvirt.core.report: the report in {folder} was not written: {error}")
        else:
            self._display.display(f"Report about {report['summary']['vms']} VMs: {folder}")

    def _option(self, name):
        found = self.get_option(name)
        found = [one for one in found if one] if isinstance(found, list) else found
        return found or _DEFAULTS[name]
