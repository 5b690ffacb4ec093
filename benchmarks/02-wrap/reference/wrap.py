"""Breaks text into lines of a width, ragged or justified."""


def wrap(text: str, width: int) -> list[str]:
    return [" ".join(words) for words in _lines(text, width)]


def justify(text: str, width: int) -> list[str]:
    lines = _lines(text, width)
    return [_widened(words, width) for words in lines[:-1]] + [" ".join(words) for words in lines[-1:]]


def _lines(text: str, width: int) -> list[list[str]]:
    if width < 1:
        raise ValueError(f"width must be at least 1, not {width}")
    lines: list[list[str]] = []
    for word in text.split():
        for start in range(0, len(word), width):
            piece = word[start : start + width]
            fits = lines and len(" ".join([*lines[-1], piece])) <= width
            if fits and len(word) <= width:
                lines[-1].append(piece)
            else:
                lines.append([piece])
    return lines


def _widened(words: list[str], width: int) -> str:
    if len(words) == 1:
        return words[0]
    spaces, extra = divmod(width - sum(map(len, words)), len(words) - 1)
    gaps = [" " * (spaces + (i < extra)) for i in range(len(words) - 1)]
    return "".join(word + gap for word, gap in zip(words, [*gaps, ""], strict=True))
