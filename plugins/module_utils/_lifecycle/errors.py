# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error a user can meet has this module's root.

An error names the VM, what was requested, what was found and what to do next.
Nothing here holds a secret: argv never carries one, and ports keep standard input out of errors.
"""

from __future__ import annotations

import traceback


class PolyvirtError(Exception):
    """Root of all expected failures. ``remedy`` is the sentence that says what to do next."""

    def __init__(self, message, remedy=None):
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self):
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class InvalidInput(PolyvirtError):
    """The task is wrong in form; found before anything was looked at."""


class Refused(PolyvirtError):
    """The task is understood, but must not be done to this VM."""


class Unsupported(Refused):
    """The platform (or this version of it) has no such thing."""


class NotFound(PolyvirtError):
    """Something the task names does not exist."""


class Unavailable(PolyvirtError):
    """The platform cannot be used: ``why`` is missing, not_on_path, not_responding, too_old or wrong_system."""

    def __init__(self, message, why, remedy=None):
        super().__init__(message, remedy)
        self.why = why


class CommandFailed(PolyvirtError):
    """A command ended badly. ``stderr`` is its own last word, ``argv`` has no secret in it."""

    def __init__(self, argv, rc, stderr, message=None, remedy=None):
        self.argv = list(argv)
        self.rc = rc
        self.stderr = stderr.strip()
        said = self.stderr or "no error message"
        super().__init__(message or f"{self.argv[0]} failed with exit code {rc}: {said}", remedy)


class ApiError(PolyvirtError):
    """A server refused a call. ``status`` is the HTTP status."""

    def __init__(self, message, status, remedy=None):
        super().__init__(message, remedy)
        self.status = status


class Timeout(PolyvirtError):
    """Something waited for did not come. ``waited`` is in seconds."""

    def __init__(self, message, waited, remedy=None):
        super().__init__(message, remedy)
        self.waited = waited


class PartlyApplied(PolyvirtError):
    """After applying, the VM is not as asked; the message names what is left."""


class Stale(PolyvirtError):
    """Somebody else changed the VM since it was planned; raised before the step has changed anything."""


class SomeFailed(PolyvirtError):
    """Of a segment of several VMs some failed: ``by_place`` has the error of each. The others are done.

    ``wrote`` says by place whether anything was changed (None: nobody knows).
    """

    def __init__(self, by_place, wrote=None):
        super().__init__(" ".join(str(error) for error in by_place.values()))
        self.by_place, self.wrote = dict(by_place), dict(wrote or {})


class Unexpected(PolyvirtError):
    """A fault of this collection. ``trace`` is for developers, and shown only at verbosity 3."""

    def __init__(self, message, trace):
        super().__init__(message)
        self.trace = trace


def unexpected(error):
    """Any exception as an error that a user can be shown."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    message = f"Unexpected {type(error).__name__}: {error}. This is a bug in polyvirt.core; please report it."
    return Unexpected(message, trace)
