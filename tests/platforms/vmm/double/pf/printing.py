# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as pfctl prints them."""

from __future__ import annotations

from .addresses import number_text
from .names import CODES, CODES6, FLAGS, INET6_ICMP, TCP, TYPES, TYPES6
from .rule import NAT_PORTS

_FAMILIES = {4: "inet", 6: "inet6"}
_RANGES = {"><": "{0} >< {1}", "<>": "{0} <> {1}", ":": "{0}:{1}"}
_UNKNOWN = 0xFFFFFFFF


def rule_text(rule, system, call=""):
    """``call``: the name of the anchor that this rule calls."""
    parts = [_head(rule, call), _where(rule, system), _from_to(rule), _who(rule), _how(rule, call), _sets(rule)]
    parts += [_states(rule, call), _rest(rule), _divert(rule)]
    return "".join([*parts, "" if call else _translation(rule), _route(rule)])


def _head(rule, call):
    text = rule.action
    if call:
        text = "anchor" if call.rpartition("/")[2].startswith("_") else f'anchor "{call}"'
    elif rule.action == "block":
        text += _block(rule)
    text += f" {rule.direction}" if rule.direction else ""
    if rule.log:
        options = [option for option in ("all", "matches", "user") if option in rule.log]
        options += [f"to pflog{rule.logif}"] if rule.logif else []
        text += " log" + (f" ({', '.join(options)})" if options else "")
    return text + (" quick" if rule.quick else "")


def _block(rule):
    if rule.returns == "return-rst" and rule.return_ttl:
        return f" return-rst(ttl {rule.return_ttl})"
    if rule.returns != "return-icmp":
        return f" {rule.returns or 'drop'}"
    codes = {4: _code(rule.return_icmp, CODES), 6: _code(rule.return_icmp6, CODES6)}
    if rule.af:
        return f" return-icmp{'6' if rule.af == 6 else ''}({codes[rule.af]})"
    return f" return-icmp({codes[4]}, {codes[6]})"


def _code(found, names):
    return next((name for (kind, name), code in names.items() if (kind, code) == found), str(found[1]))


def _where(rule, system):
    text = ""
    negated = "! " if rule.ifnot else ""
    if rule.ifname:
        text += f" on {negated}{rule.ifname}"
    if rule.rdomain >= 0:
        text += f" on {negated}rdomain {rule.rdomain}"
    if rule.af:
        text += f" {_FAMILIES[rule.af]}"
    return text + (f" proto {system.protocol_name(rule.proto)}" if rule.proto else "")


def _from_to(rule):
    plain = not (rule.src_not or rule.dst_not or rule.src_port.operator or rule.dst_port.operator or rule.fingerprint)
    if rule.src.is_any and rule.dst.is_any and plain:
        return " all"
    return (
        f" from {'! ' if rule.src_not else ''}{rule.src.text(rule.af)}{_compared(' port', rule.src_port)}"
        + (f' os "{rule.fingerprint}"' if rule.fingerprint else "")
        + f" to {'! ' if rule.dst_not else ''}{rule.dst.text(rule.af)}{_compared(' port', rule.dst_port)}"
    )


def _compared(word, found):
    if not found.operator:
        return ""
    low = "unknown" if found.low == _UNKNOWN and found.operator in ("=", "!=") else found.low
    return f"{word} {_RANGES.get(found.operator, found.operator + ' {0}').format(low, found.high)}"


def _who(rule):
    received = f" {'!' if rule.received_not else ''}received-on {rule.received}" if rule.received else ""
    return received + _compared(" user", rule.uid) + _compared(" group", rule.gid)


def _how(rule, call):
    text = ""
    if rule.flags or rule.flagset:
        text += f" flags {_flags(rule.flags)}/{_flags(rule.flagset)}"
    elif rule.action != "block" and rule.proto in (0, TCP) and not rule.fragment and not call and rule.keep:
        text += " flags any"
    if rule.icmp_type:
        types, codes = (TYPES6, CODES6) if rule.af == 6 else (TYPES, CODES)
        kind = rule.icmp_type - 1
        name = next((name for name, number in types.items() if number == kind), kind)
        text += f" {INET6_ICMP if rule.af == 6 else 'icmp-type'} {name}"
        text += f" code {_code((kind, rule.icmp_code - 1), codes)}" if rule.icmp_code else ""
    text += f" tos 0x{rule.tos:02x}" if rule.tos else ""
    text += f" prio {rule.prio}" if rule.prio >= 0 else ""
    return text + (" max-pkt-rate {}/{}".format(*rule.packet_rate) if rule.packet_rate[0] else "")


def _flags(bits):
    return "".join(flag for number, flag in enumerate(FLAGS) if bits & 1 << number)


def _sets(rule):
    sets = []
    if rule.set_prio:
        low, high = rule.set_prio
        sets.append(f"prio {low}" if low == high else f"prio({low}, {high})")
    if rule.qname:
        sets.append(f"queue({rule.qname}, {rule.pqname})" if rule.pqname else f"queue {rule.qname}")
    if rule.set_tos is not None:
        sets.append(f"tos 0x{rule.set_tos:02x}")
    if rule.delay is not None:
        sets.append(f"delay {rule.delay}")
    return f" set ({', '.join(sets)})" if sets else ""


