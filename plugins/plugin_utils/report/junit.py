# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as JUnit XML, which CI systems read: a test case for each VM, in a suite for each host."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from .differences import summary_of
from .model import CHANGED, DRIFT, FAILED

#: What XML 1.0 does not allow.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report):
    """The text of the file."""
    suites = _element(None, "testsuites", name=report["title"])
    for host in report["hosts"]:
        place = [host[name] for name in ("platform", "host", "node")]
        vms = [vm for vm in report["vms"] if [vm[name] for name in ("platform", "host", "node")] == place]
        suite = _suite(suites, report, ".".join(filter(None, place)))
        for vm in vms:
            _case_of_vm(suite, vm)
    if report["tasks"]:
        suite = _suite(suites, report, "tasks")
        for number, task in enumerate(report["tasks"], 1):
            case = _element(suite, "testcase", name=f"{number}. {task['task']}", classname=task["host"])
            _add_outcome(case, task, [task["message"]], [])
    for suite in suites:
        _count(suite, [suite])
    _count(suites, list(suites))
    ElementTree.indent(suites)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ElementTree.tostring(suites, encoding='unicode')}\n"


def _suite(suites, report, name):
    return _element(suites, "testsuite", name=name, timestamp=report["created"].removesuffix("Z"))


def _case_of_vm(suite, vm):
    case = _element(suite, "testcase", name=vm["name"], classname=suite.get("name"))
    _add_outcome(case, vm, vm["messages"], vm["steps"])


def _add_outcome(case, one, messages, steps):
    """Only failures and drift fail a test case."""
    lines = [summary_of(difference) for difference in one["differences"]]
    if one["status"] == FAILED:
        _add_failure(case, "error", FAILED, messages)
    elif one["status"] == DRIFT:
        _add_failure(case, "failure", DRIFT, lines or steps or messages)
    elif one["status"] == CHANGED:
        _element(case, "system-out").text = _allowed("\n".join(lines or steps or messages))


def _add_failure(case, kind, name, lines):
    """``message`` is one line, which most systems show; the text is complete."""
    text = _allowed("\n".join(lines).strip() or "no message")
    _element(case, kind, type=name, message=text.splitlines()[0]).text = text


def _count(element, suites):
    """Write the numbers of the test cases of suites into an element."""
    numbers = {
        "tests": sum(len(suite) for suite in suites),
        "failures": sum(len(suite.findall("testcase/failure")) for suite in suites),
        "errors": sum(len(suite.findall("testcase/error")) for suite in suites),
    }
    for name, number in numbers.items():
        element.set(name, str(number))


def _element(parent, tag, **attributes):
    attributes = {name: _allowed(value) for name, value in attributes.items()}
    if parent is None:
        return ElementTree.Element(tag, attributes)
    return ElementTree.SubElement(parent, tag, attributes)


def _allowed(value):
    return _FORBIDDEN.sub("", "" if value is None else str(value))
