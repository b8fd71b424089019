# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of info modules, with a fake driver."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import (
    InvalidInput,
    NotFound,
    Refused,
    Unavailable,
    Unsupported,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Field, Observation, Snapshot, Traits, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.platform import Platform
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.console import ConsoleLog
from ansible_collections.polyvirt.core.plugins.module_utils._engine.inspect import report_snapshots, report_vms
from ansible_collections.polyvirt.core.plugins.module_utils._front import declaration, info
from ansible_collections.polyvirt.core.plugins.modules import virsh_vm

WEB = Vm("web", id="u-web", config={"cpus": 2}, snapshots=(Snapshot("s", config={"cpus": 1}),))
CHANGE = {"change": "changed", "path": "/etc/shadow", "before": {}, "after": None, "text": "+secret"}
FROM = {"from": "s", "to": None, "content": False, "text": False}


class FakeDriver:
    """A driver that returns ``vms``; ``facets`` are the requested ones."""

    def __init__(self, *vms, fields=("snapshot.content",), error=None, warnings=()):
        self.vms, self.fields, self.error, self.warnings = vms, fields, error, warnings
        self.compared = []

    def traits(self):
        if self.error:
            raise self.error
        return Traits("memory", version="1", fields={name: Field() for name in self.fields})

    def observe(self, targets, facets):
        self.targets, self.facets = targets, facets
        return Observation(vms=self.vms, known=("web", "db"), warnings=self.warnings)

    def compare_content(self, vm, before, after):
        self.compared.append((vm.name, before.name, after and after.name))
        return [dict(CHANGE)]


def report_comparison(driver, name=("web",), **compare):
    asked = {**FROM, **compare} if compare or name == ("web",) else None
    return report_snapshots(driver, {"name": name and list(name), "id": None, "compare": asked}, "memory")


def test_snapshots_and_leftovers_of_all_vms():
    driver = FakeDriver(WEB, Vm("db", id="u-db"))
    result = report_comparison(driver, name=None)
    nothing = {"id": None, "parent": None, "description": "", "kind": "", "created": None}
    nothing |= {"current": False, "unfinished": "", "expires": None}
    tree = [{"name": "s", "state": "stopped", **nothing}]
    assert result["vms"] == [
        {"name": "web", "id": "u-web", "snapshots": tree, "leftovers": []},
        {"name": "db", "id": "u-db", "snapshots": [], "leftovers": []},
    ]
    assert (result["host"]["available"], driver.targets) == (True, None)
    assert driver.facets == {"power", "config", "snapshots"}
    driver.leftovers = lambda vm: {"web": (("/d", "left"),), "db": None}[vm.name]
    result = report_comparison(driver, name=None)
    assert [vm["leftovers"] for vm in result["vms"]] == [[{"file": "/d", "snapshot": "left"}], None]


@pytest.mark.parametrize(("version", "says"), [("1", "memory 1 answers."), ("", "memory is installed.")])
def test_unknown_version_is_null(version, says):
    driver = FakeDriver(WEB)
    driver.traits = lambda: Traits("memory", version=version)
    host = report_comparison(driver, name=None)["host"]
    assert (host["version"], host["message"], host["available"]) == (version or None, says, True)


def test_only_settings_are_compared_without_content():
    driver = FakeDriver(WEB)
    result = report_comparison(driver)["vms"][0]
    assert result["differences"] == [{"path": "cpus", "before": 1, "after": 2}]
    assert ("content" in result, driver.compared) == (False, [])
    assert "snapshot_configs" in driver.facets


def test_text_of_files_is_returned_only_on_request():
    """A file may contain a secret."""
    driver = FakeDriver(WEB)
    content = report_comparison(driver, content=True)["vms"][0]["content"]
    assert content == [{key: value for key, value in CHANGE.items() if key != "text"}]
    assert report_comparison(driver, content=True, text=True)["vms"][0]["content"] == [CHANGE]
    assert driver.compared == [("web", "s", None)] * 2


