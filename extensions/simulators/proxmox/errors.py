# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of calls and tasks, with the texts of the real server."""

from __future__ import annotations


class ApiError(Exception):
    """A call that fails: HTTP status, message (its first line is the reason phrase), and {parameter: error}."""

    def __init__(self, message, status=500, errors=None):
        super().__init__(message)
        self.message = message
        self.status = status
        self.errors = errors


class ParameterError(ApiError):
    """Status 400 with errors of parameters."""

    def __init__(self, **errors):
        super().__init__("Parameter verification failed.", 400, errors)

    @classmethod
    def of(cls, errors):
        """The same for parameters that are not Python identifiers."""
        return cls(**errors)

    def __str__(self):
        details = "".join(f" {key}: {text}" for key, text in sorted(self.errors.items()))
        return f"400 Parameter verification failed.{details}"


class Forbidden(ApiError):
    """Status 403: ``what`` contains the path and the missing privilege."""

    def __init__(self, what=None):
        super().__init__("Permission check failed" + (f" ({what})" if what else ""), 403)

    def __str__(self):
        """As in the end of a task, or within another error."""
        return f"403 {self.message}"


class LockTimeout(ApiError):
    """Somebody else holds a lock file for too long."""


class Unauthorized(ApiError):
    """Status 401, without a body; it is returned before a method is chosen."""

    def __init__(self, reason):
        super().__init__(reason, 401)


class Dropped(Exception):
    """The connection is closed without an answer."""


class AgentError(Exception):
    """An error as the agent of a guest returns it."""

    def __init__(self, text, kind="GenericError"):
        super().__init__(text)
        self.kind = kind
