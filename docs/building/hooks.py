"""What mkdocs calls while it builds the site: adds pages that are no Markdown of docs/, and leads links to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

# mkdocs has this folder on the path while it loads the hook.
from linking import rewrite  # isort: skip
from reference import operations, study_fields  # isort: skip
from showing import as_page  # isort: skip

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
#: Documents that stand outside docs/, where GitHub and packages look for them, and their pages.
OUTSIDE = {
    "README.md": "overview.md",
    "docker/README.md": "deploy.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
#: Files of docs/examples that are shown on pages of their own.
SHOWN = (".py", ".yaml", ".ipynb")
#: Made from the code: no document holds them.
GENERATED = {"reference/study_fields.md": study_fields, "reference/operations.md": operations}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents outside docs/, the examples and what is made from the code."""
    for path, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text(encoding="utf-8")))
    for file in [file for file in files if file.src_uri.startswith("examples/") and file.src_uri.endswith(SHOWN)]:
        files.remove(file)
        content = as_page(ROOT / "docs" / file.src_uri)
        files.append(File.generated(config, f"{file.src_uri}.md", content=content))
    for page, make in GENERATED.items():
        files.append(File.generated(config, page, content=make()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links between files of the repository to their pages; leave out what only tests read."""
    del config
    pages = {f"docs/{file.src_uri}": file.src_uri for file in files}
    pages |= {f"docs/{path.removesuffix('.md')}": path for path in pages.values() if path.startswith("examples/")}
    pages |= OUTSIDE
    sources = {uri: path for path, uri in OUTSIDE.items()}
    return rewrite(markdown, sources.get(page.file.src_uri, f"docs/{page.file.src_uri}"), page.file.src_uri, pages)
