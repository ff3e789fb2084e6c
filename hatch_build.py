"""What an editable install puts where mim and MMEngine look for configs and tools.

Both search `<site-packages>/retina_plugin/.mim`. A wheel carries copies of configs/ and tools/
there, and so would an editable install: a config edited later would silently be the old one.
So an editable install gets pointers instead: each config inherits the file in the checkout, and
each tool runs it. A file that is new since the installation needs a new installation.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONFIG_POINTER = '"""Points at the checkout, which is what you edit."""\n\n_base_ = {path!r}\n'
TOOL_POINTER = (
    '"""Points at the checkout, which is what you edit."""\n\n'
    'import runpy\n\nrunpy.run_path({path!r}, run_name="__main__")\n'
)


class EditablePointers(BuildHookInterface):
    """Replaces the force-included folders of an editable install with pointers."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Writes the pointers to a scratch folder and includes that instead."""
        if version != "editable":
            return
        self.scratch = Path(tempfile.mkdtemp(prefix="retina_plugin_editable_"))
        self._point("configs", CONFIG_POINTER)
        self._point("tools", TOOL_POINTER)
        shutil.copy(Path(self.root, "model-index.yml"), self.scratch)
        build_data["force_include_editable"] = {
            str(entry): f"retina_plugin/.mim/{entry.name}" for entry in self.scratch.iterdir()
        }

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes the scratch folder."""
        if version == "editable":
            shutil.rmtree(self.scratch)

    def _point(self, folder: str, template: str) -> None:
        root = Path(self.root)
        for source in (root / folder).rglob("*.*"):
            if not source.is_file() or "__pycache__" in source.parts:
                continue
            target = self.scratch / source.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".py":
                target.write_text(template.format(path=source.as_posix()), encoding="utf-8")
            else:
                shutil.copy(source, target)
