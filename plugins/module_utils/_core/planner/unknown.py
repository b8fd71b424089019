# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What could not be read is unknown: it is neither empty nor absent, and nothing is equal to it."""

from __future__ import annotations

from ..errors import Refused
from ..model import UNKNOWN


def check_known(vm, options, traits):
    """Raise Refused for the first of ``options`` of a VM in an unknown state that was not read.

    What the platform reports in spite of its state is in ``vm.config``, and can be compared.
    """
    unread = next((option for option in options if option not in vm.config), None)
    if unread is not None:
        raise Refused(
            f"{vm.name}: {unread}: its settings are unknown ({_reason(vm)}), so nothing is compared or changed.",
            _remedy(traits),
        )


def unknown_state(vm, traits):
    """Return the error about a VM that would have to be changed."""
    return Refused(f"{vm.name}: its state is unknown ({_reason(vm)}), so nothing is changed.", _remedy(traits))


def _reason(vm):
    return vm.reason or "the platform does not report it"


def _remedy(traits):
    return traits.instead.get(UNKNOWN, "Check the VM with the platform's own tools first.")
