"""Made-up settings files in all three formats and styles, for property tests; what they hold is known."""

from __future__ import annotations

import json

from hypothesis import strategies as st

KEYS = ["a", "b", "c", "d"]
"""Few, so that ours and theirs often meet."""

PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
)
"""Values that JSON and TOML have in common."""

VALUES = st.one_of(PLAIN, st.lists(PLAIN, max_size=3))


def trees(leaves=VALUES, depth: int = 2, keys=None):
    """Nested dicts."""
    level = leaves
    for _level in range(depth):
        level = st.one_of(leaves, st.dictionaries(keys or st.sampled_from(KEYS), level, max_size=3))
    return st.dictionaries(keys or st.sampled_from(KEYS), level, max_size=3)


@st.composite
def json_files(draw):
    """The text of a JSON file in some style."""
    tree = draw(trees(st.one_of(VALUES, st.none())))
    indent = draw(st.sampled_from([None, 2, 4, "\t", 0]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (",", " : ")]))
    text = json.dumps(tree, indent=indent, separators=separators, ensure_ascii=draw(st.booleans()))
    text = draw(st.sampled_from(["", "\n", " \n"])) + text + draw(st.sampled_from(["", "\n", "\n\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


_WORDS = ["boot", "wsl2", "user"]
_NAMES = ["memory", "swap", "systemd", "command"]
_RAW = ["true", "8GB", '"a # b"', "C:\\\\x", "a b", "", '"q\\"q"', "x\\ty"]

INI_SETTINGS = st.dictionaries(
    st.sampled_from(_WORDS),
    st.dictionaries(
        st.sampled_from(_NAMES),
        st.one_of(st.booleans(), st.integers(0, 99), st.text(st.sampled_from('ab #"\\\n\t'), max_size=6)),
        min_size=1,
        max_size=3,
    ),
    max_size=3,
)


@st.composite
def ini_files(draw):
    """The text of a wsl.conf in some style, with everything that WSL skips."""
    blank = st.sampled_from(["", " ", "\t"])
    case = st.sampled_from([str.lower, str.upper, str.title])

    def assignment():
        name, value = draw(case)(draw(st.sampled_from(_NAMES))), draw(st.sampled_from(_RAW))
        gap = draw(st.sampled_from(["=", " = ", " ="]))
        return f"{draw(blank)}{name}{gap}{value}{draw(st.sampled_from(['', ' # why', '  ']))}"

    kinds = {
        "head": lambda: (
            f"{draw(blank)}[{draw(case)(draw(st.sampled_from(_WORDS)))}]{draw(st.sampled_from(['', ' # c']))}"
        ),
        "key": assignment,
        "odd": lambda: draw(st.sampled_from(["# comment", "; odd", "", "k=\\q", '  k="open', "[bad section]", "= 3"])),
    }
    lines = [kinds[kind]() for kind in draw(st.lists(st.sampled_from(["head", "key", "key", "odd"]), max_size=10))]
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return newline.join(lines) + draw(st.sampled_from(["", newline]))


@st.composite
def toml_files(draw):
    """The text of a TOML file in some style: heads, dotted keys, inline tables, arrays over lines, comments."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    comment = st.sampled_from(["", " # why [x] = 1"])
    lines: list[str] = []

    def scalar(value):
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str):
            written = json.dumps(value).replace("\x7f", "\\u007f")
            quoted = written if all(ord(sign) < 0x10000 for sign in value) else '"?"'
            return f"'{value}'" if value.isalnum() and draw(st.booleans()) else quoted
        return repr(value)

    def array(values):
        items = [array(item) if isinstance(item, list) else scalar(item) for item in values]
        if not draw(st.booleans()) or not items:
            return f"[{', '.join(items)}]"
        last = len(items) - 1
        tail = draw(st.sampled_from(["", ","]))
        rows = [f"  {item}{',' if index < last else tail}{draw(comment)}" for index, item in enumerate(items)]
        return newline.join(["[", *rows, "]"])

    def inline(tree):
        members = (
            f"{key} = {inline(value) if isinstance(value, dict) else array_or(value)}" for key, value in tree.items()
        )
        return "{ " + ", ".join(members) + " }"

    def array_or(value):
        return array(value) if isinstance(value, list) else scalar(value)

    def statements(prefix, tree):
        for key, value in tree.items():
            gap = draw(st.sampled_from([" = ", "=", "  =  "]))
            if not isinstance(value, dict):
                lines.append(f"{'.'.join((*prefix, key))}{gap}{array_or(value)}{draw(comment)}")
            elif draw(st.booleans()):
                lines.append(f"{'.'.join((*prefix, key))}{gap}{inline(value)}{draw(comment)}")
            elif value:
                statements((*prefix, key), value)

    def table(path, tree):
        flat = {key: value for key, value in tree.items() if not isinstance(value, dict) or draw(st.booleans())}
        if path and (flat or draw(st.booleans())):
            lines.extend(["", f"[{'.'.join(path)}]{draw(comment)}"])
            if draw(st.booleans()):
                lines.append("# about it")
        statements((), flat)
        for key, value in tree.items():
            if key not in flat:
                table((*path, key), value)

    table((), draw(trees()))
    return newline.join(lines) + draw(st.sampled_from(["", newline]))
