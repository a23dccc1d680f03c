"""Put the committed results into the README, so that what it claims is what was measured."""

from pathlib import Path

from iquitos_citylearn.runtime.artifacts import write_bytes

BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"


def with_results(readme: str, results: str) -> str:
    """Return the README with the text between its two markers replaced.

    Raises
    ------
    ValueError
        If the README has not exactly one pair of markers.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise ValueError(f"README needs one {BEGIN.strip()} and, after it, one {END.strip()}")
    return before + BEGIN + results + END + after


def main() -> None:
    """Rewrite README.md in this folder from metrics/comparison.md."""
    readme = Path("README.md")
    results = Path("metrics/comparison.md").read_text(encoding="utf-8")
    write_bytes(readme, with_results(readme.read_text(encoding="utf-8"), results).encode("utf-8"))


if __name__ == "__main__":
    main()
