"""How large the serving image's Python environment is: the extra `serve`, installed alone.

uv run python benchmarks/serve_install.py [--json FILE]
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from figures import write_figures

ROOT = Path(__file__).resolve().parents[1]
GOAL_MB = 350


def main() -> None:
    """Install into a temporary environment, start Python there, print the size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        subprocess.run(
            [uv, "sync", "--frozen", "--extra", "serve", "--no-editable", "--quiet"],
            cwd=ROOT,
            env=os.environ
            | {"UV_PROJECT_ENVIRONMENT": str(environment), "UV_COMPILE_BYTECODE": "0"},
            check=True,
        )
        size = sum(path.lstat().st_size for path in environment.rglob("*") if path.is_file())
        subprocess.run(
            [environment / "bin" / "python", "-m", "serving", "--help"],
            check=True,
            capture_output=True,
            cwd=folder,
        )
    megabytes = round(size / 2**20)
    print(f"serve extra alone: {megabytes} MB (goal: under {GOAL_MB} MB)")
    write_figures(arguments.json, {"serve_mb": megabytes}, {"serve_mb": f"< {GOAL_MB}"})


if __name__ == "__main__":
    main()
