# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``vagrant_instance_info`` reports which VMs are healthy: those that run and answer by SSH."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.options import VAGRANT
from ansible_collections.polyvirt.core.plugins.module_utils._front import info

#: {port of the host: what answers there}.
BANNERS = {22: "SSH-2.0-OpenSSH_9.2", 2222: None}


@pytest.mark.parametrize(
    ("state", "ssh", "healthy"),
    [
        ("running", {"host": "10.0.0.5", "port": 22}, True),
        ("running", {"host": "10.0.0.5", "port": 2222}, False),
        ("running", None, False),
        ("stopped", {"host": "10.0.0.5", "port": 22}, False),
        ("unknown", None, False),
    ],
)
def test_vm_that_runs_and_answers_is_healthy(monkeypatch, state, ssh, healthy):
    vm = {"name": "web", "state": state, "ssh": ssh}
    monkeypatch.setattr(info, "report_vms", lambda *_arguments: {"host": {}, "vms": [vm]})
    monkeypatch.setattr(info, "ssh_banner", lambda _host, port: BANNERS[port])
    module = info.info_module(VAGRANT, {}, lambda _params: None, with_health=True)
    assert module.answer({}, False)["vms"] == [{**vm, "healthy": healthy}]
