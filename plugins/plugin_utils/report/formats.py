# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of a report: the name of each file, and the function that writes its text. Pure, except for templates."""

from __future__ import annotations

import json

from .junit import junit
from .metrics import openmetrics
from .page import html

HTML, JSON, JUNIT, OPENMETRICS = "html", "json", "junit", "openmetrics"


def as_json(report):
    """The text of the file; docs/report.md describes it."""
    return f"{json.dumps(report, indent=2, ensure_ascii=False, default=str)}\n"


#: {format: (name of the file, function from the data of the report to its text)}
FORMATS = {
    HTML: ("report.html", html),
    JSON: ("report.json", as_json),
    JUNIT: ("report.xml", junit),
    # The collector of node_exporter for text files reads only files with this end.
    OPENMETRICS: ("report.prom", openmetrics),
}


def texts(report, formats):
    """{name of the file: its text} for the names of formats."""
    return {FORMATS[name][0]: FORMATS[name][1](report) for name in formats}
