# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call or a task can end with, in the server's own words."""

from __future__ import annotations


class ApiError(Exception):
    """A call refused: ``status``, the message (its first line is the reason phrase), and errors by parameter."""

    def __init__(self, message, status=500, errors=None):
        super().__init__(message)
        self.message = message
        self.status = status
        self.errors = errors


class ParameterError(ApiError):
    """A 400 that names the parameters."""

    def __init__(self, **errors):
        super().__init__("Parameter verification failed.", 400, errors)

    @classmethod
    def of(cls, errors):
        """For keys that are no Python names."""
        return cls(**errors)

    def __str__(self):
        details = "".join(f" {key}: {text}" for key, text in sorted(self.errors.items()))
        return f"400 Parameter verification failed.{details}"


class Forbidden(ApiError):
    """A 403: ``what`` names the path and the privilege that is missing."""

    def __init__(self, what=None):
        super().__init__("Permission check failed" + (f" ({what})" if what else ""), 403)


class LockTimeout(ApiError):
    """A lock file was somebody else's for too long."""


class Unauthorized(ApiError):
    """A 401 of the stage before any method: it has no body."""

    def __init__(self, reason):
        super().__init__(reason, 401)


class Dropped(Exception):
    """The connection ends without an answer."""
