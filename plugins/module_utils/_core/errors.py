# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions of this collection; PolyvirtError is the base class of all errors that users see. Remedies by rows.

An error names the VM, what was requested, what was found and what to do next.
Errors never contain secrets: argv never has any, and the ports keep standard input out of errors.
"""

from __future__ import annotations

import re
import traceback


class PolyvirtError(Exception):
    """Base class of all expected errors. ``remedy`` is a sentence that says what to do next."""

    def __init__(self, message, remedy=None):
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self):
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class InvalidInput(PolyvirtError):
    """An option of the task is invalid; raised before anything is observed."""


class Refused(PolyvirtError):
    """The task is valid, but cannot be carried out on this VM, or would do harm."""


class CreatedMeanwhile(Refused):
    """Another task, or a user, created a VM with the name of a new VM; that VM is left alone."""

    def __init__(self, name):
        super().__init__(
            f"{name}: another task created a VM with this name at the same time.",
            "Run the task again to apply its options to that VM.",
        )


class Unsupported(Refused):
    """The platform (or this version of it) does not support the option or the operation."""


class NotFound(PolyvirtError):
    """A VM, snapshot or other object that the task names does not exist."""


class Unavailable(PolyvirtError):
    """The platform cannot be used: ``why`` is missing, not_on_path, not_responding, too_old or wrong_system."""

    def __init__(self, message, why, remedy=None):
        super().__init__(message, remedy)
        self.why = why


class CommandFailed(PolyvirtError):
    """A command failed. ``stderr`` is its error output, ``argv`` contains no secrets."""

    def __init__(self, argv, rc, stderr, message=None, remedy=None):
        self.argv = list(argv)
        self.rc = rc
        self.stderr = stderr.strip()
        said = self.stderr or "no error message"
        message = message or f"{self.argv[0]} failed with exit code {rc}: {said}"
        is_sentence = not remedy or message.endswith((".", "?", "!"))
        super().__init__(message if is_sentence else f"{message}.", remedy)


class ApiError(PolyvirtError):
    """A server rejected an API call. ``status`` is the HTTP status."""

    def __init__(self, message, status, remedy=None):
        super().__init__(message, remedy)
        self.status = status


class Timeout(PolyvirtError):
    """A wait ended without success after ``waited`` seconds."""

    def __init__(self, message, waited, remedy=None):
        super().__init__(message, remedy)
        self.waited = waited


class PartlyApplied(PolyvirtError):
    """The steps were applied, but the VM is not as requested; the message names the remaining differences."""


class Stale(PolyvirtError):
    """The VM was changed by someone else after planning; raised before the step has changed anything."""


class Held(PolyvirtError):
    """Another task of this collection on this host is changing the VM, or attaching a file. Nothing was changed; it is
    tried again."""

    def __init__(self, name, what="changing this VM"):
        super().__init__(f"{name}: another task is {what}.", "Run the task again when it has ended, or raise timeout.")


class SomeFailed(PolyvirtError):
    """Some VMs of a batch failed; the others are complete. ``by_index``: {index of the VM in the batch: its error}.

    ``wrote``: {index: whether anything was changed} (None: not known).
    """

    def __init__(self, by_index, wrote=None):
        super().__init__(" ".join(str(error) for error in by_index.values()))
        self.by_index, self.wrote = dict(by_index), dict(wrote or {})


class Unexpected(PolyvirtError):
    """A bug of this collection. ``trace`` is for developers, and shown only at verbosity 3."""

    def __init__(self, message, trace):
        super().__init__(message)
        self.trace = trace


def unexpected(error):
    """Return any exception as an error that can be shown to users."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    message = f"Unexpected {type(error).__name__}: {error}. This is a bug in polyvirt.core; please report it."
    return Unexpected(message, trace)


def remedy_for(remedies, output):
    """Return the remedy of the first row with a text that ``output`` contains, or None.

    ``remedies`` are rows (texts, remedy). In a text, "..." stands for any characters of one line.
    """
    return next((remedy for texts, remedy in remedies if any(_is_in(text, output) for text in texts)), None)


def _is_in(text, output):
    return re.search(".*".join(map(re.escape, text.split("..."))), output) is not None
