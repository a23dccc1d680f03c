"""The pages of `docs/` that no hand writes: params and results (`make pages`)."""

from pathlib import Path

from iquitos_citylearn.runtime.artifacts import write_bytes
from iquitos_citylearn.tools.params_page import params_page
from iquitos_citylearn.tools.results_page import results_page

PARAMS = Path("params.yaml")
DOCS = Path("docs")


def pages() -> dict[Path, str]:
    """Return the text of every page by its path."""
    return {
        DOCS / "params.md": params_page(PARAMS.read_text(encoding="utf-8")),
        DOCS / "results.md": results_page(),
    }


def main() -> None:
    """Write the pages."""
    for path, text in pages().items():
        write_bytes(path, text.encode("utf-8"))


if __name__ == "__main__":
    main()
