"""What Quadlet and systemd make of a unit of ours, in Python: the words that podman is run with.

Written after pkg/systemd/parser and pkg/systemd/quadlet of containers/podman (5.4) and systemd.service(5), «Command
lines». tests/hosts/test_quadlet.py holds it against the real ones.
"""

from __future__ import annotations

import re

BLANK = " \t\n\r"
SIMPLE = dict(zip("abfnrtvs\\\"'", "\a\b\f\n\r\t\v \\\"'", strict=True))
NUMBERED = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})")

OPTIONS = {
    "ContainerName": "--name",
    "Pull": "--pull",
    "HostName": "--hostname",
    "User": "--user",
    "WorkingDir": "--workdir",
    "LogDriver": "--log-driver",
    "Network": "--network",
    "PublishPort": "--publish",
    "DNS": "--dns",
    "DNSSearch": "--dns-search",
    "DNSOption": "--dns-option",
    "Volume": "--volume",
    "Tmpfs": "--tmpfs",
    "ShmSize": "--shm-size",
    "HealthInterval": "--health-interval",
    "HealthTimeout": "--health-timeout",
    "HealthRetries": "--health-retries",
    "HealthStartPeriod": "--health-start-period",
    "AddCapability": "--cap-add",
    "DropCapability": "--cap-drop",
    "AddDevice": "--device",
    "GroupAdd": "--group-add",
    "Sysctl": "--sysctl",
    "Ulimit": "--ulimit",
    "PidsLimit": "--pids-limit",
    "UserNS": "--userns",
}
QUOTED = {"Environment": "--env", "Label": "--label", "Annotation": "--annotation"}
FLAGS = {
    ("RunInit", "true"): ["--init"],
    ("RunInit", "false"): ["--init=false"],
    ("ReadOnly", "true"): ["--read-only"],
    ("ReadOnlyTmpfs", "false"): ["--read-only-tmpfs=false"],
    ("SecurityLabelDisable", "true"): ["--security-opt", "label=disable"],
    ("Notify", "healthy"): ["--sdnotify=healthy"],
}


def argv(text: str) -> list[str]:
    """The words after ``podman run``, without those that Quadlet adds by itself."""
    sections = _sections(text)
    globals_, options, image, command = [], [], "", []
    for key, value in sections["Container"]:
        assert value == value.strip() and not value.endswith("\\"), "Quadlet would take it otherwise"
        if key == "Image":
            image = value
        elif key == "Exec":
            command = _quadlet_words(value)
        elif key == "PodmanArgs":
            options += _quadlet_words(value)
        elif key == "GlobalArgs":
            globals_ += _quadlet_words(value)
        elif key in QUOTED:
            for word in _quadlet_words(value):
                options += [QUOTED[key], word]
        elif (key, value) in FLAGS:
            options += FLAGS[key, value]
        else:
            assert not value.startswith('"'), "some versions take quotes off, some do not"
            options += [OPTIONS[key], value.lower() if "Capability" in key else value]
    variables = dict(
        _systemd_words(value)[0].split("=", 1) for key, value in sections["Service"] if key == "Environment"
    )
    words = [*globals_, *options, image, *command]
    return [_expanded(word, variables) for word in _systemd_words(_escaped(words))]


def _sections(text: str) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.split("\n"):
        if line.startswith("["):
            lines = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            key, _equals, value = line.partition("=")
            lines.append((key, value))
    return found


def _words(text: str) -> list[tuple[str, bool]]:
    """Words, and whether any of it was quoted or escaped."""
    words, word, quote, special, position = [], None, "", False, 0
    while position < len(text):
        letter = text[position]
        position += 1
        if letter == "\\":
            letters, position = _unescaped(text, position)
            word, special = (word or "") + letters, True
        elif quote:
            if letter == quote:
                quote = ""
            else:
                word = (word or "") + letter
        elif letter in "\"'":
            word, quote, special = word or "", letter, True
        elif letter in BLANK:
            if word is not None:
                words.append((word, special))
            word, special = None, False
        else:
            word = (word or "") + letter
    assert not quote, "unbalanced quotes"
    return words if word is None else [*words, (word, special)]


def _unescaped(text: str, position: int) -> tuple[str, int]:
    numbered = NUMBERED.match(text, position)
    if numbered:
        digits = next(group for group in numbered.groups() if group)
        return chr(int(digits, 8 if numbered.group(4) else 16)), numbered.end()
    return SIMPLE[text[position]], position + 1


def _quadlet_words(text: str) -> list[str]:
    words = [word for word, _special in _words(text)]
    # Its parser takes an empty word for the end.
    return words[: words.index("")] if "" in words else words


def _escaped(words: list[str]) -> str:
    return " ".join(_escaped_word(word) for word in words)


def _escaped_word(word: str) -> str:
    def letter(each: str) -> str:
        names = {"\a": "a", "\b": "b", "\n": "n", "\r": "r", "\t": "t", "\v": "v", "\f": "f", "\\": "\\", '"': '"'}
        if each in names:
            return "\\" + names[each]
        assert each != "\x80", "Quadlet writes it as \\x80, which is no UTF-8"
        return f"\\x{ord(each):02x}" if ord(each) < 32 or ord(each) == 127 else each

    if not any(ord(each) <= 32 or ord(each) == 127 or each in "\"'\\" for each in word):
        return word
    return '"' + "".join(map(letter, word)) + '"'


def _systemd_words(text: str) -> list[str]:
    words = _words(text)
    assert (";", False) not in words, "a command ends here"
    return [word for word, _special in words]


def _expanded(word: str, variables: dict[str, str]) -> str:
    plain = word.replace("%%", "")
    assert "%" not in plain, "a specifier"
    word = word.replace("%%", "%")
    whole = re.fullmatch(r"\$\{(\w+)\}", word)
    if whole:
        return variables[whole.group(1)]
    assert "$" not in word.replace("$$", ""), "a variable"
    return word.replace("$$", "$")