def _state_options(rule):
    overload = f"overload <{rule.overload}>" + (f" {rule.flush}" if rule.flush else "")
    options = {
        f"max {rule.max_states}": rule.max_states,
        "no-sync": "no-sync" in rule.state,
        f"source-track {'rule' if 'rule' in rule.state else 'global'}": "source-track" in rule.state,
        f"max-src-states {rule.max_src_states}": rule.max_src_states,
        f"max-src-conn {rule.max_src_conn}": rule.max_src_conn,
        "max-src-conn-rate {}/{}".format(*rule.max_src_conn_rate): rule.max_src_conn_rate[0],
        f"max-src-nodes {rule.max_src_nodes}": rule.max_src_nodes,
        overload: rule.overload,
        **{word: word in rule.state for word in ("if-bound", "sloppy", "pflow")},
        **{f"{name} {seconds}": True for name, seconds in rule.timeouts},
    }
    return [text for text, given in options.items() if given]


def _states(rule, call):
    options = _state_options(rule)
    text = ""
    if not rule.keep and rule.action == "pass" and not call:
        text = " no state"
    elif rule.keep and (rule.keep != "keep" or options):
        text = f" {rule.keep} state"
    if rule.probability:
        share = f"{rule.probability * 100.0 / (_UNKNOWN + 1.0):f}".rstrip("0").rstrip(".")
        text += f" probability {share}%"
    return text + (f" ({', '.join(options)})" if options else "")


def _rest(rule):
    scrub = [word for word in ("no-df", "random-id") if word in rule.scrub]
    scrub += [f"min-ttl {rule.min_ttl}"] if rule.min_ttl else []
    scrub += ["reassemble tcp"] if "reassemble tcp" in rule.scrub else []
    scrub += [f"max-mss {rule.max_mss}"] if rule.max_mss else []
    parts = ["fragment"] if rule.fragment else []
    parts += [f"scrub ({' '.join(scrub)})"] if scrub else []
    parts += ["allow-opts"] if rule.allow_opts else []
    parts += [f'label "{rule.label}"'] if rule.label else []
    parts += ["once"] if rule.once else []
    parts += [f"tag {rule.tag}"] if rule.tag else []
    parts += ["!"] if rule.tagged and rule.tagged_not else []
    parts += [f"tagged {rule.tagged}"] if rule.tagged else []
    parts += [f"rtable {rule.rtable}"] if rule.rtable != -1 else []
    return "".join(f" {part}" for part in parts)


def _divert(rule):
    if not rule.divert.type:
        return ""
    address = f" {number_text(rule.af, rule.divert.number)}" if rule.divert.type == "divert-to" else ""
    port = f" port {rule.divert.port}" if rule.divert.type != "divert-reply" else ""
    return f" {rule.divert.type}{address}{port}"


def _translation(rule):
    family = rule.naf or rule.af
    if rule.nat.address.kind != "none":
        text = _pool(rule.nat, family, _nat_ports(rule.nat))
        text += " static-port" if not rule.nat.low and not rule.nat.high else ""
        if not rule.translates:
            return f" nat-to {text}"
        text = f" af-to {_FAMILIES[rule.naf]} from {text}"
        return text + (f" to {_pool(rule.rdr, family, _ports(rule.rdr))}" if rule.rdr.address.kind != "none" else "")
    if rule.rdr.address.kind != "none":
        return f" rdr-to {_pool(rule.rdr, rule.af, _ports(rule.rdr))}"
    return ""


def _route(rule):
    return f" {rule.route} {_pool(rule.routed, rule.af, '')}" if rule.route else ""


def _ports(pool):
    if not pool.low:
        return ""
    return f" port {pool.low}" + (f":{pool.high}" if pool.high and pool.high != pool.low else "")


def _nat_ports(pool):
    if (pool.low, pool.high) in (NAT_PORTS, (0, 0)):
        return ""
    return f" port {pool.low}" + (f":{pool.high}" if pool.high != pool.low else "")


def _pool(pool, af, ports):
    text = pool.address.text(af) + ports + (f" {pool.type}" if pool.type else "")
    return text + (f" {pool.key}" if pool.key else "") + (" sticky-address" if pool.sticky else "")


def table_text(name, flags, hosts, empty):
    """``hosts``: lists of hosts, or names of files; lists that follow each other are printed as one."""
    text = f"table <{name}>" + "".join(f" {flag}" for flag in ("const", "persist", "counters") if flag in flags)
    open_list = False
    for item in hosts:
        is_file = isinstance(item, str)
        text += " }" if open_list and is_file else ""
        if is_file:
            text += f' file "{item}"'
        else:
            text += ("" if open_list else " {") + "".join(f" {_table_host(host)}" for host in item)
        open_list = not is_file
    return text + (" }" if open_list else "") + (" { }" if empty and not hosts else "")


def _table_host(host):
    interface = f"@{host.interface}" if host.interface else ""
    return ("!" if host.negated else "") + host.address.text(host.af) + interface
