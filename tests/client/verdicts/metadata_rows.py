"""Rows of the table of verdicts: every type in every field of metadata.yaml, and YAML that is read in its own way."""

from __future__ import annotations

from tests.client.verdicts.rows import ARCHITECTURE, DATE, HEAD, Row, refused, taken, unified

_MISSING = "creation_date is missing"
_NUMBER = "creation_date must be a number of seconds"

_DATES = {
    "1700000000.5": "",
    "1700000000.": "",
    "1.7e9": "",
    "-5": "",
    "0x6553F100": "",
    "0o17": "",
    "017": "",
    "08": "",
    "0b101": "",
    "+5": "",
    "1_700_000_000": "",
    "!!int '1700000000'": "",
    "!!float '1.5'": "",
    "253402300799": "",
    "0": _MISSING,
    "0.5": _MISSING,
    "null": _MISSING,
    "": _MISSING,
    "'1700000000'": "write it without quotes",
    "!!str 1700000000": _NUMBER,
    "2023-11-14": "that is 1699920000",
    "2023-11-14T10:00:00Z": "that is 1699956000",
    "true": _NUMBER,
    "[1]": "not a list",
    "{a: 1}": "not a mapping",
    "9223372036854775808": "no server can read it back",
    "1e30": "no server can read it back",
    "1:30": _NUMBER,
    "_700000000": _NUMBER,
    ".inf": _NUMBER,
    ".nan": _NUMBER,
    "1e400": _NUMBER,
    "!!int 5.5": _NUMBER,
}
_EXPIRIES = {
    "0": "",
    "5.5": "",
    "null": "",
    "'5'": "expiry_date must be a number",
    "2030-01-01": "that is 1893456000",
    "true": "expiry_date must be a number",
    "[]": "expiry_date must be a number",
    "{}": "expiry_date must be a number",
}
_ARCHITECTURES = {
    "amd64": "",
    "arm": "",
    "armel": "",
    "armhf": "",
    "386": "",
    "!x x86_64": "",
    "!!binary eDg2XzY0": "",
    "AMD64": "not known",
    "' x86_64'": "not known",
    "pdp11": "not known",
    "0x182": "not known",
    "true": "not known",
    "null": "architecture is missing",
    "": "architecture is missing",
    "[x86_64]": "not a list",
    "{a: b}": "not a mapping",
}
_PROPERTIES = {
    "{os: {a: 1}}": "property 'os' must be text, not a mapping",
    "{os: [a]}": "property 'os' must be text, not a list",
    "{os: !!set {a}}": "property 'os' must be text, not a mapping",
    "{[a]: b}": "a name in properties must be text",
    "{? {a: b} : c}": "a name in properties must be text",
    "[a, b]": "not a list",
    "[]": "not a list",
    "text": "properties must be a mapping",
    "5": "not a number",
    "true": "properties must be a mapping",
    "2023-11-14": "not a date",
    "{os: !!binary '%%%'}": "no base64",
    "{os: !!int x}": "no whole number",
    "{<<: text}": "no YAML",
    "{os: @a}": "no YAML",
    "{os: *x}": "no YAML",
    **dict.fromkeys(
        (
            *("", "null", "{}", "{os: null}", "{os: ~}", "{os: }", "{os: ''}", "{null: a}", "{'': a}"),
            *("{os: '2023-11-14'}", "{os: 2023-11-14T10:00:00}", "{os: 2023-13-45}", "{os: 2023-02-29}"),
            *("{os: true}", "{os: True}", "{os: yes}", "{os: OFF}", "{yes: a}", "{true: a}", "{os: !!bool yes}"),
            *("{os: 1}", "{os: 22.10}", "{os: 0x10}", "{os: 010}", "{os: 1_000}", "{os: 1:30}", "{os: -0}"),
            *("{os: .inf}", "{os: !!float 5}", "{os: 20230101_0000}", "{1.50: a}", "{0x10: a}"),
            *("{os: !!binary aGFsbG8=}", "{os: !foo bar}", "{os: a, 'os': b}", "{<<: {os: a}, os: b}"),
            *(r'{os: "a\0b", "k\0x": c}', r'{os: "a\nb"}', "{os: é}", "{\tos: a}"),
        ),
        "",
    ),
}
_TEMPLATES = {
    "[]": "not a list",
    "text": "templates must be a mapping",
    "{/etc/x: text}": "template '/etc/x' must be a mapping",
    "{/etc/x: []}": "not a list",
    "{/etc/x: {when: create}}": "when must be a list",
    "{/etc/x: {when: [[a]]}}": "an item of when must be text",
    "{/etc/x: {template: [x]}}": "template must be text",
    "{/etc/x: {create_only: 1}}": "create_only must be true or false",
    "{/etc/x: {create_only: 'yes'}}": "create_only must be true or false",
    "{/etc/x: {properties: []}}": "properties must be a mapping",
    "{/etc/x: {properties: {a: {b: c}}}}": "property 'a' must be text",
    **dict.fromkeys(
        (
            *("", "null", "{}", "{/etc/x: null}", "{1: {}}"),
            "{/etc/x: {when: [create, 1, true], template: x.tpl, create_only: yes, properties: {a: 1}}}",
            "{/etc/x: {when: null, template: null, create_only: null, properties: null, mode: 0644, no: {a: 1}}}",
        ),
        "",
    ),
}
_TAKEN = {
    "a field that servers do not know": HEAD + "foo: {bar: [1], [a]: !x b, d: 2023-13-45}\n",
    "an object tag": HEAD + "x: !!python/object:os.system {}\n",
    "a tag on all of it": "!foo\n" + HEAD,
    "a field twice": ARCHITECTURE + HEAD,
    "two documents": f"---\n{HEAD}---\narchitecture: pdp11\n",
    "two documents, the second no YAML": f"---\n{HEAD}---\na: [\n",
    "text after the end": HEAD + "...\nfoo bar: [\n",
    "UTF-16": HEAD.encode("utf-16"),
    "a byte order mark": "\ufeff" + HEAD,
    "lines that end as on Windows": HEAD.replace("\n", "\r\n"),
    "JSON with tabs": '{\n\t"architecture": "x86_64",\n\t"creation_date": 1700000000\n}',
    "tabs at the ends of lines": HEAD.replace(": ", ":\t") + "properties:\n  os: a\t\n  x: b \t # c\n",
    "a tab within a word": HEAD + "foo: a\tb\nproperties: {os: x}\n",
    "fields from a merge": "<<: {architecture: x86_64, creation_date: 1700000000}\n",
    "properties from a merge": f"a: &a {{os: x}}\n{HEAD}properties:\n  <<: *a\n  v: y\n",
    "YAML 1.1": "%YAML 1.1\n---\n" + HEAD,
}
_REFUSED: dict[str, tuple[str | bytes, str]] = {
    "YAML 1.2": ("%YAML 1.2\n---\n" + HEAD, "%YAML"),
    "YAML 3.0": ("%YAML 3.0\n---\n" + HEAD, "no YAML"),
    "upper case": ("Architecture: x86_64\n" + DATE, "architecture is missing"),
    "an empty first document": ("---\n---\n" + HEAD, "no mapping"),
    "tabs as indentation": (HEAD + "properties:\n\tos: a\n", "no YAML"),
    "nothing": ("", "is empty"),
    "only a comment": ("# nothing\n", "is empty"),
    "a list": ("[a]", "no mapping"),
    "a word": ("hello", "no mapping"),
    "null": ("null\n", "no mapping"),
    "Latin-1": (HEAD.encode() + b"properties: {os: \xe9}\n", "no YAML"),
    "a NUL": (HEAD + "\0", "no YAML"),
    "a control character": (HEAD + "properties: {os: a\x07b}\n", "no YAML"),
    "more than 1 MiB": (HEAD + "x: " + "a" * (1 << 20) + "\n", "servers take 1048576"),
    "deeper than servers read": (HEAD + "x: " + "[" * 20_000 + "]" * 20_000 + "\n", "no YAML"),
}


