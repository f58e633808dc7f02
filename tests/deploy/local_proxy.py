"""The proxy's deployed configuration, with addresses of this machine."""

import re
import sys
from pathlib import Path

from ml.settings import PROJECT_ROOT

CADDYFILE = PROJECT_ROOT / "deploy" / "caddy" / "Caddyfile"
CADDY = Path(sys.executable).with_name("caddy")


def on_this_machine(text: str, ports: list[int], reports: Path) -> str:
    """The same configuration with other addresses, and nothing else changed."""
    first, second, *fronts, health = ports
    for before, after in [
        (r"dynamic a server 8080 \{[^}]*\}", f"to 127.0.0.1:{first} 127.0.0.1:{second}"),
        (r"reverse_proxy mlflow:5000", f"reverse_proxy 127.0.0.1:{first}"),
        (r"/srv/reports", str(reports)),
        (r"(?<=//127.0.0.1:)2020", str(health)),
        *[
            (rf"(?<=://):{port}", f":{front}")
            for port, front in zip((8080, 5000, 8091), fronts, strict=True)
        ],
    ]:
        text, changed = re.subn(before, after, text)
        assert changed == 1, before
    return text
