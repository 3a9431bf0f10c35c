"""What lies in `run.data_dir` where no place of its own is set."""

from pathlib import Path

from mmindustry.config.mistakes import Origin
from mmindustry.config.tree import Tree

PLACES = {
    ("store", "url"): "sqlite:///{}/mmindustry.db",
    ("stream", "local", "folder"): "{}/stream",
    ("archive", "url"): "{}/archive",
    ("gateway", "spool_folder"): "{}/spool",
}
"""Key -> its default within a data folder; the policies' own defaults are these in `data`."""


def data_dir_layer(merged: Tree) -> Tree:
    """Return the places that a set `run.data_dir` moves, to lie below everything that is set."""
    run = merged.values.get("run")
    folder = run.get("data_dir") if isinstance(run, dict) else None
    tree = Tree()
    if not isinstance(folder, (str, Path)) or not str(folder):
        return tree
    for path, pattern in PLACES.items():
        below = tree.values
        for key in path[:-1]:
            below = below.setdefault(key, {})
        below[path[-1]] = pattern.format(str(folder).rstrip("/"))
        tree.origins[path] = Origin("run.data_dir")
    return tree
