# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Approved plans with images of the host: a file that is replaced is another one, and nothing is written."""

from __future__ import annotations

from platforms.wsl.double.distro import FILES, packed
from platforms.wsl.tasks import NEW, TAR, host_with_image, run, run_ok, run_rejected


def test_image_that_was_replaced_is_not_used():
    host = host_with_image()
    plan = run(host, check=True, **NEW)["plan"]
    assert plan and plan == run(host, check=True, **NEW)["plan"]
    host.files.put(TAR, packed(FILES))
    run_rejected(host, "This plan was not approved", expect_plan=plan, **NEW)
    assert run_ok(host, expect_plan=run(host, check=True, **NEW)["plan"], **NEW)["changed"]


def test_distribution_of_the_online_list_is_no_file():
    """Only its name is part of the plan."""
    host = host_with_image()
    plan = run_ok(host, check=True, **{**NEW, "image": {"source": "Debian"}})["plan"]
    assert plan
    host.files.put(TAR, packed(FILES))
    assert run_ok(host, expect_plan=plan, **{**NEW, "image": {"source": "Debian"}})["changed"]
