# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's validator against 172 answers of the real one."""

from __future__ import annotations

import json

import pytest

from simulators.proxmox import api, validate
from simulators.proxmox.errors import ParameterError
from simulators.proxmox.schema import Schema


@pytest.fixture(scope="module")
def checks(checkout):
    return json.loads((checkout / "tests/unit/fixtures/proxmox/9.2.6/validation.json").read_text())


def answer(schema, check):
    try:
        validate.parameters(schema, check["endpoint"], check["params"])
    except ParameterError as error:
        return error.errors
    return None


def test_every_check_is_answered_as_the_real_validator_answered_it(checks):
    schema = Schema()
    assert len(checks) == 172
    assert {number: answer(schema, check) for number, check in enumerate(checks)} == {
        number: check.get("errors") for number, check in enumerate(checks)
    }


def test_what_is_answered_is_described():
    assert set(api.METHODS) - set(Schema().endpoints) == set()
