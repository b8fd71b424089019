# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wsl_host_settings on a simulated Windows host: features, version, defaults and .wslconfig."""

from __future__ import annotations

import pytest

from platforms.windows.failures import Failed, interruptions
from platforms.windows.machine import Machine
from platforms.windows.tasks import run_module
from platforms.wsl.host_setup import SetupHost
from suite.belts import share

FILE = "C:\\Users\\admin\\.wslconfig"
FOREIGN = b"# mine\r\n[WSL2]\r\n  Memory =  4GB   # half\r\nkernelCommandLine=quiet \xff\r\n\r\n[unknown]\r\nx=1"
SETTINGS = {
    "minimum_version": "2.4.4",
    "default_version": 1,
    "config": {"wsl2": {"memory": "8GB", "guiApplications": False}, "general": {"instanceIdleTimeout": -1}},
    "shutdown": True,
}
KEYS = ["features", "config", "reboot", "version", "default_version"]
HOSTS = [("inbox", "en-US"), ("2.3.26", "de-DE"), ("2.6.3", "fr-FR")]
#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 8


def machine(flavour="inbox", culture="en-US", enabled=False, content=FOREIGN):
    started = Machine(SetupHost(flavour, culture, enabled))
    if content is not None:
        started.host.files.put(FILE, content)
    return started


def apply(host, check=False, **options):
    return run_module(host, "wsl_host_settings", check, **options)


def look(host):
    """All values that the module can change."""
    double = host.host
    running = {one.name: one.running for one in double.distros.values()}
    return dict(double.features), double.flavour, double.default_version, double.files.file(FILE), running


def config(**sections):
    return {"config": sections}


@pytest.mark.parametrize(("flavour", "culture"), HOSTS)
def test_bare_host_with_permission_to_reboot(flavour, culture):
    host = machine(flavour, culture)
    before = look(host)
    predicted = apply(host, check=True, reboot=True, **SETTINGS)
    assert look(host) == before
    done = apply(host, reboot=True, **SETTINGS)
    assert not done["failed"], done["msg"]
    assert (done["changed"], done["diff"]) == (predicted["changed"], predicted["diff"])
    assert list(done["diff"]["after"]) == [key for key in KEYS if key != "version" or flavour != "2.6.3"]
    for result in (done, predicted):
        assert (result["reboot_required"], result["rebooted"], result["shutdown_required"]) == (False, True, False)
    assert (done["host"]["version"], done["host"]["default_version"], host.restarts) == ("2.6.3", 1, 1)
    assert done["diff"]["before"]["config"] == {
        "wsl2.memory": "4GB",
        "wsl2.guiApplications": None,
        "general.instanceIdleTimeout": None,
    }
    after, requests = look(host), len(host.host.windows.requests)
    assert apply(host, reboot=True, **SETTINGS)["changed"] is False
    assert (look(host), len(host.host.windows.requests)) == (after, requests + 2)


def test_foreign_bytes_of_the_file_remain():
    host = machine(enabled=True, flavour="2.6.3")
    apply(host, **config(wsl2={"memory": "8GB", "GUIApplications": "TRUE"}))
    expected = FOREIGN.replace(b"4GB", b"8GB").replace(b"[WSL2]\r\n", b"[WSL2]\r\nguiApplications=true\r\n")
    assert host.host.files.file(FILE) == expected
    apply(host, **config(wsl2={"memory": None, "guiApplications": None}))
    assert b"emory" not in host.host.files.file(FILE)
    assert b"kernelCommandLine=quiet \xff\r\n" in host.host.files.file(FILE)


#: .wslconfig of Windows' own editors: with a byte order mark, in both encodings that WSL reads.
MARKED = "\ufeff[wsl2]\r\nmemory=4GB # ä漢\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_file_with_a_byte_order_mark_keeps_its_encoding(encoding):
    host = machine(enabled=True, flavour="2.6.3", content=MARKED.encode(encoding))
    assert apply(host, **config(wsl2={"memory": "4GB"}))["changed"] is False
    assert apply(host, **config(wsl2={"memory": "8GB", "kernel": "ä漢"}))["changed"] is True
    assert host.host.wslconfig() == {"wsl2.memory": "8GB", "wsl2.kernel": "ä漢"}
    expected = MARKED.replace("4GB", "8GB").replace("[wsl2]\r\n", "[wsl2]\r\nkernel=ä漢\r\n")
    assert host.host.files.file(FILE) == expected.encode(encoding)


@pytest.mark.parametrize(
    "content",
    [MARKED.encode("utf-16-be"), MARKED[1:].encode("utf-16-le"), MARKED.encode("utf-16-le") + b"\n"],
    ids=["UTF-16BE", "UTF-16 without a mark", "half a character"],
)
def test_file_in_an_encoding_that_wsl_does_not_read_is_never_changed(content):
    host = machine(enabled=True, flavour="2.6.3", content=content)
    for check in (True, False):
        done = apply(host, check=check, **config(wsl2={"memory": "8GB"}))
        assert (done["failed"], done.get("changed", False)) == (True, False)
        assert "config: .wslconfig" in done["msg"]
        assert "UTF-8" in done["msg"]
    assert host.host.files.file(FILE) == content
    assert apply(host)["changed"] is False


def test_sizes_are_compared_as_sizes():
    """Source of the forms: StringTests of microsoft/WSL."""
    host = machine(enabled=True)
    assert apply(host, **config(wsl2={"memory": "8192MB", "swap": 0}))["changed"]
    for same in ("8GB", "8G", "8192M", 8 << 30, "8388608KB"):
        assert not apply(host, **config(wsl2={"memory": same, "swap": "0"}))["changed"], same
    assert apply(host, **config(wsl2={"memory": "9GB"}))["changed"]


