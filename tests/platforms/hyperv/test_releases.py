# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each call of each option has only parameters of the oldest release that docs/hyperv.md names, or asks the host first.

The oldest one is Windows Server 2016 (build 14393). That all later ones have what it has is assumed, see releases.py.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers import hyperv
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.settings.native import NATIVE

from platforms.hyperv import platform as adapter
from platforms.hyperv.double.calls import COMMANDS
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Switch
from platforms.hyperv.double.releases import ADDED, SERVER_2016, SERVER_2022, as_of
from platforms.hyperv.tasks import done, run
from suite.scenarios.options import has, settings

#: What Server 2016 does not have.
LACKING = {"automatic_checkpoints": True, "secure_boot_template": "shielded"}
LACKING_NATIVE = {
    "VM.BatteryPassthroughEnabled": False,
    "VM.EnhancedSessionTransportType": "HvSocket",
    "Processor.HwThreadCountPerCore": 0,
}
NEW = {"name": ["web"], "memory": "1G", "disks": [{"size": "8G"}]}
CONSENT = {"allow_restart": True, "stop_mode": "force"}


def host_of(build, **more):
    host = HyperV(build=build, **more)
    host.switches.append(Switch("lan", "Private"))
    host.files.make("C:\\media")
    host.files.put("C:\\media\\medium.iso", b"iso")
    return host


@pytest.fixture(name="host")
def _host():
    return host_of(SERVER_2016)


def _names(build):
    return {one.name: set(as_of(one, build).parameters) for one in COMMANDS if one.module == "Hyper-V"}


class TestDouble:
    def test_server_2016_lacks_parameters_and_later_ones_lack_none(self):
        old, new = _names(SERVER_2016), _names(SERVER_2022)
        lacking = {name: sorted(new[name] - old[name]) for name in new if new[name] != old[name]}
        # The recorded signatures leave out some parameters of NICs and switches.
        known = {name: sorted(new[name] & set(added)) for name, added in ADDED.items() if name in new}
        assert lacking == {name: added for name, added in known.items() if added}
        assert lacking["Set-VM"] == sorted(ADDED["Set-VM"])

    def test_commands_are_bound_by_their_release(self, host):
        host.add("web")
        result = host.windows.answer(
            '{"version": 1, "chains": [{"name": "one", "calls": [{"op": "call", "command": "Hyper-V\\\\Set-VM",'
            ' "with": {"Name": ["=web"], "AutomaticCheckpointsEnabled": false}}]}]}'
        )
        assert "NamedParameterNotFound" in result

    def test_properties_are_those_of_the_release(self):
        for build, is_there in ((SERVER_2016, False), (SERVER_2022, True)):
            host = host_of(build)
            view = host.views.vm(host.add("web"))
            assert [view.has(name) for name in ADDED["Set-VM"]] == [is_there] * 3


@pytest.mark.parametrize("client", [False, True])
@pytest.mark.parametrize("firmware", ["uefi", "bios"])
def test_vm_is_created_changed_and_described(client, firmware):
    host = host_of(SERVER_2016, client=client)
    assert run(host, check=True, **NEW, firmware=firmware)["changed"]
    result = done(host, **NEW, firmware=firmware, automatic_checkpoints=False)
    assert result["vms"][0]["settings"]["automatic_checkpoints"] is False
    assert not done(host, **NEW, firmware=firmware, automatic_checkpoints=False)["changed"]
    (described,) = done(host, "vm_info", describe=True)["vms"]
    # A new VM has 1 there; that Hyper-V reports it is assumed.
    assert described["task"]["native"] == {"Processor.HwThreadCountPerCore": 1}
    assert not run(host, check=True, **described["task"])["changed"]


def test_every_option_is_set_and_changed_or_rejected_before_the_first_change(host):
    platform = adapter.Platform()
    platform.host = host
    values = {**settings(platform), "secure_boot_template": (("windows", None), ("linux", None))}
    known = {name: one for name, one in values.items() if has(platform.traits(), name) and name != "firmware"}
    known["automatic_checkpoints"] = ((False, False), (False, False))
    done(host, **{**platform.creation, "name": ["web"], **{name: one[0][0] for name, one in known.items()}})
    for name, one in known.items():
        done(host, **CONSENT, name=["web"], **{name: one[1][0]})
    # The tests would miss an option that is not in these tables: test_options.py has that test.
    assert {"disks", "networks", "native", "integration_services", "boot_order", "cdroms", "tpm"} <= set(known)


def _value_of(native):
    if isinstance(native.kind, tuple):
        return native.kind[1]
    return {bool: True, str: "C:\\Hyper-V", int: 4}[native.kind] if isinstance(native.kind, type) else native.kind[5]


@pytest.mark.parametrize("key", [key for key in NATIVE if key not in LACKING_NATIVE])
def test_every_native_key_is_accepted(host, key):
    done(host, **NEW)
    done(host, **CONSENT, name=["web"], native={key: _value_of(NATIVE[key])})


@pytest.mark.parametrize(
    "options", [{name: one} for name, one in LACKING.items()] + [{"native": {k: v}} for k, v in LACKING_NATIVE.items()]
)
def test_what_the_release_lacks_is_rejected_before_the_first_change(options):
    old, new = host_of(SERVER_2016), host_of(SERVER_2022)
    name = next(iter(options.get("native") or options))
    for check in (True, False):
        result = run(old, check=check, **NEW, **options)
        assert result["failed"]
        assert all(word in result["msg"] for word in ("web", name, "14393")), result["msg"]
    assert old.writes() == []
    done(new, **NEW, **options)


def test_snapshots_disks_power_and_deletion(host):
    done(host, **NEW, state="started")
    done(host, **CONSENT, name=["web"], disks=[{}, {"size": "8G"}], networks=[{"type": "network", "source": "lan"}])
    done(host, "snapshot", name=["web"], snapshot="one")
    assert done(host, "snapshot_info", name=["web"])["vms"][0]["snapshots"][0]["name"] == "one"
    for state in ("paused", "started", "suspended", "started", "restarted"):
        done(host, name=["web"], state=state)
    done(host, "snapshot", name=["web"], snapshot="one", state="restored")
    done(host, "snapshot", name=["web"], snapshot="one", state="absent")
    done(host, name=["web"], state="stopped", stop_mode="force")
    done(host, name=["copy"], clone={"source": "web"})
    done(host, name=["web", "copy"], state="absent")


def _written_parameters():
    """{(command, parameter)} of the calls in the driver's text: ``hyperv("Command", {"Parameter": ...})``."""
    folder, found = Path(hyperv.__path__[0]), set()
    others = [*(folder.parents[1] / "_tools").glob("hyperv*.py"), *(folder.parents[1] / "_hosts").rglob("windows/*.py")]
    for path in (*folder.rglob("*.py"), *others):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                tables = [one for one in call.args[1:] if isinstance(one, ast.Dict)]
                keys = [key.value for one in tables for key in one.keys if isinstance(key, ast.Constant)]
                found |= {(call.args[0].value, key) for key in keys if isinstance(key, str)}
    return found


def test_calls_in_the_text_of_the_driver_have_parameters_of_the_oldest_release():
    old, found = _names(SERVER_2016), _written_parameters()
    known = {(name, parameter) for name, parameter in found if name in old}
    assert len(known) > 40
    assert {(name, parameter) for name, parameter in known if parameter not in old[name]} == set()
