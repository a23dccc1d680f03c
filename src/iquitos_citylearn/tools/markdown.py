"""Tables in Markdown, and blocks of a document that a program writes."""

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar inside a cell is escaped."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def with_block(document: str, block: str, content: str) -> str:
    """Return a document with the text between the two markers of a block replaced.

    Parameters
    ----------
    document : str
        Markdown with `<!-- <block>: begin -->` and `<!-- <block>: end -->`, a line each.
    block : str
        Name in the markers.
    content : str
        New lines between them.

    Raises
    ------
    ValueError
        If the document has not exactly one pair of these markers.
    """
    begin, end = f"<!-- {block}: begin -->\n", f"<!-- {block}: end -->\n"
    before, found_begin, rest = document.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end or begin in after or end in after:
        raise ValueError(f"the document needs one {begin.strip()} and, after it, one {end.strip()}")
    return before + begin + content + end + after
