"""What a bench ran on, for its output."""

from __future__ import annotations

import os
import platform


def machine() -> str:
    """CPUs, architecture, kernel and Python in one line."""
    return (
        f"{os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}"
    )
