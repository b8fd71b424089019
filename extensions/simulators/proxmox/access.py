# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication and permissions: passwords, tickets, tokens, and roles on paths."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from .errors import ApiError, Forbidden, Unauthorized

TICKET_LIFE = 2 * 3600
#: Prefix of the name in the ticket of a user who has not given the second factor yet.
_HALF = "!tfa!"
_TOKEN = re.compile(r"PVEAPIToken=([^!]+)!([^=]+)=(.+)")
_TICKET = re.compile(r"PVE:(.+):([0-9A-F]{8})::(.+)")

#: {kind: (only Administrator has them, admin roles, user roles, auditors)}, as AccessControl.pm groups them.
_GROUPS = {
    "VM": (
        "",
        "VM.Config.Disk VM.Config.CPU VM.Config.Memory VM.Config.Network VM.Config.HWType VM.Config.Options VM.Allocate"
        " VM.Clone VM.Migrate VM.Monitor VM.Snapshot VM.Snapshot.Rollback VM.Replicate VM.GuestAgent.FileRead"
        " VM.GuestAgent.FileWrite VM.GuestAgent.FileSystemMgmt VM.GuestAgent.Unrestricted",
        "VM.Config.CDROM VM.Config.Cloudinit VM.Console VM.Backup VM.PowerMgmt VM.GuestAgent.Audit",
        "VM.Audit",
    ),
    "Sys": ("Sys.PowerMgmt Sys.Modify Sys.Incoming Sys.AccessNetwork", "Sys.Console Sys.Syslog", "", "Sys.Audit"),
    "Datastore": ("", "Datastore.Allocate Datastore.AllocateTemplate", "Datastore.AllocateSpace", "Datastore.Audit"),
    "SDN": ("", "SDN.Allocate", "SDN.Use", "SDN.Audit"),
    "User": ("Realm.Allocate", "User.Modify Group.Allocate Realm.AllocateUser", "", ""),
    "Pool": ("", "Pool.Allocate", "", "Pool.Audit"),
    "Mapping": ("", "Mapping.Modify", "Mapping.Use", "Mapping.Audit"),
}


def _predefined():
    """The roles that every cluster has."""
    roles = {"NoAccess": set(), "Administrator": {"Permissions.Modify"}, "PVETemplateUser": {"VM.Clone", "VM.Audit"}}
    for kind, groups in _GROUPS.items():
        root, admin, user, audit = (set(group.split()) for group in groups)
        roles["Administrator"] |= root | admin | user | audit
        for name, held in (
            (f"PVE{kind}Admin", admin | user | audit),
            ("PVEAdmin", admin | user | audit),
            (f"PVE{kind}User", user | audit),
            ("PVEAuditor", audit),
        ):
            roles.setdefault(name, set()).update(held)
    roles["PVEAdmin"].discard("Mapping.Modify")
    return {name: frozenset(held) for name, held in roles.items()}


ROLES = _predefined()
ADMINISTRATOR = "Administrator"


@dataclass(frozen=True)
class User:
    """The caller. ``token`` is the name of a token or None; the ``id`` in tasks is USER or USER!TOKEN."""

    userid: str
    token: str | None = None

    @property
    def id(self):
        return f"{self.userid}!{self.token}" if self.token else self.userid

    @property
    def is_root(self):
        # A token of root is not root@pam.
        return self.userid == "root@pam" and self.token is None


@dataclass
class Token:
    secret: str
    separated: bool = True
    expired: bool = False


@dataclass
class Account:
    password: str | None = None
    #: The second factor: a code that is required in addition to the password, or None.
    otp: str | None = None
    disabled: bool = False
    tokens: dict = field(default_factory=dict)


