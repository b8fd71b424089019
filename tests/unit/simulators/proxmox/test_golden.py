# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator against 193 calls that the real code executed, in their order.

Storage, locks, rights and QEMU itself were replaced when they were recorded: texts, statuses, checks and the
configurations that come of them are real; times, contention and failing devices are not.
"""

from __future__ import annotations

import http.client
import json
import ssl
from urllib.parse import urlencode

import pytest

from simulators.proxmox import worlds
from simulators.proxmox.gateway import Answer
from simulators.proxmox.invariants import violations
from simulators.proxmox.server import Server
from unit.simulators.proxmox.replay import Replay


@pytest.fixture(scope="module")
def records(checkout):
    return json.loads((checkout / "tests/unit/fixtures/proxmox/9.2.6/golden.json").read_text())


#: Calls about a missing VM or ISO image, which the stubs of the recording answered in another way than the real server
#: (test_corpus.py has its answers to a stop and a clone; the others look for the VM in the same way).
STUBBED = {10, 92, 93, 94, 112}


def differences(replay, records):
    found = {number: replay.difference(record) for number, record in enumerate(records)}
    return {number: difference for number, difference in found.items() if difference and number not in STUBBED}


class Client:
    """Calls over HTTPS: root with a ticket, others with their token."""

    def __init__(self, server):
        context = ssl.create_default_context(cafile=server.authority)
        self._connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=60)
        login = {"username": "root@pam", "password": worlds.ROOT_PASSWORD}
        made = self._sent("POST", "/access/ticket", login, {}).data
        self._session = {
            "Cookie": f"PVEAuthCookie={made['ticket']}",
            "CSRFPreventionToken": made["CSRFPreventionToken"],
        }

    def call(self, method, path, params, user):
        headers = {"Authorization": f"PVEAPIToken={user.id}=secret"} if user.token else self._session
        return self._sent(method, path, params, headers)

    def close(self):
        self._connection.close()

    def _sent(self, method, path, params, headers):
        form, url = urlencode(params), f"/api2/json{path}"
        if method in ("GET", "DELETE"):
            self._connection.request(method, f"{url}?{form}", headers=headers)
        else:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            self._connection.request(method, url, form, {**headers, **kind})
        answer = self._connection.getresponse()
        body = answer.read()
        return Answer(answer.status, answer.reason, json.loads(body) if body else None)


def test_every_call_answers_and_leaves_what_the_recorded_one_did(records):
    replay = Replay()
    assert len(records) == 193
    assert differences(replay, records) == {}
    assert replay.world.tasks.crashes == []
    assert violations(replay.world) == []


def test_over_https_it_is_the_same(records):
    replay = Replay()
    with Server(replay.world) as server:
        client = Client(server)
        replay.call = client.call
        try:
            assert differences(replay, records) == {}
        finally:
            client.close()
    assert replay.world.tasks.crashes == []