@pytest.mark.parametrize(
    ("driver", "error", "said"),
    [
        (FakeDriver(), NotFound, "web: the VM does not exist. Existing VMs: db, web."),
        (FakeDriver(WEB, WEB.having(id="u-2")), Refused, "web: 2 VMs have this name. Set id to one of u-2, u-web."),
        (FakeDriver(Vm("web", id="u")), NotFound, "web: it has no snapshot 's'. Its snapshots: none."),
    ],
)
def test_invalid_comparisons(driver, error, said):
    with pytest.raises(error) as caught:
        report_comparison(driver)
    assert str(caught.value) == said


def test_platform_that_cannot_compare_files_on_disks():
    driver = FakeDriver(WEB, fields=())
    with pytest.raises(Unsupported, match="memory cannot compare the files"):
        report_comparison(driver, content=True)
    assert driver.compared == []


def test_invalid_options_are_found_before_any_observation():
    driver = FakeDriver(error=AssertionError("looked"))
    with pytest.raises(InvalidInput, match="with itself"):
        report_comparison(driver, to="s")


def test_host_without_the_platform_is_reported():
    gone = Unavailable("No such tool.", why="missing")
    result = report_comparison(FakeDriver(error=gone))
    assert (result["vms"], result["host"]["why"]) == ([], "missing")


@pytest.mark.parametrize("report", [report_vms, report_snapshots])
def test_warnings_of_an_observation_are_returned_once(report):
    asked = {"name": None, "id": None, "compare": None}
    assert report(FakeDriver(WEB, warnings=("node b is away", "node b is away")), asked, "memory")["warnings"] == [
        "node b is away"
    ]


@pytest.mark.parametrize("report", [report_vms, report_snapshots])
@pytest.mark.parametrize("required", [None, False, True])
def test_platform_that_does_not_answer(report, required):
    gone = Unavailable("No such tool.", "missing", "Install it.")
    asked = {"name": None, "id": None, "compare": None, "required": required}
    if required:
        with pytest.raises(Unavailable, match=r"^memory does not answer: No such tool\. Install it\.$"):
            report(FakeDriver(error=gone), asked, "memory")
        return
    result = report(FakeDriver(error=gone), asked, "memory")
    warning = "memory does not answer, so its VMs are not listed: No such tool. Install it. Set required: true"
    assert [one[: len(warning)] for one in result["warnings"]] == ([] if required is False else [warning])
    assert (result["host"]["configured"], result["host"]["message"]) == (False, "No such tool. Install it.")


@pytest.mark.parametrize("required", [None, False, True])
def test_platform_that_answers_is_no_warning(required):
    asked = {"name": None, "id": None, "compare": None, "required": required}
    assert report_vms(FakeDriver(), asked, "memory")["warnings"] == []


def test_warnings_are_passed_to_ansible():
    class Exited(Exception):
        """The result with which the module exits."""

    class Module:
        def __init__(self, argument_spec, supports_check_mode):
            self.params, self.given, self.warnings, self.no_log_values, self.check_mode = {}, {}, [], set(), False

        def warn(self, warning):
            self.warnings.append(warning)

        def exit_json(self, **result):
            raise Exited(self.warnings, result)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Exited) as result:
        patch.setattr(declaration, "AnsibleModule", Module)
        driver = FakeDriver(WEB, warnings=("node b is away",))
        declaration.run_module(info.info_module(Platform("fake"), {}, lambda params: driver, {}))
    warnings, result = result.value.args
    assert (warnings, sorted(result)) == (["node b is away"], ["changed", "host", "invocation", "vms"])


@pytest.mark.parametrize("report", [report_vms, report_snapshots])
def test_name_must_match_the_id(report):
    asked = {"name": ["web"], "id": "u-web", "compare": None}
    assert [vm["name"] for vm in report(FakeDriver(WEB), asked, "memory")["vms"]] == ["web"]
    assert report(FakeDriver(), asked, "memory")["vms"] == []
    with pytest.raises(Refused, match="db: the VM with ID u-web is named 'web'"):
        report(FakeDriver(WEB), {**asked, "name": ["db"]}, "memory")
    with pytest.raises(InvalidInput, match="id: 'u-web' is one VM, but 2 names are set"):
        report(FakeDriver(error=AssertionError("looked")), {**asked, "name": ["web", "db"]}, "memory")


