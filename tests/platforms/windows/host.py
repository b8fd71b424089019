# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated Windows host: it carries out requests of windows_calls as the shipped module does on a real host.

Each platform implements its commands in a function ``invoke(context, command, bound)``, which yields objects. It may
raise Failed, or add errors and warnings to the context.
"""

from __future__ import annotations

import base64
import json

from platforms.windows.binder import BindingError, bind
from platforms.windows.clock import EventClock
from platforms.windows.failures import (
    Failed,
    Faults,
    Killed,
    call_error,
    exception,
    no_command,
    no_module,
    not_bound,
    null_index,
    prompt,
)
from platforms.windows.objects import INT64, BigInteger, NetObject, as_text, plain
from platforms.windows.programs import Files, decoded, quote


class StillRunning(Exception):
    """A call in the background has not ended within its time limit."""


class Context:
    """The context of one call, for its command: the clock, and its errors and warnings."""

    def __init__(self, host, command, partial=False, background=None):
        self.host, self.clock, self.command = host, host.clock, command
        self.partial, self.background = partial, background
        self.errors, self.warnings = [], []
        self._end = None if background is None else host.clock.now() + background

    def error(self, failed):
        """Report an error: if the call is ``partial``, the command continues, else it stops with this error."""
        if not self.partial:
            raise failed
        self.errors.append(failed)

    def warn(self, text):
        self.warnings.append(text)

    def ask(self, text):
        """Ask for confirmation, which nobody can answer."""
        raise prompt(self.command, text, self.background is not None)

    def wait(self, seconds):
        """Let time pass. Changes during this time must be events of the clock, because the request may end before."""
        if self._end is not None and self.clock.now() + seconds > self._end:
            self.clock.sleep(self._end - self.clock.now())
            raise StillRunning
        self.clock.sleep(seconds)


class WindowsHost:
    """``modules`` can be imported; PowerShell 7 loads those of ``proxied`` as a proxy. ``translate`` translates a
    message; with the ``edition`` "Desktop", arrays within arrays are written as Windows PowerShell 5.1 may write them.

    ``run(file, arguments, stdin, environment, seconds)`` returns a Finished, or None if the program does not exist;
    ``arguments`` is one text.
    """

    def __init__(self, commands, invoke, *, modules=(), proxied=(), run=None, files=None, about=(), clock=None):
        self.translate, self.edition = str, "Core"
        self.commands = {command.name.lower(): command for command in commands}
        self.invoke, self.run = invoke, run or (lambda *_: None)
        self.modules = {name.lower() for name in (*modules, *(command.module for command in commands))}
        self.proxied = {name.lower() for name in proxied}
        self.files, self.about = files or Files(), dict(about)
        self.clock, self.faults = clock or EventClock(), Faults()
        #: The output of a script that a connection runs itself.
        self.run_script = lambda _text: b""
        #: The received requests, and (bytes of the request, bytes of the answer) of those that were answered.
        self.requests, self.sizes = [], []

    def answer(self, text):
        """Answer a request; both are JSON texts. Raises ConnectionError for a lost answer or a killed process."""
        request = json.loads(text, object_pairs_hook=_object)
        self.requests.append(request)
        try:
            answer = json.dumps(self._as_written(self._answered(request)))
        except Killed:
            raise ConnectionError("the process has ended") from None
        self.sizes.append((len(text), len(answer)))
        if self.faults.is_lost:
            self.faults.is_lost = False
            raise ConnectionError("the answer is lost")
        return answer

    def put(self, path, content):
        """Receive a file of the connection. Raises ConnectionError like ``answer``, and Failed."""
        encoded = base64.b64encode(content).decode()
        try:
            answer = self.faults.around(lambda: self.files.write(path, encoded))
        except Killed:
            raise ConnectionError("the process has ended") from None
        if self.faults.is_lost:
            self.faults.is_lost = False
            raise ConnectionError("the answer is lost")
        if not answer["ok"]:
            raise Failed(**{**answer["error"], "hresult": int(answer["error"]["hresult"], 16)})

    def _answered(self, request):
        missing = [found for found in map(self._missing, request.get("modules") or ()) if found]
        chains = [] if missing else [self._chain(chain) for chain in request.get("chains") or ()]
        about = {"about": self.about} if request.get("about") else {}
        return {"version": 1, "missing": missing, "chains": chains, **about}

    def _as_written(self, answer, is_item=False):
        """The answer with translated messages, and with arrays in the form of the host's edition."""
        if isinstance(answer, dict):
            written = {name: self._as_written(one) for name, one in answer.items()}
            texts = {"message": self.translate, "warnings": lambda all_: list(map(self.translate, all_))}
            return {name: texts[name](one) if name in texts and one else one for name, one in written.items()}
        if not isinstance(answer, list):
            return answer
        items = [self._as_written(one, is_item=True) for one in answer]
        return {"value": items, "Count": len(items)} if is_item and self.edition == "Desktop" else items

    def _missing(self, name):
        if name.lower() in self.proxied:
            return {"name": name, "error": {"id": "ImplicitRemoting", "message": "loaded as a proxy"}}
        return None if name.lower() in self.modules else {"name": name, "error": no_module(name).answer()}

    def _chain(self, chain):
        kept, answers = Kept(), []
        for call in chain.get("calls") or ():
            answers.append(self.faults.around(lambda call=call: self._answer(call, kept)))
            if not answers[-1]["ok"] and as_text(call.get("on_error")).lower() != "go_on":
                break
        return {"name": chain.get("name"), "calls": answers}

    def _answer(self, call, kept):
        operation = as_text(call.get("op"))
        act = {"call": self._call, "pick": _pick, "run": self._run, "read": self._read, "write": self._write}
        act |= {"append": self._append, "copy": self._copy, "edit": self._edit}
        try:
            if operation.lower() not in act:
                raise call_error("UnknownOp", f"no operation '{operation}'")
            return act[operation.lower()](call, kept)
        except Failed as failed:
            return {"ok": False, "error": failed.answer()}

    def command(self, name):
        """The command with this name, which may contain its module: ``Hyper-V\\Get-VM``."""
        module, _dot, short = name.rpartition("\\")
        found = self.commands.get(short.lower())
        if found is None or (module and found.module.lower() != module.lower()):
            raise no_command(name)
        return found

    def _call(self, call, kept):
        command = self.command(as_text(call.get("command")))
        arguments = {name: kept.argument(value) for name, value in (call.get("with") or {}).items()}
        if call.get("background") is not None:
            return self._in_background(command, arguments, call)
        met, start = None, self.clock.now()
        while True:
            context = Context(self, command, bool(call.get("partial")))
            objects = self._invoked(context, arguments)
            if call.get("until") is None:
                break
            met = any(_fits(one, where) for where in _items(call["until"]) for one in objects)
            if met or self.clock.now() - start >= (call.get("for") or 0):
                break
            self.clock.sleep(call.get("every") or 0.001)
        if call.get("follow"):
            objects = self._followed(context, objects, call["follow"])
        if call.get("keep") is not None:
            kept[call["keep"]] = objects
        return _call_answer(call, objects, context, met)

    def _invoked(self, context, arguments):
        try:
            bound = bind(context.command, arguments)
        except BindingError as error:
            raise not_bound(error, context.command) from None
        return list(self.invoke(context, context.command, bound))

    def _in_background(self, command, arguments, call):
        context = Context(self, command, bool(call.get("partial")), call["background"])
        is_pending = call["background"] <= 0
        try:
            self._invoked(context, arguments)
        except StillRunning:
            is_pending = True
        except Failed:
            if not is_pending:
                raise
        return {"ok": True, "pending": is_pending, "objects": []}

    def _followed(self, context, objects, follow):
        last = objects = list(objects)
        for _round in range(64):
            found = [one.safely(follow["property"]) for one in last if isinstance(one, NetObject)]
            names = list(dict.fromkeys(as_text(value) for one in found for value in _items(one) if value))
            if not names:
                break
            last = self._invoked(context, {follow["argument"]: names})
            objects = objects + last
        return objects

    def _run(self, call, kept):
        file = self.files.expand(kept.text(call.get("file")))
        arguments = kept.argument(call.get("arguments"))
        if not isinstance(arguments, str):
            arguments = quote(arguments if isinstance(arguments, list) else [])
        environment = {name: kept.text(value) for name, value in (call.get("environment") or {}).items()}
        stdin = decoded(call.get("stdin"))
        seconds = call.get("for") or 0
        finished = self.run(file, arguments, stdin, environment, seconds)
        if finished is None:
            message = f"An error occurred trying to start process '{file}' with working directory 'CWD'."
            raise exception("System.ComponentModel.Win32Exception", f"{message} No such file or directory", 0x80004005)
        ended = finished.seconds < seconds
        self.clock.sleep(min(finished.seconds, seconds))
        exit_code = finished.exit_code if ended else None
        if call.get("keep") is not None:
            kept[call["keep"]] = [NetObject("PSCustomObject", exit_code=exit_code)]
        return {
            "ok": True,
            "ended": ended,
            "exit_code": exit_code,
            "stdout": base64.b64encode(finished.stdout).decode(),
            "stderr": base64.b64encode(finished.stderr).decode(),
        }

    def _read(self, call, kept):
        path = self.files.expand(kept.text(call.get("path")))
        if call.get("at") is not None:
            return self.files.read_part(path, call["at"], call.get("size") or 0)
        return self.files.read(path, call.get("limit"))

    def _write(self, call, kept):
        grant = [kept.text(right) for right in call.get("grant") or ()]
        path, is_new = self.files.expand(kept.text(call.get("path"))), bool(call.get("new"))
        return self.files.write(path, call.get("base64"), grant, is_new)

    def _append(self, call, kept):
        path, piece = (self.files.expand(kept.text(call.get(name))) for name in ("path", "piece"))
        return self.files.append(path, piece, call)

    def _copy(self, call, kept):
        path, source = (self.files.expand(kept.text(call.get(name))) for name in ("path", "source"))
        return self.files.copy_part(path, source, call)

    def _edit(self, call, kept):
        return self.files.edit(self.files.expand(kept.text(call.get("path"))), call)


