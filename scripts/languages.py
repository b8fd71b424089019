# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translations of the documentation: take entries from the English pages, exchange, check and build them.

scripts/languages.sh runs it with the environment of the documentation site.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lib.collection_path import CHECKOUT, cache
from lib.translations import building, catalogues, checks, exchange, glossary, languages, markup, pages


def update(options):
    """Take the entries from the English pages; translations of changed ones become outdated."""
    for code, changed in pages.update(CHECKOUT).items():
        for page, outdated in changed.items():
            print(f"{code} {page}: updated, {outdated} outdated")
    return 0


def export(options):
    """Print entries that need a translation as numbered text; with --all, all of them."""
    listed = exchange.page_entries(CHECKOUT, options.language, options.page)
    rules = checks.rules_of(CHECKOUT, options.language)
    if options.all:
        listed = [one for one in listed if rules.needs_translation(one.source)]
    else:
        listed = exchange.to_do(listed, rules)
    sys.stdout.write(exchange.export(listed, options.json))
    return 0


def import_(options):
    """Write numbered translations to the catalogue of a page, but not those with a problem."""
    rules = checks.rules_of(CHECKOUT, options.language)
    text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text(encoding="utf-8")
    try:
        texts = exchange.parse(text)
    except ValueError as problem:
        print(f"{options.file}: {problem}", file=sys.stderr)
        return 2
    done = exchange.import_page(CHECKOUT, options.language, options.page, texts, rules)
    if not all(term.use for term in rules.terms):
        print("glossary.yml does not have all terms yet, so the use of the others was not checked")
    print("\n".join(done.problems))
    left = exchange.to_do(exchange.page_entries(CHECKOUT, options.language, options.page), rules)
    others = "".join(f"; {count} the same in {page}" for page, count in done.others.items())
    print(f"{options.page}: {len(done.written)} written, {len(done.problems)} problems, {len(left)} left{others}")
    return 1 if done.problems else 0


def check(options):
    """Check the catalogues of languages, all of which have to be complete; by default those of complete.yml."""
    found = []
    for code in options.languages or languages.complete(CHECKOUT):
        problems = check_language(code)
        found += problems
        print("\n".join(problems[: options.most]))
        print(f"{code}: {len(problems)} problems")
    return 1 if found else 0


def check_language(code):
    """Return a line for each problem of a language."""
    rules = checks.rules_of(CHECKOUT, code)
    found = [f"{code}: {one}" for one in glossary.problems(CHECKOUT, code)]
    for page, both in catalogues.read_language(CHECKOUT, code).items():
        found += [f"{code}: {one}" for one in checks.problems(catalogues.entries(*both, page), rules, is_complete=True)]
        if catalogues.has_surplus(*both):
            found.append(f"{code}: {page}: entries that the English page has not")
    return found


def build(options):
    """Build the pages of languages; by default those of complete.yml."""
    directory = Path(options.directory or cache() / "languages").resolve()
    chosen = options.languages or languages.complete(CHECKOUT)
    problems = [one for code in chosen for one in building.build(CHECKOUT, code, directory, chosen)]
    problems += building.dead_links(directory, chosen)
    print("\n".join(problems))
    for code in chosen:
        print(f"{code}: {directory}/html/{code}/index.html")
    return 1 if problems else 0


def sample(options):
    """Print 40 translations for a reader who translates them back, and write their English to another file."""
    by_page = catalogues.entries_of(CHECKOUT, options.language, languages.pages_of(options.language))
    chosen = exchange.sample(by_page, options.seed or options.language)
    sources = Path(options.sources or f"sample-{options.language}-english.txt")
    for place, entry in enumerate(chosen, start=1):
        print(f"{place}. {markup.to_markdown(entry.text)}\n")
    lines = [
        f"{place}. ({one.where}) {markup.to_markdown(one.source)}\n\n" for place, one in enumerate(chosen, start=1)
    ]
    sources.write_text("".join(lines), encoding="utf-8")
    return 0


def count(options):
    """Print how many entries and words each page has, and how many a language has not translated yet."""
    rules = checks.rules_of(CHECKOUT, options.language)
    for page in languages.catalogues_of(options.language):
        listed = exchange.page_entries(CHECKOUT, options.language, page)
        needed = [one for one in listed if checks.needs_translation(one.source, rules.names)]
        words = sum(len(markup.prose(markup.parse(one.source)).split()) for one in needed)
        left = len(exchange.to_do(listed, rules))
        print(f"{page:12} {len(listed):5} entries, {len(needed):5} to translate, {words:6} words, {left:5} left")
    return 0


def list_(options):
    """Print the complete languages."""
    print(" ".join(languages.complete(CHECKOUT)))
    return 0


def readme(options):
    """Write the content of README.md as a page of the English site, with a start page of its own."""
    (Path(options.directory) / "readme.rst").write_text(pages.readme_text(CHECKOUT), encoding="utf-8")
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="scripts/languages.sh", description="Translations of the documentation.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, *, language=False, page=False):
        added = commands.add_parser(name, help=function.__doc__)
        added.set_defaults(run=function)
        if language:
            added.add_argument("language", choices=languages.LANGUAGES)
        if page:
            added.add_argument("page", choices=languages.CATALOGUES)
        return added

    command("update", update)
    added = command("export", export, language=True, page=True)
    added.add_argument("--all", action="store_true", help="also entries that have a translation")
    added.add_argument("--json", action="store_true")
    command("import", import_, language=True, page=True).add_argument("file", help="numbered text or JSON; - for stdin")
    added = command("check", check)
    added.add_argument("languages", nargs="*", metavar="LANGUAGE")
    added.add_argument("--most", type=int, help="print at most so many problems")
    added = command("build", build)
    added.add_argument("languages", nargs="*", metavar="LANGUAGE")
    added.add_argument("--directory", help="the pages are DIRECTORY/html/LANGUAGE")
    added = command("sample", sample, language=True)
    added.add_argument("--seed", help="another choice of entries")
    added.add_argument("--sources", help="file for the English")
    command("count", count, language=True)
    command("list", list_)
    command("readme", readme).add_argument("directory", help="of the pages that antsibull-docs has written")
    return parser


def main(arguments=None):
    """Run one command; return its exit code."""
    options = _parser().parse_args(arguments)
    unknown = [one for one in getattr(options, "languages", []) if one not in languages.LANGUAGES]
    if unknown:
        print(f"unknown languages: {', '.join(unknown)}; known are {', '.join(languages.LANGUAGES)}", file=sys.stderr)
        return 2
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
