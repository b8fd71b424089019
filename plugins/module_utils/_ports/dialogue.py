# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Use a program that reads commands from its standard input and runs until it is closed.

Its input is not on a command line, so other users of this host cannot read it.
"""

from __future__ import annotations

import os
import selectors
import time

from .._core import errors
from .command import end, start

_BLOCK = 1 << 20


class Dialogue:
    """``argv`` is the program; ``environment`` has additional variables. The first request starts it."""

    def __init__(self, argv, environment=None):
        self._argv, self._environment = list(argv), environment or {}
        self._process = None

    def ask(self, request, mark, timeout):
        """Send a request; returns (standard output, standard error), each up to ``mark``. All are bytes.

        Raises Timeout after ``timeout`` seconds, and CommandFailed if the program ended. Both end the program, because
        a late answer must not be taken for the answer to another request.
        """
        if self._process is None:
            self._process = start(self._argv, self._environment)
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                os.set_blocking(stream.fileno(), False)
        try:
            return self._exchange(request, mark, time.monotonic() + timeout, timeout)
        except BaseException:
            self.close()
            raise

    def close(self):
        """End the program if it runs."""
        process, self._process = self._process, None
        if process is not None:
            end(process)

    def _exchange(self, request, mark, deadline, timeout):
        process, left = self._process, memoryview(request)
        read = {process.stdout: bytearray(), process.stderr: bytearray()}
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdin, selectors.EVENT_WRITE)
            for stream in read:
                selector.register(stream, selectors.EVENT_READ)
            while left or any(mark not in text for text in read.values()):
                ready = selector.select(max(deadline - time.monotonic(), 0))
                if not ready:
                    raise errors.Timeout(f"{self._argv[0]} did not answer within {timeout} seconds.", timeout)
                for key, _events in ready:
                    if key.fileobj is process.stdin:
                        left = left[self._written(left, read) :]
                        if not left:
                            selector.unregister(process.stdin)
                    else:
                        self._read(key.fileobj, read)
        return tuple(bytes(read[stream]).partition(mark)[0] for stream in (process.stdout, process.stderr))

    def _written(self, data, read):
        try:
            return os.write(self._process.stdin.fileno(), data[:_BLOCK])
        except BrokenPipeError:
            raise self._ended(read) from None

    def _read(self, stream, read):
        data = os.read(stream.fileno(), _BLOCK)
        if not data:
            raise self._ended(read)
        read[stream] += data

    def _ended(self, read):
        process = self._process
        os.set_blocking(process.stderr.fileno(), True)
        output = bytes(read[process.stderr]) + process.stderr.read()
        return errors.CommandFailed(self._argv, process.wait(), output.decode("utf-8", "replace"))