class Kept:
    """The objects that the calls of one chain have kept, by name (case is ignored); and the parser of arguments."""

    def __init__(self):
        self._objects = {}

    def __setitem__(self, name, objects):
        if name is None:
            raise null_index()
        self._objects[name.lower()] = objects

    def get(self, name):
        if name is None:
            raise null_index()
        return self._objects.get(name.lower(), [])

    @staticmethod
    def text(value):
        text = as_text(value)
        if not text.startswith("="):
            raise call_error("BadText", 'a text of the request does not begin with "="')
        return text[1:]

    def argument(self, value):
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict) and value.get("joined") is not None:
            return "".join(as_text(self.argument(part)) for part in _items(value["joined"]))
        if isinstance(value, dict) and value.get("table") is not None:
            return {name: self.argument(item) for name, item in value["table"].items()}
        if isinstance(value, dict):
            objects = self.get(value.get("ref"))
            if not objects:
                raise call_error("NothingKept", f"nothing is kept as '{value['ref']}'")
            return objects[0] if len(objects) == 1 else objects
        if isinstance(value, list):
            return [self.argument(item) for item in value]
        is_big = isinstance(value, int) and value not in INT64
        return BigInteger(value) if is_big else value


def _object(pairs):
    found = dict(pairs)
    if len({name.lower() for name in found}) < len(found):
        raise ValueError(f"PowerShell finds keys in any case, so these are not unique: {', '.join(found)}")
    return found


