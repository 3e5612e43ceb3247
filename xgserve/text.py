"""Text that fits into a message or one line of the log."""


def clipped(value: object, limit: int = 300) -> str:
    """Return a value as text, with "..." in place of what exceeds `limit` characters."""
    try:
        text = str(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists in lists in lists
        text = f"a value of type {type(value).__name__} that is too large to show"
    return text if len(text) <= limit else text[:limit] + "..."


def on_one_line(text: str) -> str:
    """Return a text with unprintable characters escaped, so that it never looks like several log lines."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
