# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines of a VM's console, without what would change a terminal or is not a text. Pure."""

from __future__ import annotations

import unicodedata
from typing import Optional

from ..errors import NotFound, PolyvirtError
from ..frozen import Frozen
from ..pattern import Pattern

#: How many bytes of a log are read at most, and how many characters of a line are returned.
MOST_BYTES, LONGEST_LINE = 256 * 1024, 1000
#: Control sequences of terminals, as in ECMA-48: those with parameters, texts such as a window title up to their end,
#: character sets, and single functions. Those of eight bits (C1) are not used with UTF-8.
_SEQUENCE = Pattern(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P^_X][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[()*+#%./-][ -~]|[ -/]*[0-~])")
#: Kinds of characters that are not shown: control characters, those that change the direction of a text, surrogates,
#: and line separators of Unicode, which would be lines for Python alone.
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


class ConsoleLog(Frozen):
    """``data``: the end of the log, None if it cannot be read. ``is_cut``: its first line may be incomplete.

    ``how``: why there are no lines, and what to do; without it, the text of the platform's traits applies.
    ``terminal``: the device that the console is connected to.
    """

    file: Optional[str] = None
    data: Optional[bytes] = None
    is_cut: bool = False
    how: str = ""
    terminal: Optional[str] = None


def describe_console(log, vm, traits, count):
    """Return the console of a VM as in the result of an info module, with at most ``count`` lines."""
    lines = None if log.data is None else last_lines(log.data, count, log.is_cut)
    how = traits.console.replace("<name>", vm.name).replace("<id>", str(vm.id))
    return {
        "lines": lines,
        "file": log.file,
        "terminal": log.terminal,
        "how": (log.how or how) if lines is None else None,
    }


def last_lines(data, count, is_cut=False):
    """Return the last lines of a log. Of a line that was written several times (a progress bar), the last text."""
    rows = data.decode("utf-8", "replace").split("\n")
    if is_cut and len(rows) > 1:
        del rows[0]
    if rows and not rows[-1].strip():
        del rows[-1]  # The end of the last line, or a line that is not written yet.
    return [_shown(_last_written(row)) for row in rows[-count:]]


def without_sequences(text):
    """Return a text without the control sequences of terminals."""
    return _SEQUENCE.sub("", text)


def _last_written(row):
    return next((part for part in reversed(row.split("\r")) if part.strip()), "")


def _shown(row):
    text = "".join(one for one in without_sequences(row) if one == "\t" or unicodedata.category(one) not in _HIDDEN)
    return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]} [{len(text)} characters]"


def console_log(paths, files, elsewhere=""):
    """Return the ConsoleLog of a VM. ``paths`` are the files of its serial ports, the first port first.

    ``files`` is the port; ``elsewhere`` is the connection to another host if the files are there. If the log of one
    VM cannot be read, the error is reported as the reason, and the other VMs still have their lines.
    """
    log = ConsoleLog()
    if paths and elsewhere:
        return ConsoleLog(paths[0], how=f"{paths[0]} is on the host of {elsewhere}. Run the task there.")
    for path in paths:
        log = _read_end(path, files)
        if log.data is not None:
            break
    return log


def _read_end(path, files):
    try:
        data, is_cut = files.read_end(path, MOST_BYTES)
    except NotFound:
        return ConsoleLog(path, how=f"{path} does not exist. It is created when the VM is started.")
    except PolyvirtError as error:
        return ConsoleLog(path, how=str(error))
    return ConsoleLog(path, data, is_cut)