def _call_answer(call, objects, context, met):
    answer = {"ok": True, "objects": []}
    if call.get("show") is not None:
        answer["objects"] = plain(objects, call["show"])
    if met is not None:
        answer["met"] = met
    if context.errors:
        answer["errors"] = [failed.answer() for failed in context.errors]
    if context.warnings:
        answer["warnings"] = context.warnings
    return answer


def _pick(call, kept):
    objects = [one for one in kept.get(call.get("from")) if one is not None]
    for step in _items(call.get("path")):
        objects = [item for one in objects for item in _items(one.safely(step))]
    if call.get("where") is not None:
        objects = [one for one in objects if _fits(one, call["where"])]
    if as_text(call.get("expect")).lower() == "one" and len(objects) != 1:
        raise call_error("NotOne", f"{len(objects)} objects fit, one was expected")
    if call.get("fewer") is not None and len(objects) >= call["fewer"]:
        raise call_error("NotFewer", f"{len(objects)} objects fit, fewer than {call['fewer']} were expected")
    kept[call.get("keep")] = objects
    shown = plain(objects, call["show"]) if call.get("show") is not None else []
    return {"ok": True, "objects": shown, "count": len(objects)}


def _items(value):
    return [item for item in (value if isinstance(value, (list, tuple)) else [value]) if item is not None]


def _fits(one, where):
    """Whether each property has one of the listed values (with "!Name": none). An unreadable property never fits."""
    for name, values in where.items():
        wanted = {
            as_text(Kept().argument(value)).lower() for value in (values if isinstance(values, list) else [values])
        }
        bare = name.lstrip("!")
        if not isinstance(one, NetObject) or not one.has(bare):
            return False
        try:
            found = plain(one.get(bare))
        except Exception:
            return False
        texts = [as_text(item).lower() for item in (found if isinstance(found, list) else [found])]
        if bool(wanted.intersection(texts)) == name.startswith("!"):
            return False
    return True
