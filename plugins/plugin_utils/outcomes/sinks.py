# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where events are written: a file that several jobs share, and syslog."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import suppress

from .events import line_of, short_line_of

_MODE = 0o640
#: Attempts to lock the file, and seconds between two.
_ATTEMPTS, _PAUSE = 100, 0.01
_APP = "polyvirt.core"
_PORT = 514
#: Sockets of the local syslog: Linux and BSD, macOS.
_LOCAL = ("/dev/log", "/var/run/syslog")
#: Numbers of the protocol (RFC 5424): the facility "user-level messages", and the severities.
_FACILITY = 1
_SEVERITIES = {"info": 6, "warning": 4, "error": 3}


class Delivery:
    """Writes events to a sink, in order. What cannot be written now is written later, if that becomes possible.

    ``warn(text)`` is called once, whatever else fails.
    """

    def __init__(self, sink, warn):
        self._sink, self._warn = sink, warn
        self._waiting = []

    def write(self, events):
        self._waiting += events
        while self._waiting:
            try:
                self._sink.write(self._waiting[0])
            except OSError as error:
                self._warn_once(f"{self._sink.name}: events cannot be written: {error.strerror or error}.")
                return
            del self._waiting[0]

    def try_to_write(self, event):
        """Write an event that nobody misses; also in another process than the others."""
        with suppress(OSError):
            self._sink.write(event)

    def close(self):
        """Write what could not be written until now, if that is possible."""
        self.write([])
        self._sink.close()

    def _warn_once(self, text):
        if self._warn is not None:
            self._warn(text)
            self._warn = None


class EventFile:
    """A file to which several processes may append lines at the same time. Raises OSError."""

    def __init__(self, path):
        self.name = os.path.abspath(os.path.expanduser(path))

    def write(self, event):
        # It is opened for each event, so the file can be rotated at any time.
        descriptor = self._opened()
        try:
            _lock(descriptor)
            line = f"{line_of(event)}\n".encode()
            content = b"\n" + line if _is_partial(descriptor) else line
            # One call for each line: no line of another process gets into it.
            if os.write(descriptor, content) != len(content):
                raise OSError("only a part of the line was written")
        finally:
            os.close(descriptor)

    def close(self):
        """Nothing is open between two events."""

    def _opened(self):
        # A named pipe that nobody reads must not stop the play.
        flags = os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        try:
            return os.open(self.name, os.O_RDWR | flags, _MODE)
        except PermissionError:
            # It may be permitted to append to a file, but not to read it.
            return os.open(self.name, os.O_WRONLY | flags, _MODE)


def _lock(descriptor):
    """Lock the file until it is closed: while another process writes, the last line looks as if it had no end.

    A process that was stopped with the lock does not stop the others.
    """
    for _attempt in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError:
            return  # The file system has no locks.
        else:
            return


def _is_partial(descriptor):
    """Return whether the last line of the file has no end, because its process was killed or the disk was full."""
    size = os.fstat(descriptor).st_size
    try:
        return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    except OSError:
        return False


class Syslog:
    """``place`` is "local", or a host with an optional port, to which events are sent by UDP. Raises OSError."""

    def __init__(self, place, local=_LOCAL, look_up=socket.getaddrinfo):
        self.name = f"syslog ({place})"
        self.address = None if place == "local" else _address(place)
        self._local, self._look_up = local, look_up
        self._socket, self._target, self._failure = None, None, None

    def write(self, event):
        if self._failure is not None:
            raise self._failure
        if self._socket is None:
            self._socket = self._connected()
        priority = _FACILITY * 8 + _SEVERITIES[event["severity"]]
        try:
            self._socket.send(f"<{priority}>{self._header(event)}{short_line_of(event)}".encode())
        except OSError:
            # The local syslog may have been started again.
            self.close()
            raise

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _header(self, event):
        if self.address is None:
            return f"{_APP}[{os.getpid()}]: "
        return f"1 {event['time']} {socket.gethostname()} {_APP} {os.getpid()} - - "

    def _connected(self):
        family, address = self._target = self._target or self._resolved()
        connected = socket.socket(family, socket.SOCK_DGRAM)
        try:
            # A receiver that hangs must not stop the play.
            connected.setblocking(False)
            connected.connect(address)
        except OSError:
            connected.close()
            raise
        return connected

    def _resolved(self):
        """Return (family, address). A name that is not known is not looked up again, as that may take seconds."""
        if self.address is None:
            return socket.AF_UNIX, next(filter(os.path.exists, self._local), self._local[0])
        try:
            family, _kind, _protocol, _name, address = self._look_up(*self.address, type=socket.SOCK_DGRAM)[0]
        except (OSError, UnicodeError) as error:
            self._failure = OSError(f"{self.address[0]}: {getattr(error, 'strerror', None) or error}")
            raise self._failure from error
        return family, address


def _address(place):
    """Return (host, port). Raises ValueError."""
    host, colon, port = place.rpartition(":")
    if place.startswith("[") and place.endswith("]"):
        host, colon = place, ""
    elif not colon or (":" in host and not host.endswith("]")):
        # Without a port: a name, or an IPv6 address.
        host, colon = place, ""
    if not host.strip("[]") or (colon and not port.isdecimal()):
        raise ValueError(f"syslog: '{place}' is neither local, nor a host with an optional port.")
    return host.strip("[]"), int(port) if colon else _PORT
