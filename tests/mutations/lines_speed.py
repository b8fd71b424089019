# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations: work for many VMs that is done again for each, and what an index may lose."""

from __future__ import annotations

from .mutation import Mutation

_MASKING = "tests/unit/modules/test_masking.py"
_LINEAR = "tests/unit/module_utils/_engine/test_linear.py"

MUTATIONS = (
    Mutation(
        "quoted-secret-is-shown",
        "_front",
        "{secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}",
        "{secret}",
        [_MASKING],
    ),
    Mutation(
        "secrets-are-prepared-for-each-text",
        "_front",
        "{key: self.masked(part) for key, part in value.items()}",
        "{key: masked(part, self._secrets) for key, part in value.items()}",
        [_LINEAR],
    ),
    Mutation(
        "vms-are-indexed-for-each-name",
        "_engine",
        "_selected(work.target, by_key)",
        "_selected(work.target, _by_key(observation.vms))",
        [_LINEAR],
    ),
    Mutation(
        "lower-snapshots-are-lost",
        "_core",
        "waiting += _oldest_last(_)",
        "waiting += []",
        [_LINEAR],
    ),
)