def _field(name: str, values: dict[str, str], rest: str) -> dict[str, Row]:
    files = {f"{name}: {value}": unified(f"{name}: {value}\n{rest}") for value in values}
    return {
        key: refused(file, says) if says else taken(file)
        for (key, file), says in zip(files.items(), values.values(), strict=True)
    }


_NOTED = (
    *("properties: {os: 2023-11-14}", "properties: {os: 2023-1-2}", "properties: {os: 2023-11-14T10:00:00Z}"),
    *("properties: {2023-11-14: a}", "properties: {os: 2023-11-14 1:2:3.5}"),
    "templates: {/etc/x: {template: 2023-11-14}}",
)

ROWS: dict[str, Row] = {
    **{text: taken(unified(f"{HEAD}{text}\n"), "write quotes around") for text in _NOTED},
    **_field("creation_date", _DATES, ARCHITECTURE),
    **_field("expiry_date", _EXPIRIES, HEAD),
    **_field("architecture", _ARCHITECTURES, DATE),
    **_field("properties", _PROPERTIES, HEAD),
    **_field("templates", _TEMPLATES, HEAD),
    **{f"metadata.yaml: {name}": taken(unified(text)) for name, text in _TAKEN.items()},
    **{f"metadata.yaml: {name}": refused(unified(text), says) for name, (text, says) in _REFUSED.items()},
    "no creation_date": refused(unified(ARCHITECTURE), _MISSING),
    "no architecture": refused(unified(DATE), "architecture is missing"),
    "expired": taken(unified(HEAD + "expiry_date: 5\n"), "has expired"),
    "loongarch64": Row(unified("architecture: loongarch64\n" + DATE), lxd="refused", says="older servers"),
    "amd64v3": Row(unified("architecture: amd64v3\n" + DATE), None, "refused", "refused", "older servers"),
}

# Both daemons say that the import failed and keep an image that can neither be read nor deleted.
POISON: dict[str, Row] = {
    f"{name}: {value}": refused(unified(f"{ARCHITECTURE}creation_date: 1\n{name}: {value}\n"), says)
    for name, value, says in (
        ("creation_date", "1700000000000", "milliseconds"),
        ("creation_date", "9223372036854775807", "no server can read it back"),
        ("expiry_date", "253402300800", "no server can read it back"),
    )
}
