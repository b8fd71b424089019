# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets in documents of users: user data for cloud-init, environment variables, options of another module.

A document has few secrets and many other words. Secrets are the values of keys such as ``password``, and passwords in
URLs. This also applies to texts: scripts, and YAML that was not parsed.
"""

from __future__ import annotations

import re

from ..pattern import Pattern
from ..texts import texts_of

_SECRET_KEY = Pattern(
    r"passw|passphrase|(?:^|[_-])pass$|[_-]pwd$|secret|token|credential|psk|private(?:[_-]?key)?$"
    r"|(?:api|access|shared)[_-]?key",
    re.IGNORECASE,
)
#: Keys that only contain such a word. Their values are a path, a time, a kind, or what cloud-init does with passwords.
_NO_SECRET_KEY = Pattern(
    r"(?:file|path|dir|ur[il]|name|user|id|type|enabled|ttl|timeout|seconds|minutes|hours|days|length|expir\w*)$"
    r"|^chpasswd$|^lock_passwd$",
    re.IGNORECASE,
)
#: key: value, key = value, "key": "value"; the value in quotes, or up to the end of the line, where more keys can be.
#: The beginning of a word and the limit of 1000 keep the time linear for long lines.
_ASSIGNMENT = Pattern(
    r"""(?<![\w.-])(?P<key>[\w.-]+)["']?[ \t]*[:=][ \t]*"""
    r"""(?=(?:"(?P<double>[^"\n]{0,1000})"|'(?P<single>[^'\n]{0,1000})'|(?P<rest>[^\s"'][^\n]{0,1000})))"""
)
_IN_URL = Pattern(r"://[^/\s:@]*:([^/\s@]+)@")
#: Where an unquoted value ends if the line goes on: a comment, or the next key of {key: value, key: value}.
_END_OF_VALUE = Pattern(r"\s+#|\s*[,;}\]]|\s+&&")
#: The first word of an unquoted value.
_WORD = Pattern(r"[^\s,;}\]|&<>]*")
_MARK = "*"
#: For a digest: the last words of the names of literal secrets, and those before ``key``; the words of a name.
_LAST_WORDS = {"password", "passwd", "passphrase", "secret", "token", "psk"}
_BEFORE_KEY = {"api", "access", "private", "secret"}
_WORDS = Pattern(r"[A-Z]?[^A-Z_.-]+|[A-Z]+(?![^A-Z_.-])")
#: What a shell, a template or another interpreter could execute.
_NOT_LITERAL = Pattern(r"[$()`|;&<>\r\n]|\{[{%#]")
#: Values that are no secrets, whatever their key is. The last are those of cloud-init and of YAML's long texts.
_NO_SECRETS = {"", "true", "false", "yes", "no", "on", "off", "null", "none", "~", "random", "r", "|", "|-", ">", ">-"}


def secrets_in_document(value):
    """Return the secrets in a document: a dictionary, a list or a text."""
    if isinstance(value, dict):
        return {secret for key, part in value.items() for secret in _secrets_of_key(str(key), part)}
    if isinstance(value, (list, tuple)):
        return {secret for part in value for secret in secrets_in_document(part)}
    return _secrets_in_text(value) if isinstance(value, str) else set()


def without_secrets(value):
    """Return a document with a mark in the place of each literal secret, and of nothing else: for a digest of it.

    A value is left out only if the last word of its name means a secret, such as ``password``, and no interpreter can
    execute the value. Otherwise,
    a changed command would be taken for a changed secret, such as that of ``PASSWORD_COMMAND``.
    """
    if isinstance(value, dict):
        return {key: _without_secret_of_key(str(key), part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(part) for part in value]
    return _text_without_secrets(value) if isinstance(value, str) else value


def _without_secret_of_key(key, value):
    if key.lower() == "chpasswd" and isinstance(value, dict):
        return {
            **without_secrets(value),
            **({"list": _lines_without_passwords(value["list"])} if value.get("list") else {}),
        }
    return _MARK if is_literal_secret(key, value) else without_secrets(value)


def is_literal_secret(name, value):
    """Return whether a name is that of a secret, and its value is a text or number that nothing can execute."""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return False
    *before, last = [word.lower() for word in _WORDS.findall(name)] or [""]
    is_named = last in _LAST_WORDS or (last == "key" and before[-1:] and before[-1] in _BEFORE_KEY)
    return bool(is_named) and _is_literal(str(value))


def _is_literal(text):
    return text.strip().lower() not in _NO_SECRETS and not _NOT_LITERAL.search(text)


def _lines_without_passwords(value):
    lines = value.splitlines() if isinstance(value, str) else [str(one) for one in value]
    parts = [line.partition(":") for line in lines]
    return [f"{user}:{_MARK}" if _is_literal(password) else f"{user}:{password}" for user, _colon, password in parts]


def _text_without_secrets(text):
    kept, end = [], 0
    for start, stop in sorted(_spans_of_secrets(text)):
        if start >= end:
            kept += [text[end:start], _MARK]
            end = stop
    return "".join([*kept, text[end:]])


def _spans_of_secrets(text):
    for match in _ASSIGNMENT.finditer(text):
        # One of the three always matches.
        group = next((name for name in ("double", "single") if match[name] is not None), "rest")
        word = _WORD.match(match[group])[0] if group == "rest" else match[group]
        if is_literal_secret(match["key"], word):
            yield match.start(group), match.start(group) + len(word)


def _secrets_of_key(key, value):
    if key.lower() == "chpasswd" and isinstance(value, dict):
        return secrets_in_document(value) | _passwords_of_lines(value.get("list"))
    if is_secret_key(key):
        return {text for text in texts_of(value) if text.lower() not in _NO_SECRETS}
    return secrets_in_document(value)


def is_secret_key(key):
    return bool(_SECRET_KEY.search(key)) and not _NO_SECRET_KEY.search(key)


def _passwords_of_lines(value):
    """Return the passwords of lines ``user:password``, as a text or a list."""
    lines = [line for text in texts_of(value) for line in text.splitlines()]
    passwords = {line.partition(":")[2].strip() for line in lines}
    return {one for one in passwords if one.lower() not in _NO_SECRETS}


def _secrets_in_text(text):
    found = set(_IN_URL.findall(text))
    for match in _ASSIGNMENT.finditer(text):
        if is_secret_key(match["key"]):
            rest = (match["rest"] or "").strip()
            found |= {match["double"], match["single"], rest, _END_OF_VALUE.split(rest)[0]}
    return {secret for secret in found if secret and secret.lower() not in _NO_SECRETS}
