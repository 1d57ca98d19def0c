"""Runs the notebooks of docs/examples; `python -m tests.example_notebooks` keeps what they show in their files."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbformat import NotebookNode

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
_TIMEOUT_SECONDS = 300  # of a cell


def run(path: Path, folder: Path, environment: dict[str, str]) -> NotebookNode:
    """Run a notebook in a folder, with this Python as its kernel; return it with its new outputs.

    Raises CellExecutionError when a cell raises.
    """
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=_TIMEOUT_SECONDS, resources=resources, record_timing=False)
    client.km = client.create_kernel_manager()
    # Without the machine's own specifications there is ipykernel's, which starts sys.executable.
    client.km.kernel_spec_manager = KernelSpecManager(kernel_dirs=[])
    client.execute(env=environment)
    return notebook


def keep(path: Path) -> None:
    """Run a notebook in an empty folder and write it with its outputs, without what names this machine's Python."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = run(path, Path(folder), dict(os.environ))
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:] or [path.name for path in NOTEBOOKS]:
        keep(EXAMPLES / name)
