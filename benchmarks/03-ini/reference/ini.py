"""Reads and writes INI texts."""

import re


class IniError(ValueError):
    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line


def loads(text: str) -> dict[str, dict[str, str]]:
    data: dict[str, dict[str, str]] = {"": {}}
    section, key = data[""], None
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if raw[0].isspace():
            if key is None:
                raise IniError(number, "nothing to continue")
            section[key] += "\n" + line
        elif line.startswith("["):
            section, key = data.setdefault(_section_name(line, number), {}), None
        else:
            key, value = _pair(line, number)
            section[key] = value
    unquoted = {name: {key: _unquoted(value) for key, value in keys.items()} for name, keys in data.items()}
    return {name: keys for name, keys in unquoted.items() if name or keys}


def dumps(data: dict[str, dict[str, str]]) -> str:
    ordered = sorted(data.items(), key=lambda item: item[0] != "")
    blocks = [_block(name, keys) for name, keys in ordered if name or keys]
    return "\n".join(blocks)


def _section_name(line: str, number: int) -> str:
    if not line.endswith("]"):
        raise IniError(number, "a section ends with ]")
    if not (name := line[1:-1].strip()):
        raise IniError(number, "a section needs a name")
    return name


def _pair(line: str, number: int) -> tuple[str, str]:
    parts = re.split("[=:]", line, maxsplit=1)
    if len(parts) < 2:
        raise IniError(number, "neither section nor key")
    key, value = (part.strip() for part in parts)
    if not key:
        raise IniError(number, "a key needs a name")
    return key.lower(), value


def _unquoted(value: str) -> str:
    return value[1:-1] if _is_quoted(value) else value


def _is_quoted(value: str) -> bool:
    return len(value) >= 2 and value[0] == value[-1] == '"'


def _block(name: str, keys: dict[str, str]) -> str:
    lines = [f"[{name}]"] if name else []
    for key, value in keys.items():
        shown = f'"{value}"' if value != value.strip() or _is_quoted(value) else value
        lines.append(f"{key} = {shown}".rstrip())
    return "\n".join(lines) + "\n"