@pytest.mark.parametrize("value", ["C:\\Users\\ä 漢\\kernel # 1", '"quoted"', " blanks "])
def test_values_with_special_characters_are_read_as_they_were_written(value):
    host = machine(enabled=True, flavour="2.6.3", content=None)
    assert apply(host, **config(wsl2={"kernel": value}))["changed"] is True
    assert apply(host, **config(wsl2={"kernel": value}))["changed"] is False


def test_without_permission_the_rest_waits_for_a_restart():
    host = machine()
    predicted, done = apply(host, check=True, **SETTINGS), apply(host, **SETTINGS)
    assert done["diff"] == predicted["diff"]
    for result in (predicted, done):
        assert (list(result["diff"]["after"]), result["pending"]) == (KEYS[:2], KEYS[3:])
        assert (result["reboot_required"], result["rebooted"]) == (True, False)
    host.host.restart()
    assert list(apply(host, **SETTINGS)["diff"]["after"]) == KEYS[3:]


def test_distributions_are_stopped_only_with_permission_and_only_for_a_change():
    host = machine(enabled=True, flavour="2.6.3")
    host.host.add("Debian", running=True)
    done = apply(host, **config(wsl2={"processors": 2}))
    assert (done["shutdown_required"], host.host.find("Debian").running) == (True, True)
    assert apply(host, shutdown=True, **config(wsl2={"processors": 2}))["changed"] is False
    assert host.host.find("Debian").running
    done = apply(host, shutdown=True, **config(wsl2={"processors": 4}))
    assert (done["shutdown_required"], host.host.find("Debian").running) == (False, False)


def test_nothing_given_enables_the_features_alone():
    host = machine(enabled=True)
    assert apply(host)["changed"] is False
    assert list(apply(machine())["diff"]["after"]) == ["features"]


def test_package_without_the_feature_of_wsl_1_may_run_distributions():
    host = machine(enabled=True, flavour="2.6.3")
    host.host.features["Microsoft-Windows-Subsystem-Linux"] = "Disabled"
    host.host.add("Debian", running=True)
    done = apply(host, shutdown=True, **config(wsl2={"processors": 2}))
    assert (list(done["diff"]["after"]), done["reboot_required"]) == (["features", "shutdown", "config"], True)
    assert not host.host.find("Debian").running


def _offline(double):
    double.is_offline = True


def _no_updates(double):
    double.has_updates = False


def _old(double):
    double.latest = "2.3.26"


def _system(double):
    double.windows.about["local_system"] = True


def _no_feature(double):
    del double.features["VirtualMachinePlatform"]


def _nothing(_double):
    """Leave the host unchanged."""


@pytest.mark.parametrize(
    ("prepare", "options", "message"),
    [
        (_offline, {"minimum_version": "2.4"}, "version: wsl.exe --update --web-download failed with exit code -1: "),
        (_no_updates, {"minimum_version": "2.4"}, "needs the updates of Windows: install them, or the package of WSL"),
        (_old, {"minimum_version": "2.4.4"}, "version: the host accepted the change, but has not made it."),
        (_system, {}, "WSL does not work for the user SYSTEM. Connect as the user who owns the distributions."),
        (_no_feature, {}, "This release of Windows has no feature VirtualMachinePlatform."),
        (_nothing, {"minimum_version": "new"}, "minimum_version: new is not a version such as 2.4.4."),
        (_nothing, config(wsl2={"memroy": 1}), "config.wsl2.memroy: WSL has no such setting. Did you mean memory?"),
        (_nothing, config(general={"memory": 1}), "config.general.memory: WSL has no such setting. It belongs to w"),
        (_nothing, config(wsl2={"memory": [1]}), "config.wsl2.memory: must be text, a number, true, false, or null"),
        (_nothing, config(wsl2={"memory": "1\n[x]"}), "config.wsl2.memory: must be text"),
        (_nothing, config(wsl2={"memory": "8 bananas"}), "config.wsl2.memory: '8 bananas' is not a size."),
        (_nothing, config(wsl2={"SWAP": "1 GB"}), "config.wsl2.swap: '1 GB' is not a size."),
    ],
)  # fmt: skip
def test_refusals(prepare, options, message):
    host = machine(enabled=True, culture="de-DE")
    prepare(host.host)
    before = look(host)
    done = apply(host, **options)
    assert done["failed"]
    assert message in done["msg"]
    assert done.get("changed", False) == (look(host) != before)


FAULTS = interruptions(Failed("InvalidOperation,x", "InvalidOperation", "Fehlgeschlagen"))


@pytest.mark.parametrize("fault", FAULTS)
def test_interrupted_at_any_call_converges(request, fault):
    undisturbed = machine()
    undisturbed.host.add("Debian", running=True)
    assert not apply(undisturbed, reboot=True, **SETTINGS)["failed"]
    expected, calls = look(undisturbed), undisturbed.faults.calls
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = machine()
        host.host.add("Debian", running=True)
        host.faults.plan(call=place, **FAULTS[fault])
        done = apply(host, reboot=True, **SETTINGS)
        if done["failed"]:
            again = apply(host, reboot=True, **SETTINGS)
            assert not again["failed"], (place, done["msg"], again["msg"])
        assert look(host) == expected, place
        assert apply(host, reboot=True, **SETTINGS)["changed"] is False, place
