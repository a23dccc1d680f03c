"""What tests start from: the params that the project ships, whatever the user's own in `params.yaml` are.

`make release-check` holds the copy to the committed `params.yaml`.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARAMS = ROOT / "tests" / "params.yaml"