class Access:
    """``rights`` is [(path, id of a user, token or @group, role, whether it also applies below the path)]."""

    def __init__(self, engine):
        self.accounts = {}
        self.rights = []
        self.roles = dict(ROLES)
        #: {group: ids of its users}; tokens do not belong to groups.
        self.groups = {}
        #: Tickets older than this moment are no longer accepted.
        self.expired_before = 0.0
        #: A function that returns the pools of a VM or storage by its path: a right on a pool applies to its members.
        self.pools_of = lambda path: []
        self._engine = engine
        self._key = b"of this process"

    # Authentication -------------------------------------------------------------------------------------------------

    def user_of(self, method, headers, cookies):
        """The User of a request. Raises Unauthorized with the reason that the real server gives."""
        authorization = headers.get("authorization", "")
        if authorization.startswith("PVEAPIToken=") and authorization != "PVEAPIToken=":
            return self._token_user(authorization)
        ticket = unquote(cookies.get("PVEAuthCookie", ""))
        if not ticket:
            raise Unauthorized("No ticket")
        userid = self._ticket_user(ticket)
        if userid.startswith(_HALF):
            raise Unauthorized("No ticket")
        if method not in ("GET", "HEAD") and headers.get("csrfpreventiontoken") != self._csrf(userid):
            raise Unauthorized("Permission denied - invalid csrf token")
        return User(userid)

    def login(self, userid, password, otp=None, challenge=None):
        """The answer to POST /access/ticket."""
        account = self.accounts.get(userid)
        account = None if account and account.disabled else account
        if challenge is not None:
            right = account and password == f"totp:{account.otp}" and self._is_challenge(challenge, userid)
            return self._session(userid, right)
        right = account and (password == account.password or self._renews(userid, password))
        if right and account.otp and otp is None:
            half = {"ticket": self._ticket(_HALF + userid), "CSRFPreventionToken": self._csrf(userid)}
            return {"username": userid, "NeedTFA": 1, **half}
        return self._session(userid, right and otp in (None, account.otp))

    def _session(self, userid, right):
        if not right:
            raise ApiError("authentication failure", 401)
        return {
            "username": userid,
            "ticket": self._ticket(userid),
            "CSRFPreventionToken": self._csrf(userid),
            "cap": {},
            "clustername": "simulated",
        }

    def _is_challenge(self, ticket, userid):
        try:
            return self._ticket_user(ticket) == _HALF + userid
        except Unauthorized:
            return False

    def _renews(self, userid, password):
        return password.startswith("PVE:") and self._is_ticket_of(userid, password)

    def _is_ticket_of(self, userid, ticket):
        try:
            return self._ticket_user(ticket) == userid
        except Unauthorized:
            return False

    def _token_user(self, authorization):
        found = _TOKEN.fullmatch(authorization)
        token = None
        if found:
            account = self.accounts.get(found.group(1))
            token = account.tokens.get(found.group(2)) if account else None
        if token is None or token.secret != found.group(3) or token.expired or account.disabled:
            raise Unauthorized("Authentication failed!")
        return User(found.group(1), found.group(2))

    def _ticket(self, userid):
        stamp = f"{int(self._engine.now):08X}"
        return f"PVE:{userid}:{stamp}::{self._signed(userid, stamp)}"

    def _ticket_user(self, ticket):
        found = _TICKET.fullmatch(ticket)
        if not found or self._signed(found.group(1), found.group(2)) != found.group(3):
            raise Unauthorized("Authentication failed!")
        made = int(found.group(2), 16)
        if made < self.expired_before or made + TICKET_LIFE < self._engine.now:
            raise Unauthorized("Authentication failed!")
        return found.group(1)

    def _csrf(self, userid):
        return f"{0:08X}:{self._signed('csrf', userid)}"

    def _signed(self, *parts):
        return base64.b64encode(hashlib.sha256(self._key + ":".join(parts).encode()).digest()).decode()

    # Permissions ----------------------------------------------------------------------------------------------------

    def role_list(self):
        """Entries of all roles; those that every cluster has are special."""
        return [
            {"roleid": name, "privs": ",".join(sorted(held)), "special": int(name in ROLES)}
            for name, held in sorted(self.roles.items())
        ]

    def allow(self, path, id, role, propagate=True):
        self.rights.append((path, id, role, propagate))

    def forget(self, path):
        """Remove the entries of a path, whose object is deleted (remove_vm_access)."""
        self.rights[:] = [right for right in self.rights if right[0] != path]

    def may(self, user, path, privileges, any_of=False):
        held = [self._holds(user, path, privilege) is not None for privilege in privileges]
        return any(held) if any_of else all(held)

    def require(self, user, path, privileges, any_of=False):
        """Raise Forbidden, which names the first missing privilege, or all alternatives."""
        if not self.may(user, path, privileges, any_of):
            missing = next(one for one in privileges if not self.may(user, path, [one]))
            raise Forbidden(f"{path}, {'|'.join(privileges) if any_of else missing}")

    def privileges_on(self, user, path):
        """{privilege: 1, or 0 if it applies only to the path itself}, as GET /access/permissions returns it."""
        names = {name for role in self.roles.values() for name in role}
        held = {name: self._holds(user, path, name) for name in sorted(names)}
        return {name: int(below) for name, below in held.items() if below is not None}

    def _holds(self, user, path, privilege):
        """None if the user does not have the privilege, else whether it also applies below the path."""
        of_user = self._granted(user.userid, path, privilege)
        if user.token is None or not self.accounts[user.userid].tokens[user.token].separated:
            return of_user
        # A token with separated privileges never has more than its user.
        own = self._granted(user.id, path, privilege)
        return None if None in (own, of_user) else own and of_user

    def _granted(self, id, path, privilege):
        if id == "root@pam":
            return True
        roles = self._roles_on(id, path)
        for pool in self.pools_of(path):
            roles = {**dict.fromkeys(self._roles_on(id, f"/pool/{pool}"), True), **roles}
        found = [below for role, below in roles.items() if privilege in self.roles[role]]
        return any(found) if found else None

    def _roles_on(self, id, path):
        """{role: whether it also applies below} of the nearest level with an entry. On one level, entries of the user
        or token win over those of groups.
        """
        groups = {f"@{name}" for name, users in self.groups.items() if id in users}
        for level in _levels(path):
            said = [right for right in self.rights if right[0] == level and (level == path or right[3])]
            own = {role: below for _path, who, role, below in said if who == id}
            found = own or {role: below for _path, who, role, below in said if who in groups}
            if found:
                return {"NoAccess": found["NoAccess"]} if "NoAccess" in found else found
        return {}


def _levels(path):
    """A path and its parents, nearest first."""
    yield path
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path