_POWER = {"power", "unfinished"}
_ALL = {"config", "addresses", "snapshots"}


@pytest.mark.parametrize(
    ("facets", "filters", "read"),
    [
        (["power"], None, _POWER),
        (["config"], None, _POWER | {"config"}),
        (None, None, _POWER | _ALL),
        (["list"], None, {"list"}),
        (["list"], {"state": ["running"], "tags": None, "fleet": None, "owned": None}, {"list"}),
        (["list", "addresses"], None, _POWER | {"addresses"}),
        (["list"], {"tags": ["a"]}, _POWER | {"config"}),
        (["power"], {"owned": False}, _POWER | {"config"}),
    ],
)
def test_only_requested_facets_are_read(facets, filters, read):
    driver = FakeDriver(WEB)
    report_vms(driver, {"name": None, "id": None, "facets": facets, "filters": filters}, "memory")
    assert driver.facets == read


OURS = WEB.having(mark={"id": "u-web"}, config={"tags": ("a", "b"), "fleet": "front"}, power="running")
COPY = OURS.having(name="copy", id="u-copy")
DESCRIBED = OURS.having(name="described", id=None, power="absent")


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (None, ["web", "copy", "described"]),
        ({"state": ["running"]}, ["web", "copy"]),
        ({"state": ["stopped", "absent"]}, ["described"]),
        ({"state": []}, []),
        ({"tags": ["b", "a"]}, ["web", "copy", "described"]),
        ({"tags": ["a", "c"]}, []),
        ({"fleet": "front"}, ["web", "described"]),
        ({"fleet": "other"}, []),
        ({"owned": True}, ["web"]),
        ({"owned": False, "state": ["running"]}, ["copy"]),
    ],
)
def test_filters(filters, names):
    """A copy of a VM has the mark of the original, so it is neither owned nor part of the fleet."""
    params = {"name": None, "id": None, "facets": None, "filters": filters}
    assert [vm["name"] for vm in report_vms(FakeDriver(OURS, COPY, DESCRIBED), params, "memory")["vms"]] == names


_CONSOLE = {"name": None, "id": None, "facets": ["power"], "filters": {"state": ["stopped"]}}


def test_console_is_returned_on_request():
    driver = FakeDriver(WEB, OURS)
    driver.consoles = lambda vms: [ConsoleLog("/log", b"1\n2\n3\n") for _vm in vms]
    (vm,) = report_vms(driver, {**_CONSOLE, "console": 2}, "memory")["vms"]
    assert vm["console"] == {"lines": ["2", "3"], "file": "/log", "terminal": None, "how": None}
    assert "console" not in report_vms(driver, _CONSOLE, "memory")["vms"][0]


def test_platform_without_logs_says_how_to_get_the_console():
    driver = FakeDriver(WEB)
    driver.traits = lambda: Traits("memory", console="Connect to <name>.")
    result = report_vms(driver, {**_CONSOLE, "console": 2}, "memory")
    assert result["vms"][0]["console"] == {"lines": None, "file": None, "terminal": None, "how": "Connect to web."}
    assert result["host"]["capabilities"]["console"] == "Connect to <name>."


@pytest.mark.parametrize("lines", [0, 1001])
def test_console_of_too_many_lines(lines):
    with pytest.raises(InvalidInput, match=f"console: {lines} is out of range. Set a number from 1 to 1000"):
        report_vms(FakeDriver(WEB), {**_CONSOLE, "console": lines}, "memory")


def test_vm_that_cannot_be_described_does_not_hide_the_others():
    def fails():
        raise KeyError("loader")

    driver = FakeDriver(OURS, COPY.having(not_modelled=fails))
    params = {"name": None, "id": None, "facets": ["config"], "filters": None, "describe": True}
    first, second = report_vms(driver, params, "memory", virsh_vm.MODULE.options)["vms"]
    assert (first["task"], second["task"]) == ({"platform": "memory", "name": "web", "state": "started"}, None)
    assert "Unexpected KeyError: 'loader'" in second["not_described"][0]["reason"]
